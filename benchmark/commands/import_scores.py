"""`drac-bench import-scores`: bring in the scores of other people's runs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from benchmark.analysis import comparable, plausible
from benchmark.scores import imported as imports
from drac.commands import flags
from drac.config.quantities import number_of
from drac.errors import ConfigError
from drac.files import run_folder
from drac.games import GAMES

HELP = """Bring in anybody's scores: a CSV file with the columns method, game, split, run, score,
and mode (easy or hard), steps and caution if it has them. They are kept below RESULTS/scores with
the file's name, its SHA-256 and the date, and drac-bench compare knows their methods.

example: drac-bench import-scores results/published/run_scores.csv --name rliable"""


@dataclass
class ImportFlags:
    """Flags of `drac-bench import-scores`."""

    file: tuple[Path, ...] = flags.positional("the CSV file")
    name: str | None = flags.option(None, "what the set is called (default: the file's name)")
    replace: bool = flags.option(False, "replace a set of that name")
    results: Path = flags.option(Path("results"), "root of all results")


def import_command(argv: Sequence[str]) -> int:
    """`drac-bench import-scores`."""
    given: ImportFlags = flags.parse(ImportFlags, argv, "drac-bench import-scores", HELP)
    if len(given.file) != 1:
        raise ConfigError(f"give one FILE.csv, not {len(given.file)}")
    return _bring_in(given.file[0], given)


def _bring_in(path: Path, given: ImportFlags) -> int:
    name = given.name or re.sub(r"[^A-Za-z0-9._+-]+", "-", path.stem)
    run_folder.require_writable(imports.folder(given.results))
    imported = imports.read(path, name)
    run_folder.check_name("name", name)
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


def _next(imported: imports.ScoreSet, results: Path) -> str:
    """Return a command that compares two of the set's methods; "" if no two can be compared."""
    from benchmark.analysis.contestants import of_set
    from benchmark.statistics.aggregate import common_games

    where = f"--results={shlex.quote(str(results))}"
    for split, more in (("test", ""), ("train", " --split train")):
        for a, b in combinations(of_set(imported, split), 2):
            if a.mode == b.mode and common_games(a.scores, b.scores).any():
                named = shlex.join((a.address, b.address))
                return f"next: drac-bench compare {where}{more} -- {named}"
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
    return lines
