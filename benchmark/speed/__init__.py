"""How fast this machine is: every figure of training from a process of its own."""
