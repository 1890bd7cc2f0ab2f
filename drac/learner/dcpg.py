"""DCPG's update: PPG's phases, of which the auxiliary one alone fits the value."""

from __future__ import annotations

from typing import Any, ClassVar

from drac.config import TrainConfig
from drac.learner.ppg import PhasicLearner
from drac.networks import ActorCritic
from drac.networks.ddcpg import DynamicsActorCritic
from drac.objectives.dcpg import DCPGAuxiliary, DDCPGAuxiliary


class DCPGLearner(PhasicLearner):
    """Trains one network in two phases.

    Args:
        network, config: as the further ones, see `PhasicLearner`.
    """

    auxiliary: ClassVar[type[DCPGAuxiliary]] = DCPGAuxiliary

    def __init__(
        self, network: ActorCritic, config: TrainConfig, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(network, config, *args, **kwargs, auxiliary=self.auxiliary(config))


class DDCPGLearner(DCPGLearner):
    """DCPG's, whose auxiliary phase also learns the dynamics.

    Args:
        network, config: as the further ones, see `PhasicLearner`.
    """

    auxiliary = DDCPGAuxiliary

    def __init__(
        self, network: DynamicsActorCritic, config: TrainConfig, *args: Any, **kwargs: Any
    ) -> None:
        kwargs["parameters"] = network.actor_critic_parameters()
        super().__init__(network, config, *args, **kwargs)
