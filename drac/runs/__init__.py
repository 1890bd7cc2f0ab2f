"""A run on disk: logs, meta.json, checkpoints, and what it was made with."""
