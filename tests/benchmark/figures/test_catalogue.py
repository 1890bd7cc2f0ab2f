"""Figures: the numbers in them against slow loops, what they say of missing runs, how they look."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from synthetic_runs import write_run
from synthetic_store import EXPERIMENT, write_store

from benchmark.analysis import histories
from benchmark.analysis.comparable import split_label
from benchmark.analysis.histories import Histories
from benchmark.figures import bandit, canvas, levels, normalized
from benchmark.figures.canvas import EARLY, LIGHTER, Panels
from benchmark.figures.catalogue import FIGURES
from benchmark.figures.drawing import FORMATS, PAPER, SCREEN, Drawing, Style
from benchmark.statistics import aggregate
from benchmark.store.store import Store
from drac.games import normalize_score

METHODS = ("ppo", "drac-crop", "drac-cutout-color", "ucb-drac")
Draw = Callable[[str, Style], list[Drawing]]
GAMES = ("bigfish", "caveflyer", "coinrun", "maze", "starpilot")


def load(root: Path, experiment: str = "exp") -> Histories:
    store = Store(root)
    specs = store.specs(experiment)
    return histories.load(store.load(specs))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    write_store(folder, METHODS, GAMES, seeds=3)
    return folder


@pytest.fixture(scope="module")
def found(root: Path) -> Histories:
    return load(root, EXPERIMENT)


@pytest.fixture(scope="module")
def draw(found: Histories) -> Draw:
    """Draws each figure once."""
    return cache(lambda name, style: FIGURES[name](found, style))


@pytest.fixture(scope="module")
def drawn(draw: Draw) -> dict[str, Drawing]:
    return {name: drawings[0] for name in FIGURES if (drawings := draw(name, SCREEN))}


def episodes(root: Path) -> Iterator[tuple[str, str, int, pd.DataFrame]]:
    for path in sorted((root / "runs" / EXPERIMENT).glob("*/*/*/eval.csv")):
        method, game, seed = path.parts[-4:-1]
        yield method, game, int(seed[4:]), pd.read_csv(path)


def test_curves_end_where_the_tables_are(drawn: dict[str, Drawing], found: Histories) -> None:
    """The last point of a curve is the mean that a table prints, of the last evaluation."""
    finals = found.runs.groupby(["label", "game"])[["train", "test"]].mean()
    test = (
        drawn["test-curves"].data.query("step == 24_998_400").set_index(["label", "game"])["mean"]
    )
    gap = drawn["gap"].data.query("step == 24_998_400").set_index(["label", "game"])["mean"]
    assert len(test) == len(gap) == 20
    pd.testing.assert_series_equal(test, finals["test"], check_names=False)
    pd.testing.assert_series_equal(gap, finals["train"] - finals["test"], check_names=False)


def test_training_curves_are_the_logs(drawn: dict[str, Drawing], root: Path) -> None:
    folder = root / "runs" / EXPERIMENT / "ucb-drac" / "maze"
    logs = [pd.read_csv(path) for path in folder.glob("*/progress.csv")]
    for name, column in (("train-curves", "train_return"), ("entropy", "entropy")):
        curve = drawn[name].data.query("label == 'ucb-drac' and game == 'maze'")
        expected = np.mean([log[column] for log in logs], axis=0)
        np.testing.assert_allclose(curve["mean"], expected)
        assert (curve["low"] < curve["mean"]).all()


def early(root: Path, *shares: float | str, **which: Any) -> Path:
    """A run with these shares of envs that have ended an episode; none: of an earlier version."""
    run_dir = write_run(root, steps=128 * max(4, len(shares)), **which)
    table = pd.read_csv(run_dir / "progress.csv").assign(train_return=10.0)
    table = table.assign(envs_ended=shares) if shares else table.drop(columns="envs_ended")
    table.to_csv(run_dir / "progress.csv", index=False)
    return run_dir


@pytest.mark.parametrize("style", [SCREEN, PAPER], ids=lambda style: style.name)
def test_curves_are_lighter_until_every_env_has_ended_an_episode(
    tmp_path: Path, style: Style
) -> None:
    early(tmp_path, 0.25, 0.5, 1, 1)
    early(tmp_path, 0.5, 1, 1, 1, seed=1)
    early(tmp_path, method="plr")
    (drawing,) = FIGURES["train-curves"](load(tmp_path), style)
    table = drawing.data.set_index(["label", "step"])["envs_ended"]
    assert table["ppo"].tolist() == [0.25, 0.5, 1, 1]  # of all seeds
    assert table["plr"].isna().all()
    lines = [(line.get_alpha(), *line.get_xdata()) for line in drawing.figure.axes[0].get_lines()]
    assert lines == [(None, 384, 512), (LIGHTER, 128, 256, 384), (None, 128, 256, 384, 512)]
    assert shown(drawing).count(EARLY) == 1
    test_nothing_is_clipped(lambda name, style: [drawing], "train-curves", style)
    assert EARLY not in shown(FIGURES["entropy"](load(tmp_path), style)[0])


def test_the_aggregate_is_over_ppos_final_return(drawn: dict[str, Drawing], root: Path) -> None:
    means: dict[tuple[str, str], list[float]] = {}
    for method, game, _, table in episodes(root):
        final = table[(table["step"] == 24_998_400) & (table["split"] == "test")]
        means.setdefault((method, game), []).append(final["return"].mean())
    table = drawn["aggregate"].data.query("step == 24_998_400 and split == 'test'")
    for row in table.to_dict("records"):
        over = [np.mean(means[row["label"], game]) / np.mean(means["ppo", game]) for game in GAMES]
        assert row["mean"] == pytest.approx(np.mean(over))
        assert row["low"] < row["mean"] < row["high"]
    assert table.set_index("label")["mean"]["ppo"] == pytest.approx(1)


def test_intervals_and_profiles_are_those_of_the_statistics(
    drawn: dict[str, Drawing], found: Histories
) -> None:
    scale = normalized.choose(found)
    scores = normalized.final_scores(found, scale, "ucb-drac", "test")
    assert scores.shape == (3, 5)
    table = drawn["intervals"].data.query("label == 'ucb-drac'").set_index("statistic")
    assert table["estimate"]["IQM"] == aggregate.iqm(scores)
    assert table["estimate"]["median"] == aggregate.median(scores)
    assert (table["low"] <= table["estimate"]).all()
    assert (table["estimate"] <= table["high"]).all()
    profile = drawn["profiles"].data.query("label == 'ucb-drac' and split == 'test'")
    expected = aggregate.performance_profile(scores, profile["threshold"])
    np.testing.assert_allclose(profile["share"], expected)
    assert expected.min() < 0.5 < expected.max()


def test_losses_are_means_over_games(drawn: dict[str, Drawing], root: Path) -> None:
    table = drawn["losses"].data
    paths = (root / "runs" / EXPERIMENT / "drac-crop").glob("*/*/progress.csv")
    expected = np.mean([pd.read_csv(path)["aug_value_loss"] for path in paths], axis=0)
    curve = table.query("label == 'drac-crop' and loss == 'aug_value_loss'")
    np.testing.assert_allclose(curve["mean"], expected)
    assert "aug_value_loss" not in set(table.query("label == 'ppo'")["loss"])


def test_shares_count_the_updates(root: Path, drawn: dict[str, Drawing]) -> None:
    table = drawn["bandit-shares"].data
    paths = (root / "runs" / EXPERIMENT / "ucb-drac" / "coinrun").glob("*/progress.csv")
    logs = pd.concat([pd.read_csv(path) for path in paths])
    own = table[table["game"] == "coinrun"]
    assert own["end"].max() == 24_998_400
    for (start, end), stretch in own.groupby(["start", "end"]):
        chosen = logs[(logs["step"] > start) & (logs["step"] <= end)]["arm"]
        expected = chosen.value_counts(normalize=True)
        shares = stretch.set_index("arm")["share"]
        assert shares.sum() == pytest.approx(1)
        assert shares[shares > 0].to_dict() == pytest.approx(expected.to_dict())


def test_shares_of_one_run_and_few_updates() -> None:
    rows = pd.DataFrame(
        [("maze", s, arm, int((arm == "a") == (s < 30))) for s in (10, 20, 30) for arm in "ab"],
        columns=["game", "step", "arm", "selected"],
    )  # fmt: skip
    table = bandit.share_table(rows)
    assert table.to_numpy().tolist() == [
        ["maze", 0, 10, "a", 1], ["maze", 0, 10, "b", 0],
        ["maze", 10, 20, "a", 1], ["maze", 10, 20, "b", 0],
        ["maze", 20, 30, "a", 0], ["maze", 20, 30, "b", 1],
    ]  # fmt: skip


@pytest.mark.parametrize("split", ["train", "test"])
def test_levels_are_means_of_their_last_episodes(found: Histories, root: Path, split: str) -> None:
    returns: dict[tuple[str, str, int], list[float]] = {}
    for method, game, _, table in episodes(root):
        last = table[(table["step"] == table["step"].max()) & (table["split"] == split)]
        for level, value in zip(last["level_seed"], last["return"], strict=True):
            returns.setdefault((method, game, level), []).append(value)
    table = levels.level_table(found, split)
    assert len(table) == len(returns)
    for row in table.sample(100, random_state=0).to_dict("records"):
        own = returns[row["label"], row["game"], row["level_seed"]]
        assert (row["return"], row["episodes"]) == (pytest.approx(np.mean(own)), len(own))
        score = normalize_score(np.mean(own), row["game"])
        assert row["score"] == pytest.approx(score)
        assert row["solved"] == int(score >= 0.5)


def test_the_heat_map_is_the_final_test_return(drawn: dict[str, Drawing], found: Histories) -> None:
    table = drawn["heatmap"].data
    assert set(table["label"]) == {
        "ppo",
        "drac-crop",
        "drac-cutout-color",
    }  # the bandit is no column
    means = found.runs.groupby(["game", "label"])["test"].mean()
    for row in table.to_dict("records"):
        assert row["test_return"] == pytest.approx(means[row["game"], row["label"]])
        assert row["seeds"] == 3


def test_a_sweep_of_another_length_than_ppo_stands_apart(tmp_path: Path) -> None:
    for seed, method in enumerate(("ppo", "ucb-drac", "drac-best")):
        write_run(tmp_path, method, "maze", steps=512)
        write_run(tmp_path, method, "maze", seed=seed + 1, steps=512)
    for game in ("maze", "heist"):
        write_run(tmp_path, "drac-crop", game, test=(5, 5, 5))
        write_run(tmp_path, "drac-flip", game, test=(6, 6, 6))
    found = load(tmp_path)
    heatmap = FIGURES["heatmap"](found, SCREEN)[0]
    assert heatmap.data["label"].unique().tolist() == ["drac-crop", "drac-flip"]
    assert "Runs of 300 steps. PPO is left out" in heatmap.caption
    assert "5.00" in shown(heatmap)
    assert "These runs are 83,333 times shorter" in heatmap.caption
    assert "Star: the best according to the paper" in heatmap.caption
    flip = FIGURES["heatmap"](found.where(found.runs["label"].str.contains("flip")), SCREEN)[0]
    assert "Star" not in flip.caption
    assert "These runs are 48,828 times shorter" in FIGURES["intervals"](found, SCREEN)[0].caption
    scale = normalized.choose(found)
    assert scale.name == "PPO-normalized return"
    assert scale.lengths == "Runs of 512 steps."
    assert {split_label(label)[0] for label in scale.labels} == {"ppo", "ucb-drac", "drac-best"}
    assert "drac-crop at 300 steps" in scale.notes[-1]
    curves = FIGURES["test-curves"](found, SCREEN)[0]
    assert "(up to 512 steps)" in shown(curves)


def test_ticks_say_the_values_at_which_they_stand_and_do_not_touch(tmp_path: Path) -> None:
    for method, score in (("ppo", 5.02), ("ucb-drac", 4.93)):
        for game in ("maze", "fruitbot"):
            write_run(tmp_path, method, game, test=(score, score, score), train=(-1, -1, -1))
    (drawing,) = FIGURES["intervals"](load(tmp_path), SCREEN)
    with SCREEN.context():
        canvas = FigureCanvasAgg(drawing.figure)
        canvas.draw()
    boxes = []
    for ax in drawing.figure.axes:
        low, high = ax.get_xlim()
        shown_ticks = [t for t in ax.xaxis.get_major_ticks() if low <= t.get_loc() <= high]
        assert shown_ticks
        for tick in shown_ticks:
            value = float(tick.label1.get_text().removesuffix("%")) / 100
            assert value == pytest.approx(tick.get_loc(), abs=1e-9)
            boxes.append(tick.label1.get_window_extent(canvas.get_renderer()))
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:number])


def test_ppo_of_the_sweeps_settings_is_in_the_heat_map(tmp_path: Path) -> None:
    write_run(tmp_path, "ppo", "maze", steps=512, seed=1)
    for method in ("ppo", "drac-crop"):
        write_run(tmp_path, method, "maze")
    heatmap = FIGURES["heatmap"](load(tmp_path), SCREEN)[0]
    assert heatmap.data["label"].tolist() == ["ppo", "drac-crop"]
    assert heatmap.data["seeds"].tolist() == [1, 1]


def shown(drawing: Drawing) -> str:
    return " ".join(text.get_text() for text in drawing.figure.findobj(Text)).replace("\n", " ")


def test_every_figure_says_steps_and_seeds(drawn: dict[str, Drawing]) -> None:
    for drawing in drawn.values():
        assert "steps" in shown(drawing)
        assert "seed" in drawing.caption.lower()
        assert drawing.title in shown(drawing)


def test_one_seed_has_no_band_and_the_figure_says_so(tmp_path: Path) -> None:
    write_store(tmp_path, ("ppo", "ucb-drac"), ("maze",), seeds=1)
    found = load(tmp_path, EXPERIMENT)
    curves = FIGURES["test-curves"](found, SCREEN)[0]
    assert curves.data["low"].isna().all()
    assert "One seed per curve: there is no band" in shown(curves)
    assert not curves.figure.axes[0].collections
    intervals = FIGURES["intervals"](found, SCREEN)[0]
    assert intervals.data[["low", "high"]].isna().all(axis=None)
    assert intervals.data["estimate"].notna().all()
    assert "One seed on a game, hence no interval: ppo, ucb-drac." in shown(intervals)
    assert "bootstrap" not in shown(intervals)
    assert "Over maze." in intervals.notes


def test_wide_bands_of_few_seeds_do_not_flatten_the_curves(tmp_path: Path) -> None:
    for factor, (method, scores) in enumerate((("ppo", (0, 5)), ("ucb-drac", (1, 2)))):
        for seed, score in enumerate(scores):
            train = score + seed * (factor + 1)
            write_run(tmp_path, method, seed=seed, test=(score,) * 3, train=(train,) * 3)
    found = load(tmp_path)
    for name in ("test-curves", "gap"):
        (drawing,) = FIGURES[name](found, SCREEN)
        known, (ax,) = drawing.data["mean"], drawing.figure.axes
        assert drawing.data["low"].min() < known.min() - 0.26 * np.ptp(known)
        bottom, top = ax.get_ylim()
        room = 0.26 * np.ptp(known)
        assert min(known.min() - room, 0) <= bottom <= known.min()
        assert known.max() <= top <= known.max() + room
        assert "which may go beyond a panel" in drawing.caption


def test_a_long_title_is_broken_into_lines() -> None:
    title, one = "Scores of augmentations by which ucb-drac chose " * 4, Panels([""])
    drawing = canvas.draw("x", title, pd.DataFrame(), (), SCREEN, one, lambda name, ax: None)
    (text,) = (t for t in drawing.figure.findobj(Text) if t.get_text().startswith("Scores"))
    assert " ".join(text.get_text().split()) == title.strip()
    assert text.get_window_extent().x1 <= drawing.figure.bbox.width


def test_a_game_that_one_method_lacks_is_left_out_with_a_warning(
    root: Path, tmp_path: Path
) -> None:
    shutil.copytree(root, tmp_path / "s")
    shutil.rmtree(tmp_path / "s" / "runs" / EXPERIMENT / "ucb-drac" / "maze")
    found = load(tmp_path / "s", EXPERIMENT)
    warning = (
        "WARNING: over the 4 games that all of these methods have (bigfish, caveflyer, coinrun"
    )
    for name in ("aggregate", "intervals", "profiles", "losses"):
        drawing = FIGURES[name](found, SCREEN)[0]
        assert warning in drawing.caption
        assert "4 games" in drawing.title
        assert "Missing: 3 of 60 planned runs" in shown(drawing)
    assert "No curve of ucb-drac on maze." in FIGURES["gap"](found, SCREEN)[0].caption


def test_the_one_game_in_common_is_named(tmp_path: Path) -> None:
    for method, game in (("ppo", "maze"), ("ppo", "heist"), ("plr", "maze")):
        write_run(tmp_path, method, game)
    said = "WARNING: over maze, the one game that all of these methods have, not over heist."
    assert said in FIGURES["intervals"](load(tmp_path), SCREEN)[0].notes


def test_a_loss_that_is_always_0_is_said_to_be(tmp_path: Path) -> None:
    run_dir = write_run(tmp_path)
    table = pd.read_csv(run_dir / "progress.csv").assign(entropy=1.0, clip_fraction=[0, 1e-4])
    table.to_csv(run_dir / "progress.csv", index=False)
    axes = FIGURES["losses"](load(tmp_path), SCREEN)[0].figure.axes
    zero = {ax.get_title(loc="left"): [text.get_text() for text in ax.texts] for ax in axes}
    assert zero.pop("entropy (nats)") == zero.pop("ratios clipped (share)") == []
    assert zero
    assert all(texts == ["0 throughout"] for texts in zero.values())


@pytest.mark.parametrize("num", [3, 4, 5, 7])
def test_panels_of_a_row_have_steps_below_all_or_none_and_one_size(num: int) -> None:
    panels = Panels([f"game {place}" for place in range(num)])
    drawing = canvas.draw("x", "", pd.DataFrame(), (), SCREEN, panels, lambda name, ax: None)
    below: dict[float, set[bool]] = {}
    for ax in drawing.figure.axes:
        labelled = bool(ax.xaxis.get_tick_params()["labelbottom"])
        below.setdefault(round(ax.get_position().y0, 6), set()).add(labelled)
        assert labelled or len(drawing.figure.axes) in (4, 7)
    assert all(len(found) == 1 for found in below.values())
    heights = [ax.get_position().height for ax in drawing.figure.axes]
    assert max(heights) - min(heights) < 1e-6


def test_methods_without_a_game_in_common(tmp_path: Path) -> None:
    for game in ("maze", "heist"):
        write_run(tmp_path, "ppo", game)
    write_run(tmp_path, "plr", "coinrun")
    found = load(tmp_path)
    scale = normalized.choose(found)
    assert (scale.labels, scale.games) == (("ppo",), ("heist", "maze"))
    assert "Left out, having no game in common: plr." in scale.notes


@pytest.mark.parametrize(
    ("ppo", "why"),
    [
        (None, "there is no complete run of PPO"),
        ({"test": (0.0, 0.0, 0.0)}, "PPO's test return is not above 0 on maze"),
        ({"learning_rate": 1e-4}, "PPO was run with several settings"),
        ({"steps": 512}, "PPO's steps or other settings that matter differ from the others'"),
    ],
)
def test_min_max_where_ppo_is_no_measure(
    tmp_path: Path, ppo: dict[str, Any] | None, why: str
) -> None:
    write_run(tmp_path, "plr", "maze", train=(10, 10, 10), test=(5, 10, 5 + 2.5))
    if ppo is not None:
        write_run(tmp_path, "ppo", "maze", **ppo)
    if ppo == {"learning_rate": 1e-4}:
        write_run(tmp_path, "ppo", "maze", seed=1)
    found = load(tmp_path)
    scale = normalized.choose(found)
    assert scale.name == "min-max-normalized return"
    assert why in scale.notes[0]
    label = next(label for label in found.labels if label.startswith("plr"))
    assert normalized.final_scores(found, scale, label, "test").tolist() == [[0.5]]


@pytest.mark.parametrize("style", [SCREEN, PAPER], ids=lambda style: style.name)
def test_transfer_marks_the_best_evaluation(tmp_path: Path, style: Style) -> None:
    """Of the means over seeds; games in which nobody begins with trained weights are left out."""
    means = {"": [1, 3, 2, 2.5], "a.safetensors": [4, 6, 5, 3]}
    for init_from, seed in product(means, range(2)):
        begins = {"init_from": init_from} if init_from else {}
        run_dir = write_run(tmp_path, game="maze", seed=seed, experiment=init_from[:1] or "exp",
                            steps=512, **begins)  # fmt: skip
        rows = [
            f"{128 * (i + 1)},{split},7,{mean + seed * (i == 2)},9\n"
            for split in ("train", "test")
            for i, mean in enumerate(means[init_from])
        ]
        (run_dir / "eval.csv").write_text("step,split,level_seed,return,length\n" + "".join(rows))
    write_run(tmp_path, game="coinrun")
    store = Store(tmp_path)
    runs = store.load([spec for name in ("exp", "a") for spec in store.specs(name)])
    (drawing,) = FIGURES["transfer"](histories.load(runs), style)
    assert set(drawing.data["game"]) == {"maze"}
    best = drawing.data[drawing.data["best"]].set_index("label")
    assert best["step"].tolist() == [256, 256]
    assert sorted(best["mean"]) == [3, 6]
    stars = [line for line in drawing.figure.axes[0].get_lines() if line.get_marker() == "*"]
    assert sorted((*line.get_xdata(), *line.get_ydata()) for line in stars) == [(256, 3), (256, 6)]
    test_nothing_is_clipped(lambda name, style: [drawing], "transfer", style)
    assert FIGURES["transfer"](load(tmp_path), style) == []


def test_runs_that_choose_nothing_have_no_such_figure(tmp_path: Path) -> None:
    write_run(tmp_path)
    found = load(tmp_path)
    for name in ("bandit-shares", "bandit-scores", "heatmap", "trials"):
        assert FIGURES[name](found, SCREEN) == []


def test_infinite_scores_of_untried_arms(tmp_path: Path) -> None:
    run_dir = write_run(tmp_path, "ucb-drac", arms={"crop": 1, "flip": 1},
                        chosen_from=("crop", "flip"))  # fmt: skip
    rows = "1,crop,1,0,1.5,1\n1,flip,0,0,inf,0\n2,crop,1,0,1.0,0\n2,flip,1,0,0.5,1\n"
    (run_dir / "arms.csv").write_text("update,arm,count,mean,score,selected\n" + rows)
    drawing = FIGURES["bandit-scores"](load(tmp_path), SCREEN)[0]
    assert "Left out: 1 infinite score, of arms" in drawing.caption
    assert drawing.data["mean"].dropna().tolist() == [1.5, 1.0, 0.5]


LOOKED_AT = [("test-curves", PAPER), ("levels-train", SCREEN), ("heatmap", PAPER)]
"""Figures that lie differently; the others are for `make test-all`."""


@pytest.mark.parametrize(
    ("name", "style"),
    [
        pytest.param(*one, marks=[] if one in LOOKED_AT else pytest.mark.full)
        for one in product(FIGURES, [SCREEN, PAPER])
    ],
    ids=lambda given: getattr(given, "name", given),
)
def test_nothing_is_clipped(draw: Draw, name: str, style: Style) -> None:
    """All that is drawn lies inside the picture, and no two texts run into each other."""
    for drawing in draw(name, style):
        figure = drawing.figure
        figure.set_dpi(150)
        with style.context():
            canvas = FigureCanvasAgg(figure)
            canvas.draw()
        renderer = canvas.get_renderer()
        box, size = figure.get_tightbbox(renderer), figure.get_size_inches()
        assert min(box.x0, box.y0, size[0] - box.x1, size[1] - box.y1) >= -0.01
        around = [text for part in (figure, *figure.subfigs) for text in part.texts + part.legends]
        titles = [ax._left_title for ax in figure.axes]  # type: ignore[attr-defined]
        panels = [ax.get_tightbbox(renderer) for ax in figure.axes]
        boxes = [t.get_window_extent(renderer) for t in (*around, *titles)]
        assert len(around) >= 2
        for number, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[:number] if box.width)
        for number, box in enumerate(panels):
            others = boxes[: len(around)] + panels[:number]
            assert not any(box.overlaps(other) for other in others if other.width)


def test_paper_has_the_width_of_columns_and_its_fonts(draw: Draw, tmp_path: Path) -> None:
    for name in ("intervals", "heatmap", "test-curves"):
        assert draw(name, PAPER)[0].figure.get_figwidth() == 6.75
    pdf = draw("intervals", PAPER)[0].render()
    assert pdf.startswith(b"%PDF")
    assert b"/FontFile2" in pdf  # embedded TrueType
    assert b"/Type3" not in pdf
    write_run(tmp_path)
    assert FIGURES["test-curves"](load(tmp_path), PAPER)[0].figure.get_figwidth() == 3.25


def test_the_same_runs_give_the_same_bytes_and_matplotlibs_settings_stay(found: Histories) -> None:
    before = dict(matplotlib.rcParams)
    one, two = (FIGURES["intervals"](found, SCREEN)[0] for _ in range(2))
    for form, begin in zip(FORMATS, (b"\x89PNG", b"%PDF", b"<?xml"), strict=True):
        assert one.render(form) == one.render(form) == two.render(form)
        assert two.render(form).startswith(begin)
    assert dict(matplotlib.rcParams) == before


def test_beside_a_picture_lie_its_numbers_and_caption(
    drawn: dict[str, Drawing], tmp_path: Path
) -> None:
    path = drawn["intervals"].save(tmp_path, "svg")
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "intervals.csv", "intervals.svg", "intervals.txt",
    ]  # fmt: skip
    assert path == tmp_path / "intervals.svg"
    numbers = pd.read_csv(tmp_path / "intervals.csv")
    assert len(numbers) == 16
    assert "bootstrap" in (tmp_path / "intervals.txt").read_text()
    assert "ucb-drac" in path.read_text(encoding="utf-8")  # text stays text
