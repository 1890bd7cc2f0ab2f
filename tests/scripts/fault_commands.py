"""What may happen to the commands that read runs: each is killed while it works.

After every kill a file is absent, or whole and what the command left alone has written; and what
there was before is untouched. The same command then ends with the same files, bit for bit.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import fault_children
from fault_children import some_seconds
from fault_training import Dealt
from small_runs import small_run, tree
from synthetic_store import EXPERIMENT, METHODS, OPTIONS

from drac.files.atomic import TEMPORARY

_ROBUSTNESS = "--robustness --episodes 1 --num-envs 1 --split train"
PLAYING = {
    "drac watch": (10, ["drac", "watch", "{}/run", "--split", "test"]),
    "drac watch, GIF": (6, ["drac", "watch", "{}/run", "--out", "{}/clip.gif"]),
    "drac evaluate": (10, ["drac", "evaluate", "{}/run", "--episodes", "3", "--num-envs", "2"]),
    "drac evaluate --robustness": (10, f"drac evaluate {{}}/run {_ROBUSTNESS}".split()),
    "drac export": (20, ["drac", "export", "{}/run", "--out", "{}/policy.safetensors"]),
}
"""Commands, and how many of eleven hundred faults are kills of them."""

TABULATING = {
    "drac-bench tables": ["drac-bench", "tables", "--results", "{}", "--table", "per-game"],
    "drac-bench status": ["drac-bench", "status", "--results", "{}"],
    "drac-bench run": [
        *("drac-bench", "run", "--results", "{}", "--experiment", EXPERIMENT),
        *("--methods", *METHODS, "--seeds", "0-{last}"),
        *(f"--{name.replace('_', '-')}={value}" for name, value in OPTIONS.items()),
    ],
}


def _files(folder: Path) -> dict[str, bytes | None]:
    files = tree(folder)
    return {name: data for name, data in files.items() if TEMPORARY not in name}


class Work:
    """A command on a folder of its own; `command` names that folder as {}."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.command, self.log = command, log

    def start(self, folder: Path) -> fault_children.Child:
        seeds = [*folder.glob(f"runs/{EXPERIMENT}/ppo/maze/*")]
        words = [word.format(folder, last=len(seeds) - 1) for word in self.command]
        return fault_children.forked(words, self.log, lambda: None)


def torment(work: Work, folder: Path, faults: int, rng: random.Random) -> Dealt:
    """Kill a command so many times, let it end, and compare its files."""
    dealt, (alone, killed) = Dealt(), (folder / "alone", folder / "killed")
    for one in (alone, killed):
        small_run(one / "run")
    before, begun = _files(alone), time.monotonic()
    status = work.start(alone).wait()
    seconds, whole = time.monotonic() - begun, _files(alone)
    dealt.starts = 1
    for _ in range(3 * faults):
        if status or dealt.problems or dealt.kills >= faults:
            break
        if dealt.starts % 3 == 0:  # begin anew, lest all be there already
            shutil.rmtree(killed)
            small_run(killed / "run")
        child = work.start(killed)
        dealt.starts += 1
        some_seconds(rng, seconds * 1.05)
        child.kill()
        ended = child.wait()
        dealt.faults["kill of a command"] += ended == -signal.SIGKILL
        status = 0 if ended in (0, 2, -signal.SIGKILL) else ended  # 2: what --out names is there
        dealt.problems += damage(_files(killed), before, whole)
    if not status:
        if "--out" in work.command:
            shutil.rmtree(killed)
            small_run(killed / "run")
        status = work.start(killed).wait()
        dealt.starts += 1
        if _files(killed) != whole:
            dealt.problems.append("other files than those of the command left alone")
    if status:
        said = fault_children.last_line(work.log)
        dealt.problems.append(f"status {status}, {said!r}")
    return dealt


def damage(
    now: dict[str, bytes | None], before: dict[str, bytes | None], whole: dict[str, bytes | None]
) -> list[str]:
    lost = [f"{name} is damaged" for name, data in before.items() if now.get(name, b"") != data]
    return lost + [
        f"{name} is neither absent nor whole"
        for name, data in now.items()
        if name not in before and (name not in whole or whole[name] != data)
    ]


def _told(log: Path) -> list[bytes]:
    """Return what a command printed, without the lines that say how far it is."""
    return [line for line in log.read_bytes().splitlines() if not line.startswith(b"reading runs")]


def torment_store(work: Work, store: Path, folder: Path, faults: int, rng: random.Random) -> Dealt:
    """The same with a store of very many runs, all complete, which these commands share."""
    dealt, made, plan = Dealt(), store / "tables", store / "runs" / EXPERIMENT / "plan.json"
    shutil.rmtree(made, ignore_errors=True)
    begun, planned = time.monotonic(), sorted(json.loads(plan.read_bytes())["runs"])
    status, whole = work.start(store).wait(), _files(made) if made.exists() else {}
    seconds, said = time.monotonic() - begun, _told(work.log)
    for _ in range(faults):
        if status or dealt.problems:
            break
        shutil.rmtree(made, ignore_errors=True)
        child = work.start(store)
        dealt.starts += 1
        some_seconds(rng, seconds)
        dealt.faults["kill of a command"] += child.killed()
        dealt.problems += damage(_files(made), {}, whole)
    work.log.unlink()
    status = status or work.start(store).wait()
    dealt.starts += 2
    if status or (_files(made) if made.exists() else {}) != whole or said != _told(work.log):
        dealt.problems.append(f"status {status}, or another end than that of the one left alone")
    if sorted(json.loads(plan.read_bytes())["runs"]) != planned:
        dealt.problems.append("the plan has changed")
    return dealt
