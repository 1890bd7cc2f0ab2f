"""The clauses of an augmentation's contract, one function each; `testing` runs them.

Each takes a `Case` and raises `guards.Broken` if the augmentation breaks the clause. Those about
drawing are in `draw_clauses`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from augmentations import global_state, guards
from augmentations.testing import draw_clauses
from augmentations.testing.cases import BATCH, MANY, Case, generator, same

DTYPES = (torch.float32, torch.uint8, torch.float64, torch.float16, torch.bfloat16)
_DRAWS = 8  # of as many images, one of each kind


def shape(case: Case) -> None:
    """`apply` returns images of the shape it was given, for one image or many."""
    for number in (BATCH, 1, MANY):
        obs = case.images().repeat(-(-number // BATCH), 1, 1, 1)[:number]
        output = case.aug.apply(obs, case.sample(batch=number))
        guards.check_shape_kept(obs, output, case.name)


def dtype(case: Case) -> None:
    """The output has the input's floating-point dtype; float32 for uint8."""
    for given in DTYPES:
        obs = case.images(given)
        guards.check_dtype(obs, case.aug.apply(obs, case.sample()), case.name)


def finite(case: Case) -> None:
    """No value of the output is NaN or infinite, for images of any dtype, nor for plain ones."""
    for seed in range(len(DTYPES) * _DRAWS):
        given = DTYPES[seed % len(DTYPES)]
        images = case.gallery(given, seed)
        output = case.aug.apply(torch.stack([*images.values()]), case.sample(seed))
        for kind, image in zip(images, output, strict=True):
            finite = bool(image.isfinite().all())
            case.require(finite, f"returns NaN or infinite values for images {kind} ({given})")


def mutation(case: Case) -> None:
    """`apply` changes neither the images, whatever their dtype, nor the parameters it is given."""
    for seed, kind in enumerate(DTYPES):
        for layout in (torch.contiguous_format, torch.channels_last):
            obs, params = case.images(kind).contiguous(memory_format=layout), case.sample(seed)
            given = {key: value.clone() for key, value in params.items()}
            case.aug.apply(obs, params)
            case.require(torch.equal(obs, case.images(kind)), f"changes its input ({kind})")
            case.require(params.keys() == given.keys(), "adds or removes parameters in apply")
            for key, value in given.items():
                alike = same(params[key], value)
                case.require(alike, f"changes the parameter {key!r} in apply")


def state(case: Case) -> None:
    """`apply` depends on the values of its arguments alone: called again, it returns the same.

    What came before does not matter, nor do the tensors in which the values are: a trainer writes
    new images into the old ones' memory.
    """
    params, obs = dict(case.sample()), case.images()
    first = case.aug.apply(obs, params).clone()
    for _ in range(2):
        case.require_equal(case.aug.apply(obs, params), first, "applies the same draw differently")
        case.aug.apply(case.images(seed=1), case.sample(1))
    expected = case.aug.apply(case.images(seed=1), case.sample(1)).clone()
    earlier = case.aug.apply(obs, params)
    case.aug.apply(case.images(seed=1), case.sample(1))
    case.require_equal(earlier, first, "overwrites what it returned before")
    case.aug.apply(obs, params)
    obs.copy_(case.images(seed=1))
    params.update(case.sample(1))
    message = "remembers images or parameters that were replaced"
    case.require_equal(case.aug.apply(obs, params), expected, message)


def gradient(case: Case) -> None:
    """No gradient leads into it: neither parameters nor output require one.

    They may where the module has parameters that do, as one that is trained.
    """
    if any(weight.requires_grad for weight in case.aug.parameters()):
        return
    with torch.inference_mode(False), torch.enable_grad():
        params, obs = case.sample(), case.images()
        for key, value in params.items():
            case.require(not value.requires_grad, f"draws {key!r} so that it requires a gradient")
        output = case.aug.apply(obs, params)
        case.require(not output.requires_grad, "returns images that require a gradient")


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


def values(case: Case) -> None:
    """The output lies in `output_range`, where the class declares one, for pale images too."""
    if case.aug.output_range is None:
        return
    low, high = case.aug.output_range
    for seed in range(4 * _DRAWS):
        images = case.gallery(seed=seed)
        output = case.aug.apply(torch.stack([*images.values()]), case.sample(seed))
        for kind, image in zip(images, output, strict=True):
            least, most = image.min().item(), image.max().item()
            case.require(
                low - case.atol <= least and most <= high + case.atol,
                f"returns values in [{least:.4g}, {most:.4g}] for images {kind}, but declares"
                f" output_range [{low:g}, {high:g}]; None declares no range",
            )


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
    """On CUDA, parameters are drawn there, the output stays there and agrees with the CPU's.

    There too the generator alone decides.
    """
    obs, params = case.images(), case.sample()
    moved = case.aug.apply(obs.cuda(), params)
    case.require(moved.is_cuda, "returns images on another device than its input's")
    message = "gives other images on CUDA than on the CPU"
    case.require_equal(moved.cpu(), case.aug.apply(obs, params), message, max(case.atol, 1e-4))
    before = global_state.capture()
    drawn, again = (case.aug.sample(obs.shape, generator(0, "cuda")) for _ in range(2))
    guards.check_params(drawn, BATCH, case.name)
    for key, value in drawn.items():
        case.require(value.is_cuda, f"draws {key!r} on another device than the generator's")
        alike = key in again and same(value, again[key])
        case.require(alike, f"draws {key!r} differently with the same seed on CUDA")
    guards.check_output(obs.cuda(), case.aug.apply(obs.cuda(), drawn), case.name)
    used = global_state.difference(before, global_state.capture())
    case.require(used is None, f"uses {used} on CUDA")


Clause = Callable[[Case], None]
CLAUSES: Mapping[str, Clause] = {
    "parameters": draw_clauses.parameters,
    "shape": shape,
    "dtype": dtype,
    "finite": finite,
    "global state": draw_clauses.global_state,
    "determinism": draw_clauses.determinism,
    "generator": draw_clauses.progress,
    "mutation": mutation,
    "state": state,
    "gradient": gradient,
    "scale": scale,
    "layout": layout,
    "range": values,
    "independence": draw_clauses.independence,
    "slices": slices,
    "empty": empty,
    "call": call,
    "device": device,
}
"""The clauses by name, in the order they are checked."""
