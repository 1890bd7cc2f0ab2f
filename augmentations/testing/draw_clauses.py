"""The clauses about drawing: what `sample` returns, and where its randomness comes from."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from augmentations import global_state as generators
from augmentations import guards
from augmentations.testing.cases import BATCH, MANY, Case, equal, same

_PAIRS = BATCH * (BATCH - 1) // 2
_CHANCE = 1e-6  # at which two images may have been given the same draws by accident


def parameters(case: Case) -> None:
    """`sample` returns a dict of tensors with one row for each image, for one image or many.

    This is what lets a minibatch's parameters be cut into micro-batches. Their names are the same
    in every draw. Those that are `batch_wide` are among them, and repeat one row.
    """
    for number in (BATCH, 1, MANY):
        guards.check_params(case.sample(batch=number), number, case.name)
    params = case.sample()
    unknown = sorted({*case.aug.batch_wide} - {*params})
    case.require(not unknown, f"declares batch_wide parameters that it does not draw: {unknown}")
    for key in case.aug.batch_wide:
        message = f"declares {key!r} batch_wide, but draws it differently for each image"
        case.require(all(same(row, params[key][0]) for row in params[key]), message)
    for draw in itertools.chain(*case.runs()):
        one, other = (", ".join(keys) or "nothing" for keys in (params, draw))
        case.require(draw.keys() == params.keys(), f"draws {one} at one time, {other} at another")


def global_state(case: Case) -> None:
    """The global generators of torch, numpy and Python are neither read nor changed.

    A class that puts them back afterwards does not pass: from another global state it must give
    the same.
    """
    for seed in range(3):
        first, second, elsewhere, back = (_from_state(case, seed, n) for n in (0, 0, 1, 0))
        for key, value in first.items():
            steady = all(same(value, other[key]) for other in (second, back) if key in other)
            if steady and key in elsewhere:  # else it is another clause that is broken
                message = f"draws {key!r}" if key else "transforms images"
                alike = same(value, elsewhere[key])
                case.require(alike, f"{message} from a global generator, and puts that back")


def determinism(case: Case) -> None:
    """The generator decides every draw: the same seed, the same parameters."""
    for seed in range(2):
        one, other = case.sample(seed), case.sample(seed)
        case.require(one.keys() == other.keys(), "draws other parameters with the same seed")
        for key, value in one.items():
            alike = same(value, other[key])
            case.require(alike, f"draws {key!r} differently with the same seed of the generator")


def progress(case: Case) -> None:
    """The generator is drawn from: it moves on, so that its next draw is another one.

    Neither its seed alone nor a generator of the class's own decides. Parameters that are the same
    for all images in every draw are constants, which need no generator.
    """
    runs = case.runs()
    for key in runs[0][0]:
        values = [[draw[key] for draw in run] for run in runs]
        if any(not same(run[0], value) for run in values for value in run[1:]):
            continue
        seeds = any(not same(values[0][0], run[0]) for run in values)
        case.require(not seeds, f"draws the same {key!r} again and again from one generator")
        rows = any(not _constant(run[0]) for run in values)
        case.require(not rows, f"draws the same {key!r} every time: the generator is ignored")


def independence(case: Case) -> None:
    """Each image has a draw of its own, but for `batch_wide`, and knows of no other image."""
    draws = list(itertools.chain(*case.runs()))
    for key in sorted({*draws[0]} - {*case.aug.batch_wide}):
        values = [draw[key] for draw in draws]
        varies = any(not same(value, values[0]) for value in values)
        shared = all(same(value, value[:1].expand_as(value)) for value in values)
        hint = f"if that is meant, declare batch_wide = ({key!r},)"
        case.require(not (varies and shared), f"draws {key!r} once for the whole batch; {hint}")
        found = _repetition(values)
        case.require(found is None, f"draws {key!r} not for each image: {found}")
    _require_apart(case, draws)


def _require_apart(case: Case, draws: Sequence[dict[str, Tensor]]) -> None:
    """Require that an image stays the same when all others change."""
    obs = case.images()
    for row, params in zip((0, 3, BATCH - 1), draws[:3], strict=True):
        others = case.images(seed=1)
        others[row] = obs[row]
        one, other = (case.aug.apply(images.clone(), params)[row] for images in (obs, others))
        case.require_equal(one, other, "lets an image depend on the others of its batch", case.atol)


def _from_state(case: Case, seed: int, number: int) -> dict[str, Tensor]:
    """Return the draw and (as "") the images that come of it, from a state of this number."""
    generators.disturb(number)
    before = generators.capture()
    params = case.sample(seed)
    output = case.aug.apply(case.images(), params)
    used = generators.difference(before, generators.capture())
    case.require(used is None, f"uses {used}")
    return {**params, "": output}


def _constant(value: Tensor) -> bool:
    """Whether all rows are the same, or just number the images."""
    number = torch.arange(len(value), device=value.device).view(-1, *[1] * (value.dim() - 1))
    return same(value, value[:1].expand_as(value)) or bool((value == number).all())


def _repetition(values: Sequence[Tensor]) -> str | None:
    """Return which image always shares another's row, or always has the same, if by no accident.

    The chance of an accident is measured on successive draws: a coin shows the same side in half
    of them, and two coins agree N times in a row with chance 2**-N.
    """
    among = torch.stack([_rows_alike(value[:, None], value[None]) for value in values])
    in_time = [
        _rows_alike(one[:, None], other[:, None]) for one, other in itertools.pairwise(values)
    ]
    again = torch.stack(in_time)[..., 0]
    if _PAIRS * again.double().mean().item() ** len(again) > _CHANCE:
        return None
    pairs = among.all(0).triu(diagonal=1).nonzero().tolist()
    if pairs:
        return "{} and {} always have the same".format(*pairs[0])
    fixed = again.all(0).nonzero().flatten().tolist()
    return f"{fixed[0]} always has the same" if fixed else None


def _rows_alike(one: Tensor, other: Tensor) -> Tensor:
    """Return bool (n, m): which rows of (n, m, ...) tensors are equal; none if the sizes differ."""
    if one.shape[2:] != other.shape[2:]:
        return torch.zeros(one.shape[:2], dtype=torch.bool)
    return equal(one, other).flatten(2).all(2) if one.dim() > 2 else equal(one, other)
