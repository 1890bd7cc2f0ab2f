"""The clauses of an augmentation's contract, one function each; `testing` runs them.

Each takes a `Case` and raises `guards.Broken` if the augmentation breaks the clause.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch

from augmentations import guards
from augmentations.cases import BATCH, Case, generator

DTYPES = (torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64)
_DRAWS = 8  # of as many images: one coin an image is the same all over with chance 2**-56


def parameters(case: Case) -> None:
    """`sample` returns a dict of tensors with one row for each image; `batch_wide` are among them.

    This is what lets a minibatch's parameters be cut into micro-batches.
    """
    params = case.sample()
    guards.check_params(params, BATCH, case.name)
    unknown = sorted({*case.aug.batch_wide} - {*params})
    case.require(not unknown, f"declares batch_wide parameters that it does not draw: {unknown}")


def determinism(case: Case) -> None:
    """The generator decides every draw: the same seed, the same parameters."""
    for seed in range(2):
        one, other = case.sample(seed), case.sample(seed)
        case.require(one.keys() == other.keys(), "draws other parameters with the same seed")
        for key, value in one.items():
            same = torch.equal(value, other[key])
            case.require(same, f"draws {key!r} differently with the same seed of the generator")


def shape(case: Case) -> None:
    """`apply` returns images of the shape it was given."""
    obs = case.images()
    guards.check_shape_kept(obs, case.aug.apply(obs, case.sample()), case.name)


def dtype(case: Case) -> None:
    """The output has the input's floating-point dtype; float32 for uint8."""
    for given in DTYPES:
        obs = case.images(given)
        guards.check_dtype(obs, case.aug.apply(obs, case.sample()), case.name)


def mutation(case: Case) -> None:
    """`apply` changes neither the images nor the parameters it is given."""
    params = case.sample()
    given = {key: value.clone() for key, value in params.items()}
    for kind in (torch.float32, torch.uint8):
        for layout in (torch.contiguous_format, torch.channels_last):
            obs = case.images(kind).contiguous(memory_format=layout)
            case.aug.apply(obs, params)
            case.require(torch.equal(obs, case.images(kind)), f"changes its input ({kind})")
    for key, value in given.items():
        case.require(torch.equal(params[key], value), f"changes the parameter {key!r} in apply")


def global_state(case: Case) -> None:
    """The global generators of torch, numpy and Python are not used."""
    with _unused(case):
        case.aug.apply(case.images(), case.sample())


def state(case: Case) -> None:
    """`apply` depends on its arguments alone: called again, it returns the same."""
    params, obs = case.sample(), case.images()
    first = case.aug.apply(obs, params).clone()
    for _ in range(2):
        case.require_equal(case.aug.apply(obs, params), first, "applies the same draw differently")
        case.aug.apply(case.images(seed=1), case.sample(1))


def scale(case: Case) -> None:
    """Images in uint8 are scaled to [0, 1] first: their augmentation is that of floats."""
    params = case.sample()
    one, other = (
        case.aug.apply(case.images(kind), params) for kind in (torch.uint8, torch.float32)
    )
    case.require_equal(one, other, "treats uint8 images unlike float ones", case.atol)


def layout(case: Case) -> None:
    """Images in channels_last give the same as planar ones, in channels_last."""
    params, planar = case.sample(), case.images()
    obs = planar.contiguous(memory_format=torch.channels_last)
    output = case.aug.apply(obs, params)
    kept = output.is_contiguous(memory_format=torch.channels_last)
    case.require(kept, "does not return channels_last for channels_last (match_format helps)")
    message = "treats channels_last images unlike planar ones"
    case.require_equal(output, case.aug.apply(planar, params), message, case.atol)


def finite(case: Case) -> None:
    """No value of the output is NaN or infinite, nor for black or white images."""
    for obs in (case.images(), torch.zeros_like(case.images()), torch.ones_like(case.images())):
        for seed in range(_DRAWS):
            guards.check_finite(case.aug.apply(obs, case.sample(seed)), case.name)


def values(case: Case) -> None:
    """The output lies in `output_range`, where the class declares one."""
    if case.aug.output_range is None:
        return
    low, high = case.aug.output_range
    for seed in range(_DRAWS):
        output = case.aug.apply(case.images(), case.sample(seed))
        least, most = output.min().item(), output.max().item()
        case.require(
            low - case.atol <= least and most <= high + case.atol,
            f"returns values in [{least:.4g}, {most:.4g}], but declares output_range"
            f" [{low:g}, {high:g}]; None declares no range",
        )


def independence(case: Case) -> None:
    """Each image has a draw of its own, but for `batch_wide`, and knows of no other image."""
    draws = [case.sample(seed) for seed in range(_DRAWS)]
    for key in sorted({*draws[0]} - {*case.aug.batch_wide}):
        rows = [draw[key] for draw in draws]
        within = any(not torch.equal(row, row[:1].expand_as(row)) for row in rows)
        if not within and any(not torch.equal(row, rows[0]) for row in rows):
            hint = f"if that is meant, declare batch_wide = ({key!r},)"
            case.require(False, f"draws {key!r} once for the whole batch; {hint}")
    obs, others = case.images(), case.images(seed=1)
    others[::2] = obs[::2]
    one, other = (case.aug.apply(images, draws[0])[::2] for images in (obs, others))
    case.require_equal(one, other, "lets an image depend on the others of its batch", case.atol)


def slices(case: Case) -> None:
    """Slices of images and parameters, applied one by one, give the batch applied at once."""
    params, obs = case.sample(), case.images()
    parts = [
        case.aug.apply(obs[rows], {key: value[rows] for key, value in params.items()})
        for rows in (slice(0, 1), slice(1, 5), slice(5, BATCH))
    ]
    whole = case.aug.apply(obs, params)
    case.require_equal(torch.cat(parts), whole, "does not replay in slices", case.atol)


def empty(case: Case) -> None:
    """A batch of no images gives no images."""
    params = case.sample(batch=0)
    guards.check_params(params, 0, case.name)
    for kind in (torch.float32, torch.uint8):
        obs = case.images(kind)[:0]
        guards.check_output(obs, case.aug.apply(obs, params), case.name)


def call(case: Case) -> None:
    """Called with a generator, it samples and applies."""
    obs = case.images()
    expected = case.aug.apply(obs, case.sample(3))
    case.require_equal(case.aug(obs, generator(3)), expected, "called is not sample, then apply")


def device(case: Case) -> None:
    """On CUDA, parameters are drawn there, the output stays there and agrees with the CPU's."""
    obs, params = case.images(), case.sample()
    moved = case.aug.apply(obs.cuda(), params)
    case.require(moved.is_cuda, "returns images on another device than its input's")
    message = "gives other images on CUDA than on the CPU"
    case.require_equal(moved.cpu(), case.aug.apply(obs, params), message, max(case.atol, 1e-4))
    drawn = case.aug.sample(obs.shape, generator(0, "cuda"))
    guards.check_params(drawn, BATCH, case.name)
    for key, value in drawn.items():
        case.require(value.is_cuda, f"draws {key!r} on another device than the generator's")
    guards.check_output(obs.cuda(), case.aug.apply(obs.cuda(), drawn), case.name)


Clause = Callable[[Case], None]
CLAUSES: Mapping[str, Clause] = {
    "parameters": parameters,
    "determinism": determinism,
    "shape": shape,
    "dtype": dtype,
    "mutation": mutation,
    "global state": global_state,
    "state": state,
    "scale": scale,
    "layout": layout,
    "finite": finite,
    "range": values,
    "independence": independence,
    "slices": slices,
    "empty": empty,
    "call": call,
    "device": device,
}
"""The clauses by name, in the order they are checked."""


@contextlib.contextmanager
def _unused(case: Case) -> Iterator[None]:
    """Require that the global generators are left as they are, and put them back."""
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        yield
        after = torch.get_rng_state(), random.getstate(), np.random.get_state()  # noqa: NPY002
        case.require(torch.equal(before[0], after[0]), "uses torch's global generator")
        case.require(before[1] == after[1], "uses the global generator of Python's random")
        kept = all(map(np.array_equal, before[2], after[2]))
        case.require(kept, "uses numpy's global generator")
    finally:
        torch.set_rng_state(before[0])
        random.setstate(before[1])
        np.random.set_state(before[2])  # noqa: NPY002
