"""Trained agents: of a checkpoint, or a file of their own."""

from drac.policy.exported import SUFFIXES, Policy, export, load

__all__ = ["SUFFIXES", "Policy", "export", "load"]
