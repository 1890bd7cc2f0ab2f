"""How fast this machine trains: every figure from a process of its own, without torch in ours."""
