"""The commands of drac-bench, one file each."""
