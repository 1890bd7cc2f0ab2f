"""Files on disk: whole or absent, one owner a folder, bounded reading."""
