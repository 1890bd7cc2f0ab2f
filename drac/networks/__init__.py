"""The networks, one file a method's; what they share is impala.py."""

from drac.networks.impala import ActorCritic

__all__ = ["ActorCritic"]
