"""What fuzz_readers.py changes of a store: every file of one run, read as a report reads them."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from synthetic_runs import ARMS, write_run

from benchmark.analysis import histories
from benchmark.analysis.comparable import every_run
from benchmark.report import clips, provenance
from benchmark.report.content import Content
from benchmark.report.grid import grid
from benchmark.store.store import Store
from benchmark.suites import RunSpec
from drac.errors import ConfigError

ODD = (
    *("", " ", "nan", "inf", "-inf", "1e308", "-1e308", "9e99", "9" * 400, "1e5000", "5e-324"),
    *("0", "-1", "-0.0", "2.5", "1_000", "0x10", "9007199254740993", "1e18", "None", "True"),
    *("test", "crop", "other", "x" * 5000, "\x00", "\x1b[31m", "<script>", '"', "\u2028", "٣"),
)
"""Fields that readers of CSV files stumble over."""


def mutate_csv(content: bytes, rng: random.Random) -> bytes:
    """Change some fields, columns, lines or headers."""
    rows = list(csv.reader(io.StringIO(content.decode())))
    for _ in range(rng.choice((1, 1, 2, 5))):
        line = rng.randrange(len(rows)) if rng.random() < 0.2 else rng.randrange(1, len(rows))
        column, odd = rng.randrange(len(rows[0])), rng.choice(ODD)
        changed = rows[1:] if rng.random() < 0.3 else [rows[line]]
        how = rng.random()
        if how < 0.1:
            rows.insert(line, list(rows[line]))
        elif how < 0.2:
            rows[0] *= 2 if rng.random() < 0.5 or len(rows[0]) > 10**4 else 10**4
        for row in changed if how >= 0.2 else ():
            row[column : column + (how < 0.95)] = [odd]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def files(root: Path) -> Iterator[tuple[str, Path, Callable[[Path], object]]]:
    """Make a store; yield the files of one of its runs, each with its name and who reads it."""
    write_run(root, "ucb-drac", arms=ARMS)
    run = write_run(root, "ucb-drac", seed=1, arms=ARMS)
    meta = {"cpu": "x", "commit": "c", "threads": 2, "versions": {"torch": "2"}, "wall_s": 9.5}
    (run / "meta.json").write_text(json.dumps({"format": 1, "steps": 256, **meta}))
    (run / "robustness.json").write_text('{"step": 256}')
    (run / "robustness.csv").write_text(
        "metric,split,variant,pairs,value\nJSD,test,background,5,0.5\n"
    )
    (run / "clips").mkdir()
    played = [{"level_seed": 7, "return": 3.5}]
    clip = {"split": "test", "step": 256, "episodes": played}
    (run / "clips" / "a.json").write_text(json.dumps(clip))
    for name in ("meta.json", "config.json", "progress.csv", "arms.csv", "eval.csv"):
        yield f"store {name}", run / name, lambda path: read(root)
    for name in ("robustness.csv", "robustness.json"):
        yield f"store {name}", run / name, lambda path: read(root)
    yield "store clips/a.json", run / "clips" / "a.json", lambda path: read_clip(path, root)


def read(root: Path) -> None:
    """Read a store as a report does; raises ConfigError for what is wrong with its second run."""
    store = Store(root)
    runs = store.load(RunSpec("exp", "ucb-drac", "coinrun", seed) for seed in (0, 1))
    content = Content(store, ("exp",), runs)
    table = provenance.runs_table(content)
    for frame in (table, provenance.made_with(table), provenance.configs(content), every_run(runs)):
        grid("name", "caption", frame)
        frame.to_csv().encode("utf-8")
    drawn = histories.load(runs)
    assert runs["problems"][0] == []
    record = runs["record"][1]
    if problems := (*record.problems, *filter(None, [record.robustness_problem])):
        raise ConfigError("; ".join(problems))
    assert drawn.games == ["coinrun"]


def read_clip(path: Path, root: Path) -> None:
    """Read what `drac watch` noted of a clip; raises ConfigError if that says nothing."""
    clip = path.with_suffix(".gif")
    if (said := clips._shown(clip, root)) == clip.name:
        raise ConfigError(f"nothing is known of {said}")
