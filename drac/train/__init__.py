"""Training: the loop, its state between two updates, and one process working on a run."""

from drac.train.loop import iterate, prepare, train

__all__ = ["iterate", "prepare", "train"]
