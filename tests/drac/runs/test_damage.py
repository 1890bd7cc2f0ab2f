"""Damaged checkpoints: none loads silently wrong, none is a traceback, none costs the older one."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from small_runs import small_config

from drac.config import TrainConfig
from drac.errors import ConfigError
from drac.runs import checkpoint
from drac.runs.checkpoint import require_same_run
from drac.train import train
from drac.train.watcher import Watcher

SEEDS = {"one": 0, "other": 1}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two runs of three updates that differ in their seed; each has two checkpoints."""
    folder = tmp_path_factory.mktemp("runs")
    for name, seed in SEEDS.items():
        config = small_config(seed=seed, steps=96, checkpoint_every=0, eval_episodes=1, eval_envs=1)
        train(config, folder / name)
    return {name: folder / name for name in SEEDS}


def checkpoints(run_dir: Path) -> list[Path]:
    """A run's checkpoints, the older first."""
    return sorted((run_dir / "checkpoint").glob("step_*.pt"))


def same(a: Any, b: Any) -> bool:
    """Whether two states are equal, bit for bit."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b) or (a != a and b != b)


def damaged(content: bytes, older: bytes, foreign: bytes) -> Iterator[tuple[str, bytes]]:
    """Every kind of damage, at every kind of place, to a checkpoint; by name."""
    rng = random.Random(0)
    header = 8 + int.from_bytes(content[:8], "little")
    edges = [1, 4, 7, 8, 9, header - 1, header, header + 1, len(content) - 1]
    steps = [number * len(content) // 40 for number in range(40)]
    for size in sorted({0, *edges, *steps}):
        yield f"cut at {size}", content[:size]
        if size:
            yield f"without its first {size}", content[size:]
    places = [rng.randrange(len(content)) for _ in range(60)]
    places += [rng.randrange(header) for _ in range(40)] + edges
    for place in places:
        flipped = bytearray(content)
        flipped[place] ^= 1 << rng.randrange(8)
        yield f"a bit flipped at {place}", bytes(flipped)
    for size in (1, 512, 4096):
        for _ in range(10):
            place = rng.randrange(len(content) - size)
            if any(content[place : place + size]):
                hole = content[:place] + bytes(size) + content[place + size :]
                yield f"a hole of {size} at {place}", hole
    for extra in (b"\0", b"x" * 4096, content):
        yield f"{len(extra)} bytes more at the end", content + extra
        yield f"{len(extra)} bytes more in front", extra + content
    yield "all zeros", bytes(len(content))
    yield "noise", rng.randbytes(len(content))
    yield "halves of two", content[: header + 50_000] + older[header + 50_000 :]
    yield "the one before it", older
    yield "another run's", foreign
    yield "a folder of text", b"step,update\n" * 1000


def test_two_hundred_damaged_checkpoints(runs: dict[str, Path], tmp_path: Path) -> None:
    older, newest = checkpoints(runs["one"])
    foreign = checkpoints(runs["other"])[-1]
    right = checkpoint.load(older)
    work = tmp_path / "run"
    config = TrainConfig.from_json(runs["one"] / "config.json")
    slipped, tried = [], 0
    for name, content in damaged(newest.read_bytes(), older.read_bytes(), foreign.read_bytes()):
        shutil.rmtree(work, ignore_errors=True)
        (work / "checkpoint").mkdir(parents=True)
        os.link(older, work / "checkpoint" / older.name)
        bad = work / "checkpoint" / newest.name
        bad.write_bytes(content)
        tried += 1
        said: list[str] = []
        state = checkpoint.load_newest(work, said.append, lambda s: require_same_run(s, config))
        if not same(state, right):
            slipped.append(name)
            continue
        assert (work / "checkpoint" / older.name).read_bytes() == older.read_bytes(), name
        aside = bad.with_suffix(".damaged")
        assert aside.read_bytes() == content, name
        assert not bad.exists(), name
        assert len(said) == 1, name
        assert str(bad) in said[0], name
    assert slipped == []
    assert tried >= 200


class Heard(Watcher):
    """Keeps what the user is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def message(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.parametrize("kind", ["flipped", "cut", "foreign", "older", "empty"])
def test_a_run_goes_on_from_the_older_one_to_the_same_end(
    runs: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    shutil.copytree(runs["one"], tmp_path / "run")
    older, newest = checkpoints(tmp_path / "run")
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    spoiled = {
        "flipped": bytes(content),
        "cut": bytes(content[:1000]),
        "foreign": checkpoints(runs["other"])[-1].read_bytes(),
        "older": older.read_bytes(),
        "empty": b"",
    }
    newest.write_bytes(spoiled[kind])
    watcher = Heard()
    config = small_config(seed=0, steps=96, checkpoint_every=0, eval_episodes=1, eval_envs=1)
    train(config, tmp_path / "run", watcher)
    assert sum("set aside" in text for text in watcher.said) == 1
    ended, expected = (checkpoints(run)[-1] for run in (tmp_path / "run", runs["one"]))
    assert ended.name == expected.name
    ours, theirs = checkpoint.load(ended)["training"], checkpoint.load(expected)["training"]
    assert same(ours, theirs)
    for name in ("arms.csv", "eval.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (runs["one"] / name).read_bytes()


def test_if_all_are_damaged_the_run_stops_and_they_stay(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(runs["one"], tmp_path / "run")
    for path in checkpoints(tmp_path / "run"):
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ConfigError, match="cannot be read as a checkpoint"):
        train(small_config(seed=0, steps=96, eval_episodes=1, eval_envs=1), tmp_path / "run")
    assert len(checkpoints(tmp_path / "run")) == 2
