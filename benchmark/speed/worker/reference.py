"""The straightforward engine: what `drac.learner` computes, written down plainly.

It is the yardstick of `drac-bench speed --reference`, and, being written from the equations and not
from the trainer's code, the oracle of its tests. Images are planar (NCHW), a minibatch is handled
whole, DrAC's targets have a pass of their own, every figure is fetched at every step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from augmentations import Augmentation
from drac import methods
from drac.config import TrainConfig
from drac.errors import ConfigError
from drac.networks import ActorCritic
from drac.rollout import Rollout
from drac.stats import UpdateStats
from drac.timing import Phases, unmeasured

CONSISTENCY = {
    "drac": (1.0, 1.0),
    "ucb-drac": (1.0, 1.0),
    "thompson-drac": (1.0, 1.0),
    "discounted-ucb-drac": (1.0, 1.0),
    "exp3-drac": (1.0, 1.0),
    "ucb-drac+plr": (1.0, 1.0),
    "rand-drac": (1.0, 1.0),
    "drac-best": (1.0, 1.0),
    "dra": (1.0, 0.0),
    "drc": (0.0, 1.0),
}
"""Method -> the weights of G_pi and G_V in its loss."""

ON_CLEAN = ("ppo", "plr", "rad-rollout")
"""The methods whose loss is PPO's on the images of the rollout."""

ON_AUGMENTED = ("rad", "ucb-rad", "rad-best")
"""The methods whose loss is PPO's on the augmented images."""


def forward(network: ActorCritic, obs: Tensor) -> tuple[Tensor, Tensor]:
    """Run the IMPALA network (Espeholt et al. 2018, figure 3) on planar images.

    Args:
        network: gives the weights, and says which skip connection its residual blocks have.
        obs: (B, 3, H, W), of the weights' dtype, in [0, 1].

    Returns:
        Logits (B, A) and values (B,).
    """
    weights = dict(network.named_parameters())

    def conv(x: Tensor, name: str) -> Tensor:
        weight = weights[f"{name}.weight"].contiguous()
        return F.conv2d(x, weight, weights[f"{name}.bias"], padding=1)

    x = obs.contiguous()
    for stack in range(len(network.CHANNELS)):
        x = F.max_pool2d(conv(x, f"stack{stack}.conv"), 3, stride=2, padding=1)
        for block in ("res0", "res1"):
            skip = F.relu(x) if _skips_after_relu(network) else x
            inner = conv(F.relu(x), f"stack{stack}.{block}.conv1")
            x = skip + conv(F.relu(inner), f"stack{stack}.{block}.conv2")
    x = F.linear(F.relu(x).flatten(1), weights["fc.weight"], weights["fc.bias"])
    x = F.relu(x)
    logits = F.linear(x, weights["policy_head.weight"], weights["policy_head.bias"])
    value = F.linear(x, weights["value_head.weight"], weights["value_head.bias"])
    return logits, value[:, 0]


def _skips_after_relu(network: ActorCritic) -> bool:
    return bool(network.get_submodule("stack0.res0").residual == "released")


def as_planar(obs: Tensor, dtype: torch.dtype) -> Tensor:
    """Return images (B, 3, H, W) as a contiguous copy of `dtype`: uint8 scaled to [0, 1]."""
    planar = obs.contiguous().to(dtype)
    return planar / 255 if obs.dtype == torch.uint8 else planar


def reference_act(network: ActorCritic, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Sample actions as `drac.networks.sampling.act` does, with the plain network."""
    obs = as_planar(inputs["obs"].permute(0, 3, 1, 2), network.fc.weight.dtype)
    logits, values = forward(network, obs)
    actions = (logits.softmax(1) / inputs["noise"]).argmax(1)
    log_probs = logits.log_softmax(1)[torch.arange(len(actions), device=obs.device), actions]
    return {"actions": actions, "values": values, "log_probs": log_probs}


@dataclass(frozen=True)
class _Samples:
    """The columns of B samples; see `drac.rollout.Minibatch`."""

    obs: Tensor
    actions: Tensor
    old_log_probs: Tensor
    old_values: Tensor
    returns: Tensor
    advantages: Tensor


class ReferenceLearner:
    """Takes the gradient steps of `drac.learner.Learner`, draw for draw, without its speed.

    Args:
        network: updated in place; its weights are laid out anew, planar.
        config: the hyperparameters and the method, one of this package's; `precision` and
            `micro_batch` are not looked at.
        minibatch_generator: CPU generator of the minibatches' order.
        augmentation_generator: generator of the augmentations' parameters.
        target_generator: generator of the targets of `policy_target="sampled"`.
            A generator left out is a new one with seed 0.

    Raises:
        ConfigError: for a method that is not written down here.
    """

    def __init__(
        self,
        network: ActorCritic,
        config: TrainConfig,
        minibatch_generator: torch.Generator | None = None,
        augmentation_generator: torch.Generator | None = None,
        target_generator: torch.Generator | None = None,
    ) -> None:
        self._method = methods.get(config.method).name
        if self._method not in (*ON_CLEAN, *CONSISTENCY, *ON_AUGMENTED):
            raise ConfigError(f"the reference engine does not know the method {config.method!r}")
        self.network = network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self.config = config
        device = network.fc.weight.device
        self.optimizer = torch.optim.Adam(
            network.parameters(), lr=config.learning_rate, eps=config.adam_eps, fused=False
        )
        self.minibatch_generator = minibatch_generator or torch.Generator().manual_seed(0)
        self.augmentation_generator = augmentation_generator or torch.Generator(device)
        self.target_generator = target_generator or torch.Generator(device)
        for given, own in (
            (augmentation_generator, self.augmentation_generator),
            (target_generator, self.target_generator),
        ):
            if given is None:
                own.manual_seed(0)
        self.phases: Phases = unmeasured

    def update(
        self,
        rollout: Rollout,
        augmentation: Augmentation | None,
        on_step: Callable[[], None] = lambda: None,
    ) -> UpdateStats:
        """Take `epochs` x `minibatches` gradient steps on a rollout, as `Learner.update` does."""
        figures: list[list[float]] = []
        size = rollout.actions.numel() // self.config.minibatches
        for _ in range(self.config.epochs):
            with self.phases("gather minibatch"):
                order = torch.randperm(rollout.actions.numel(), generator=self.minibatch_generator)
            for rows in order.split(size):
                with self.phases("gather minibatch"):
                    samples = self._gather(rollout, rows.to(rollout.obs.device))
                figures.append(self.step(samples, augmentation))
                on_step()
        means = [sum(column) / len(figures) for column in zip(*figures, strict=True)]
        return UpdateStats(*means)

    def _gather(self, rollout: Rollout, rows: Tensor) -> _Samples:
        images = rollout.obs.flatten(0, 1)[rows].permute(0, 3, 1, 2)
        advantages = rollout.advantages.flatten()
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-5)
        return _Samples(
            obs=as_planar(images, self.network.fc.weight.dtype),
            actions=rollout.actions.flatten()[rows],
            old_log_probs=rollout.log_probs.flatten()[rows],
            old_values=rollout.values.flatten()[rows],
            returns=rollout.returns.flatten()[rows],
            advantages=advantages[rows],
        )

    def step(self, samples: _Samples, augmentation: Augmentation | None) -> list[float]:
        """Take one gradient step; return the figures of `UpdateStats`, in order."""
        augmented = None if augmentation is None else self._augmented(samples.obs, augmentation)
        seen = samples.obs
        if augmented is not None and self._method in ON_AUGMENTED:
            seen = augmented
        loss, figures = self._ppo(seen, samples)
        regularization = [0.0, 0.0]
        if augmented is not None and self._method in CONSISTENCY:
            terms = self._consistency(samples.obs, augmented)
            weights = CONSISTENCY[self._method]
            loss = loss + self.config.aug_coef * (weights[0] * terms[0] + weights[1] * terms[1])
            regularization = [term.item() for term in terms]
        self.optimizer.zero_grad()
        with self.phases("forward, backward"):
            loss.backward()
        with self.phases("optimizer"):
            parameters = self.network.parameters()
            norm = nn.utils.clip_grad_norm_(parameters, self.config.max_grad_norm)
            self.optimizer.step()
        return [*figures[:3], *regularization, *figures[3:], norm.item()]

    def _augmented(self, obs: Tensor, augmentation: Augmentation) -> Tensor:
        with self.phases("augment"):
            params = augmentation.sample(obs.shape, self.augmentation_generator)
            return augmentation.apply(obs, params).contiguous()

    def _ppo(self, seen: Tensor, samples: _Samples) -> tuple[Tensor, list[float]]:
        """Return PPO's loss (Schulman et al. 2017, equation 9) and five figures about it.

        L = -E[min(r A, clip(r, 1-e, 1+e) A)] + c_v L_V - c_e H,  r = pi(a|s) / pi_old(a|s)
        L_V = 1/2 E[max((V - R)^2, (V_old + clip(V - V_old, -e, e) - R)^2)]
        """
        config, old_values = self.config, samples.old_values
        with self.phases("forward, backward"):
            logits, values = forward(self.network, seen)
        probs = logits.softmax(1)
        taken = torch.arange(len(samples.actions), device=logits.device), samples.actions
        log_ratio = logits.log_softmax(1)[taken] - samples.old_log_probs
        ratio = log_ratio.exp()
        low, high = 1 - config.clip, 1 + config.clip
        surrogates = torch.stack([ratio, ratio.clip(low, high)]) * samples.advantages
        policy_loss = -surrogates.min(0).values.mean()
        near = old_values + (values - old_values).clip(-config.clip, config.clip)
        errors = torch.stack([values, near]) - samples.returns
        value_loss = 0.5 * errors.square().max(0).values.mean()
        entropy = -(probs * logits.log_softmax(1)).sum(1).mean()
        loss = policy_loss + config.value_coef * value_loss - config.entropy_coef * entropy
        kl = (ratio - 1 - log_ratio).mean()
        outside = ((ratio < low) | (ratio > high)).double().mean()
        figures = (policy_loss, value_loss, entropy, kl, outside)
        return loss, [figure.item() for figure in figures]

    def _consistency(self, obs: Tensor, augmented: Tensor) -> tuple[Tensor, Tensor]:
        """Return DrAC's terms G_pi and G_V (Raileanu et al. 2021, equations 3 and 4).

        G_pi = KL(pi(.|s) || pi(.|f(s))), or -log pi(a|f(s)) for a sampled a ~ pi(.|s)
        G_V  = (V(s) - V(f(s)))^2
        """
        config = self.config
        with self.phases("forward, backward"):
            with torch.no_grad():
                logits, values = forward(self.network, obs)
            logits_aug, values_aug = forward(self.network, augmented)
        if config.policy_target == "sampled":
            shape, generator = (len(logits), logits.shape[1]), self.target_generator
            noise = torch.empty(shape, device=generator.device).exponential_(generator=generator)
            actions = (logits.softmax(1) / noise).argmax(1)
            policy_term = F.cross_entropy(logits_aug, actions)
        else:
            log_probs_aug = logits_aug.log_softmax(1)
            policy_term = F.kl_div(log_probs_aug, logits.softmax(1), reduction="batchmean")
        return policy_term, config.value_consistency_scale * F.mse_loss(values_aug, values)
