"""Any 2D class of `kornia.augmentation` as an Augmentation: "kornia:RandomInvert(p=0.5)".

kornia draws from torch's global generator, returns some parameters that are one a batch, and gates
rows by itself. Here the global state is forked and seeded from the given generator, every parameter
has one row an image, and slices replay exactly: each class is tried out when it is made, and one
that cannot keep the contract is refused. Draws are made on the CPU, so that they are the same on
every device; kornia itself may wait for the device.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import kornia
import torch
from torch import Tensor

from augmentations.arguments import check_number
from augmentations.base import Augmentation, as_float, check_shape, match_format, parameter
from augmentations.errors import told
from augmentations.guards import ATOL
from augmentations.kornia_classes import Refused, construct, find, taken

_GATE = "batch_prob"
_SHAPE = "forward_input_shape"
_TRIAL_SIZE = 64  # pixels; Procgen's
_TRIAL_DRAWS = 8


class KorniaAugmentation(Augmentation):
    """A module of `kornia.augmentation`, drawn from a generator and replayed in slices.

    Output may leave [0, 1] where kornia's does (RandomGaussianNoise, Normalize).

    Args:
        class_name: a class of `kornia.augmentation` that transforms batches of images one by one
            and keeps their shape: "RandomGaussianBlur". Policies, containers, video, 3D and mixing
            classes (which need labels) are refused.
        arguments: of its constructor. Where kornia asks for a tensor, numbers are made into one:
            `RandomGrayscale(rgb_weights=[0.3, 0.6, 0.1])`.

    Raises:
        ValueError: for an unknown or refused class, or arguments that kornia refuses.
    """

    output_range = None

    def __init__(self, class_name: str, /, **arguments: Any) -> None:
        super().__init__()
        self.name = f"kornia:{class_name}"
        self.arguments = arguments
        cls = find(class_name)
        try:
            self.module = construct(self.name, cls, arguments)
            # The gate is drawn and applied here: versions of kornia differ in how they do it.
            self.p, self.p_batch = self.module.p, self.module.p_batch
            self.module.p = self.module.p_batch = 1.0
            check_number("p", self.p, 0.0, 1.0)
            self._try_out()
        except Refused:
            raise
        except Exception as error:  # kornia checks with assert, TypeError, its own classes, ...
            kinds = "" if isinstance(error, ValueError | AssertionError) else taken(cls, arguments)
            raise Refused(f"{self.name}: {told(error)}{kinds}") from error

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw kornia's own parameters by their own names, and `batch_prob`: who is transformed.

        One draw of the generator seeds them all. What kornia draws once a batch is repeated.
        """
        batch, height, width = check_shape(shape)
        limit, device = 2**63 - 1, generator.device
        seed = int(torch.randint(limit, (1,), generator=generator, device=device).item())
        with _forked(generator.device):
            torch.default_generator.manual_seed(seed)
            drawn = self._draw(torch.Size((max(batch, 1), 3, height, width)))
        rows = {
            key: value.expand(batch, *value.shape) if key in self._shared else value[:batch]
            for key, value in drawn.items()
        }
        return {key: value.to(generator.device) for key, value in rows.items()}

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Transform the images whose `batch_prob` is 1. Shape: (B, 3, H, W) -> (B, 3, H, W)."""
        obs = as_float(obs)
        # kornia's filters are exact enough, and complete, in float32 only.
        images = obs.to(torch.promote_types(obs.dtype, torch.float32))
        rows = {key: parameter(params, key, images) for key in self._keys}
        if not len(obs):
            return obs
        output = self._transform(images, rows)
        if output.shape != images.shape:
            sizes = " to ".join(str(tuple(tensor.shape[1:])) for tensor in (obs, output))
            raise ValueError(f"the augmentation {self.name!r} changes the shape of images: {sizes}")
        if (self.p, self.p_batch) != (1.0, 1.0):
            output = torch.where(rows[_GATE][:, None, None, None] > 0.5, output, images)
        return match_format(output.to(obs.dtype), obs)

    def extra_repr(self) -> str:
        """Return the probabilities, which the module is not told."""
        return f"p={self.p}, p_batch={self.p_batch}"

    def _draw(self, shape: torch.Size) -> dict[str, Tensor]:
        """Draw kornia's parameters for a batch of at least one, from the global generator."""
        module = self.module
        module.set_rng_device_and_dtype(torch.device("cpu"), torch.float32)
        same = module.same_on_batch
        gate = module.__batch_prob_generator__(shape, self.p, self.p_batch, same)
        drawn: dict[str, Any] = {**module.forward_parameters(shape), _GATE: gate}
        for key, value in drawn.items():
            if not isinstance(value, Tensor):
                kind = type(value).__name__
                raise Refused(
                    f"{self.name} cannot be replayed in slices: its parameter {key!r} is a {kind}"
                )
        if {"ksize_factor", "idx"} <= drawn.keys():  # RandomMotionBlur: all use the size of one row
            size = drawn["ksize_factor"][drawn["idx"]]
            drawn["ksize_factor"] = size.expand_as(drawn["ksize_factor"])
            drawn["idx"] = torch.zeros_like(drawn["idx"])
        return drawn

    def _transform(self, images: Tensor, rows: Mapping[str, Tensor]) -> Tensor:
        """Let kornia transform all images; rows has one row of each parameter for each image."""
        params = {key: value[0] if key in self._shared else value for key, value in rows.items()}
        params[_GATE] = torch.ones_like(rows[_GATE])
        params[_SHAPE] = params[_SHAPE].clone()
        params[_SHAPE][0] = len(images)
        if "batch_idx" in params:  # RandomChannelDropout numbers the images
            numbers = torch.arange(len(images), device=images.device)
            params["batch_idx"] = numbers[:, None].expand_as(params["batch_idx"])
        # A copy, because some classes write into their input.
        output: Tensor = self.module(images.clone(memory_format=torch.contiguous_format), params)
        self.module._params = {}
        return output

    def _try_out(self) -> None:
        """Find out which parameters are shared by a batch, and whether slices replay."""
        shape = torch.Size((7, 3, _TRIAL_SIZE, _TRIAL_SIZE))
        with _forked():
            torch.default_generator.manual_seed(0)
            draws = [self._draw(shape) for _ in range(_TRIAL_DRAWS)]
            smaller = self._draw(torch.Size((5, *shape[1:])))
            first = draws[0]
            self._keys = tuple(first)
            self._shared = frozenset(
                key
                for key, value in first.items()
                if value.dim() == 0 or value.shape[0] == smaller[key].shape[0]
            ) | {_SHAPE}
            self.batch_wide = tuple(key for key in self._keys if self._is_batch_wide(key, draws))
            images = torch.rand(shape)
            rows = {
                key: value.expand(len(images), *value.shape) if key in self._shared else value
                for key, value in first.items()
            }
            before = torch.get_rng_state()
            whole = self._transform(images, rows)
            version = f"kornia {kornia.__version__}"
            if not torch.equal(torch.get_rng_state(), before):
                raise Refused(
                    f"{self.name} of {version} draws random numbers while it is applied, so that"
                    f" its draws cannot be replayed"
                )
            part = self._transform(images[2:5], {key: value[2:5] for key, value in rows.items()})
        if not torch.allclose(part, whole[2:5], rtol=0, atol=ATOL):
            raise Refused(
                f"{self.name} of {version} treats an image differently in another batch, so that"
                f" its draws cannot be replayed in slices"
            )

    def _is_batch_wide(self, key: str, draws: Sequence[Mapping[str, Tensor]]) -> bool:
        """Whether a parameter is drawn once a batch: it varies over draws, never within one."""
        if key in self._shared or (key == _GATE and self.p_batch not in (0.0, 1.0)):
            return True
        values = [draw[key] for draw in draws]
        within = any(not torch.equal(value, value[:1].expand_as(value)) for value in values)
        return not within and any(not torch.equal(value[0], values[0][0]) for value in values)


@contextlib.contextmanager
def _forked(device: torch.device | None = None) -> Iterator[None]:
    """Restore the global generators of the CPU and of a CUDA device afterwards."""
    cuda = [device] if device is not None and device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        yield
