"""`drac-bench import-curves`: bring in learning curves of other people's runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.commands.import_scores import told_of
from benchmark.scores import curves
from drac.commands import flags
from drac.config.quantities import number_of
from drac.errors import ConfigError
from drac.files import run_folder

HELP = """Bring in learning curves, which are kept below RESULTS/curves with the files' names, their
SHA-256 and the date; drac-bench figures and report then draw them beside ours, labelled as
imported, as far as our runs go. The files are progress files of one run each (train-procgen,
CleanRL, TensorBoard's exports, Stable-Baselines3, auto-drac; others by --step-column and
--return-column), or one file with the columns method, game, split, run, steps and mean_return.

examples:
  drac-bench import-curves results/published/curves.csv --name openai
  drac-bench import-curves runs/bigfish_ppo_seed*.csv --method "their PPO" --split train
  drac-bench import-curves log.csv --step-column t --return-column R --game maze --seed 0"""


@dataclass
class CurveFlags:
    """Flags of `drac-bench import-curves`."""

    file: tuple[Path, ...] = flags.positional("one file, or several progress files", "FILE")
    name: str | None = flags.option(None, "what the set is called (default: the file's name)")
    replace: bool = flags.option(False, "replace a set of that name")
    step_column: str = flags.option("", "column of environment steps", "NAME")
    return_column: str = flags.option("", "column of mean returns", "NAME")
    method: str = flags.option("", "of files whose names do not say it")
    game: str = flags.option("", "likewise", "GAME")
    seed: str = flags.option("", "likewise", "N")
    split: str = flags.option("", "where a file does not say it", "{train,test}")
    mode: str = flags.option("", "likewise (default: easy)", "MODE")
    results: Path = flags.option(Path("results"), "root of all results")


def import_curves_command(argv: Sequence[str]) -> int:
    """`drac-bench import-curves`."""
    given: CurveFlags = flags.parse(CurveFlags, argv, "drac-bench import-curves", HELP)
    if not given.file:
        raise ConfigError("give one FILE.csv, or several")
    if bool(given.step_column) != bool(given.return_column):
        raise ConfigError("--step-column and --return-column must be given together")
    own = {"steps": given.step_column, "return": given.return_column}
    told = told_of(given.split, given.mode, given.game, method=given.method, seed=given.seed)
    name = given.name or re.sub(r"[^A-Za-z0-9._+-]+", "-", given.file[0].stem)
    run_folder.check_name("name", name)
    run_folder.require_writable(curves.folder(given.results))
    found = curves.read_all(given.file, name, told, own if given.step_column else None)
    if name in curves.names(given.results) and not given.replace:
        there = curves.load(given.results, name)
        if there.sha256 != found.sha256:
            raise ConfigError(
                f"{name!r} holds curves of another file ({there.source}, imported"
                f" {there.imported}); give another --name, or --replace"
            )
    written = curves.save(found, given.results)
    for (method, mode, split), rows in found.rows.groupby(["method", "mode", "split"], sort=False):
        games, runs = rows["game"].nunique(), rows.groupby("game")["run"].nunique().max()
        print(
            f"{method}: {number_of(games, 'game')}, at most {number_of(runs, 'run')} a game,"
            f" {split}, {mode}, {number_of(len(rows), 'point')} to step {rows['steps'].max():,.0f}"
        )
    print(f"written to {written}")
    return 0
