"""What the committed evidence says: recomputed from its files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from checkout import EVIDENCE, ROOT
from scipy import stats

from benchmark import suites
from benchmark.speed import tables as speed_tables
from benchmark.speed.records import AugmentationReport, load
from benchmark.store.store import Store
from benchmark.tables.catalogue import TABLES
from drac.config import TrainConfig

PRECISION = EVIDENCE / "precision"
SEEDS = (0, 1, 2)


def final_returns(precision: str, what: str) -> list[float]:
    """Each seed's last training return, or the mean of its last evaluation's episodes."""
    finals = []
    for seed in SEEDS:
        run_dir = PRECISION / f"{precision}-seed{seed}"
        progress = pd.read_csv(run_dir / "progress.csv")
        episodes = pd.read_csv(run_dir / "eval.csv").query("step == step.max() and split == @what")
        last = (
            progress["train_return"].iloc[-1] if what == "training" else episodes["return"].mean()
        )
        finals.append(float(last))
    return finals


def test_the_runs_of_the_two_precisions_differ_in_nothing_else() -> None:
    configs = {
        (precision, seed): TrainConfig.from_json(
            PRECISION / f"{precision}-seed{seed}" / "config.json"
        )
        for precision in ("bf16", "float32")
        for seed in SEEDS
    }
    for (precision, seed), config in configs.items():
        assert (config.precision, config.seed) == (precision, seed)
        assert (config.game, config.method, config.steps) == ("starpilot", "ppo", 300_000)
        same = config.model_copy(update={"precision": "float32", "seed": 0})
        assert same == configs["float32", 0]
        progress = pd.read_csv(PRECISION / f"{precision}-seed{seed}" / "progress.csv")
        assert progress["step"].tolist() == [16_384 * (i + 1) for i in range(18)]


@pytest.mark.parametrize("what", ["training", "train", "test"])
def test_bf16_learns_like_float32(what: str) -> None:
    """The final means of three seeds each lie within the 95 % interval of their pooled variance.

    The page shows what was compared.
    """
    one, other = (np.array(final_returns(precision, what)) for precision in ("bf16", "float32"))
    pooled = np.sqrt((one.var(ddof=1) + other.var(ddof=1)) / 2)
    half_width = stats.t.ppf(0.975, 4) * pooled * np.sqrt(2 / 3)
    assert abs(one.mean() - other.mean()) < half_width
    assert min(one.min(), other.min()) > 2.0  # all have learned: random play gets about 1.5
    texts = [f"{each.mean():.2f} ({', '.join(f'{x:.2f}' for x in each)})" for each in (one, other)]
    row = f"| {what} | {texts[1]} | {texts[0]} | {half_width:.2f} |"
    assert row in (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")


SPEEDS = (
    *("training-speed", "training-speed-half-rate", "worker-speed", "augmentation-speed"),
    *("cuda-h100/speed-before", "cuda-h100/speed"),
)


@pytest.mark.parametrize("name", SPEEDS)
def test_the_measured_speeds_are_read_and_written_as_they_are(name: str) -> None:
    path = EVIDENCE / f"{name}.json"
    text = path.read_text(encoding="utf-8")
    of_augmentations = name == "augmentation-speed"
    found = AugmentationReport.model_validate_json(text) if of_augmentations else load(path)
    assert found.to_json() == text


def test_the_performance_page_shows_the_measured_tables() -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    training = load(EVIDENCE / "training-speed.json")
    workers = load(EVIDENCE / "worker-speed.json")
    for shown in (
        speed_tables.cells(training),
        speed_tables.phases(training),
        speed_tables.workers(workers),
        speed_tables.cells(load(EVIDENCE / "training-speed-half-rate.json")),
    ):
        for line in shown.markdown().splitlines()[2:]:
            assert line in page
    phasic = load(EVIDENCE / "phasic-speed.json")
    for shown in (speed_tables.cells(phasic), speed_tables.phases(phasic)):
        for line in shown.markdown().splitlines():
            assert line in page or not line.startswith("|")
    assert all(cell.phases["checkpoint"] < 0.01 * cell.update_s for cell in phasic.cells)


def test_the_performance_page_shows_the_measured_speeds() -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    cells = load(EVIDENCE / "training-speed.json").cells
    plain = {cell.method: cell.steps_per_s for cell in cells if cell.engine == "reference"}
    for cell in cells:
        if cell.engine == "drac":
            times = f"{cell.steps_per_s / plain[cell.method]:.1f}x | {cell.network_share:.0%}"
            assert (
                f"| {cell.method} | {cell.precision} | {cell.steps_per_s:,.0f} | {times} |"
                f" {cell.peak_memory_mb:,.0f} MB |" in page
            )


def test_the_measured_speeds_are_what_the_engine_is_for() -> None:
    """The file's figures, on the machine it names: see docs/performance.md."""
    cells = load(EVIDENCE / "training-speed.json").cells
    plain = {cell.method: cell.steps_per_s for cell in cells if cell.engine == "reference"}
    for cell in cells:
        if cell.engine == "reference":
            continue
        least = {"float32": 4.0, "bf16": 7.0}[cell.precision]
        assert cell.steps_per_s >= least * plain[cell.method]
        assert cell.network_share >= 0.85
        assert cell.peak_memory_mb < 2_000


def test_every_method_has_run_to_a_row_of_the_table() -> None:
    """drac-bench run --methods all --games coinrun --steps 20k --num-envs 16 --num-steps 64."""
    runs = pd.read_csv(EVIDENCE / "every-method" / "runs.csv")
    assert sorted(runs["method"]) == sorted(suites.parse_methods(["all"]))
    assert runs["problems"].isna().all()
    assert runs[["train", "test"]].notna().all().all()
    assert set(
        zip(runs["game"], runs["steps"], runs["num_envs"], runs["num_steps"], strict=True)
    ) == {("coinrun", 20_000, 16, 64)}
    table = (EVIDENCE / "every-method" / "per-game.md").read_text()
    assert all(f"| {method} " in table for method in runs["method"])


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("faults", "; problems: 0"),
        ("fuzz-flags", "failures: 0"),
        ("fuzz-readers", "failures and changed files: 0"),
    ],
)
def test_no_fault_and_no_input_has_failed(name: str, end: str) -> None:
    first, *_, last = (EVIDENCE / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    assert (ROOT / first.removeprefix("command: python ").split()[0]).is_file()
    assert last.endswith(end)


def test_trained_weights_learn_faster_on_other_levels() -> None:
    root = EVIDENCE / "transfer"
    store = Store(root)
    names = ("transfer-scratch", "transfer-from-ppo")
    table = TABLES["transfer"](store.load(spec for name in names for spec in store.specs(name)))
    scratch, trained = table.data.to_dict("records")
    assert scratch["init_from"] == ""
    assert trained["init_from"] == "ppo-starpilot-200k.safetensors"
    assert trained["last"] > 2 * scratch["last"]
    assert trained["test_last"] > 1.4 * scratch["test_last"]
    assert trained["steps_to_scratch"] == trained["first_step"]
    written = (root / "tables" / "+".join(names) / "transfer.csv").read_text()
    assert table.data.to_csv(index=False) == written
    page = (ROOT / "docs" / "reproduce.md").read_text(encoding="utf-8")
    for row in (trained, scratch):
        for name in ("last", "test_last"):
            assert f"{row[name]:.2f}" in page
    before, after = (
        pd.read_csv(next((root / "runs" / name).rglob("levels0-199-*.csv")))["return"].mean()
        for name in ("agent", "transfer-from-ppo")
    )
    assert (trained["before_then"], trained["before_now"]) == (before, after)
    assert f"{after:.2f} after {before:.2f} on levels 0-199" in page
