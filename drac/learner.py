"""PPO's update, with DrAC's regularization wherever an augmentation is given."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from augmentations import Augmentation, as_float, guards
from drac import losses
from drac.config import ConfigError, TrainConfig
from drac.networks import ActorCritic
from drac.report import NonFinite, UpdateStats
from drac.rollout import Minibatch, Rollout

Augment = Callable[[Tensor, slice], Tensor]
"""Maps clean images (b, 3, H, W) and their rows in the minibatch to augmented images."""


_NAMES = tuple(UpdateStats.__dataclass_fields__)


class Learner:
    """Owns the network's optimizer and takes its gradient steps.

    Each minibatch's loss is (Raileanu et al. 2021, equations 1 and 5)

        J = L_policy + value_coef L_value - entropy_coef H + aug_coef (G_pi + G_V)

    Args:
        network: updated in place.
        config: the hyperparameters.
        minibatch_generator: CPU generator of the minibatches' order.
        augmentation_generator: generator of the augmentations' parameters.
        target_generator: generator of the actions that `policy_target="sampled"` draws.
            A generator left out is a new one with seed 0.
    """

    def __init__(
        self,
        network: ActorCritic,
        config: TrainConfig,
        minibatch_generator: torch.Generator | None = None,
        augmentation_generator: torch.Generator | None = None,
        target_generator: torch.Generator | None = None,
    ) -> None:
        self.network = network
        self.config = config
        self.device = network.fc.weight.device
        self.optimizer = torch.optim.Adam(
            network.parameters(), lr=config.learning_rate, eps=config.adam_eps
        )
        self.minibatch_generator = minibatch_generator or torch.Generator().manual_seed(0)
        self.augmentation_generator = augmentation_generator or self._new_generator()
        self.target_generator = target_generator or self._new_generator()
        self._guarded: list[Augmentation] = []

    def _new_generator(self) -> torch.Generator:
        return torch.Generator(self.device).manual_seed(0)

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
            NonFinite: after the first gradient step whose loss or gradient is not finite; the
                network is spoiled then.
        """
        totals = torch.zeros(len(_NAMES), dtype=torch.float64)
        num_steps = self.config.epochs * self.config.minibatches
        name = arm or (guards.title(augmentation) if augmentation else "")
        using = f"with the augmentation {name!r}" if augmentation else "without augmentation"
        taken = itertools.count(1)
        for _ in range(self.config.epochs):
            for minibatch in rollout.minibatches(self.config.minibatches, self.minibatch_generator):
                augment = self._sampled(augmentation, name, minibatch) if augmentation else None
                stats = self.step(minibatch, augment)
                stats.check_finite(f"{using}, in gradient step {next(taken)} of {num_steps}")
                totals += torch.tensor([getattr(stats, field) for field in _NAMES])
                on_step()
        return UpdateStats(*(totals / num_steps).tolist())

    def _sampled(self, augmentation: Augmentation, name: str, minibatch: Minibatch) -> Augment:
        """Draw parameters once for the minibatch; apply them to any rows of it."""
        params = augmentation.sample(minibatch.obs.shape, self.augmentation_generator)

        def augment(obs: Tensor, rows: slice) -> Tensor:
            return augmentation.apply(obs, {key: value[rows] for key, value in params.items()})

        if any(augmentation is known for known in self._guarded):
            return augment
        self._guarded.append(augmentation)
        return _guarded(augment, name, params, len(minibatch))

    def step(
        self,
        minibatch: Minibatch,
        augmented_obs: Tensor | Augment | None,
        target_actions: Tensor | None = None,
    ) -> UpdateStats:
        """Take one clipped gradient step.

        The gradient is accumulated over micro-batches of `config.micro_batch` images, which fit
        the CPU's cache; every loss is a mean over samples, so the step is that of the whole.

        Args:
            minibatch: B samples.
            augmented_obs: f(obs), (B, 3, H, W) float, or a function that makes it for some rows,
                or None for PPO without regularization.
            target_actions: (B,) int64 for `policy_target="sampled"`; None draws them from the
                clean policy.
        """
        self.optimizer.zero_grad(set_to_none=True)
        totals = torch.zeros(len(_NAMES) - 1, device=self.device)
        for rows in self._micro_batches(len(minibatch)):
            part = minibatch[rows]
            obs = as_float(part.obs)
            if isinstance(augmented_obs, Tensor):
                obs_aug: Tensor | None = augmented_obs[rows]
            else:
                obs_aug = augmented_obs(obs, rows) if augmented_obs else None
            targets = None if target_actions is None else target_actions[rows]
            loss, stats = self._loss(part, obs, obs_aug, targets)
            weight = len(part) / len(minibatch)
            (loss * weight).backward()
            totals += stats * weight
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.max_grad_norm)
        self.optimizer.step()
        figures: list[float] = [*totals.tolist(), norm.item()]
        return UpdateStats(*figures)

    def _micro_batches(self, size: int) -> list[slice]:
        # A GPU has no use for small batches: there the minibatch is one piece.
        step = self.config.micro_batch if self.device.type == "cpu" else size
        return [slice(start, min(start + step, size)) for start in range(0, size, step)]

    def _forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        with autocast(self.device, self.config.precision):
            logits, value = self.network(obs)
        return logits, value

    def _loss(
        self, part: Minibatch, obs: Tensor, obs_aug: Tensor | None, targets: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return the loss of some samples and the detached figures of `UpdateStats`, in order."""
        config = self.config
        logits, value = self._forward(obs)
        log_probs = F.log_softmax(logits, dim=1).gather(1, part.actions[:, None]).squeeze(1)
        policy_loss = losses.clipped_policy_loss(
            log_probs, part.old_log_probs, part.advantages, config.clip
        )
        value_loss = losses.clipped_value_loss(value, part.old_values, part.returns, config.clip)
        entropy = losses.entropy(logits)
        loss = policy_loss + config.value_coef * value_loss - config.entropy_coef * entropy

        aug_policy_loss = aug_value_loss = torch.zeros((), device=self.device)
        if obs_aug is not None:
            if config.policy_target == "sampled" and targets is None:
                targets = sample_actions(logits.detach(), self.target_generator)
            logits_aug, value_aug = self._forward(obs_aug)
            aug_policy_loss = losses.policy_consistency_loss(logits_aug, logits, targets)
            aug_value_loss = losses.value_consistency_loss(
                value_aug, value, config.value_consistency_scale
            )
            loss = loss + config.aug_coef * (aug_policy_loss + aug_value_loss)

        log_ratio = (log_probs - part.old_log_probs).detach()
        approx_kl = (log_ratio.exp() - 1 - log_ratio).mean()  # Schulman 2020, estimator k3
        clip_fraction = ((log_ratio.exp() - 1).abs() > config.clip).float().mean()
        figures = (policy_loss, value_loss, entropy, aug_policy_loss, aug_value_loss)
        return loss, torch.stack([*(f.detach() for f in figures), approx_kl, clip_fraction])

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
        self.minibatch_generator.set_state(state["minibatches"])
        self.augmentation_generator.set_state(state["augmentation"])
        self.target_generator.set_state(state["targets"])


def _guarded(augment: Augment, name: str, params: Mapping[str, Tensor], size: int) -> Augment:
    """Return `augment` with its contract checked: for the first minibatch of each augmentation.

    Later ones are not checked, as that would wait for the device. The function returned raises
    a ConfigError that names the augmentation.
    """

    def checked(obs: Tensor, rows: slice) -> Tensor:
        try:
            guards.check_params(params, size, name)
            guards.check_input(obs, name)
            output = augment(obs, rows)
            guards.check_output(obs, output, name)
        except guards.Broken as error:
            raise ConfigError(str(error)) from None
        return output

    return checked


def sample_actions(logits: Tensor, generator: torch.Generator) -> Tensor:
    """Sample from categorical policies: logits (B, A) -> actions (B,) int64.

    Raises:
        NonFinite: on a CPU, if there is a policy that is NaN. CUDA stops the process instead.
    """
    try:
        return torch.multinomial(logits.softmax(dim=1), 1, generator=generator).squeeze(1)
    except RuntimeError:
        if logits.isfinite().all():
            raise
        raise NonFinite("the policy is NaN or infinite") from None


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return the context in which the network runs: bf16 for "bf16", else as the weights are."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
