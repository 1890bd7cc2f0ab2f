"""What trained weights are worth on other levels: learning from them beside learning from scratch.

The protocol is that of the Retro contest (Nichol et al. 2018, Gotta Learn Fast): train on many
levels, then adapt to levels that were not among them.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.analysis import histories
from benchmark.analysis.caveats import with_caveats
from benchmark.analysis.comparable import counted
from benchmark.store.many_files import RUN
from benchmark.store.run_files import DamagedError, read_columns
from benchmark.store.run_record import RunRecord
from benchmark.store.store import Store, root_of, spec_of
from benchmark.tables.table import Block, Table, number
from drac.commands.evaluation_plan import Plan
from drac.config import TrainConfig
from drac.config.quantities import count_text
from drac.errors import ConfigError
from drac.files import untrusted
from drac.games import GAMES


def lacking(runs: pd.DataFrame) -> str:
    """Say that no run begins with trained weights, or ""."""
    begun = any(settings.get("init_from") for settings in runs["settings"])
    return "" if begun else "no run begins with trained weights (drac train --init-from)"


def transfer(runs: pd.DataFrame) -> Table:
    """Return at first and at last, steps to what scratch reaches, over-fitting, and forgetting.

    Args:
        runs: as `Store.load` returns them; games in which none begins with trained weights are
            not shown.
    """
    games = {
        game
        for game, settings in zip(runs["game"], runs["settings"], strict=True)
        if settings.get("init_from")
    }
    complete = counted(runs)
    loaded = histories.load(complete[complete["game"].isin(games)])
    curves = loaded.evaluations.join(loaded.runs[_OF_RUNS], on=RUN)
    data = pd.DataFrame(
        [row for game in GAMES if game in games for row in _rows(game, curves)], columns=[*_COLUMNS]
    )
    cells = [_cells(row) for row in data.to_dict("records")]
    nothing = [{"game": "-", "method": "no complete runs"}]
    heading = "From the first evaluation to the last"
    block = Block(pd.DataFrame(cells or nothing), heading, keys=2)
    title = "Transfer: trained weights on other levels"
    return Table.of("transfer", title, [block], data, with_caveats(runs, complete, _NOTES))


_OF_RUNS = ["label", "game", "settings", "folder", "record"]

_COLUMNS = (
    *("game", "variant", "init_from", "levels", "seeds", "first_step", "first", "last_step"),
    *("last", "scratch_last", "steps_to_scratch", "test_last", "test_best", "test_best_step"),
    *("levels_before", "before_then", "before_now"),
)

_NOTES = (
    "on its levels: mean return on the levels that the run learns on; means over seeds",
    (
        "to scratch's last: the first evaluation no worse than the last one from new weights, on"
        " the same game and levels; of several, the best"
    ),
    "test: unseen levels; a best before the last says that the run over-fits from there on",
    (
        "levels before: mean return on the levels that the weights come from, of the run that they"
        " come from and of this one; where it is not measured, drac evaluate RUN --levels A-B"
        " measures it, of both runs with the same --each and --seed; of several runs that the"
        " weights may come from, none is taken"
    ),
)


def _rows(game: str, curves: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a game, one a variant."""
    rows: list[dict[str, Any]] = []
    for label, runs in curves[curves["game"] == game].groupby("label", sort=False):
        settings = runs["settings"].iloc[0]
        means = runs.groupby(["split", "step"], observed=True)["return"].mean()
        train, test = means["train"], means["test"]
        rows.append(
            {
                "game": game,
                "variant": label,
                "init_from": settings.get("init_from") or "",
                "levels": settings.get("levels"),
                "seeds": runs[RUN].nunique(),
                "first_step": train.index[0],
                "first": train.iloc[0],
                "last_step": train.index[-1],
                "last": train.iloc[-1],
                "test_last": test.iloc[-1],
                "test_best": test.max(),
                "test_best_step": test.idxmax(),
                **_before(runs.drop_duplicates(RUN)),
                "curve": train,
            }
        )
    for row in rows:
        scratch = [
            other["last"]
            for other in rows
            if not other["init_from"] and other["levels"] == row["levels"]
        ]
        row["scratch_last"] = max(scratch, default=math.nan)
        reached = row["curve"][row["curve"] >= row["scratch_last"]]
        row["steps_to_scratch"] = reached.index[0] if len(reached) else math.nan
    return rows


def _before(runs: pd.DataFrame) -> dict[str, Any]:
    """Return on which levels runs' weights were trained, and their mean returns there over seeds.

    `then` and `now` are NaN unless they are known of each run.
    """
    known = map(_of_run, runs["folder"], runs["record"])
    levels, then, now = zip(*known, strict=True)
    return {
        "levels_before": ", ".join(dict.fromkeys(levels)),
        "before_then": np.mean(then),
        "before_now": np.mean(now),
    }


def _of_run(run_dir: Path, record: RunRecord) -> tuple[str, float, float]:
    """Return the same of one run; both means are of as many episodes a level, and of one seed."""
    facts = record.meta.get("init_from")
    if not isinstance(facts, dict):
        return "", math.nan, math.nan
    store, levels = Store(root_of(run_dir)), untrusted.text(facts.get("levels"))
    sources = [
        returns
        for source, root in _sources(facts, run_dir, store)
        if (returns := _returns(source, root, levels, facts.get("step")))
    ]
    then = sources[0] if len(sources) == 1 else {}  # of several runs, nobody knows which it was
    now = _returns(run_dir, store.runs, levels, record.latest["step"][-1])
    both = {how: len(then[how]) for how in then if how in now}
    how = max(both, key=lambda how: both[how], default=next(iter(then | now), ""))
    then_mean, now_mean = (float(np.mean(part.get(how, math.nan))) for part in (then, now))
    return levels, then_mean, now_mean


def _sources(facts: Mapping[str, Any], run_dir: Path, store: Store) -> Iterator[tuple[Path, Path]]:
    """Yield the runs that weights may come from, each with a root below which no link is followed.

    It is the run that was named, or of the store all that are as meta.json says.
    """
    named = Path(untrusted.text(facts.get("source")))
    if _is_described(named, named, facts):
        yield named, named
        return
    method, game, seed = (untrusted.text(facts.get(name)) for name in ("method", "game", "seed"))
    for experiment in store.experiments():
        spec = spec_of(experiment, method, game, f"seed{seed}")
        if spec is None or (folder := store.run_dir(spec)) == run_dir:
            continue
        if _is_described(folder, store.runs, facts):
            yield folder, store.runs


def _is_described(run_dir: Path, root: Path, facts: Mapping[str, Any]) -> bool:
    try:
        config = TrainConfig.from_json(run_dir / "config.json", root)
    except ConfigError:
        return False
    names = ("method", "game", "mode", "levels", "seed")
    return all(getattr(config, name) == facts.get(name) for name in names)


def _returns(run_dir: Path, root: Path, levels: str, step: object) -> dict[str, NDArray[Any]]:
    """Return the returns (episodes,) that `drac evaluate --levels` left, by each and seed."""
    folder, begin = run_dir / "evaluations", f"{Plan(f'levels {levels}', None).file_name}-each"
    found = {}
    for name in untrusted.names(folder, root):
        how, end, after = name.removeprefix(begin).rpartition(f"-step{step}.csv")
        if name.startswith(begin) and end and not after:
            with contextlib.suppress(DamagedError):
                found[how] = read_columns(folder / name, ("return",), root)["return"]
    return {how: returns for how, returns in found.items() if len(returns)}


def _cells(row: dict[Any, Any]) -> dict[str, str]:
    best = f"{row['test_best']:.2f} at {count_text(int(row['test_best_step']))}"
    to_scratch = row["steps_to_scratch"]
    then, now = (number(row[f"before_{when}"], ".2f", "not measured") for when in ("then", "now"))
    before = then if then == now == "not measured" else f"{then}, {now}"
    return {
        "game": row["game"],
        "method": row["variant"],
        "levels": str(row["levels"]),
        "seeds": str(row["seeds"]),
        "on its levels: first": f"{row['first']:.2f} at {count_text(int(row['first_step']))}",
        "last": f"{row['last']:.2f} at {count_text(int(row['last_step']))}",
        "steps to scratch's last": number(to_scratch, ",.0f", "not reached"),
        "test: best": best,
        "test: last": f"{row['test_last']:.2f}",
        "levels before: then, now": (
            f"{row['levels_before']}: {before}" if row["init_from"] else "-"
        ).removeprefix(": "),
    }
