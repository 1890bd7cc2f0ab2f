"""Published aggregates, recomputed from the same paper's per-game means."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from checkout import ROOT

from benchmark.scores import published
from benchmark.statistics import aggregate
from benchmark.tables import recomputed
from benchmark.tables.table import NOT_AVAILABLE

PLR_TABLE_2 = {
    "PPO": 100.0,
    "TSCL": 103.0,
    "Mixreg": 113.8,
    "UCB-DrAC": 129.8,
    "PLR": 128.3,
    "UCB-DrAC+PLR": 176.4,
}
"""Jiang et al., Prioritized Level Replay, ICML 2021, Table 2, last row."""


def test_table_2_of_the_plr_paper_within_half_a_point() -> None:
    rows = recomputed.recomputed()
    rows = rows[rows["source"].str.endswith("ICML 2021, Table 2")].set_index("method")
    assert rows["mean"].to_dict() == PLR_TABLE_2  # as printed
    assert (rows["games"] == 16).all()
    assert rows["recomputed_mean"].to_dict() == pytest.approx(PLR_TABLE_2, abs=0.5)
    assert rows.loc["PPO", "recomputed_mean"] == 100.0


def test_every_row_that_can_be_recomputed_is() -> None:
    rows = recomputed.recomputed()
    able = rows["games"] == 16
    assert able.sum() == 12  # Tables 2 and 4 of the PLR paper, six methods each
    assert (rows[able]["recomputed_mean"] - rows[able]["mean"]).abs().max() < 0.5
    unable = rows[~able]
    assert unable["source"].str.contains("Raileanu").all()
    assert unable[["recomputed_mean", "recomputed_median"]].isna().all(axis=None)


def test_another_normalization_would_not_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    # The mean over games before the ratio, which weighs games by their scores.
    def wrong(scores: np.ndarray, ppo: np.ndarray) -> np.ndarray:
        return scores / aggregate.mean(ppo)

    monkeypatch.setattr("benchmark.statistics.normalize.by_ppo", wrong)
    rows = recomputed.recomputed()
    off = (rows["recomputed_mean"] - rows["mean"]).abs()[rows["games"] == 16]
    assert (off > 0.5).sum() >= 8


def test_table() -> None:
    table = recomputed.recomputed_table()
    assert len(table.cells) == 12
    assert table.cells.iloc[4].to_dict() == {
        "method": "PLR",
        "mode": "easy",
        "split": "test",
        "printed mean": "128.3",
        "recomputed mean": "128.1",
        "difference": "-0.22",
        "printed median": NOT_AVAILABLE,
        "recomputed median": "108.6",
    }
    assert "Table 4" in table.markdown()
    assert sum("Raileanu" in note for note in table.notes) == 1


def test_which_standard_deviation_the_plr_paper_prints() -> None:
    """The page quotes both readings, from the public scores of the runs."""
    page = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
    scores = pd.read_csv(published.FOLDER / "run_scores.csv")
    ppo = scores[scores["method"] == "PPO"].groupby("game")["score"].mean()
    printed = published.normalized("test", published.NORMALIZED_SOURCES[1])
    said: dict[str, list[float]] = {"of the mean": [], "of games": [], "printed": []}
    for method in ("PLR", "Mixreg"):
        own = scores[scores["method"] == method]
        wide = 100 * own.pivot(index="run", columns="game", values="score") / ppo
        said["of the mean"].append(wide.mean(axis=1).std())
        said["of games"].append(wide.std().mean())
        said["printed"].append(printed[method].std)
        assert abs(wide.mean(axis=1).std() - printed[method].std) < 0.25
    one, other, theirs = ([f"{x:.1f}" for x in values] for values in said.values())
    text = " ".join(page.split())
    assert f"it is {one[0]} for PLR and {one[1]} for Mixreg" in text
    assert f"the table has {theirs[0]} and {theirs[1]}; the first would be" in text
    assert f"would be {other[0]} and {other[1]}." in text
