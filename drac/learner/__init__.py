"""The gradient steps of an update."""

from drac.learner.learner import Learner

__all__ = ["Learner"]
