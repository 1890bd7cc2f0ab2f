"""Fuzzes what reads files of others: config.json, meta.json, checkpoints, policies, stores.

Mutants of real files, from a seed, so that each can be made again: JSON is changed value by value,
binary files byte by byte, and their headers both ways. Only a ConfigError of one line may come of
one, and no file may change or appear. `make test-fuzz` tries 100,000; the tests some thousands.

    make test-fuzz ARGS="--inputs 100000"
"""

from __future__ import annotations

import argparse
import json
import os
import random
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fuzz_store
import torch
from checkout import RUNS
from fuzz_values import TEXTS
from log_head import add_log, written
from small_runs import small_config, tree
from torch import Tensor, nn

from drac import policy
from drac.config import TrainConfig
from drac.errors import ConfigError
from drac.networks import ActorCritic
from drac.policy import agent, exported
from drac.runs import checkpoint
from drac.runs.meta import read_meta

Mutate = Callable[[bytes, random.Random], bytes]

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**53 + 1, 2**64, -(2**63), 10**399, 10**5000),
    *(0.5, -0.0, 1e308, 5e-324, float("nan"), float("inf"), float("-inf")),
    *("\x00", "\ud800", *TEXTS),
    *([], {}, [[]], {"": 1}, [1] * 100, ["crop"] * 3, {"format": 1}, [None], [float("nan")]),
)
"""Values that readers stumble over."""


# Mutants


def _walk(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    places = [path]
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            places += _walk(item, (*path, key))
    return places


def _changed(value: Any, path: Sequence[Any], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _changed(copy[path[0]], path[1:], new)
    return copy


def _dumped(value: Any) -> bytes:
    limit = sys.get_int_max_str_digits() if hasattr(sys, "get_int_max_str_digits") else None
    if limit is not None:
        sys.set_int_max_str_digits(0)
    try:
        return json.dumps(value).encode()
    finally:
        if limit is not None:
            sys.set_int_max_str_digits(limit)


def mutate_json(content: bytes, rng: random.Random) -> bytes:
    """Change some values, keys or bytes of JSON."""
    if rng.random() < 0.1:
        return mutate_bytes(content, rng)
    value = json.loads(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        place = rng.choice(_walk(value))
        if rng.random() < 0.15 and place and isinstance(place[-1], str):
            parent = value
            for key in place[:-1]:
                parent = parent[key]
            kept = {k: v for k, v in parent.items() if k != place[-1]}
            if rng.random() < 0.5:
                kept[_dumped(rng.choice(ODD)).decode()[:100]] = rng.choice(ODD)
            value = _changed(value, place[:-1], kept)
        else:
            value = _changed(value, place, rng.choice(ODD))
    text = _dumped(value)
    if rng.random() < 0.02:
        depth = rng.choice((100, 1500, 100_000))
        text = b'{"a":' * depth + text + b"}" * rng.choice((depth, 0))
    return text


def mutate_bytes(content: bytes, rng: random.Random) -> bytes:
    """Flip, cut, insert, repeat or blank some bytes; more of them at the beginning and the end."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        if not data:
            break
        edge = min(len(data), 400)
        at = rng.choice(
            (rng.randrange(len(data)), rng.randrange(edge), len(data) - 1 - rng.randrange(edge))
        )
        how = rng.randrange(8)
        size = rng.choice((1, 2, 8, 64, 1000))
        if how <= 2:
            data[at] ^= 1 << rng.randrange(8)
        elif how == 3:
            data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif how == 4:
            del data[at : at + size]
        elif how == 5:
            data[at:at] = rng.randbytes(size)
        elif how == 6:
            data[at : at + size] = bytes(len(data[at : at + size]))
        elif rng.random() < 0.3:
            del data[at:]
        else:
            data[at : at + 8] = struct.pack("<Q", rng.choice((0, 1, 2**31, 2**40, 2**64 - 1)))
    return bytes(data)


def mutate_safetensors(content: bytes, rng: random.Random) -> bytes:
    """Change the header's JSON or the JSON inside of it, with right or wrong lengths."""
    if rng.random() < 0.3:
        return mutate_bytes(content, rng)
    (size,) = struct.unpack("<Q", content[:8])
    header, rest = content[8 : 8 + size], content[8 + size :]
    parsed = json.loads(header)
    inner = rng.choice([key for key, text in parsed["__metadata__"].items() if text[:1] in "{["])
    if rng.random() < 0.6:
        text = mutate_json(parsed["__metadata__"][inner].encode(), rng)
        parsed["__metadata__"][inner] = text.decode("utf-8", "replace")
        header = _dumped(parsed)
    else:
        header = mutate_json(header, rng)
    length = len(header) if rng.random() < 0.95 else rng.choice((0, 7, 2**20, 2**40, 2**64 - 1))
    return struct.pack("<Q", length) + header + rest


def resealed(mutate: Mutate) -> Mutate:
    """Have a checkpoint's checksum right again, so that what comes after it is reached too."""
    import hashlib
    import re

    def mutated(content: bytes, rng: random.Random) -> bytes:
        data = mutate(content, rng)
        found = re.search(rb'"sha256": ?"([0-9a-f]{64})"', data[: 2**20])
        if found is None or rng.random() < 0.1:
            return data
        begin, end = found.span(1)
        blank = data[:begin] + b"0" * 64 + data[end:]
        return data[:begin] + hashlib.sha256(blank).hexdigest().encode() + data[end:]

    return mutated


# Readers


class TinyNetwork(ActorCritic):
    """A network of a few numbers, so that reading its policy takes no time."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.fc = nn.Linear(2, 2)
        self.register_buffer("clean", torch.zeros(3, dtype=torch.bool))

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        raise AssertionError("readers load a network and never run it")


@dataclass
class Target:
    """One kind of file: a real one, how it is changed, and who reads it."""

    name: str
    path: Path
    content: bytes
    mutate: Mutate
    read: Callable[[Path], object]
    outcomes: Counter[str] = field(default_factory=Counter)


def _state() -> dict[str, Any]:
    """What a checkpoint holds, with the real names and kinds, in small."""
    state = checkpoint.load(next((RUNS / "format-2" / "checkpoint").glob("*.pt")))

    def small(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.flatten()[:8].clone() if value.numel() > 8 else value.clone()
        if isinstance(value, dict):
            return {key: small(item) for key, item in list(value.items())[:12]}
        if isinstance(value, list | tuple):
            return type(value)(small(item) for item in value)
        return value

    return {key: small(value) for key, value in state.items()}


def targets(folder: Path) -> list[Target]:
    """Make one real file of each kind below `folder`."""
    run = folder / "run"
    run.mkdir()
    config = small_config(method="ucb-drac", arms=("crop", "flip(axis='vertical')"))
    meta = (RUNS / "format-2" / "meta.json").read_bytes()
    made = [
        Target("config.json", run / "config.json", config.to_json().encode(), mutate_json, _config),
        Target("meta.json", run / "meta.json", meta, mutate_json, _meta),
    ]
    state = _state()
    state["training"]["network"] = TinyNetwork().state_dict()
    path = checkpoint.save(run, 32, state)
    made.append(Target("checkpoint", path, path.read_bytes(), resealed(mutate_safetensors), _agent))
    made.append(_policy_target(folder / "policy.safetensors", config))
    for target in made:
        target.path.write_bytes(target.content)
        target.read(target.path)  # the real file can be read
    return made


def store_targets(folder: Path) -> list[Target]:
    """Make a store below `folder`; what is changed are the files of one of its runs."""
    return [
        Target(
            name,
            path,
            path.read_bytes(),
            mutate_json if path.suffix == ".json" else fuzz_store.mutate_csv,
            read,
        )
        for name, path, read in fuzz_store.files(folder)
    ]


def _config(path: Path) -> object:
    return TrainConfig.from_json(path)


def _agent(path: Path) -> object:
    run_dir = path.parents[1]
    return agent.load_agent(run_dir, TrainConfig.from_json(run_dir / "config.json"))


def _meta(path: Path) -> object:
    found = read_meta(path.parent)
    text = json.dumps(found, allow_nan=False).encode("utf-8", "strict")
    return found or (_ for _ in ()).throw(ConfigError(f"nothing was read of {len(text)} bytes"))


def _policy_target(path: Path, config: TrainConfig) -> Target:
    from safetensors.torch import save

    card = {
        "kind": exported.KIND,
        "format": exported.FORMAT,
        "step": 32,
        "config": json.loads(config.to_json()),
    }
    weights = {name: tensor.clone() for name, tensor in TinyNetwork().state_dict().items()}
    content = save(weights, {"procgen-drac": json.dumps(card)})
    return Target("policy", path, content, mutate_safetensors, policy.load)


# The run


@dataclass
class Result:
    """What came of the mutants."""

    counts: dict[str, Counter[str]]
    failures: list[str]


def _without_index(files: dict[str, bytes | None]) -> dict[str, bytes | None]:
    """Leave out what reading a store may write: its index."""
    return {name: data for name, data in files.items() if not name.startswith("index.sqlite")}


def fuzz(
    inputs: int,
    seed: int,
    folder: Path,
    tell: Callable[[str], None],
    first: int = 0,
    keep: Callable[[Result], None] = lambda result: None,
    make: Callable[[Path], list[Target]] = targets,
) -> Result:
    """Try `inputs` mutants; policies are read into a `TinyNetwork`.

    Args:
        inputs: how many, in turn of every kind of file.
        seed: of all mutants; number n of a kind is the same whatever `inputs` is.
        folder: empty; the files lie there.
        tell: is told of the progress.
        first: number of the first mutant that is tried.
        keep: is given what came of them so far, every 10,000.
        make: what makes the files.
    """
    real = exported.of_method
    exported.of_method = agent.of_method = lambda config: TinyNetwork()
    made = make(folder)
    expected = tree(folder)
    failures: list[str] = []
    begun = time.monotonic()
    try:
        for number in range(first, inputs):
            target = made[number % len(made)]
            rng = random.Random(f"{seed} {target.name} {number // len(made)}")
            problem = _try(target, rng)
            if problem:
                failures.append(f"{target.name} {number // len(made)}: {problem}")
                tell(failures[-1])
            if number % 2000 == 1999 or number == inputs - 1:
                if _without_index(tree(folder)) != expected:
                    failures.append(f"a file changed before input {number}")
                    expected = tree(folder)
                rate = (number + 1 - first) / (time.monotonic() - begun)
                if number % 10_000 == 9999 or number == inputs - 1:
                    tell(f"{number + 1:,} inputs, {len(failures)} failures, {rate:.0f} a second")
                    keep(Result({target.name: target.outcomes for target in made}, failures))
    finally:
        exported.of_method = agent.of_method = real
    return Result({target.name: target.outcomes for target in made}, failures)


def _try(target: Target, rng: random.Random) -> str:
    """Read one mutant; return what is wrong with that, or ""."""
    content = target.mutate(target.content, rng)
    target.path.write_bytes(content)
    try:
        target.read(target.path)
    except ConfigError as error:
        target.outcomes["refused"] += 1
        printed = f"{error}\n".encode("utf-8", "backslashreplace")  # as stderr does
        return "" if len(printed) < 10_000 else f"a message of {len(printed):,} bytes"
    except Exception as error:
        target.outcomes["failed"] += 1
        return f"{type(error).__name__}: {str(error)[:200]!r}"
    finally:
        target.path.write_bytes(target.content)
    target.outcomes["unchanged" if content == target.content else "read"] += 1
    return ""


def table(result: Result) -> list[str]:
    """Return the lines of the log: a kind of file each, and the failures."""
    lines = [f"{'file':24}{'inputs':>10}{'refused':>10}{'read':>10}{'failures':>10}"]
    for name, counts in result.counts.items():
        read = counts["read"] + counts["unchanged"]
        lines.append(
            f"{name:24}{counts.total():>10,}{counts['refused']:>10,}{read:>10,}"
            f"{counts['failed']:>10,}"
        )
    return [
        *lines,
        "",
        f"failures and changed files: {len(result.failures)}",
        *result.failures[:50],
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Fuzz, print a table, and write it to --log."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="begin with this one")
    add_log(parser)
    argv = sys.argv[1:] if argv is None else argv
    given, begun = parser.parse_args(argv), time.monotonic()
    torch.set_num_threads(1)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a disk is most of the time

    def keep(result: Result) -> str:
        return written(given, argv, begun, table(result))

    with tempfile.TemporaryDirectory(dir=memory) as name:
        folder, tell = Path(name), lambda text: print(text, flush=True)
        result = fuzz(given.inputs, given.seed, folder, tell, given.first, keep)
        (folder / "store").mkdir()  # whose reader takes twenty times as long
        many = fuzz(given.inputs // 20, given.seed, folder / "store", tell, make=store_targets)
        result = Result(result.counts | many.counts, result.failures + many.failures)
    print(keep(result))
    return 1 if result.failures else 0


if __name__ == "__main__":
    sys.exit(main())
