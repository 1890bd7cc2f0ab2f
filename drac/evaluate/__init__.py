"""How good a policy is, and how little it heeds what does not matter."""

from drac.evaluate.each_level import evaluate_each
from drac.evaluate.episodes import evaluate

__all__ = ["evaluate", "evaluate_each"]
