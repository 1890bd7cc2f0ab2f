"""The public surface: `from drac.api import TrainConfig, train, evaluate, ...`."""

from drac.config import ConfigError, TrainConfig
from drac.envs import ProcgenVectorEnv
from drac.evaluate import evaluate
from drac.games import GAMES, normalize_score
from drac.learner import Learner
from drac.methods import METHODS, Method
from drac.networks import ActorCritic
from drac.report import NonFinite, Report, UpdateStats
from drac.rollout import Minibatch, Rollout
from drac.session import TrainResult, Watcher, load_agent
from drac.train import iterate, train
from drac.training import Training

__all__ = [
    "GAMES",
    "METHODS",
    "ActorCritic",
    "ConfigError",
    "Learner",
    "Method",
    "Minibatch",
    "NonFinite",
    "ProcgenVectorEnv",
    "Report",
    "Rollout",
    "TrainConfig",
    "TrainResult",
    "Training",
    "UpdateStats",
    "Watcher",
    "evaluate",
    "iterate",
    "load_agent",
    "normalize_score",
    "train",
]
