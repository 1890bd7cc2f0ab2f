"""Trained agents: of a checkpoint, or a file of their own."""

from drac.policy.exported import SUFFIXES, Policy, card_path, export, load

__all__ = ["SUFFIXES", "Policy", "card_path", "export", "load"]
