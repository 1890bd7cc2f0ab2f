"""What the committed evidence says: recomputed from its files."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from checkout import EVIDENCE, ROOT
from scipy import stats

from benchmark import cli, suites
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
H100 = EVIDENCE / "cuda-h100"


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


def test_the_performance_page_shows_what_an_h100_did() -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    before, now = (load(H100 / f"{name}.json") for name in ("speed-before", "speed"))
    for shown in (speed_tables.cells(now), speed_tables.phases(now)):
        assert all(line in page for line in shown.markdown().splitlines() if line.startswith("|"))
    first = [f"{cell.steps_per_s:,.0f}" for cell in before.cells]
    assert f"It began at {' and '.join(first)} steps/s" in page
    minutes = {}
    for cell in now.cells:
        assert cell.graphs
        update_s = cell.update_s + cell.phases["evaluate"] + cell.phases["checkpoint"]
        minutes[cell.method] = 25e6 / (cell.num_envs * cell.num_steps) * update_s / 60
        assert cell.steps_per_s >= {"ppo": 30_000, "ucb-drac": 20_000}[cell.method]
    take = f"PPO {minutes['ppo']:.1f} minutes and UCB-DrAC {minutes['ucb-drac']:.1f}"
    assert f"evaluations included, take {take}" in " ".join(page.split())


@pytest.mark.parametrize(
    ("name", "file", "variant"),
    [
        ("at first", "choices-before", "baseline"),
        ("at first, measured again", "choices-before", "baseline again"),
        ("at first, one group of envs", "choices-before", "env groups 1"),
        ("at first, four", "choices-before", "env groups 4"),
        ("at first, 16 threads of torch", "choices-before", "16 threads of torch"),
        ("at first, deterministic algorithms", "choices-before", "deterministic"),
        ("at first, not recorded", "choices-before", "no CUDA graphs"),
        ("at first, float32", "choices-before", "float32"),
        ("at first, float32 with TF32", "choices-before", "float32, tf32"),
        ("at first, `--compile True`", "choices-before", "compile"),
        ("now", "choices", "baseline"),
        ("now, measured again", "choices", "baseline again"),
        ("now, torch's kernels", "choices", "torch's kernels"),
        ("now, four groups of envs", "choices", "env groups 4"),
        ("now, cuDNN's benchmarking", "cudnn-benchmark", "cuDNN benchmark"),
    ],
)
def test_the_performance_page_shows_what_each_choice_gave(
    name: str, file: str, variant: str
) -> None:
    found = json.loads((H100 / f"{file}.json").read_text(encoding="utf-8"))
    cells = []
    for method in ("ppo", "ucb-drac"):
        measured = found.get(f"{method}, {variant}", {})
        parts = ("collect_s", "learn_s")
        cells += [f"{measured[part]:.3f}" if measured else "-" for part in parts]
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert f"| {name} | {' | '.join(cells)} |" in page


def test_two_runs_of_a_seed_had_the_same_bits_on_an_h100() -> None:
    for file in ("choices-before", "choices-pooling"):
        found = json.loads((H100 / f"{file}.json").read_text(encoding="utf-8"))
        same = [figures["same_bits"] for name, figures in found.items() if "bits" in name]
        assert len(same) >= 3
        assert all(same)


def test_what_suites_cost_on_an_h100(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("paper-table1", "paper-hard", "levels")
    assert cli.main(["suites", *names, f"--speed={H100 / 'speed.json'}"]) == 0
    hours = {
        line.split()[0]: float(line.split()[3].replace(",", ""))
        for line in capsys.readouterr().out.splitlines()
        if line.startswith(names)
    }
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    for name in names:
        (row,) = [line for line in page.splitlines() if line.startswith(f"| {name} |")]
        assert row.endswith(f"| {hours[name]:,.0f} | {hours[name] / 24 / 8:.1f} |")
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"the suite {hours['paper-table1']:,.0f} hours" in readme


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


def test_ppo_learns_what_others_code_learns(tmp_path: Path) -> None:
    """At four steps never less than half of what OpenAI's runs have; PPO ends near their mean."""
    root, page = EVIDENCE / "learning", (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
    store = Store(root)
    table = TABLES["curves"](store.load(store.specs("evidence")))
    assert all(line in page for line in table.markdown().splitlines() if line.startswith("|"))
    rows = table.data
    assert {*rows["step"]} == {262_144, 507_904, 753_664, 999_424}
    positive = rows[
        rows["theirs"] > 0
    ]  # FruitBot's returns begin below 0, where a ratio says nothing
    assert (positive["ratio"] > 0.5).all()
    last = rows[(rows["step"] == 999_424) & (rows["method"] == "ppo")]
    assert {*zip(last["game"], last["split"], strict=True)} == {
        (game, split)
        for game in ("bigfish", "fruitbot", "starpilot")
        for split in ("train", "test")
    }
    assert last[last["split"] == "train"]["ratio"].between(0.9, 1.35).all()
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    for _, row in last.iterrows():
        theirs = rf"{row['theirs']:.2f} ± {row['theirs_std']:.2f}"
        assert re.search(rf"{row['ours']:.2f}( on \w+)? \((theirs )?{theirs}\)", readme)


BANDITS = (
    "evidence",
    "evidence-bandit",
    "evidence-bandit-standardized",
    "evidence-bandit-each-once",
)
LEARNING = EVIDENCE / "learning"


def test_every_run_of_the_evidence_is_complete() -> None:
    store = Store(LEARNING)
    for name in ("evidence", "evidence-bandit"):
        planned = [spec for spec, _ in suites.get(name).runs(name)]
        runs = store.load(planned)
        assert len(runs) == {"evidence": 11, "evidence-bandit": 6}[name]
        assert not runs["problems"].map(list).map(len).any()
    experiments = {path.name for path in (LEARNING / "runs").iterdir()}
    assert experiments == {*BANDITS}


def chosen(experiment: str, game: str) -> pd.DataFrame:
    return pd.read_csv(LEARNING / f"runs/{experiment}/ucb-drac/{game}/seed0/progress.csv")


def fidelity_page() -> str:
    return " ".join((ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize("game", ["starpilot", "bigfish"])
def test_the_bandit_never_leaves_crop(game: str) -> None:
    """At the paper's constants UCB-DrAC's run is Crop-DrAC's there: see docs/fidelity.md.

    On BigFish both were trained on a GPU, in processes of their own.
    """
    names = ("drac-crop", "ucb-drac")
    folders = [LEARNING / f"runs/evidence/{name}/{game}/seed0" for name in names]
    fixed, had = (pd.read_csv(folder / "progress.csv") for folder in folders)
    timings = ["wall_s", "charts/SPS"]
    pd.testing.assert_frame_equal(fixed.drop(columns=timings), had.drop(columns=timings))
    episodes = [(folder / "eval.csv").read_bytes() for folder in folders]
    assert episodes[0] == episodes[1]
    assert {*had["arm"]} == {"crop"}
    scores = pd.read_csv(folders[1] / "arms.csv").query("arm != 'crop'")["score"]
    rewards, page = had["bandit_reward"], fidelity_page()
    if game == "starpilot":
        seen = f"{rewards[0]:.2f} after the first rollout and between {rewards.min():.2f}"
        assert f"is {seen} and {rewards.max():.2f} in all 61 updates" in page
        assert f"score at most {scores.max():.3f}: UCB-DrAC never leaves crop" in page
    else:
        assert rewards.min() == rewards[0]
        assert f"({rewards[0]:.2f}, then up to {rewards.max():.2f})" in page
        assert scores.max() < rewards.min()
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"chose crop at each of the {len(had)} updates of StarPilot and BigFish" in readme


def test_a_bandit_stays_with_the_arm_that_it_has_when_returns_rise() -> None:
    """On another arm each: see docs/fidelity.md."""
    page = fidelity_page()
    fruitbot = chosen("evidence", "fruitbot")
    settled = fruitbot[fruitbot["arm"] != "random-conv"].index.max() + 1
    assert fruitbot["arm"][:8].nunique() == 8
    assert fruitbot["bandit_reward"][0] < 0 < fruitbot["bandit_reward"].iloc[-1]
    assert f"from update {settled + 1} of {len(fruitbot)} on stays with random-conv" in page
    rewards = fruitbot["bandit_reward"]
    assert (rewards[settled : settled + 10].diff()[1:] > 0).mean() > 0.5
    for method, text in (
        ("ucb-drac", "ends at {} on unseen levels"),
        ("drac-crop", "Crop-DrAC's at {}"),
    ):
        episodes = pd.read_csv(LEARNING / f"runs/evidence/{method}/fruitbot/seed0/eval.csv")
        last = episodes.query("step == step.max() and split == 'test'")["return"]
        assert text.format(f"{last.mean():.2f}") in page
        assert f"{last.sem():.2f})" in page
    assert {*chosen(BANDITS[2], "starpilot")["arm"][1:]} == {"random-conv"}
    each_once = chosen(BANDITS[3], "starpilot")
    assert each_once["arm"][:8].nunique() == 8
    assert {*each_once["arm"][7:]} == {"color-jitter"}


def test_the_bandits_regret_is_what_the_page_says(tmp_path: Path) -> None:
    shutil.copytree(LEARNING / "runs", tmp_path / "runs")
    words = ["--experiment", *BANDITS, f"--results={tmp_path}"]
    assert cli.main(["figures", *words, "--figure", "bandit-regret"]) == 0
    assert cli.main(["tables", *words, "--table", "bandit"]) == 0
    for name in (
        "figures/{}/bandit-regret.csv",
        "figures/{}/bandit-regret.txt",
        "tables/{}/bandit.csv",
    ):
        path = name.format("+".join(BANDITS))
        assert (tmp_path / path).read_text() == (LEARNING / path).read_text()
    regret = pd.read_csv(tmp_path / "figures" / "+".join(BANDITS) / "bandit-regret.csv")
    last = regret.groupby("label").last()
    assert {*last["best"]} == {"crop"}
    page = fidelity_page()
    for label, row in last.iterrows():
        of_best = f"{row['regret']:.2f} of {row['best_return']:.2f}"
        alone = f"{row['regret']:.2f} standardized"
        assert (alone if "standardized" in str(label) else of_best) in page
    counted = regret.groupby("label").size()
    each_once, at_random = (counted.filter(like=part).item() for part in ("each-once", "rand"))
    assert f"{each_once} and {at_random} of 30 updates count" in page
    evidence = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
    table = (LEARNING / "tables" / "+".join(BANDITS) / "bandit.md").read_text()
    rows = [line for line in table.split("###")[1].splitlines() if line.startswith("|")]
    assert len(rows) == 8
    assert all(row in evidence for row in rows)


def mean_return(run: str) -> float:
    """Of the training returns after each of the first 30 updates."""
    progress = pd.read_csv(LEARNING / f"runs/{run}/progress.csv")
    return float(progress["train_return"][:30].mean())


def test_what_bandits_got_is_within_the_spread_of_seeds() -> None:
    bandits = [f"{name}/ucb-drac/starpilot/seed0" for name in BANDITS[2:]]
    got = [mean_return(run) for run in (*bandits, "evidence-bandit/rand-drac/starpilot/seed0")]
    arms = ("flip", "random-conv", "color-jitter")
    fixed = [mean_return(f"evidence-bandit/drac-{arm}/starpilot/seed0") for arm in arms]
    fixed.append(mean_return("evidence/drac-crop/starpilot/seed0"))
    seeds = [mean_return(f"evidence/ppo/starpilot/seed{seed}") for seed in SEEDS]
    page = fidelity_page()
    assert "the three got {:.2f}, {:.2f} and {:.2f} on average".format(*got) in page
    assert f"the fixed arms {min(fixed):.2f} to {max(fixed):.2f}" in page
    assert f"PPO's three seeds {min(seeds):.2f} to {max(seeds):.2f}" in page
    assert min(got) > min(seeds) - 0.01
    assert max(*got, *fixed) < max(seeds)


def test_the_evidence_page_says_what_the_files_say() -> None:
    page = " ".join((ROOT / "docs" / "evidence.md").read_text(encoding="utf-8").split())
    ends: dict[str, list[float]] = {"training": [], "test": []}
    for seed in SEEDS:
        run = LEARNING / f"runs/evidence/ppo/starpilot/seed{seed}"
        episodes = pd.read_csv(run / "eval.csv").query("step == step.max() and split == 'test'")
        ends["training"].append(pd.read_csv(run / "progress.csv")["train_return"].iloc[-1])
        ends["test"].append(episodes["return"].mean())
    assert "at {:.2f} (CPU), {:.2f} and {:.2f} (GPU)".format(*ends["training"]) in page
    assert "unseen levels at {:.2f}, {:.2f} and {:.2f}".format(*ends["test"]) in page
    rows = TABLES["curves"](Store(LEARNING).load(Store(LEARNING).specs("evidence"))).data
    ppo = rows[rows["method"] == "ppo"].round({"ratio": 2})
    of = {key: own["ratio"] for key, own in ppo.groupby(["game", "split"])}
    low, high = of["starpilot", "train"].min(), of["starpilot", "train"].max()
    assert f"from {low:.2f} to {high:.2f} of it, on BigFish" in page
    low, high = of["bigfish", "train"].min(), of["bigfish", "train"].max()
    assert f"on BigFish from {low:.2f} to {high:.2f}, and on FruitBot" in page
    tested = ppo[(ppo["split"] == "test") & (ppo["theirs"] > 0)]["ratio"]
    assert f"it is from {tested.min():.2f} to {tested.max():.2f} of theirs" in page
    for run in (LEARNING / "runs" / "evidence").glob("*/*/seed*"):
        meta = json.loads((run / "meta.json").read_text(encoding="utf-8"))
        seconds = meta["wall_s"]
        minutes = round(seconds / 60)
        said = f"{minutes // 60} h {minutes % 60} min" if minutes > 60 else f"{seconds:.0f} s"
        assert said in page, run
        assert meta["commit"].startswith("087a790" if meta["device"] != "cpu" else "5186fb4")
    cpu = pd.read_csv(H100 / "evaluated-on-cpu.csv")["return"]
    speed = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert f"got {ends['test'][1]:.2f} on 100 unseen levels there and {cpu.mean():.2f} on" in speed


def test_fixed_arms_can_hardly_be_told_apart_on_starpilot() -> None:
    said = {}
    for arm in ("flip", "random-conv", "color-jitter", "crop"):
        experiment = "evidence" if arm == "crop" else "evidence-bandit"
        path = LEARNING / f"runs/{experiment}/drac-{arm}/starpilot/seed0/eval.csv"
        episodes = pd.read_csv(path).query("split == 'test' and step < 510_000")
        said[arm] = episodes.query("step == step.max()")["return"]
    means = {arm: returns.mean() for arm, returns in said.items()}
    page = fidelity_page()
    assert all(f"{mean:.2f} ({arm})" in page for arm, mean in means.items())
    errors = {arm: returns.sem() for arm, returns in said.items()}
    assert f"standard errors {min(errors.values()):.2f} to {max(errors.values()):.2f}" in page
    distances = {
        (one, other): abs(means[one] - means[other]) / np.hypot(errors[one], errors[other])
        for one, other in itertools.combinations(means, 2)
    }
    apart = {pair: distance for pair, distance in distances.items() if distance > 2}
    assert [*apart] == [("flip", "crop"), ("random-conv", "crop")]
    said_of_them = " and ".join(f"{distance:.1f}" for distance in apart.values())
    assert f"crop is {said_of_them} standard errors of the difference above" in page


def test_where_the_bandit_chooses_in_the_rehearsal() -> None:
    runs = EVIDENCE / "rehearsal" / "runs" / "rehearsal" / "ucb-drac"
    had = {
        path.parts[-3]: {*pd.read_csv(path)["arm"]} for path in runs.glob("*/seed0/progress.csv")
    }
    assert sum(arms == {"crop"} for arms in had.values()) == 14
    assert len(had) == 16
    assert len(had["fruitbot"]) == 8
    bossfight = pd.read_csv(runs / "bossfight/seed0/progress.csv")
    left = bossfight[bossfight["arm"] != "crop"].index[0]
    assert bossfight["bandit_reward"][left - 10 : left].mean() == pytest.approx(0.1, abs=0.05)
    page = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
    assert "update on 14 of 16 games; on BossFight it leaves crop" in page


def test_the_curves_beside_ours_are_those_that_were_published(tmp_path: Path) -> None:
    shutil.copytree(EVIDENCE / "learning" / "runs", tmp_path / "runs")
    published = ROOT / "results" / "published" / "curves.csv"
    assert (
        cli.main(["import-curves", str(published), "--name=openai", f"--results={tmp_path}"]) == 0
    )
    name = "curves/openai.csv"
    assert (tmp_path / name).read_text() == (EVIDENCE / "learning" / name).read_text()
    figures = ("train-curves", "test-curves")
    words = ["figures", "--experiment=evidence", f"--results={tmp_path}", "--figure", *figures]
    assert cli.main(words) == 0
    for figure in figures:
        drawn = f"figures/evidence/{figure}.csv"
        assert (tmp_path / drawn).read_text() == (EVIDENCE / "learning" / drawn).read_text()


def test_the_pages_pictures_are_those_of_the_evidence() -> None:
    images, figures = ROOT / "docs" / "images", LEARNING / "figures"
    for image, drawn in (
        ("openai-curves.png", "evidence/train-curves.png"),
        ("bandit-regret.png", f"{'+'.join(BANDITS)}/bandit-regret.png"),
    ):
        assert (images / image).read_bytes() == (figures / drawn).read_bytes()
