"""One gradient step an update: that of a policy gradient without a ratio."""

from __future__ import annotations

from typing import Any

from drac.config import TrainConfig
from drac.learner.learner import Learner
from drac.networks import ActorCritic


class OneStepLearner(Learner):
    """A learner whose update is one gradient step on the whole rollout.

    A second step would learn from actions of a policy that is gone, which is what PPO's ratio and
    its clipping are for.

    Args:
        network, config: as the further ones, see `Learner`.
    """

    def __init__(
        self, network: ActorCritic, config: TrainConfig, *args: Any, **kwargs: Any
    ) -> None:
        config = config.model_copy(update={"epochs": 1, "minibatches": 1})
        super().__init__(network, config, *args, **kwargs)
