"""Trained agents: of a checkpoint, or a file of their own."""

from drac.policy.exported import Policy, export, load

__all__ = ["Policy", "export", "load"]
