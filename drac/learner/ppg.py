"""PPG's update: gradient steps on the rollout, and every so often a phase on the last rollouts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from augmentations import Augmentation, as_float
from drac.config import TrainConfig
from drac.cuda_graphs import Captured, Recorder
from drac.envs.groups import EnvGroups
from drac.learner.kept_rollouts import KeptRollouts
from drac.learner.learner import GPU_IMAGES, Learner
from drac.networks import ActorCritic
from drac.networks.ppg import PhasicActorCritic
from drac.networks.sampling import autocast
from drac.objectives.objective import Objective
from drac.objectives.ppg import PPGAuxiliary
from drac.rollout import Rollout
from drac.stats import UpdateStats


class PhasicLearner(Learner):
    """Takes `phasic_policy_epochs` passes over each rollout; every `phasic_updates`, a phase more.

    The auxiliary phase has `phasic_epochs` passes over the rollouts since the last one, with an
    optimizer of its own. Its minibatches are `phasic_segments` rollouts of one env each, and its
    targets the returns as they were estimated when the rollout was played.

    A signal may come between two steps of a phase: its state has what is done of it.

    Args:
        network, config, minibatch_generator, augmentation_generator, target_generator, objective,
            record, parameters: see `Learner`; the first generator also orders the auxiliary phase.
        auxiliary: what its steps minimize; its `reported` names the figures that an update has
            from the last phase, 0 before the first.
    """

    def __init__(
        self,
        network: ActorCritic,
        config: TrainConfig,
        minibatch_generator: torch.Generator | None = None,
        augmentation_generator: torch.Generator | None = None,
        target_generator: torch.Generator | None = None,
        objective: Objective | None = None,
        record: Recorder | None = None,
        parameters: Iterable[nn.Parameter] | None = None,
        *,
        auxiliary: PPGAuxiliary,
    ) -> None:
        config = config.model_copy(update={"epochs": config.phasic_policy_epochs})
        super().__init__(
            network,
            config,
            minibatch_generator,
            augmentation_generator,
            target_generator,
            objective,
            record,
            parameters,
        )
        self._auxiliary = Learner(
            network,
            config,
            target_generator=self.target_generator,
            objective=auxiliary,
            record=record,
        )
        self._figures: dict[str, float] = dict.fromkeys(auxiliary.reported, 0.0)
        self._kept = KeptRollouts(config, self.device)
        self._phase: _Phase | None = None

    def follow(self, envs: EnvGroups) -> None:
        """Take note of the state in which the rollouts begin."""
        self._kept.follow(envs)

    @property
    def recorded(self) -> tuple[Captured, ...]:
        """What is to be recorded, of both phases; nothing where steps are not."""
        return super().recorded + self._auxiliary.recorded

    @property
    def num_gradient_steps(self) -> int:
        """How many gradient steps the next update takes, or what is left of one that stopped."""
        phase = self.config.phasic_epochs * self._minibatches_of_phase
        if self._phase:
            return phase - len(self._phase.taken)
        comes = self._kept.number + 1 == self.config.phasic_updates
        return super().num_gradient_steps + (phase if comes else 0)

    @property
    def _minibatches_of_phase(self) -> int:
        segments = self.config.phasic_updates * self.config.num_envs
        return segments // self.config.phasic_segments

    @property
    def in_phase(self) -> bool:
        """Whether an auxiliary phase is not over: its state may be saved between two steps."""
        return self._phase is not None

    def update(
        self,
        rollout: Rollout,
        augmentation: Augmentation | None,
        on_step: Callable[[], None] = lambda: None,
        *,
        arm: str | None = None,
    ) -> UpdateStats:
        """Train on a rollout, and if it is time on all since the last auxiliary phase.

        Of an update that an exception of `on_step` has left in its phase, the rest is done.

        Raises:
            ValueError: if there is an augmentation.
            NonFinite: see `Learner.update`.
        """
        if augmentation is not None:
            raise ValueError("a phasic method uses no augmentation")
        if self._phase:
            stats = UpdateStats(**self._phase.stats)
            self.skipped = self._phase.skipped
        else:
            stats = super().update(rollout, None, on_step)
            if self.config.phasic_epochs:
                self._kept.add(rollout)
            if self._kept.full:
                old_logits = self._logits(self._kept.columns().samples().obs)
                self._phase = _Phase(vars(stats), self.skipped, old_logits)
        if self._phase:
            with self.phases("auxiliary phase"):
                self._auxiliary_phase(self._phase, on_step)
            self._phase = None
            self._kept.clear()
        return replace(stats, **self._figures)

    def _auxiliary_phase(self, phase: _Phase, on_step: Callable[[], None]) -> None:
        """Take the steps of a phase that are left."""
        epochs, number = self.config.phasic_epochs, self._minibatches_of_phase
        rollouts = self._kept.columns()
        samples = rollouts.samples()
        steps = self.gradient_steps(epochs * number, "in the auxiliary phase")
        for figures in phase.taken:
            steps.add(figures)
        done, within = divmod(len(phase.taken), number)
        if within:
            self.minibatch_generator.set_state(phase.order)
        for epoch in range(done, epochs):
            phase.order = self.minibatch_generator.get_state()
            parts = rollouts.partition(number, self.minibatch_generator, of_envs=True)
            for rows in islice(parts, within if epoch == done else 0, None):
                minibatch = samples[rows]
                draws = {"old_logits": phase.old_logits[rows], **self._auxiliary.draw(minibatch)}
                phase.taken.append(self._auxiliary.take_step(minibatch, None, draws))
                steps.add(phase.taken[-1], minibatch)
                on_step()
        means = UpdateStats(*steps.means())
        self.skipped += steps.skipped
        self._figures = {name: getattr(means, name) for name in self._figures}

    @torch.no_grad()
    def _logits(self, obs: Tensor) -> Tensor:
        """Return the policy's logits, (B, A), of images (B, 3, H, W) uint8."""
        size = self.config.micro_batch if self.device.type == "cpu" else GPU_IMAGES
        with autocast(self.device, self.config.precision):
            return torch.cat([self.network.logits(as_float(part)) for part in obs.split(size)])

    def state_dict(self) -> dict[str, Any]:
        """Return what the next update depends on, but the network and the frames."""
        phase = {
            "figures": dict(self._figures),
            "stopped": self._phase and self._phase.state_dict(),
            **self._kept.state_dict(),
        }
        return {**super().state_dict(), "auxiliary": self._auxiliary.state_dict(), "phase": phase}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned; what `follow` was given plays the frames again."""
        super().load_state_dict(state)
        self._auxiliary.load_state_dict(state["auxiliary"])
        phase = state["phase"]
        self._figures = {name: phase["figures"][name] for name in self._figures}
        stopped = phase.get("stopped")  # earlier versions did not stop there
        self._phase = _Phase.of(stopped, self.device) if stopped else None
        self._kept.load_state_dict(phase)


@dataclass
class _Phase:
    """How far an auxiliary phase is.

    Attributes:
        stats: of the update's policy phase, by name; and how many of its steps were `skipped`.
        old_logits: of the policy as the phase began, (B, A).
        taken: the figures of each step so far.
        order: state of the minibatches' generator as the current pass began.
    """

    stats: dict[str, float]
    skipped: int
    old_logits: Tensor
    taken: list[Tensor] = field(default_factory=list)
    order: Tensor = field(default_factory=lambda: torch.Generator().get_state())

    def state_dict(self) -> dict[str, Any]:
        """Return all of it."""
        taken = torch.stack(self.taken) if self.taken else torch.zeros(0, 0)
        return {**vars(self), "stats": dict(self.stats), "taken": taken}

    @classmethod
    def of(cls, state: dict[str, Any], device: torch.device) -> _Phase:
        """Return the phase that `state_dict` was called on."""
        old_logits, taken = (state[name].to(device) for name in ("old_logits", "taken"))
        return cls(**{**state, "old_logits": old_logits, "taken": [*taken]})


class PPGLearner(PhasicLearner):
    """PPG's, with Adam as its authors have it: epsilon 1e-8, gradients as they are.

    Args:
        network, config: as the further ones, see `PhasicLearner`.
    """

    def __init__(
        self, network: PhasicActorCritic, config: TrainConfig, *args: Any, **kwargs: Any
    ) -> None:
        config = config.model_copy(update={"adam_eps": 1e-8, "max_grad_norm": math.inf})
        kwargs |= {"parameters": network.both_parameters(), "auxiliary": PPGAuxiliary(config)}
        super().__init__(network, config, *args, **kwargs)
