"""Point estimates and intervals on (runs, games)."""
