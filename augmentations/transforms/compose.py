"""Augmentations of augmentations: one after another, or one of several for each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from augmentations import registry
from augmentations.base import (
    Augmentation,
    as_float,
    check_shape,
    integers,
    match_format,
    parameter,
)
from augmentations.guards import check_params, title


class _Group(Augmentation):
    """Augmentations whose parameters share one dictionary, the member's number before each key.

    The parameter "top" of the second member is "1.top"; members that are groups give "1.0.top".
    """

    def __init__(self, augmentations: Sequence[Augmentation | str]) -> None:
        super().__init__()
        if isinstance(augmentations, str) or not isinstance(augmentations, Sequence):
            raise ValueError(
                "augmentations must be a list of augmentations or of their specifications;"
                f" got {augmentations!r}"
            )
        if not augmentations:
            raise ValueError("augmentations must name at least one; got none")
        self.augmentations = nn.ModuleList(map(_member, augmentations))
        self.batch_wide = tuple(
            f"{number}.{key}" for number, aug in self._members() for key in aug.batch_wide
        )

    def _members(self) -> list[tuple[int, Augmentation]]:
        members: Any = self.augmentations
        return list(enumerate(members))

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw the parameters of all members, the first one's first."""
        check_shape(shape)
        return {
            f"{number}.{key}": value
            for number, aug in self._members()
            for key, value in aug.sample(shape, generator).items()
        }

    def _apply_member(self, number: int, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        prefix = f"{number}."
        own = {
            key.removeprefix(prefix): value
            for key, value in params.items()
            if key.startswith(prefix)
        }
        aug: Any = self.augmentations[number]
        try:
            output: Tensor = aug.apply(obs, own)
        except ValueError as error:
            raise ValueError(f"member {number} ({title(aug)}): {error}") from error
        return output


class Compose(_Group):
    """Apply augmentations one after another.

    Source: Chen et al. 2020 (SimCLR), who found the composition of crop and colour distortion, the
    default, to be better than either and than any other two.

    Args:
        augmentations: `Augmentation`s or their specifications, in the order of application.
    """

    name = "compose"

    def __init__(
        self, augmentations: Sequence[Augmentation | str] = ("crop", "color-jitter")
    ) -> None:
        super().__init__(augmentations)
        # A member that is given images outside of [0, 1] promises nothing about its own.
        bounded = all(_unit(aug.output_range) for _, aug in self._members())
        self.output_range = (0.0, 1.0) if bounded else None

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Apply the members in turn. Shape: (B, 3, H, W) -> (B, 3, H, W)."""
        obs = as_float(obs)
        check_params(params, len(obs), title(self))
        for number, _ in self._members():
            obs = self._apply_member(number, obs, params)
        return obs


class RandomChoice(_Group):
    """Apply one of several augmentations to each image, each equally likely.

    Where the bandit of UCB-DrAC learns one arm for all images of an update, this mixes the arms
    within every minibatch.

    Source: Cubuk et al. 2020 (RandAugment): uniform choice, nothing learned; here of one.

    Args:
        augmentations: `Augmentation`s or their specifications; the default is the paper's eight.
    """

    name = "random-choice"

    def __init__(self, augmentations: Sequence[Augmentation | str] = registry.PAPER_ARMS) -> None:
        super().__init__(augmentations)
        ranges = [aug.output_range for _, aug in self._members()]
        bounds = [bound for bound in ranges if bound is not None]
        # An image passed on by none of them stays where it is, in [0, 1].
        if len(bounds) == len(ranges):
            self.output_range = (min(low for low, _ in bounds), max(high for _, high in bounds))
        else:
            self.output_range = None

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw `choice`, int64 (B,), the member's number, then as all members do for all images."""
        batch, _, _ = check_shape(shape)
        choice = integers(0, len(self.augmentations) - 1, (batch,), generator)
        return {"choice": choice, **super().sample(shape, generator)}

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Apply the chosen members. Shape: (B, 3, H, W) -> (B, 3, H, W)."""
        obs = as_float(obs)
        check_params(params, len(obs), title(self))
        choice = parameter(params, "choice", obs)
        apply = self._apply_sorted if obs.device.type == "cpu" else self._apply_masked
        return match_format(apply(obs, choice, params), obs)

    def _apply_masked(self, obs: Tensor, choice: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Give all images to every member: to ask a GPU how many it needs would be to wait."""
        output = obs
        for number, _ in self._members():
            chosen = (choice == number)[:, None, None, None]
            output = torch.where(chosen, self._apply_member(number, obs, params), output)
        return output

    def _apply_sorted(self, obs: Tensor, choice: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Give each member its own images only, sorted by their choice."""
        order = choice.argsort(stable=True)
        counts = choice.bincount(minlength=len(self.augmentations)).tolist()
        done = []
        for (number, _), rows in zip(self._members(), order.split(counts), strict=True):
            own = {
                key: value.index_select(0, rows.to(value.device))
                for key, value in params.items()
                if key.startswith(f"{number}.")
            }
            done.append(self._apply_member(number, _take(obs, rows), own))
        return _take(torch.cat(done), order.argsort())


def _member(given: Augmentation | str) -> Augmentation:
    if isinstance(given, str):
        return registry.make(given)
    if not isinstance(given, Augmentation):
        raise ValueError(f"a member must be an Augmentation or a specification; got {given!r}")
    return given


def _unit(bounds: tuple[float, float] | None) -> bool:
    return bounds is not None and bounds[0] >= 0 and bounds[1] <= 1


def _take(images: Tensor, rows: Tensor) -> Tensor:
    """Return images[rows], channels_last if `images` are: index_select alone would not keep it."""
    if images.is_contiguous():
        return images.index_select(0, rows)
    return images.permute(0, 2, 3, 1).index_select(0, rows).permute(0, 3, 1, 2)
