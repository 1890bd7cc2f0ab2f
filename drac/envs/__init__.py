"""Procgen as vectors of envs, and which levels they play."""

from drac.envs.procgen_env import ProcgenVectorEnv

__all__ = ["ProcgenVectorEnv"]
