"""PPO's update, with DrAC's regularization wherever an augmentation is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from augmentations import Augmentation, as_float, guards
from drac.arms.build import Augment, guarded
from drac.config import TrainConfig
from drac.cuda_graphs import Captured, Recorder, Tensors, record_cuda_graph
from drac.envs.groups import EnvGroups
from drac.learner.gradient_steps import FIGURES, GradientSteps, on_device
from drac.networks import ActorCritic
from drac.networks.sampling import autocast
from drac.objectives.drac import DrAC
from drac.objectives.objective import Inputs, Objective
from drac.rollout import Minibatch, Rollout
from drac.stats import UpdateStats
from drac.timing import Phases, unmeasured

GPU_IMAGES = 4096
"""Images that a GPU is shown at once; each takes about a megabyte of activations."""

_GRAD_NORM = FIGURES.index("grad_norm")


class Learner:
    """Owns the network's optimizer and takes its gradient steps.

    Each minibatch's loss is its objective's, by default (Raileanu et al. 2021, equations 1 and 5)

        J = L_policy + value_coef L_value - entropy_coef H + aug_coef (G_pi + G_V)

    On CPU the gradient is accumulated over micro-batches of `config.micro_batch` images, which
    fit the cache; of a recurrent network, of whole sequences. Every loss is a mean over samples, so
    the step is that of the whole. On CUDA pieces have `GPU_IMAGES`, the step is recorded as a CUDA
    graph, and nothing waits for the device before the update's end.

    Args:
        network: updated in place.
        config: the hyperparameters.
        minibatch_generator: CPU generator of the minibatches' order.
        augmentation_generator: generator of the augmentations' parameters.
        target_generator: generator of what the objective draws.
            A generator left out is a new one with seed 0.
        objective: what a gradient step minimizes; None is DrAC's.
        record: makes the recording on CUDA; tests give one that needs no GPU, and get CUDA's path.
        parameters: those that are trained; None: all of the network's.

    Attributes:
        captured: the recorded gradient step; None where steps are not recorded.
        skipped: gradient steps that the last update left out, as they were not finite.
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
    ) -> None:
        self.network = network
        self.config = config
        self.objective = objective or DrAC(config)
        self.device = network.fc.weight.device
        on_cuda = self.device.type == "cuda"
        if on_cuda and config.cuda_graphs:
            record = record or record_cuda_graph
        self.captured = Captured(self._step_on_tensors, record) if record else None
        self.parameters = list(network.parameters() if parameters is None else parameters)
        # Where nothing looks at a step before its end, Adam's one kernel is told on the device.
        self._skips_on_device = config.on_nan == "skip" and (on_cuda or self.captured is not None)
        self.skipped = 0
        # On CUDA: one kernel for all weights, which keeps its step count on the device.
        self.optimizer = torch.optim.Adam(
            self.parameters,
            lr=config.learning_rate,
            eps=config.adam_eps,
            fused=on_cuda or self._skips_on_device or None,
            capturable=on_cuda,
        )
        # The first steps are not recorded, and meant so: what Adam would warn of.
        vars(self.optimizer)["_warned_capturable_if_run_uncaptured"] = True
        self.minibatch_generator = minibatch_generator or torch.Generator().manual_seed(0)
        self.augmentation_generator = augmentation_generator or self._new_generator()
        self.target_generator = target_generator or self._new_generator()
        self.phases: Phases = unmeasured
        self._guarded: list[Augmentation] = []

    def _new_generator(self) -> torch.Generator:
        return torch.Generator(self.device).manual_seed(0)

    def follow(self, envs: EnvGroups) -> None:
        """Is called with the envs that the rollouts are played on, before the first of them."""

    @property
    def recorded(self) -> tuple[Captured, ...]:
        """What is to be recorded; nothing where steps are not."""
        return () if self.captured is None else (self.captured,)

    @property
    def in_phase(self) -> bool:
        """Whether, between two gradient steps, the state is one that an update goes on from."""
        return False

    @property
    def num_gradient_steps(self) -> int:
        """How many gradient steps the next update takes; `on_step` is called after each."""
        return self.config.epochs * self.config.minibatches

    def update(
        self,
        rollout: Rollout,
        augmentation: Augmentation | None,
        on_step: Callable[[], None] = lambda: None,
        *,
        arm: str | None = None,
    ) -> UpdateStats:
        """Take `epochs` x `minibatches` gradient steps on a rollout.

        Args:
            rollout: with advantages and returns filled in.
            augmentation: f of the consistency terms; None is plain PPO.
            on_step: called after every gradient step.
            arm: what the user calls the augmentation, for messages; None: its class's name.

        Returns:
            Means over the gradient steps.

        Raises:
            ConfigError: if the augmentation breaks its contract on its first minibatch.
            NonFinite: for the first gradient step whose loss or gradient is not finite, which on
                CPU is not taken; on CUDA the network is spoiled then. With `on_nan="skip"`: if no
                step of the update is finite.
        """
        name = arm or (guards.title(augmentation) if augmentation else "")
        using = f"with the augmentation {name!r}" if augmentation else "without augmentation"
        unseen = torch.Generator()
        unseen.set_state(self.minibatch_generator.get_state())
        steps = self.gradient_steps(
            self.num_gradient_steps, using, self._minibatches(rollout, unseen)
        )
        for minibatch in self._minibatches(rollout, self.minibatch_generator):
            augment = self._sampled(augmentation, name, minibatch) if augmentation else None
            steps.add(self.take_step(minibatch, augment, self.draw(minibatch)), minibatch)
            on_step()
        means = steps.means()
        self.skipped = steps.skipped
        if after_update := getattr(self.objective, "after_update", None):
            after_update(self.network, self.target_generator)
        return UpdateStats(*means)

    def gradient_steps(
        self, number: int, where: str, again: Iterator[Minibatch] | None = None
    ) -> GradientSteps:
        """Return what takes the figures of `number` gradient steps; see `GradientSteps`."""
        return GradientSteps(
            number,
            where,
            skip=self.config.on_nan == "skip",
            at_once=self.device.type == "cpu",
            again=again,
        )

    def _minibatches(self, rollout: Rollout, generator: torch.Generator) -> Iterator[Minibatch]:
        config = self.config
        for _ in range(config.epochs):
            minibatches = rollout.minibatches(
                config.minibatches, generator, config.minibatches_of_envs
            )
            for _ in range(config.minibatches):
                with self.phases("gather minibatch"):
                    minibatch = next(minibatches)
                yield minibatch

    def _sampled(self, augmentation: Augmentation, name: str, minibatch: Minibatch) -> Augment:
        """Draw parameters once for the minibatch; apply them to any rows of it."""
        with self.phases("augment"):
            params = augmentation.sample(minibatch.obs.shape, self.augmentation_generator)

        def augment(obs: Tensor, rows: slice) -> Tensor:
            return augmentation.apply(obs, {key: value[rows] for key, value in params.items()})

        if any(augmentation is known for known in self._guarded):
            return augment
        self._guarded.append(augmentation)
        return guarded(augment, name, params, len(minibatch))

    def draw(self, minibatch: Minibatch) -> Tensors:
        """Draw what the objective needs for a minibatch."""
        num_actions = self.network.policy_head.out_features
        return self.objective.draw(minibatch, num_actions, self.target_generator)

    def step(
        self,
        minibatch: Minibatch,
        augmented_obs: Tensor | Augment | None,
        target_actions: Tensor | None = None,
    ) -> UpdateStats:
        """Take one clipped gradient step.

        Args:
            minibatch: B samples.
            augmented_obs: f(obs), (B, 3, H, W) float, or a function that makes it for some rows,
                or None for PPO without regularization.
            target_actions: (B,) int64 for `policy_target="sampled"`; None draws them from the
                clean policy.
        """
        if target_actions is None:
            draws = self.draw(minibatch)
        else:
            draws = {"target_actions": target_actions}
        return UpdateStats(*self.take_step(minibatch, augmented_obs, draws).tolist())

    def take_step(
        self, minibatch: Minibatch, augmented: Tensor | Augment | None, draws: Tensors
    ) -> Tensor:
        """Take a gradient step; return the figures of `UpdateStats`, in order, on the device.

        `augmented` is as in `step`; `draws` is what the objective draws, of B samples.
        """
        if self.captured is None:
            return self._gradient_step(minibatch, augmented, draws)
        inputs = minibatch.tensors()
        if callable(augmented):
            with self.phases("augment"):
                augmented = augmented(as_float(minibatch.obs), slice(None))
        if augmented is not None:
            inputs["obs_aug"] = augmented
        with self.phases("forward, backward"):
            return self.captured({**inputs, **draws})["figures"]

    def _step_on_tensors(self, inputs: Tensors) -> Tensors:
        """Take a gradient step on what `take_step` put together: what a recording replays."""
        minibatch = Minibatch.from_tensors(inputs)
        known = {*minibatch.tensors(), "obs_aug"}
        draws = {name: value for name, value in inputs.items() if name not in known}
        return {"figures": self._gradient_step(minibatch, inputs.get("obs_aug"), draws)}

    def _gradient_step(
        self, minibatch: Minibatch, augmented: Tensor | Augment | None, draws: Tensors
    ) -> Tensor:
        # A recording writes to the gradients' memory, which therefore must stay.
        self.optimizer.zero_grad(set_to_none=self.captured is None)
        figures = torch.zeros((), device=self.device)
        for rows in self._micro_batches(len(minibatch), minibatch.length):
            weight = (rows.stop - rows.start) / len(minibatch)
            inputs = self._inputs(minibatch[rows], augmented, draws, rows)
            with self.phases("forward, backward"):
                with autocast(self.device, self.config.precision):
                    loss, part = self.objective(self.network, inputs)
                (loss * weight).backward()
            figures = figures + part * weight
        with self.phases("optimizer"):
            norm = nn.utils.clip_grad_norm_(self.parameters, self.config.max_grad_norm)
            head, extra = figures[:_GRAD_NORM], figures[_GRAD_NORM:]
            figures = torch.cat([head, norm.detach().reshape(1), extra])
            self._step_if_finite(figures)
        return figures

    def _step_if_finite(self, figures: Tensor) -> None:
        """Take Adam's step, unless that would spoil the network.

        On CUDA, where nothing waits for figures, every step is taken, or with `on_nan="skip"` the
        kernel itself leaves it out, as torch's gradient scaler has it do.
        """
        if self._skips_on_device:
            vars(self.optimizer)["found_inf"] = on_device(figures)
        looks = self.device.type == "cpu" and not self.captured
        if not (looks and UpdateStats(*figures.tolist()).not_finite()):
            self.optimizer.step()

    def _inputs(
        self,
        samples: Minibatch,
        augmented: Tensor | Augment | None,
        draws: Tensors,
        rows: slice,
    ) -> Inputs:
        """Put together what the objective sees of some rows."""
        obs = as_float(samples.obs)
        if callable(augmented):
            with self.phases("augment"):
                obs_aug: Tensor | None = augmented(obs, rows)
        else:
            obs_aug = None if augmented is None else augmented[rows]
        return Inputs(samples, obs, obs_aug, {key: value[rows] for key, value in draws.items()})

    def _micro_batches(self, size: int, length: int = 1) -> list[slice]:
        # A GPU has no use for small batches: there the minibatch is one piece, if memory allows.
        on_cpu = self.device.type == "cpu" and not self.captured
        step = self.config.micro_batch if on_cpu else GPU_IMAGES
        step = size if getattr(self.objective, "whole", False) else step
        step = max(step // length, 1) * length  # no sequence is cut
        return [slice(start, min(start + step, size)) for start in range(0, size, step)]

    def state_dict(self) -> dict[str, Any]:
        """Return optimizer and generators: what the next update depends on, but the network."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "minibatches": self.minibatch_generator.get_state(),
            "augmentation": self.augmentation_generator.get_state(),
            "targets": self.target_generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.optimizer.load_state_dict(state["optimizer"])
        if self.captured:
            self.captured.clear()  # it wrote to the state that was just replaced
        self.minibatch_generator.set_state(state["minibatches"])
        self.augmentation_generator.set_state(state["augmentation"])
        self.target_generator.set_state(state["targets"])
