"""The invented store is what `drac train` would have left, and the same whenever its seed is."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from synthetic_runs import tree
from synthetic_store import EXPERIMENT, UPDATES, write_store

from benchmark.store.store import Store


def test_every_run_is_complete_and_planned(tmp_path: Path) -> None:
    assert write_store(tmp_path, games=("coinrun", "starpilot"), seeds=2) == 40
    store = Store(tmp_path)
    specs = store.specs(EXPERIMENT)
    assert len(specs) == 40
    assert sorted(store.plan(EXPERIMENT)) == specs
    assert [store.problems(spec) for spec in specs] == [[]] * 40


def test_same_seed_same_files(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_store(tmp_path / name, methods=("ucb-drac",), games=("maze",), seeds=1, seed=seed)
    one, same, other = (tree(tmp_path / name) for name in "abc")
    assert one == same
    assert one != other


def test_the_bandits_counts_are_its_choices(tmp_path: Path) -> None:
    write_store(tmp_path, methods=("ucb-drac",), games=("maze",), seeds=1)
    run_dir = tmp_path / "runs" / EXPERIMENT / "ucb-drac" / "maze" / "seed0"
    arms = pd.read_csv(run_dir / "arms.csv")
    progress = pd.read_csv(run_dir / "progress.csv")
    assert len(progress) == UPDATES
    selected = arms[arms["selected"] == 1].sort_values("update")
    assert selected["arm"].tolist() == progress["arm"].tolist()
    final = arms[arms["update"] == UPDATES].set_index("arm")["count"]
    assert final.sum() == UPDATES
    assert final.to_dict() == arms.groupby("arm")["selected"].sum().to_dict()
