"""`drac-bench compare`: on scores whose answer is known, and on what cannot be compared."""

from __future__ import annotations

import csv
import re
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from refusals import PROGRESS, refused
from synthetic_runs import write_run

from benchmark import cli
from benchmark.analysis.comparable import split_label
from benchmark.analysis.compare import Comparison, compare
from benchmark.analysis.contestants import Contestant
from benchmark.analysis.verdict import verdict
from benchmark.scores.published import FOLDER
from benchmark.statistics import aggregate, normalize
from benchmark.statistics.aggregate import Scores
from benchmark.store.store import Store
from drac.errors import ConfigError
from drac.games import GAMES, score_range

PUBLIC = FOLDER / "run_scores.csv"
NAN = float("nan")


def normalized(shift: float, runs: int = 10, seed: int = 0, spread: float = 0.05) -> Scores:
    """Raw scores (runs, 16) whose normalized ones lie about 0.5 + shift."""
    low, high = (normalize.min_max([[end] * 16], GAMES)[0] for end in (0.0, 1.0))
    wanted = np.random.default_rng(seed).normal(0.5 + shift, spread, (runs, 16))
    raw: Scores = (wanted - low) / (high - low)
    return raw


def contestant(name: str, scores: Scores, **options: Any) -> Contestant:
    return Contestant(name, "x", **{"mode": "easy", "settings": {}, **options}, scores=scores)


def of(a: Scores, b: Scores, resamples: int = 1000, **options: Any) -> Comparison:
    return compare(
        contestant("A", a, **options),
        contestant("B", b),
        split="test",
        resamples=resamples,
        generator=np.random.default_rng(0),
    )


@pytest.mark.parametrize(
    ("shift", "begins"),
    [
        (0.2, "A is better than B: the IQM of its normalized test return is 0."),
        (-0.2, "A is worse than B: the IQM of its normalized test return is 0."),
        (0.0, "No difference between A and B is shown: for A the IQM"),
    ],
)
def test_verdict_on_known_differences(shift: float, begins: str) -> None:
    found = of(normalized(shift), normalized(0.0, seed=1))
    assert verdict(found).startswith(begins)
    assert ("higher" in verdict(found)) == (found.aggregates[0].difference > 0)
    for one in found.aggregates:
        assert one.difference == pytest.approx(shift, abs=0.03)
        assert one.interval.low < one.difference < one.interval.high
        assert (one.interval.low <= 0 <= one.interval.high) == (shift == 0)
    assert found.cautions == ()
    stars = {row.stars for row in found.games}
    assert stars == ({"***"} if shift else {""})
    assert (found.wilcoxon < 0.001) == (shift != 0)


def test_a_verdict_needs_both_intervals() -> None:
    # Most runs of A are a little better; on a quarter of the games they are far worse.
    a, b = normalized(0.05, spread=0.01), normalized(0.0, spread=0.01, seed=1)
    a[:, :7] = normalized(-0.3, spread=0.01)[:, :7]
    found = of(a, b)
    assert found.aggregates[0].interval.high < 0
    assert found.improvement[1].low > 0.5
    assert verdict(found).startswith("It depends on the measure whether A is better than B")
    a[:, :8] = normalized(-0.3, spread=0.01)[:, :8]  # eight games each: P = 1/2 without spread
    found = of(a, b)
    assert found.improvement[1].low <= 0.5 <= found.improvement[1].high
    assert verdict(found).startswith("A is perhaps worse than B, for one of two intervals only")


def test_numbers_are_those_of_the_aggregates() -> None:
    a, b = normalized(0.1), normalized(0.0, runs=7, seed=1)
    found = of(a, b)
    x, y = normalize.min_max(a, GAMES), normalize.min_max(b, GAMES)
    for one, statistic in zip(
        found.aggregates, (aggregate.iqm, aggregate.median, aggregate.mean), strict=True
    ):
        assert (one.a, one.b) == pytest.approx((statistic(x), statistic(y)), abs=1e-12)
    assert found.improvement[0] == aggregate.probability_of_improvement(x, y)
    assert [row.game for row in found.games] == [*GAMES]
    assert [row.a.mean for row in found.games] == pytest.approx(a.mean(axis=0))
    assert {(row.a.n, row.b.n) for row in found.games} == {(10, 7)}


def test_a_game_that_one_lacks_is_left_out_and_said() -> None:
    a, b = normalized(0.2), normalized(0.0, seed=1)
    b[:, GAMES.index("heist")] = NAN
    b[5:, GAMES.index("maze")] = NAN
    a[:, GAMES.index("jumper")] = b[:, GAMES.index("jumper")] = NAN  # neither: no row
    found = of(a, b)
    assert found.label == "14 common games only, without heist"
    assert replace(found, common=("maze",)).label.startswith("maze only, without bigfish, ")
    assert "heist" not in found.common
    assert "heist" in [row.game for row in found.games]
    assert "jumper" not in [row.game for row in found.games]
    without_heist = (
        "B has no run on heist: aggregates, probability and Wilcoxon are over the common games"
        " only, though A has more."
    )
    assert found.cautions == (
        without_heist,
        "B: 5 to 10 runs a game; every game counts the same.",
    )
    assert verdict(found).endswith("Mind the cautions below.")
    common = [game in found.common for game in GAMES]
    x = normalize.min_max(a[:, common], found.common)
    assert found.aggregates[2].a == pytest.approx(aggregate.mean(x), abs=1e-12)


def test_one_run_has_no_interval_and_a_few_a_narrow_one() -> None:
    found = of(normalized(0.2, runs=1), normalized(0.0, seed=1))
    assert verdict(found).startswith("Whether A is better than B cannot be said: a game with a")
    assert "on 16 of the 16 games its mean is higher" in verdict(found)
    assert not any(one.interval.known for one in found.aggregates)
    assert found.cautions == ("A: one run only on 16 of 16 games, so there is no interval.",)
    assert all(np.isnan(row.p) and row.stars == "" for row in found.games)
    few = of(normalized(0.2, runs=2), normalized(0.0, seed=1))
    assert few.cautions == (
        "A: 2 runs a game are few; a bootstrap interval of a mean is then about 29% too narrow.",
    )


def test_what_cannot_be_compared() -> None:
    a, b = normalized(0.1), normalized(0.0)
    with pytest.raises(ConfigError, match="A is of hard mode and B of easy"):
        of(a, b, mode="hard")
    a[:, ::2] = b[:, 1::2] = NAN
    with pytest.raises(ConfigError, match="A and B have no game in common"):
        of(a, b)


# The command, on stores and imported files.


def store(root: Path, games: Sequence[str] = ("coinrun", "maze"), seeds: int = 3) -> Path:
    """PPO about 3 and UCB-DrAC about 8 on each game."""
    for method, level in (("ppo", 3.0), ("ucb-drac", 8.0)):
        for game in games:
            for seed in range(seeds):
                arms = {"arms": {"crop": 2}} if method == "ucb-drac" else {}
                test = [level + seed / 10] * 3
                write_run(root, method, game, seed, test=test, **arms)
    return root


def imported(root: Path, rows: Sequence[Mapping[str, Any]], name: str = "theirs") -> None:
    path = root.parent / f"{name}.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    assert cli.main(["import-scores", str(path), "--results", str(root)]) == 0


def their_rows(method: str, level: float, **columns: Any) -> list[dict[str, Any]]:
    return [
        {"method": method, "game": game, "split": "test", "run": run, "score": level + run / 10}
        | columns
        for game in ("coinrun", "maze")
        for run in range(3)
    ]


def run(capsys: pytest.CaptureFixture[str], root: Path, *words: str) -> str:
    capsys.readouterr()
    assert cli.main(["compare", *words, "--results", str(root)]) == 0
    said = capsys.readouterr()
    assert not PROGRESS.sub("", said.err)
    return said.out


def test_methods_of_the_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = run(capsys, store(tmp_path / "r"), "ucb-drac", "ppo")
    assert said.startswith("ucb-drac is better than ppo: ")
    assert " ".join(said.split()).count("8.10 ± 0.10 3.10 ± 0.10 +5.00") == 2
    assert "***" in said
    assert "3 runs a game" in said
    assert "2 games" in said
    assert "runs a game are few" in said
    assert "times shorter than the published ones" in " ".join(said.split())
    assert max(map(len, said.splitlines())) <= 80
    assert said.count("\n") < 45


def test_imported_beside_the_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = store(tmp_path / "r")
    rows = their_rows("a_b & [red]100%", 5.0, caution="runs [5] are doubles", steps=25_000_000)
    imported(root, rows)
    said = " ".join(run(capsys, root, "a_b & [red]100%", "ppo").split())
    assert said.startswith(
        "Whether a_b & [red]100% is better than ppo cannot be said: their runs differ in steps"
        " (25,000,000 and 300). As they are, for a_b & [red]100% the IQM"
    )
    assert "a_b & [red]100%: runs [5] are doubles (6 of 6 scores, as theirs.csv says)" in said
    assert "Unequal settings (a_b & [red]100% / ppo): steps 25,000,000 / 300." in said
    assert "a_b & [red]100% imported from theirs.csv (" in said


def test_a_damaged_set_is_left_out_unless_it_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = store(tmp_path / "r")
    imported(root, their_rows("X", 5.0))
    (origin,) = root.rglob("theirs.json")
    origin.write_text("[" * 100_000)  # nested beyond what Python reads
    said = " ".join(run(capsys, root, "ucb-drac", "ppo").split())
    assert said.startswith("ucb-drac is better than ppo: ")
    assert "Imported scores are left out: " in said
    assert cli.main(["compare", "X", "ppo", "--results", str(root)]) == 2
    error = capsys.readouterr().err
    assert "theirs.json, which says where theirs.csv is from, cannot be read" in error
    assert error.count("\n") == 1


def test_unequal_steps_and_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "r"
    for seed in range(2):
        write_run(root, "ppo", seed=seed, fidelity="released", steps=600)
        write_run(root, "drac-crop", seed=seed, fidelity="paper", eval_episodes=3)
    said = " ".join(run(capsys, root, "drac-crop", "ppo").split())
    assert "Unequal settings (drac-crop / ppo): steps 300 / 600, fidelity paper / released." in said
    imported(root, their_rows("X", 1.0))
    assert "Perhaps unequal steps: ppo has 600; X's are unknown." in " ".join(
        run(capsys, root, "X", "ppo").split()
    )
    imported(root, [*their_rows("Y", 1.0, steps=5), *their_rows("Z", 1.0, steps=9)], "more")
    mixed = their_rows("M", 1.0, steps=5)
    mixed[0]["steps"] = 7
    imported(root, mixed, "mixed")
    said = " ".join(run(capsys, root, "M", "Y").split())
    assert "M: its runs have unequal steps, 5 / 7." in said


def test_equal_means_are_called_equal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for game, theirs in (("maze", 5.0), ("heist", 5.001)):
        write_run(tmp_path, "ppo", game, test=[theirs] * 3)
        write_run(tmp_path, "ucb-drac", game, test=[5.0] * 3)
    said = " ".join(run(capsys, tmp_path, "ucb-drac", "ppo").split())
    assert (
        "the IQM of its normalized test return is equal, and on 0 of the 2 games its mean" in said
    )
    assert " its mean is higher, on 1 equal. " in said
    assert "-0.000" not in said


def test_incomplete_runs_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = store(tmp_path / "r")
    (root / "runs/exp/ppo/maze/seed2/eval.csv").unlink()
    said = " ".join(run(capsys, root, "ucb-drac", "ppo").split())
    assert "ppo: 1 planned run is not complete and not counted (maze/seed2: " in said
    assert "maze 8.10 ± 0.10 3.05 ± 0.07 +5.05 1.1e-05 *** 3 / 2" in said
    assert "ppo: 2 to 3 runs a game" in said
    for eval_csv in root.glob("runs/exp/ppo/*/*/eval.csv"):
        eval_csv.unlink()
    assert cli.main(["compare", "ucb-drac", "ppo", "--results", str(root)]) == 2
    assert "'ppo' has no complete run yet: see drac-bench status" in capsys.readouterr().err
    (write_run(root, "drac-crop") / "eval.csv").unlink()
    for word, said_of_it in (
        ("exp:ppo", "'exp:ppo' has no complete run yet"),
        ("drac", "no run is called 'drac', and none of drac-crop is complete yet: see "),
        ("exp:drac", "no run is called 'exp:drac', and none of drac-crop is complete yet"),
        ("rad", "unknown method 'rad'; there are ucb-drac, drac-crop, ppo"),
        ("none:ppo", "unknown method 'none:ppo'; there are ucb-drac, drac-crop, ppo"),
    ):
        words = ["compare", word, "ucb-drac", "--results", str(root)]
        assert said_of_it in refused(words, root, capsys)


def test_only_what_is_asked_for_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = store(tmp_path / "r", seeds=2)
    write_run(root, "drac-crop", test=[7.0] * 3)
    read: list[str] = []
    row = Store._row
    monkeypatch.setattr(
        Store, "_row", lambda self, spec, *more: read.append(spec.method) or row(self, spec, *more)
    )
    run(capsys, root, "ucb-drac", "exp:ppo")
    assert sorted(read) == ["ppo"] * 4 + ["ucb-drac"] * 4
    assert cli.main(["compare", "ppo", "drac-corp", "--results", str(root)]) == 2
    assert "(did you mean 'drac-crop'?)" in capsys.readouterr().err


def test_experiments_and_variants(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "r"
    for experiment, level in (("one", 3.0), ("two", 8.0)):
        for seed in range(2):
            write_run(root, "ppo", seed=seed, experiment=experiment, test=[level + seed] * 3)
    for seed in range(2):
        write_run(root, "drac-crop", seed=seed, experiment="one", steps=600 * (seed + 1))
    words = ["compare", "ppo", "drac-crop", "--results", str(root)]
    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert "several are called 'ppo': say which, 'one:ppo' or 'two:ppo'" in error
    assert cli.main([*words, "--experiment", "one"]) == 2
    error = capsys.readouterr().err
    assert "say which, 'drac-crop at 600 steps' or 'drac-crop at 1,200 steps'" in error
    said = run(capsys, root, "two:ppo", "one:ppo")
    assert "9.00" not in said
    assert "8.50 ± 0.71" in said
    said = " ".join(
        run(capsys, root, "drac-crop at 1,200 steps", "one:drac-crop at 600 steps").split()
    )
    assert "drac-crop at 1,200 steps" in said
    assert "steps 1,200 / 600" in said


def test_methods_are_found_in_any_spelling_and_in_the_experiment_that_has_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "r"
    spec = "flip(axis='vertical')"
    for seed in range(2):
        for experiment in ("one", "two"):
            write_run(root, "ppo", seed=seed, experiment=experiment, test=[3.0 + seed] * 3)
        write_run(root, f"drac-{spec}", seed=seed, experiment="one", test=[5.0 + seed] * 3)
    for word in ("drac", "drac-flip-axis-vertical", f"drac-{spec}", "drac-flip( axis='vertical')"):
        for source in ("", "one:"):
            said = " ".join(run(capsys, root, source + word, "ppo").split())
            assert "5.50 ± 0.71 3.50 ± 0.71" in said
            assert "! Both are those of one; also in two: say SOURCE:METHOD for these." in said
    assert "Both are" not in run(capsys, root, "drac", "two:ppo")
    write_run(root, "drac-crop", experiment="two")
    for words in (["drac", "ppo"], ["two:drac-flip(axis='vertical')", "ppo"]):
        assert cli.main(["compare", *words, "--results", str(root)]) == 2
    several, unknown = capsys.readouterr().err.splitlines()
    assert "several are called 'drac': say which, " in several
    assert "unknown method 'two:drac-flip-axis-vertical' (did you mean " in unknown


@pytest.mark.parametrize("width", [80, 120])
def test_long_names_are_not_cut(
    width: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    long = ["drac-patch-shuffle-grid-4", "drac-random-choice-which-is-a-rather-long-one-7d1e42aa"]
    scores = [row for name in long for row in their_rows(name, 5.0)]
    imported(tmp_path / "results", scores)
    text = run(capsys, tmp_path / "results", *long)
    assert max(map(len, text.splitlines())) <= width
    first, second = long
    assert (f"\nA: {first}\nB: {second}\n\ntest return per game" in text) == (width == 80)
    names = ("A", "B") if width == 80 else long
    assert re.search(rf"^ game +{names[0]} +{names[1]} +difference", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ppo"], "give two methods, A and B, not 1"),
        (["ppo", "ppo", "ppo"], "give two methods, A and B, not 3"),
        (["ppo", "ppo"], "ppo cannot be compared with itself"),
        (["ppo", "exp:ppo"], "ppo cannot be compared with itself"),
        (["ppo", "ucb-dra"], "unknown method 'ucb-dra' (did you mean 'ucb-drac'?); there are"),
        (["ppo", "exq:ppo"], "unknown method 'exq:ppo' (did you mean 'exp:ppo'?)"),
        (["ppo", "ucb-drac", "--split", "tset"], "unknown split 'tset' (did you mean 'test'?)"),
        (["ppo", "ucb-drac", "--ranges", "x"], "unknown ranges 'x'; choose from default, train-"),
        (["ppo", "ucb-drac", "--experiment", "ex"], "unknown experiment 'ex' (did you mean 'exp'"),
        (["ppo", "ucb-drac", "--csv", "."], ". is a folder"),
        (["ppo", "ucb-drac", "--csv", "a_file/x.csv"], "a_file is a file"),
        (
            ["ppo", "ucb-drac", "--results", "empty"],
            "there are no runs and no imported scores",
        ),
        (["ppo", "ucb-drac", "--slpit", "test"], "(did you mean '--split'?)"),
    ],
)
def test_bad_arguments(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    store(tmp_path / "results", games=("maze",), seeds=2)
    (tmp_path / "a_file").touch()
    assert said in refused(["compare", *words], tmp_path, capsys)


def test_csv_has_every_number_and_other_ranges_give_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, out = tmp_path / "r", tmp_path / "new" / "out.csv"
    assert cli.main(["import-scores", str(PUBLIC), "--results", str(root)]) == 0
    said = run(capsys, root, "PLR", "PPO", "--csv", str(out))
    assert "min-max normalized (default ranges), 16 games" in said
    rows = pd.read_csv(out)
    assert set(rows["method_a"]) == {"run_scores:PLR"}
    counts = rows["measure"].value_counts().to_dict()
    assert counts["mean return"] == 16
    assert counts["caution"] == counts["verdict"] == counts["origin"] == 1
    for number in rows[rows["measure"] == "mean return"]["a"]:
        assert f"{number:.2f} ±" in said
    iqm = rows[rows["measure"] == "IQM, min-max"].iloc[0]
    assert f"[{iqm['low']:.3f}, {iqm['high']:.3f}]" in said
    assert iqm["difference"] == pytest.approx(iqm["a"] - iqm["b"])
    with out.open(newline="") as file:
        assert len({len(row) for row in csv.reader(file)}) == 1
    again = tmp_path / "again.csv"
    run(capsys, root, "PLR", "PPO", "--csv", str(again))
    assert again.read_bytes() == out.read_bytes()  # the same question, the same answer
    other = run(capsys, root, "PLR", "PPO", "--ranges", "train-procgen")
    assert "min-max normalized (train-procgen ranges), 16 games" in other
    assert other != said
    words = ["compare", "PLR", "PPO", "--split", "train", "--results", str(root)]
    assert "scores of the test split only: add --split test" in refused(words, tmp_path, capsys)


# Scores that hardly are what they are said to be


def answer(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    score: Callable[[str, str, int], object],
    *words: str,
    split: str = "test",
    methods: Sequence[str] = ("A", "B"),
    steps: Callable[[str, int], object] = lambda method, run: "",
    folder: str = "results",
) -> str:
    """Import three runs of each method and game; return what the comparison of A and B says."""
    lines = ["method,game,split,run,score,steps"]
    for method in methods:
        quoted = '"' + method.replace('"', '""') + '"'
        lines += [
            f"{quoted},{game},{split},{run},{score(method, game, run)},{steps(method, run)}"
            for game in GAMES
            for run in range(3)
        ]
    (tmp_path / "x.csv").write_text("\n".join(lines) + "\n")
    where = [f"--results={folder if folder.startswith('-') else tmp_path / folder}"]
    assert cli.main(["import-scores", str(tmp_path / "x.csv"), "--replace", *where]) == 0
    said = capsys.readouterr().out
    (tmp_path / "next").write_text("".join(x for x in said.splitlines() if x.startswith("next: ")))
    if words:
        cli.main(["compare", *words, *where])
    out, err = capsys.readouterr()
    return " ".join((out + err).split())


def usual(method: str, game: str, run: int) -> float:
    low, high = score_range(game)
    return low + (high - low) * (0.6 if method == "A" else 0.3) + run / 50


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (["200M", "200M", "200M"], "25M", "differ in steps (200,000,000 and 25,000,000)"),
        (["", "200M", "200M"], "25M", "differ in steps (200,000,000 and 25,000,000)"),
        (["150M", "200M", "200M"], "25M", "(150,000,000 / 200,000,000 and 25,000,000)"),
        (["25M", "25M", "25M"], "", "A has 25,000,000; B's are unknown"),
    ],
)
def test_no_verdict_where_known_steps_differ(
    one: list[str], other: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = answer(
        tmp_path,
        capsys,
        usual,
        *("A", "B"),
        steps=lambda method, run: one[run] if method == "A" else other,
    )
    assert said in text
    assert ("cannot be said" in text) == (other == "25M")
    assert "A's are unknown" not in text


def test_copies_allow_no_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = answer(tmp_path, capsys, lambda m, g, r: usual(m, g, 0), "A", "B")
    assert "cannot be said: all runs of A have the same score on 16 of 16 games" in text
    assert text.count("no interval") == 1 + 4  # the sentence; three statistics, P(improvement)
    assert "A: all runs have the same score on all 16 games: copies?" in text
    text = answer(tmp_path, capsys, lambda m, g, r: usual("A", g, r), "A", "B")
    assert "A and B have the same scores, run by run, on" in text


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (lambda m, g, r: 50 + 10 * usual(m, g, r), "A: scores that no run can have on all 16"),
        (
            lambda m, g, r: usual(m, g, r) - 200 * (g in ("bigfish", "fruitbot")),
            "A: scores that no run can have on bigfish: ",
        ),
        (lambda m, g, r: 0.5 + r / 10, "A: all scores are from 0 to 1 on 16 games: already norm"),
    ],
)
def test_impossible_scores_are_told(
    score: Callable[[str, str, int], object],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert said in answer(tmp_path, capsys, score, "A", "B")
    assert "no run can have" not in answer(tmp_path, capsys, usual, "A", "B")


@pytest.mark.parametrize(
    ("options", "works"),
    [
        ({}, True),
        ({"split": "train"}, True),
        ({"methods": ("-x", "--y")}, True),
        ({"methods": ("A",)}, False),
        ({"methods": ("it's $HOME *", '"q" [x]'), "folder": "my $HOME/it's"}, True),
        ({"methods": ("a:b", "\\n ;|&"), "folder": "--r"}, True),
    ],
)
def test_the_next_line_can_be_typed_as_it_stands(
    options: dict[str, Any],
    works: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    answer(tmp_path, capsys, usual, **options)
    line = (tmp_path / "next").read_text()
    assert bool(line) == works
    if works:
        program, *words = shlex.split(line.removeprefix("next: "))
        assert program == "drac-bench"
        assert cli.main(words) == 0


def test_the_next_line_compares_what_can_be_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "r"
    both = [*their_rows("A", 5.0, mode="easy"), *their_rows("A", 5.0, mode="hard")]
    imported(root, [*both, *their_rows("B", 3.0, mode="hard")])
    (line,) = (x for x in capsys.readouterr().out.splitlines() if x.startswith("next: "))
    assert line.endswith("-- 'theirs:A [mode=hard]' theirs:B")
    assert cli.main(shlex.split(line.removeprefix("next: "))[1:]) == 0
    capsys.readouterr()
    imported(root, both, "one")
    other = [row | {"game": "heist"} for row in their_rows("C", 3.0)[:3]]
    imported(root, [*their_rows("A", 5.0), *other], "no-game")
    assert "next: " not in capsys.readouterr().out


def test_many_runs_are_compared_in_seconds(tmp_path: Path) -> None:
    a, b = normalized(0.02, runs=1000), normalized(0.0, runs=1000, seed=1)
    generator, began = np.random.default_rng(0), time.process_time()
    found = compare(contestant("A", a), contestant("B", b), split="test", generator=generator)
    assert time.process_time() - began < 30  # comparing every pair took hours
    assert verdict(found).startswith("A is better than B: the IQM")
    assert found.aggregates[2].interval.low < 0.02 < found.aggregates[2].interval.high


def test_a_method_of_the_other_split_only_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = answer(tmp_path, capsys, usual, "A", "B", split="train")
    assert "A and B of x have scores of the train split only: add --split train" in text
    write_run(tmp_path / "results")
    write_run(tmp_path / "results", seed=1)
    text = refused(
        ["compare", "ppo", "x:A", "--results", str(tmp_path / "results")], tmp_path, capsys
    )
    assert "A of x has scores of the train split only: add --split train" in text


def test_a_method_of_another_experiment_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for experiment, method in (("e", "ppo"), ("f", "drac-crop"), ("g", "drac-crop")):
        for seed in range(2):
            write_run(tmp_path / "results", method, seed=seed, experiment=experiment)
    imported(tmp_path / "results", their_rows("A", 5.0))
    words = ["compare", "ppo", "drac-crop", "--experiment"]
    said = refused([*words, "e"], tmp_path, capsys)
    assert "drac-crop has no runs in e but in f, g: give --experiment e f" in said
    run(capsys, tmp_path / "results", *words[1:], "e", "f")
    said = refused(["compare", "ppo", "g:drac-crop", "--experiment", "e"], tmp_path, capsys)
    assert "drac-crop has no runs in e but in g: give --experiment e g" in said
    said = refused(["compare", "ppo", "drac-flip", "--experiment", "e"], tmp_path, capsys)
    assert "unknown method 'drac-flip'" in said
    for command in (["compare", "ppo", "A"], ["tables"], ["figures"], ["report"], ["status"]):
        said = refused([*command, "--experiment", "theirs"], tmp_path, capsys)
        assert "'theirs' is no experiment but a set of imported scores" in said
        assert "drac-bench compare takes theirs:METHOD" in said


@pytest.mark.parametrize(
    ("label", "parts"),
    [
        ("ppo", ("ppo", "")),
        ("one:ppo at 25M steps", ("one:ppo", " at 25M steps")),
        ("ucb-drac [arms=a:B flip]", ("ucb-drac", " [arms=a:B flip]")),
        ("look at 3 steps of it", ("look at 3 steps of it", "")),
        ("", ("", "")),
        ("a\nb", ("a\nb", "")),
    ],
)
def test_a_label_is_a_method_and_what_is_said_of_it(label: str, parts: tuple[str, str]) -> None:
    assert split_label(label) == parts


def test_the_default_variant_says_that_there_are_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = store(tmp_path / "r")
    for seed in range(3):
        write_run(root, "ppo", "maze", seed + 10, learning_rate=1e-4)
    said = " ".join(run(capsys, root, "ucb-drac", "ppo").split())
    others = "ppo [learning_rate=0.0001]"
    assert f"ppo: its runs with default settings; there are also {others}." in said
    assert "there are also" not in run(capsys, root, "ucb-drac", others)


def test_devices_that_are_averaged_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = store(tmp_path / "r")
    for game in ("coinrun", "maze"):
        write_run(root, "ppo", game, 3, device="cuda", test=[3.3] * 3)
    said = " ".join(run(capsys, root, "ucb-drac", "ppo").split())
    assert "ppo: Mixed device: cpu (6 runs), cuda (2 runs); averaged all the same" in said
