"""What the runs of the suites evidence and evidence-bandit say: recomputed from their files."""

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

from benchmark import cli, suites
from benchmark.store.store import Store
from benchmark.tables.catalogue import TABLES

H100 = EVIDENCE / "cuda-h100"
SEEDS = (0, 1, 2)
BANDITS = (
    "evidence",
    "evidence-bandit",
    "evidence-bandit-standardized",
    "evidence-bandit-each-once",
)
LEARNING = EVIDENCE / "learning"


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
