"""Our runs on disk."""
