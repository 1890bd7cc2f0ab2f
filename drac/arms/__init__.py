"""The augmentations of a run, and who chooses among them."""
