"""PPG's update: gradient steps on the rollout, and every so often a phase on the last rollouts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from augmentations import Augmentation, as_float
from drac.config import TrainConfig
from drac.cuda_graphs import Captured, Recorder
from drac.envs.groups import EnvGroups
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

    The rollouts' frames are kept as uint8. A checkpoint holds the state in which the envs began,
    the actions and the returns instead; frames are played again when it is restored.

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
        self._envs: EnvGroups | None = None
        self._begun: list[bytes] = []
        self._kept = 0
        self._rollouts: Rollout | None = None  # as columns, a rollout's N envs beside the next's

    def follow(self, envs: EnvGroups) -> None:
        """Take note of the state in which the rollouts begin."""
        self._envs = envs
        self._begun = envs.get_state()

    @property
    def recorded(self) -> tuple[Captured, ...]:
        """What is to be recorded, of both phases; nothing where steps are not."""
        return super().recorded + self._auxiliary.recorded

    @property
    def num_gradient_steps(self) -> int:
        """How many gradient steps the next update takes."""
        number = super().num_gradient_steps
        if self._kept + 1 == self.config.phasic_updates:
            number += self.config.phasic_epochs * self._minibatches_of_phase
        return number

    @property
    def _minibatches_of_phase(self) -> int:
        segments = self.config.phasic_updates * self.config.num_envs
        return segments // self.config.phasic_segments

    def update(
        self,
        rollout: Rollout,
        augmentation: Augmentation | None,
        on_step: Callable[[], None] = lambda: None,
        *,
        arm: str | None = None,
    ) -> UpdateStats:
        """Train on a rollout, and if it is time on all since the last auxiliary phase.

        Raises:
            ValueError: if there is an augmentation.
            NonFinite: see `Learner.update`.
        """
        if augmentation is not None:
            raise ValueError("a phasic method uses no augmentation")
        stats = super().update(rollout, None, on_step)
        if self.config.phasic_epochs:
            self._keep(rollout)
            if self._kept == self.config.phasic_updates:
                with self.phases("auxiliary phase"):
                    self._auxiliary_phase(on_step)
                self._kept = 0
                if self._envs is not None:
                    self._begun = self._envs.get_state()
        return replace(stats, **self._figures)

    def _keep(self, rollout: Rollout) -> None:
        rollouts = self._all(rollout.obs.shape[2:])
        for name in ("obs", "actions", "returns"):
            getattr(rollouts, name)[:, self._columns(self._kept)] = getattr(rollout, name)
        self._kept += 1

    def _all(self, obs_shape: tuple[int, ...]) -> Rollout:
        if self._rollouts is None:
            config = self.config
            number = config.phasic_updates * config.num_envs
            self._rollouts = Rollout(config.num_steps, number, obs_shape, self.device)
        return self._rollouts

    def _columns(self, rollout: int) -> slice:
        return slice(rollout * self.config.num_envs, (rollout + 1) * self.config.num_envs)

    def _auxiliary_phase(self, on_step: Callable[[], None]) -> None:
        assert self._rollouts is not None
        config, number = self.config, self._minibatches_of_phase
        samples = self._rollouts.samples()
        old_logits = self._logits(samples.obs)
        steps = self.gradient_steps(config.phasic_epochs * number, "in the auxiliary phase")
        for _ in range(config.phasic_epochs):
            for rows in self._rollouts.partition(number, self.minibatch_generator, of_envs=True):
                minibatch = samples[rows]
                draws = {"old_logits": old_logits[rows], **self._auxiliary.draw(minibatch)}
                steps.add(self._auxiliary.take_step(minibatch, None, draws), minibatch)
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
        phase: dict[str, Any] = {
            "kept": self._kept,
            "figures": dict(self._figures),
            "begun": [torch.frombuffer(bytearray(s), dtype=torch.uint8) for s in self._begun],
        }
        if self._rollouts is not None and self._kept:
            columns = slice(self._kept * self.config.num_envs)
            phase["actions"] = self._rollouts.actions[:, columns].to(torch.uint8).contiguous()
            phase["returns"] = self._rollouts.returns[:, columns].contiguous()
        return {**super().state_dict(), "auxiliary": self._auxiliary.state_dict(), "phase": phase}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned; what `follow` was given plays the frames again.

        The envs stand where the last of the rollouts ended then.
        """
        super().load_state_dict(state)
        self._auxiliary.load_state_dict(state["auxiliary"])
        phase = state["phase"]
        self._figures = {name: phase["figures"][name] for name in self._figures}
        self._kept = phase["kept"]
        self._begun = [tensor.cpu().numpy().tobytes() for tensor in phase["begun"]]
        if not self._kept:
            return
        if self._envs is None:
            raise ValueError("frames are to be played again, and there are no envs")
        columns, rollouts = (
            slice(self._kept * self.config.num_envs),
            self._all(self._envs.obs_shape),
        )
        rollouts.actions[:, columns] = phase["actions"].to(rollouts.actions)
        rollouts.returns[:, columns] = phase["returns"].to(rollouts.returns)
        self._play_again(self._envs, rollouts)

    def _play_again(self, envs: EnvGroups, rollouts: Rollout) -> None:
        """Fill in the frames of the rollouts that are kept, from their actions."""
        actions = rollouts.actions.cpu().numpy()
        envs.set_state(self._begun)
        obs = envs.observe()
        for rollout in range(self._kept):
            columns = self._columns(rollout)
            for t in range(self.config.num_steps):
                rollouts.obs[t, columns] = torch.from_numpy(obs)
                for group, rows in enumerate(envs.rows):
                    envs.send(group, actions[t, columns][rows])
                for group, rows in enumerate(envs.rows):
                    obs[rows] = envs.receive(group)[0]


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
