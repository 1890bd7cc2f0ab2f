"""Augmentations that break the contract where they draw, each one thing of it, and what is said.

`Good` breaks nothing. Others are in `broken.transforms` and `broken.values`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from augmentations import Augmentation, as_float

Broken = tuple[type[Augmentation], str, str]
"""A class, the clause that it breaks, and the message (a pattern)."""


class Good(Augmentation):
    """Brighten each image by a random amount; every broken class does one thing of it wrong."""

    name = "good"

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        return {"by": torch.rand(shape[0], generator=generator, device=generator.device)}

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        obs = as_float(obs)
        by = params["by"].to(obs.device, obs.dtype)[:, None, None, None]
        return (obs + 0.2 * by).clamp(0, 1)


class ParamOfOneRow(Good):
    def sample(self, shape, generator):
        return {"by": torch.rand(1, generator=generator)}


class ParamThatIsANumber(Good):
    def sample(self, shape, generator):
        return {"by": torch.rand(1, generator=generator).item()}

    def apply(self, obs, params):
        return as_float(obs) * params["by"]


class SampleOfATensor(Good):
    def sample(self, shape, generator):
        return torch.rand(shape[0], generator=generator)


class UnknownBatchWide(Good):
    batch_wide = ("angle",)


class Raises(Good):
    def sample(self, shape, generator):
        raise RuntimeError("no luck")


class OwnGenerator(Good):
    def __init__(self):
        super().__init__()
        self.rng = np.random.default_rng(0)

    def sample(self, shape, generator):
        return {"by": torch.from_numpy(self.rng.random(shape[0]))}


class GlobalTorch(Good):
    def sample(self, shape, generator):
        return {"by": torch.rand(shape[0])}


class GlobalPython(Good):
    def sample(self, shape, generator):
        random.random()
        return super().sample(shape, generator)


class OneDrawForAll(Good):
    def sample(self, shape, generator):
        return {"by": torch.rand(1, generator=generator).repeat(shape[0])}


class NamesThatChange(Good):
    def sample(self, shape, generator):
        by = super().sample(shape, generator)
        return {**by, "rare": by["by"]} if by["by"][0] > 0.9 else by


class NumbersItsDraws(Good):
    batch_wide = ("number",)

    def __init__(self):
        super().__init__()
        self.number = 0

    def sample(self, shape, generator):
        self.number += 1
        return {**super().sample(shape, generator), "number": torch.full(shape[:1], self.number)}


class GlobalAfterASeed(Good):
    def sample(self, shape, generator):
        torch.manual_seed(0)
        return {"by": torch.rand(shape[0])}


class GlobalPutBack(Good):
    def sample(self, shape, generator):
        with torch.random.fork_rng():
            return {"by": torch.rand(shape[0])}


class GlobalPythonPutBack(Good):
    def sample(self, shape, generator):
        before = random.getstate()
        by = torch.tensor([random.random() for _ in range(shape[0])])
        random.setstate(before)
        return {"by": by}


class FixedSeed(Good):
    def sample(self, shape, generator):
        return super().sample(shape, torch.Generator().manual_seed(0))


class FixedSeedPutBack(Good):
    def sample(self, shape, generator):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return {"by": torch.rand(shape[0])}


class FixedSeedForOneOfTwo(Good):
    def sample(self, shape, generator):
        fixed = torch.rand(shape[0], generator=torch.Generator().manual_seed(0))
        return {**super().sample(shape, generator), "fixed": fixed}


class SeedOnly(Good):
    def sample(self, shape, generator):
        seed = generator.initial_seed()
        return super().sample(shape, torch.Generator().manual_seed(seed))


class SeedOnlyOnceABatch(SeedOnly):
    batch_wide = ("by",)

    def sample(self, shape, generator):
        return {"by": super().sample((1,), generator)["by"].expand(shape[0])}


class StartsAnew(Good):
    def sample(self, shape, generator):
        return super().sample(shape, generator.manual_seed(7))


class OneDrawForTwo(Good):
    def sample(self, shape, generator):
        by = torch.rand((shape[0] + 1) // 2, generator=generator)
        return {"by": by.repeat_interleave(2)[: shape[0]]}


class OneCoinForTwo(OneDrawForTwo):
    def sample(self, shape, generator):
        return {"by": super().sample(shape, generator)["by"].round()}


class OneDrawForBothHalves(Good):
    def sample(self, shape, generator):
        by = torch.rand((shape[0] + 1) // 2, generator=generator)
        return {"by": by.repeat(2)[: shape[0]]}


class FirstImageAlwaysTheSame(Good):
    def sample(self, shape, generator):
        by = super().sample(shape, generator)["by"]
        by[:1] = 0.5
        return {"by": by}


BROKEN_DRAWS: list[Broken] = [
    (ParamOfOneRow, "parameters", "'by' must have one row for each of the 8 images"),
    (ParamThatIsANumber, "parameters", "'by' must be a tensor, not a float"),
    (SampleOfATensor, "parameters", "sample must return a dict"),
    (UnknownBatchWide, "parameters", "batch_wide parameters that it does not draw: .'angle'"),
    (NamesThatChange, "parameters", "draws by at one time, by, rare at another"),
    (Raises, "parameters", "'good' fails on images of 16x16 with RuntimeError: no luck"),
    (GlobalTorch, "global state", "uses torch's global generator"),
    (GlobalAfterASeed, "global state", "uses torch's global generator"),
    (GlobalPython, "global state", "uses the global generator of Python's random"),
    (GlobalPutBack, "global state", "draws 'by' from a global generator, and puts that back"),
    (GlobalPythonPutBack, "global state", "draws 'by' from a global generator"),
    (OwnGenerator, "determinism", "draws 'by' differently with the same seed"),
    (NumbersItsDraws, "determinism", "draws 'number' differently with the same seed"),
    (FixedSeed, "generator", "draws the same 'by' every time: the generator is ignored"),
    (FixedSeedPutBack, "generator", "draws the same 'by' every time"),
    (FixedSeedForOneOfTwo, "generator", "draws the same 'fixed' every time"),
    (StartsAnew, "generator", "draws the same 'by' every time"),
    (SeedOnly, "generator", "draws the same 'by' again and again from one generator"),
    (SeedOnlyOnceABatch, "generator", "draws the same 'by' again and again"),
    (OneDrawForAll, "independence", r"'by' once for the whole batch; .* batch_wide = \('by',\)"),
    (OneDrawForTwo, "independence", "draws 'by' not for each image: 0 and 1 always have the same"),
    (OneCoinForTwo, "independence", "0 and 1 always have the same"),
    (OneDrawForBothHalves, "independence", "0 and 4 always have the same"),
    (FirstImageAlwaysTheSame, "independence", "0 always has the same"),
]
