"""The losses of delayed-critic policy gradient and its dynamics variant (Moon et al. 2022)."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from drac import losses
from drac.networks import ActorCritic
from drac.networks.ddcpg import DynamicsActorCritic
from drac.networks.sampling import draw_noise
from drac.objectives.objective import Inputs
from drac.objectives.ppg import PPGAuxiliary
from drac.objectives.ppo import PPO, terms
from drac.rollout import Minibatch


class DCPG(PPO):
    """What the policy phase minimizes: PPO's policy terms, while the value stays.

        L = L_policy - entropy_coef H + dcpg_value_coef E[(V(s) - V_old(s))^2] / 2

    Of the figures, `aug_value_loss` is the expectation over V; `value_loss` is that of the last
    auxiliary phase.
    """

    def __call__(self, network: ActorCritic, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the loss and its figures; see `drac.objectives.objective.Objective`."""
        config, samples = self.config, inputs.samples
        logits, value = network(inputs.obs)
        ppo = terms(logits, value, samples, config)
        distance = losses.value_loss(value, samples.old_values)
        loss = ppo.policy_loss - config.entropy_coef * ppo.entropy
        loss = loss + config.dcpg_value_coef * distance
        none = torch.zeros_like(loss)
        return loss, replace(ppo, value_loss=none).figures(none, distance)


class DCPGAuxiliary(PPGAuxiliary):
    """What the auxiliary phase minimizes: PPG's loss of one network, which has one value.

        L = E[(V(s) - R)^2] / 2 + phasic_clone_coef E[KL(pi_old(.|s) || pi(.|s))]

    Of the figures, `aug_policy_loss` is the divergence.
    """

    reported: ClassVar[tuple[str, ...]] = ("value_loss", "aug_policy_loss")

    def __call__(self, network: ActorCritic, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the loss and its figures; see `drac.objectives.objective.Objective`."""
        logits, value = network(inputs.obs)
        return self._of_outputs(logits, value, inputs)

    def _of_outputs(self, logits: Tensor, value: Tensor, inputs: Inputs) -> tuple[Tensor, Tensor]:
        value_loss = losses.value_loss(value, inputs.samples.returns)
        clone = losses.policy_consistency_loss(logits, inputs.draws["old_logits"])
        none = torch.zeros_like(clone)
        figures = (none, value_loss, none, clone, none, none, none)
        loss = value_loss + self.config.phasic_clone_coef * clone
        return loss, torch.stack([figure.detach() for figure in figures])


class DDCPGAuxiliary(DCPGAuxiliary):
    """DCPG's, and a discriminator D of true transitions from false ones.

        L = L_DCPG + ddcpg_dynamics_coef L_f
        L_f = -E[log D(s, a, s')] - E[log(1 - D(s, a~, s'))] / 2 - E[log(1 - D(s, a, s~'))]

    a~ is another action than a, as frequent as in the minibatch; s~' the next state of another
    transition. A minibatch is `phasic_segments` envs, step by step, and comes whole: the last step
    of each has no next state in it. Of the figures, `extra_loss` is L_f.
    """

    reported = (*DCPGAuxiliary.reported, "extra_loss")
    whole = True

    def draw(
        self, minibatch: Minibatch, num_actions: int, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Draw `action_noise` (B, A), and how far off the other next state is: `shifts` (B,)."""
        number = len(minibatch) - self.config.phasic_segments
        size, device = (len(minibatch),), generator.device
        return {
            "shifts": torch.randint(1, number, size, generator=generator, device=device),
            "action_noise": draw_noise(len(minibatch), num_actions, generator),
        }

    def __call__(self, network: ActorCritic, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the loss and its figures; see `drac.objectives.objective.Objective`."""
        network = cast(DynamicsActorCritic, network)
        features = network.features(inputs.obs)
        loss, figures = self._of_outputs(*network.heads(features), inputs)
        before = features[: -self.config.phasic_segments]
        after = features[self.config.phasic_segments :]
        number, draws = len(after), inputs.draws
        actions = inputs.samples.actions[:number]
        places = torch.arange(number, device=actions.device) + draws["shifts"][:number]
        transitions = (
            (actions, after, 1.0, 1.0),
            (other_actions(actions, draws["action_noise"][:number]), after, 0.0, 0.5),
            (actions, after[places % number], 0.0, 1.0),
        )
        dynamics = torch.zeros_like(loss)
        for taken, following, truth, weight in transitions:
            logits = network.transition_logits(before, taken, following)
            wanted = torch.full_like(logits, truth)
            dynamics = dynamics + weight * F.binary_cross_entropy_with_logits(logits, wanted)
        loss = loss + self.config.ddcpg_dynamics_coef * dynamics
        return loss, torch.cat([figures, dynamics.detach().reshape(1)])


def other_actions(actions: Tensor, noise: Tensor) -> Tensor:
    """Draw for each action another one, as frequent as it is among them, or any if there is none.

    Shape:
        actions, and what is returned: (b,) int64.
        noise: (b, A), of `draw_noise`.
    """
    taken = F.one_hot(actions, noise.shape[1])
    weights = taken.sum(dim=0) * (1 - taken)
    weights = torch.where(weights.sum(dim=1, keepdim=True) > 0, weights, 1 - taken)
    return (weights / noise).argmax(dim=1)
