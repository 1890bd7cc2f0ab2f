"""Tables of finished runs beside the published numbers, a file each. Nothing imports torch."""
