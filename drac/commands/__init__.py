"""The commands of drac, one file each: parse, call, print."""
