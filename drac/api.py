"""The public surface: `from drac.api import TrainConfig, train, evaluate, ...`."""

from augmentations import Augmentation, Stateless, as_float, register
from drac.config import TrainConfig
from drac.envs import ProcgenEnv, ProcgenVectorEnv
from drac.errors import ConfigError, NonFinite
from drac.evaluate import evaluate, evaluate_each
from drac.games import GAMES, normalize_score
from drac.learner import Learner
from drac.methods import METHODS, Method
from drac.networks import ActorCritic
from drac.policy import Policy
from drac.policy import export as export_policy
from drac.policy import load as load_policy
from drac.policy.agent import load_agent
from drac.rollout import Minibatch, Rollout
from drac.stats import Report, UpdateStats
from drac.train import iterate, train
from drac.train.session import TrainResult
from drac.train.state import Training
from drac.train.watcher import Watcher

__all__ = [
    "GAMES",
    "METHODS",
    "ActorCritic",
    "Augmentation",
    "ConfigError",
    "Learner",
    "Method",
    "Minibatch",
    "NonFinite",
    "Policy",
    "ProcgenEnv",
    "ProcgenVectorEnv",
    "Report",
    "Rollout",
    "Stateless",
    "TrainConfig",
    "TrainResult",
    "Training",
    "UpdateStats",
    "Watcher",
    "as_float",
    "evaluate",
    "evaluate_each",
    "export_policy",
    "iterate",
    "load_agent",
    "load_policy",
    "normalize_score",
    "register",
    "train",
]
