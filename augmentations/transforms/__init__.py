"""The augmentations, one file a kind."""
