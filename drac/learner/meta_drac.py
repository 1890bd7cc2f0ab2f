"""Meta-DrAC: the augmentation is a convolution, meta-learned (Raileanu et al. 2021, section 3.3).

After each update of the agent the rollout is cut into two parts. A step on the first, DrAC's loss
with the convolution as f, moves a copy of the agent; PPO's loss of that copy on the second part
says how good the step was, and its gradient is followed through the step to the convolution, as in
MAML (Finn et al. 2017):

    theta' = theta - inner_lr * grad_theta J(theta, phi; first)
    phi   <- Adam(grad_phi L_PPO(theta'; second))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, grad_and_value
from torch.nn import functional as F

from augmentations import Augmentation, as_float
from augmentations.base import CHANNELS, match_format
from drac.config import TrainConfig
from drac.errors import NonFinite
from drac.learner.learner import Learner
from drac.networks import ActorCritic
from drac.objectives.objective import Inputs
from drac.objectives.ppo import PPO
from drac.rollout import Minibatch, Rollout
from drac.seeding import stream_seed
from drac.stats import UpdateStats

KERNEL = 3
GPU_PIECE = 512  # images whose gradient is differentiated at once on a GPU; memory bounds it
MAX_GRAD_NORM = 100.0  # of the convolution's gradient, as in the released code

Weights = dict[str, Tensor]
Piece = tuple[Minibatch, slice, float]
"""Some samples, which ones of their part they are, and what share of it."""


class LearnedConv(Augmentation):
    """One 3x3 convolution 3 -> 3 with a bias, the same for every image; nothing is random.

    Its weights are buffers: gradient steps on the agent do not reach them. They begin
    Xavier-uniform, the bias at 0, as in the released code; the result is not clamped.

    Args:
        generator: on the CPU; draws the weights.
    """

    name = "learned-conv"
    output_range = None

    def __init__(self, generator: torch.Generator | None = None) -> None:
        super().__init__()
        weight = torch.empty(CHANNELS, CHANNELS, KERNEL, KERNEL)
        nn.init.xavier_uniform_(weight, generator=generator or torch.Generator().manual_seed(0))
        self.register_buffer("weight", weight)
        self.register_buffer("bias", torch.zeros(CHANNELS))

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Nothing is drawn."""
        return {}

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Convolve. Shape: (B, 3, H, W) -> (B, 3, H, W)."""
        return convolve(as_float(obs), {"weight": self.weight, "bias": self.bias})


def convolve(obs: Tensor, weights: Weights) -> Tensor:
    """Convolve with zero padding. Shape: (B, 3, H, W) -> (B, 3, H, W)."""
    weight, bias = (weights[name].to(obs.device, obs.dtype) for name in ("weight", "bias"))
    return match_format(F.conv2d(obs, weight, bias, padding=KERNEL // 2), obs)


def learned_conv(config: TrainConfig) -> LearnedConv:
    """Return the convolution that a run begins with."""
    seed = stream_seed(config.seed, "learned-conv")
    return LearnedConv(torch.Generator().manual_seed(seed))


class MetaLearner(Learner):
    """A learner that, after each update of the agent, improves the augmentation.

    With `meta_conv="frozen"` it does not: in the released code the outer loss never reaches the
    convolution (docs/fidelity.md, row "Meta").

    Attributes:
        outer_loss: PPO's loss after the last inner step, on the part held out; None before.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        config, device = self.config, self.device
        self.outer_loss: float | None = None
        self.split_generator = torch.Generator().manual_seed(stream_seed(config.seed, "meta split"))
        shapes = {"weight": (CHANNELS, CHANNELS, KERNEL, KERNEL), "bias": (CHANNELS,)}
        self.weights = {
            name: nn.Parameter(torch.zeros(s, device=device)) for name, s in shapes.items()
        }
        self.meta_optimizer = torch.optim.Adam(
            self.weights.values(), lr=config.meta_learning_rate, eps=config.adam_eps
        )

    def update(
        self,
        rollout: Rollout,
        augmentation: Augmentation | None,
        on_step: Callable[[], None] = lambda: None,
        *,
        arm: str | None = None,
    ) -> UpdateStats:
        """Update the agent as `Learner.update`, then the augmentation, a `LearnedConv`."""
        conv = cast(LearnedConv, augmentation).to(self.device)
        stats = super().update(rollout, conv, on_step, arm=arm)
        if self.config.meta_conv == "learned":
            with self.phases("forward, backward"):
                self.meta_step(rollout.samples(), conv)
        return stats

    def meta_step(self, samples: Minibatch, conv: LearnedConv) -> None:
        """Take one step of Adam on the convolution's weights.

        Raises:
            NonFinite: if the outer loss or its gradient is not finite, and may not be skipped.
        """
        order = torch.randperm(len(samples), generator=self.split_generator)
        number = min(max(round(self.config.meta_train_share * len(order)), 1), len(order) - 1)
        first, second = (rows.to(self.device) for rows in order.tensor_split([number]))
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(getattr(conv, name))
        phi = {name: weight.detach() for name, weight in self.weights.items()}
        loss, gradients = self.outer_gradient(samples, first, second, phi)
        for name, weight in self.weights.items():
            weight.grad = gradients[name]
        norm = nn.utils.clip_grad_norm_(self.weights.values(), MAX_GRAD_NORM)
        self.outer_loss = loss.item()
        if not (loss + norm).isfinite():
            if self.config.on_nan == "skip":
                self.skipped += 1
                return
            raise NonFinite("the outer loss of the meta step, or its gradient, is NaN or infinite")
        self.meta_optimizer.step()
        with torch.no_grad():
            for name, weight in self.weights.items():
                getattr(conv, name).copy_(weight)

    def outer_gradient(
        self, samples: Minibatch, first: Tensor, second: Tensor, phi: Weights
    ) -> tuple[Tensor, Weights]:
        """Return the outer loss and its gradient with respect to the convolution.

        By the chain rule, with g = grad_theta J(theta, phi; first), v = grad L_PPO(theta'; second),

            grad_phi L_PPO(theta - inner_lr g) = -inner_lr grad_phi <g(phi), v>,

        so that the graph of one micro-batch's gradient is all that is ever kept. Both losses are
        float32, or as the network's weights are: autocast has no part in it.

        Args:
            samples: of the rollout.
            first: rows of the inner step, int64.
            second: rows of the outer loss, int64.
            phi: `weight` (3, 3, 3, 3) and `bias` (3,).
        """
        theta = {name: weight.detach() for name, weight in self.network.named_parameters()}
        num_actions = self.network.policy_head.out_features
        draws = self.objective.draw(samples[first], num_actions, self.target_generator)
        rate = self.config.meta_inner_lr

        def inner(theta: Weights, phi: Weights, piece: Piece) -> Tensor:
            batch, rows, share = piece
            obs = self._images(batch)
            cut = {name: value[rows] for name, value in draws.items()}
            inputs = Inputs(batch, obs, convolve(obs, phi), cut)
            return self.objective(self._network(theta), inputs)[0] * share

        def outer(theta: Weights, piece: Piece) -> Tensor:
            batch, _, share = piece
            inputs = Inputs(batch, self._images(batch), None, {})
            return PPO(self.config)(self._network(theta), inputs)[0] * share

        def along(phi: Weights, direction: Weights, piece: Piece) -> Tensor:
            return _dot(grad(inner)(theta, phi, piece), direction)

        step = _total(grad(inner)(theta, phi, piece) for piece in self._pieces(samples, first))
        moved = {name: weight - rate * step[name] for name, weight in theta.items()}
        loss, direction = _total_with_loss(
            grad_and_value(outer)(moved, piece) for piece in self._pieces(samples, second)
        )
        total = _total(grad(along)(phi, direction, piece) for piece in self._pieces(samples, first))
        return loss, {name: -rate * value for name, value in total.items()}

    def _network(self, theta: Weights) -> ActorCritic:
        """Return what acts as the network with other weights."""
        return cast(ActorCritic, lambda obs: functional_call(self.network, theta, (obs,)))

    def _images(self, batch: Minibatch) -> Tensor:
        return as_float(batch.obs).to(self.network.fc.weight.dtype)

    def _pieces(self, samples: Minibatch, rows: Tensor) -> Iterator[Piece]:
        """Cut rows into micro-batches, each with its place among the rows and its share of them."""
        size = self.config.micro_batch if self.device.type == "cpu" else GPU_PIECE
        for start in range(0, len(rows), size):
            cut = rows[start : start + size]
            yield samples[cut], slice(start, start + len(cut)), len(cut) / len(rows)

    def state_dict(self) -> dict[str, Any]:
        """Return the learner's state and the meta step's; its weights are the augmentation's."""
        meta = {
            "optimizer": self.meta_optimizer.state_dict(),
            "split": self.split_generator.get_state(),
        }
        return {**super().state_dict(), "meta": meta}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        super().load_state_dict(state)
        self.meta_optimizer.load_state_dict(state["meta"]["optimizer"])
        self.split_generator.set_state(state["meta"]["split"])


def _dot(one: Weights, other: Weights) -> Tensor:
    return torch.stack([(one[name] * other[name]).sum() for name in one]).sum()


def _total(parts: Iterator[Weights]) -> Weights:
    """Add up gradients; there is at least one."""
    total = dict(next(parts))
    for part in parts:
        total = {name: value + part[name] for name, value in total.items()}
    return total


def _total_with_loss(parts: Iterator[tuple[Weights, Tensor]]) -> tuple[Tensor, Weights]:
    total = _total({**gradients, "": loss} for gradients, loss in parts)
    return total.pop(""), total
