"""Procgen as vectors of envs, and which levels they play. Registers `procgen_drac/<game>-v0`."""

from drac.envs.procgen_env import ProcgenVectorEnv
from drac.envs.single_env import ProcgenEnv

__all__ = ["ProcgenEnv", "ProcgenVectorEnv"]
