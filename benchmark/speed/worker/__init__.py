"""What measures, with torch; `python -m` it is the child process of `drac-bench speed`."""
