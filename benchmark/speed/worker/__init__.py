"""The child process of `drac-bench speed`: it loads torch, measures one thing, and ends."""
