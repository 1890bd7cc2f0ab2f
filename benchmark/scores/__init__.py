"""Other people's numbers: published, and imported."""
