"""The fault test: what was killed again and again ends with the bits of what never was.

A command is left alone once. The same command, in another folder, then meets its share of faults,
most of them kills (SIGKILL), and is started again after each. At the end weights, optimizer,
generators, all CSV files, and pictures must be those of the command left alone, timing columns
aside. Nothing in drac knows of this. The kinds of faults are those of KINDS; the work is cut into
units of at most UNIT kills, and --state keeps those that are done, so that the same command
continues after it was stopped.

    make test-faults ARGS="--faults 1000 --state faults.jsonl"
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import fault_children
import fault_commands
import fault_sweeps
import fault_training
from fault_training import METHODS, Dealt, Run
from log_head import add_log, written
from synthetic_store import METHODS as STORE_METHODS
from synthetic_store import write_store

from drac.games import GAMES

SLOW = ("Procgen", "many runs")
"""Ends of the names of kinds that come last."""

UNIT = 20
"""Kills of a unit, at most."""

Unit = Callable[[Path, int, random.Random], Dealt]


def _training(
    fault: fault_training.Fault, method: str, folder: Path, faults: int, rng: Any, **how: Any
) -> Dealt:
    method = method or rng.choice(METHODS)
    return fault_training.torment(Run(folder, method, faults, **how), fault, faults, rng)


def _sweep(fault: fault_sweeps.Fault, folder: Path, faults: int, rng: Any) -> Dealt:
    return fault_sweeps.torment(fault_sweeps.Sweep(folder, faults), fault, faults, rng)


def _playing(command: Sequence[str], folder: Path, faults: int, rng: Any) -> Dealt:
    work = fault_commands.Work(command, folder / "log")
    return fault_commands.torment(work, folder, faults, rng)


def _tabulating(command: Sequence[str], folder: Path, faults: int, rng: Any) -> Dealt:
    work = fault_commands.Work(command, folder / "log")
    return fault_commands.torment_store(work, folder.parent / "store", folder, faults, rng)


def _kinds() -> dict[str, tuple[int, Unit]]:
    """Return every kind of unit, and how many of eleven hundred faults are of it."""
    kill = fault_training.kill
    kinds: dict[str, tuple[int, Unit]] = {}
    for method in METHODS:  # Procgen is slow to make, and PLR needs it
        kinds[f"train {method}"] = 25 if method == "plr" else 100, partial(_training, kill, method)
        real = {"procgen": True, "eval_every": 0, "eval_episodes": 1}
        kinds[f"train {method}, Procgen"] = 3, partial(_training, kill, method, **real)
    often = {"checkpoint_every": "0.0001"}  # minutes, of clocks that jump
    jumping = partial(_training, fault_training.kill_under_jumping_clocks, "", **often)
    claims = partial(_training, fault_training.foreign_claim, "", before=fault_training.no_locks)
    return kinds | {
        "storms of SIGTERM": (60, partial(_training, fault_training.storm, "")),
        "STOP and CONT": (60, partial(_training, fault_training.standstill, "")),
        "clocks that jump": (80, jumping),
        "locks of another host": (50, partial(_training, fault_training.foreign_lock, "")),
        "no locks, claims of another host": (50, claims),
        "a run of a sweep": (40, partial(_sweep, fault_sweeps.kill_a_run)),
        "a sweep": (30, partial(_sweep, fault_sweeps.kill_the_sweep)),
        "two sweeps": (20, partial(_sweep, fault_sweeps.two_sweeps)),
        **{
            name: (number, partial(_playing, words))
            for name, (number, words) in fault_commands.PLAYING.items()
        },
        **{
            f"{name}, many runs": (5, partial(_tabulating, words))
            for name, words in fault_commands.TABULATING.items()
        },
    }


KINDS = _kinds()


def units(kinds: Sequence[str], faults: int) -> list[tuple[str, int, int]]:
    """Return (kind, number, faults) of all units, so that an early end has something of each."""
    weight = sum(KINDS[kind][0] for kind in kinds)
    found = []
    for kind in kinds:
        left = max(1, round(faults * KINDS[kind][0] / weight))
        parts = -(-left // UNIT)
        found += [(kind, n, left * (n + 1) // parts - left * n // parts) for n in range(parts)]
    return sorted(found, key=lambda unit: (unit[0].endswith(SLOW), unit[1]))


def deal(kind: str, number: int, faults: int, seed: int, folder: Path) -> Dealt:
    """Do a unit; its folder is removed if nothing was wrong."""
    own = folder / f"{kind}-{number}".replace(" ", "-").replace(",", "")
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    dealt = Dealt()
    try:
        dealt = KINDS[kind][1](own, faults, random.Random(f"{seed} {kind} {number}"))
    except fault_children.Hanging as error:
        dealt.problems.append(str(error))
    if not dealt.problems:
        shutil.rmtree(own)
    return dealt


def table(reached: Sequence[tuple[str, int, Dealt]], planned: int) -> list[str]:
    """Return the lines of the log: a kind each, and the totals of what was reached."""
    kinds = list(dict.fromkeys(kind for kind, _, _ in reached))
    width = max(map(len, kinds))
    lines = [f"{'kind':{width}}{'kills':>8}{'other faults':>14}{'starts':>8}  the end"]
    total, kills, wrong = Counter[str](), 0, []
    for kind in kinds:
        parts = [dealt for of, _, dealt in reached if of == kind]
        faults = sum((part.faults for part in parts), Counter[str]())
        own, starts = sum(part.kills for part in parts), sum(part.starts for part in parts)
        problems = [problem for part in parts for problem in part.problems]
        end = "; ".join(problems[:2]) or "as if left alone, bit for bit"
        lines.append(f"{kind:{width}}{own:>8}{faults.total() - own:>14}{starts:>8}  {end}")
        total, kills = total + faults, kills + own
        wrong += [f"{kind}: {problem}" for problem in problems]
    lines += ["", *(f"{number:6,} {name}" for name, number in sorted(total.items())), "", *wrong]
    lines.append(
        f"{len(reached)} of {planned} units, {kills:,} kills and {total.total() - kills:,} other"
        f" faults; problems: {len(wrong)}"
    )
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    """Deal the faults, print a table, and write it to --log."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--kinds", nargs="+", default=[*KINDS], choices=[*KINDS], metavar="KIND")
    parser.add_argument("--folders", type=int, default=20_000, help="runs in the large store")
    parser.add_argument("--folder", type=Path, help="works here, in place of a temporary folder")
    parser.add_argument("--state", type=Path, help="a file of the units that are done")
    add_log(parser)
    argv = sys.argv[1:] if argv is None else argv
    given, begun = parser.parse_args(argv), time.monotonic()
    done = _already(given.state) if given.state and given.state.exists() else {}
    planned = units(given.kinds, given.faults)
    log = ""
    with tempfile.TemporaryDirectory() as name:
        folder = given.folder or Path(name)
        for kind, number, faults in planned:
            if (kind, number) not in done:
                if kind.endswith("many runs") and not (folder / "store").exists():
                    large_store(folder / "store", given.folders)
                dealt = done[kind, number] = deal(kind, number, faults, given.seed, folder)
                said = ", ".join(dealt.problems) or f"{dealt.kills} kills"
                print(f"{time.monotonic() - begun:6,.0f} s  {kind} {number}: {said}", flush=True)
                if given.state:
                    with given.state.open("a", encoding="utf-8") as file:
                        file.write(json.dumps({"unit": [kind, number], **vars(dealt)}) + "\n")
            reached = [(*unit[:2], done[unit[:2]]) for unit in planned if unit[:2] in done]
            log = written(given, argv, begun, table(reached, len(planned)))
    print(log)
    return 0 if log.endswith("problems: 0") else 1


def _already(state: Path) -> dict[tuple[str, int], Dealt]:
    """Return the units that were done before."""
    done = {}
    for line in state.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        kind, number = record.pop("unit")
        done[kind, number] = Dealt(**{**record, "faults": Counter(record["faults"])})
    return done


def large_store(root: Path, folders: int) -> None:
    """Write a store of so many runs, whole folders moved into place at the end."""
    seeds = -(-folders // (len(STORE_METHODS) * len(GAMES)))
    shutil.rmtree(root.with_name("unfinished"), ignore_errors=True)
    write_store(root.with_name("unfinished"), seeds=seeds)
    root.with_name("unfinished").rename(root)


if __name__ == "__main__":
    sys.exit(main())
