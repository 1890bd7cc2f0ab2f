"""How the store's index, `status` and `tables` grow with the number of runs.

    export PYTHONPATH=.:tests/scripts
    python tests/scripts/engines/store_scale.py FOLDER --runs 1000 10000 100000

writes stores of 10 methods x 10 games: ten seeds as `synthetic_store.py` invents them, further ones
that share the CSV files of these as hard links. Prints the CPU seconds of each command.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

from synthetic_store import EXPERIMENT, METHODS, write_store

from drac.games import GAMES

WRITTEN = 10
CELLS = len(METHODS) * 10
COMMANDS = ("index --rebuild", "index", "status", "tables")
MOST_TABULATED = 10_000


def write(root: Path, runs: int) -> None:
    """Write a store of so many runs, a multiple of `CELLS`."""
    write_store(root, games=GAMES[:10], seeds=min(WRITTEN, runs // CELLS))
    for cell in sorted((root / "runs" / EXPERIMENT).glob("*/*")):
        for seed in range(WRITTEN, runs // CELLS):
            twin, folder = cell / f"seed{seed % WRITTEN}", cell / f"seed{seed}"
            folder.mkdir()
            config = json.loads((twin / "config.json").read_text())
            (folder / "config.json").write_text(json.dumps({**config, "seed": seed}))
            for name in ("meta.json", "progress.csv", "arms.csv", "eval.csv"):
                os.link(twin / name, folder / name)


def seconds(words: list[str]) -> float:
    """Return the CPU seconds that a command takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "benchmark.cli", *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Write the stores and time the commands."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="new folders are made in it, one a store")
    parser.add_argument("--runs", type=int, nargs="+", default=(1000, 10_000, 100_000))
    given = parser.parse_args()
    print(f"{'runs':>8}", *(f"{command:>16}" for command in COMMANDS), "CPU seconds")
    for runs in given.runs:
        root = given.folder / str(runs)
        write(root, runs)
        took = [
            f"{seconds([*command.split(), '--results', str(root)]):16.1f}"
            for command in COMMANDS
            if command != "tables" or runs <= MOST_TABULATED
        ]
        print(f"{runs:8,}", *took, flush=True)


if __name__ == "__main__":
    main()
