"""`drac-bench import-scores` and `import-curves`: bring in what other people's runs reached."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from benchmark.analysis import comparable, plausible
from benchmark.commands.choices import results_flag
from benchmark.scores import curves
from benchmark.scores import imported as imports
from benchmark.scores.reading import Told, game_and_mode
from drac.commands import flags
from drac.config.quantities import number_of
from drac.errors import ConfigError
from drac.files import run_folder
from drac.games import GAMES, MODES
from drac.runs.logs import SPLITS

HELP = """Bring in anybody's scores, which are kept below RESULTS/scores with the file's name, its
SHA-256 and the date; drac-bench compare then knows their methods. A file is one of:

  - text with commas, semicolons or tabs and a row for each run: the columns method, game, split,
    run, score, and mode, steps and caution if it has them
  - the same with a column for each game, and method, seed, split and mode if it has them
  - .npy, .npz or JSON: one array (runs, games), or arrays by method; --games names the columns
  - the progress of a training (train-procgen's progress.csv, CleanRL, TensorBoard, ...), of one
    run a file: the mean return of its last --final steps is the score

Games may be spelled BigFish or procgen:procgen-bigfish-v0. --show prints what was understood.

examples:
  drac-bench import-scores results/published/run_scores.csv --name rliable
  drac-bench import-scores scores.npy --games all --method my-agent --show
  drac-bench import-scores logs/bigfish_ppo_seed*.csv --final 1M --name theirs"""

CURVES_HELP = """Bring in learning curves, which are kept below RESULTS/curves with the files'
names, their SHA-256 and the date; drac-bench figures and report then draw them beside ours,
labelled as imported, as far as our runs go. The files are progress files of one run each
(train-procgen, CleanRL, TensorBoard's exports, Stable-Baselines3, auto-drac; others by
--step-column and --return-column), or one file with the columns method, game, split, run, steps and
mean_return.

examples:
  drac-bench import-curves results/published/curves.csv --name openai
  drac-bench import-curves runs/bigfish_ppo_seed*.csv --method "their PPO"
  drac-bench import-curves log.csv --step-column t --return-column R --game maze"""

FIRST = 5
"""Rows that --show prints."""


@dataclass
class ImportFlags:
    """Flags of `drac-bench import-scores`."""

    file: tuple[Path, ...] = flags.positional("the file; several of progress files", "FILE")
    name: str | None = flags.option(None, "what the set is called (default: the file's name)")
    replace: bool = flags.option(False, "replace a set of that name")
    show: bool = flags.option(False, "print what was understood, and write nothing")
    method: str = flags.option("", "of a file that does not say it (default: the file's name)")
    game: str = flags.option("", "of a progress file whose name does not say it", "GAME")
    seed: str = flags.option("", "likewise", "N")
    split: str = flags.option("", "where the file does not say it (default: test)", "{train,test}")
    mode: str = flags.option("", "likewise (default: easy)", "MODE")
    games: tuple[str, ...] = flags.option((), "of an array's columns, or all", "GAME")
    final: str = flags.option("", "steps at the end of a progress file, e.g. 1M", "N")
    results: Path = flags.option(Path("results"), "root of all results")


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


def import_command(argv: Sequence[str]) -> int:
    """`drac-bench import-scores`."""
    given: ImportFlags = flags.parse(ImportFlags, argv, "drac-bench import-scores", HELP)
    if len(given.file) != 1 and not (given.file and given.final):
        raise ConfigError(f"give one FILE.csv, not {len(given.file)}; several with --final only")
    return _bring_in(given, _told(given))


def _bring_in(given: ImportFlags, told: Told) -> int:
    name = given.name or re.sub(r"[^A-Za-z0-9._+-]+", "-", given.file[0].stem)
    run_folder.require_writable(imports.folder(given.results))
    imported = imports.read_all(given.file, name, told)
    run_folder.check_name("name", name)
    if given.show:
        print("\n".join([*_understood(imported), *_summary(imported), "nothing was written"]))
        return 0
    return _keep(imported, given)


def _told(given: ImportFlags) -> Told:
    final = flags.whole_number("final", given.final, 1) if given.final else 0
    own = {"method": given.method, "seed": given.seed, "games": given.games, "final": final}
    return told_of(given.split, given.mode, given.game, **own)


def told_of(split: str, mode: str, game: str, **more: Any) -> Told:
    """Return what the command line says of files; `more` are further fields of `Told`.

    Raises:
        ConfigError: for an unknown split, mode or game.
    """
    for kind, word, known in (("split", split, SPLITS), ("mode", mode, MODES)):
        if word:
            flags.require_known(kind, word, known)
    name, its_mode = game_and_mode(game) or (game, "")
    if game:
        flags.require_known("game", name, GAMES)
    return Told(split=split, mode=mode or its_mode, game=name, **more)


def _keep(imported: imports.ScoreSet, given: ImportFlags) -> int:
    name = imported.name
    if name in imports.names(given.results) and not given.replace:
        there = imports.load(given.results, name)  # damaged: says so
        if there.sha256 != imported.sha256:
            raise ConfigError(
                f"{name!r} holds scores of another file ({there.source}, imported"
                f" {there.imported}); give another --name, or --replace"
            )
    written = imports.save(imported, given.results)
    for line in (*_summary(imported), *_doubts(imported)):
        print(line)
    print(f"written to {written}")
    if line := _next(imported, given.results):
        print(line)
    return 0


def _understood(imported: imports.ScoreSet) -> list[str]:
    """Return what --show prints before the summary: columns, assumptions and the first rows."""
    reading = imported.reading
    width = max(map(len, reading.meaning), default=0)
    rows = imported.rows[[*imports.REQUIRED, "mode", "steps"]].head(FIRST)
    return [
        f"{imported.source}: {reading.kind}",
        *(f"  {name:<{width}}  {meaning}" for name, meaning in reading.meaning.items()),
        *rows.to_string(index=False, na_rep="unknown").split("\n"),
        "",
    ]


def _next(imported: imports.ScoreSet, results: Path) -> str:
    """Return a command that compares two of the set's methods; "" if no two can be compared."""
    from benchmark.analysis.contestants import of_set
    from benchmark.statistics.aggregate import common_games

    where = results_flag(results)
    for split, more in (("test", ""), ("train", " --split train")):
        for a, b in combinations(of_set(imported, split), 2):
            if a.mode == b.mode and common_games(a.scores, b.scores).any():
                named = shlex.join((a.address, b.address))
                return f"next: drac-bench compare{where}{more} -- {named}"
    return ""


def _doubts(imported: imports.ScoreSet) -> dict[str, None]:
    """Say what `drac-bench compare` will caution against, each once."""
    found: dict[str, None] = {}
    for (mode, _), rows in imported.rows.groupby(["mode", "split"], sort=False):
        methods = [
            plausible.Scored(str(name), str(mode), comparable.scores(own, "score", GAMES, "run"))
            for name, own in rows.groupby("method", sort=False)
        ]
        found |= dict.fromkeys(f"! {said}" for said in plausible.cautions(methods))
    return found


def _summary(imported: imports.ScoreSet) -> list[str]:
    rows = imported.rows
    scores, methods = number_of(len(rows), "score"), number_of(len(imported.methods), "method")
    lines = [f"{imported.name}: {scores} of {methods}"]
    for (method, mode, split), own in rows.groupby(["method", "mode", "split"], sort=False):
        runs = own.groupby("game").size()
        low, count = runs.min(), number_of(runs.max(), "run")
        count = count if low == runs.max() else f"{low} to {count}"
        line = f"  {method}: {number_of(len(runs), 'game')}, {count} a game, {split}, {mode}"
        cautions = [text for text in own["caution"].unique() if text]
        lines.append(line + (f"; caution: {', '.join(cautions)}" if cautions else ""))
    if imported.ignored:
        names = (name or "one without a name" for name in imported.ignored)
        lines.append(f"  columns not kept: {', '.join(names)}")
    return lines + [f"  {note}" for note in imported.reading.notes]


def import_curves_command(argv: Sequence[str]) -> int:
    """`drac-bench import-curves`."""
    given: CurveFlags = flags.parse(CurveFlags, argv, "drac-bench import-curves", CURVES_HELP)
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
