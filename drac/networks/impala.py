"""The IMPALA actor-critic (Espeholt et al. 2018, figure 3), run in channels_last."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from drac.networks.fused import convolve_and_activate, convolve_and_add, convolve_and_pool

Residual = Literal["impala", "released"]


class ResidualBlock(nn.Module):
    """x + conv2(relu(conv1(relu(x)))).

    With `residual="released"` the skip carries relu(x): the released code's first ReLU works in
    place and so overwrites what the skip adds (docs/fidelity.md, "residual block").
    """

    def __init__(self, channels: int, residual: Residual) -> None:
        super().__init__()
        self.residual = residual
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, H, W)."""
        activated = F.relu(x)
        hidden = convolve_and_activate(self.conv1, activated)
        return convolve_and_add(self.conv2, hidden, activated if self.residual == "released" else x)


class ConvStack(nn.Module):
    """Convolution, 3x3 max-pooling of stride 2, two residual blocks."""

    def __init__(self, in_channels: int, out_channels: int, residual: Residual) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.res0 = ResidualBlock(out_channels, residual)
        self.res1 = ResidualBlock(out_channels, residual)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, out_channels, ceil(H/2), ceil(W/2))."""
        x = convolve_and_pool(self.conv, x)
        out: Tensor = self.res1(self.res0(x))
        return out


def orthogonal(layer: nn.Linear, gain: float, generator: torch.Generator | None) -> None:
    """Draw orthogonal weights with a gain; the bias is 0."""
    nn.init.orthogonal_(layer.weight, gain, generator=generator)
    nn.init.zeros_(layer.bias)


class Encoder(nn.Module):
    """Three convolutional stacks and a layer: an image in, features out.

    Weights: convolutions Xavier-uniform, `fc` orthogonal with gain sqrt(2); every bias 0. They
    are drawn by `initialize`.

    Args:
        obs_shape: (channels, height, width).
        hidden_size: width of `fc`, H.
        residual: "impala", or the released code's variant; see `ResidualBlock`.
    """

    CHANNELS = (16, 32, 32)

    def __init__(
        self, obs_shape: tuple[int, int, int], hidden_size: int, residual: Residual = "impala"
    ) -> None:
        if residual not in ("impala", "released"):
            raise ValueError(f"unknown residual {residual!r}: choose 'impala' or 'released'")
        super().__init__()
        channels, height, width = obs_shape
        # torch's layers draw weights from the global generator when made; ours replace them.
        with torch.random.fork_rng(devices=[]):
            for index, out_channels in enumerate(self.CHANNELS):
                self.add_module(f"stack{index}", ConvStack(channels, out_channels, residual))
                channels, height, width = out_channels, (height + 1) // 2, (width + 1) // 2
            self.fc = nn.Linear(channels * height * width, hidden_size)

    def initialize(self, generator: torch.Generator | None) -> None:
        """Draw the weights of the convolutions, then those of `fc`."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight, generator=generator)
                nn.init.zeros_(cast(Tensor, module.bias))
        orthogonal(self.fc, math.sqrt(2), generator)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def convolved(self, obs: Tensor) -> Tensor:
        """Map images (B, 3, H, W), float in [0, 1], to what `fc` sees: (B, D), none negative.

        Any memory format is taken; channels_last is not copied.
        """
        x = obs.contiguous(memory_format=torch.channels_last)
        for index in range(len(self.CHANNELS)):
            x = self.get_submodule(f"stack{index}")(x)
        # Flattened in the order (C, H, W), as the weights of `fc` expect.
        return F.relu(x).flatten(start_dim=1)

    def features(self, obs: Tensor) -> Tensor:
        """Map images (B, 3, H, W), float in [0, 1], to features (B, hidden_size), none negative."""
        return F.relu(self.fc(self.convolved(obs)))


class ActorCritic(Encoder):
    """Policy logits and a state value from an image.

    Weights: those of `Encoder`; `value_head` orthogonal with gain 1, `policy_head` orthogonal
    with gain 0.01.

    Args:
        num_actions: A.
        obs_shape: (channels, height, width).
        hidden_size: width of `fc`.
        residual: "impala", or the released code's variant; see `ResidualBlock`.
        generator: source of the initial weights; None takes torch's global one.

    Attributes:
        carried: what of its memory an env's next step depends on; the rest is told by the env.
    """

    carried: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        num_actions: int,
        obs_shape: tuple[int, int, int] = (3, 64, 64),
        hidden_size: int = 256,
        residual: Residual = "impala",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(obs_shape, hidden_size, residual)
        with torch.random.fork_rng(devices=[]):
            self.policy_head = nn.Linear(hidden_size, num_actions)
            self.value_head = nn.Linear(hidden_size, 1)
        self.initialize(generator)
        orthogonal(self.value_head, 1.0, generator)
        orthogonal(self.policy_head, 0.01, generator)

    def heads(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Map features (B, hidden_size) to logits (B, A) and values (B,), float32 at least."""
        return widened(self.policy_head(features)), widened(self.value_head(features).squeeze(1))

    def logits(self, obs: Tensor) -> Tensor:
        """Return the policy's logits alone, (B, A), of images (B, 3, H, W)."""
        return widened(self.policy_head(self.features(obs)))

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the policy's logits and the values.

        Shape:
            obs: (B, 3, H, W), float in [0, 1]; any memory format, channels_last is not copied.
            logits: (B, A), float32 (also under autocast).
            value: (B,), float32.
        """
        return self.heads(self.features(obs))

    def initial_memory(self, num_envs: int) -> dict[str, Tensor]:
        """Return what is remembered of n envs before their first step, by name: here nothing.

        The first dimension of each tensor is n.
        """
        return {}

    def note(
        self,
        memory: dict[str, Tensor],
        rows: slice,
        actions: NDArray[np.integer[Any]],
        rewards: NDArray[np.floating[Any]],
        ended: NDArray[np.bool_],
    ) -> None:
        """Write down in a memory what came of a step, for the next one: here nothing.

        Args:
            memory: of N envs, changed in place.
            rows: which of them, n, were stepped.
            actions: (n,), what they were stepped with.
            rewards: (n,), raw.
            ended: (n,), whether their episodes ended.
        """

    def advance(
        self, obs: Tensor, memory: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Look at the next image of each of n envs, (n, 3, H, W), with what is remembered of them.

        Returns:
            Logits (n, A), values (n,), and `carried` as it is now.
        """
        return (*self(obs), {})


def widened(output: Tensor) -> Tensor:
    """Return what a layer gave under autocast as float32, anything else as it is."""
    return output.float() if output.dtype in (torch.bfloat16, torch.float16) else output
