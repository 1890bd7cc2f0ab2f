"""How good a policy is, and how little it heeds what does not matter."""

from drac.evaluate.episodes import evaluate

__all__ = ["evaluate"]
