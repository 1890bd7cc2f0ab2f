"""The numbers from papers: what is shown is what the committed CSV files say."""

from __future__ import annotations

import csv
import math

import pytest

from augmentations import PAPER_ARMS
from benchmark.scores import published
from drac.games import GAMES

FILES = {
    "per_game.csv": ("method", "game", "split", "mode", "mean", "kind", "source", "steps"),
    "best_augmentation.csv": ("game", "augmentation", "source"),
    "ppo_normalized.csv": ("method", "split", "mode", "n_runs", "steps", "kind", "source"),
    "robustness.csv": ("method", "metric", "value", "source"),
    "run_scores.csv": ("method", "game", "split", "run", "score"),
    "score_ranges.csv": ("mode", "game", "r_min", "r_max", "source"),
    "released_augmentation_speed.csv": ("augmentation", "images_per_s", "source"),
}


def rows(name: str) -> list[dict[str, str]]:
    with (published.FOLDER / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", FILES)
def test_every_row_has_what_it_must(name: str) -> None:
    found = rows(name)
    assert found
    for row in found:
        assert None not in row  # no field beyond the header
        for column in FILES[name]:
            assert row[column], (name, row)
        assert row.get("game", "coinrun") in GAMES
        assert row.get("mode", "easy") in ("easy", "hard")
        assert row.get("split", "test") in ("train", "test")
        assert row.get("kind", "printed") in ("printed", "computed", "digitised")


def test_a_number_is_given_once() -> None:
    keys = [tuple(row[k] for k in FILES["per_game.csv"][:4]) for row in rows("per_game.csv")]
    sources = [row["source"] for row in rows("per_game.csv")]
    assert len(set(zip(keys, sources, strict=True))) == len(keys)


@pytest.mark.parametrize("name", published.PER_GAME_SOURCES)
@pytest.mark.parametrize("method", published.NAMES)
@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("mode", ["easy", "hard"])
def test_per_game_numbers_are_the_files(method: str, split: str, mode: str, name: str) -> None:
    wanted = (published.NAMES[method], split, mode, name)
    expected = {
        row["game"]: (float(row["mean"]), float(row["std"] or "nan"))
        for row in rows("per_game.csv")
        if (row["method"], row["split"], row["mode"], row["source"]) == wanted
    }
    found = published.per_game(method, split, mode, name)
    assert found.keys() == expected.keys()
    assert len(found) in (0, 16)
    for game, (mean, std) in expected.items():
        assert found[game][0] == mean
        assert found[game][1] == std or (math.isnan(std) and math.isnan(found[game][1]))


def test_a_method_that_nobody_published_has_no_numbers() -> None:
    assert published.per_game("drac-crop", "test", "easy", published.PER_GAME_SOURCES[0]) == {}
    assert published.per_game("", "test", "easy", published.PER_GAME_SOURCES[0]) == {}


def test_sources_say_how_they_were_had() -> None:
    table, figures, hard = (published.source(name) for name in published.PER_GAME_SOURCES)
    assert (table.kind, table.mode, table.steps) == ("printed", "easy", 25_000_000)
    assert (figures.kind, figures.mode, figures.steps) == ("digitised", "easy", 23_550_000)
    assert (hard.kind, hard.mode, hard.steps) == ("printed", "hard", 200_000_000)
    assert figures.text().startswith("github.com/rraileanu/auto-drac README figures, 2020 (digit")
    assert "23.55M steps" in figures.text()
    assert "500 levels" in hard.text()


@pytest.mark.parametrize("name", sorted({row["source"] for row in rows("per_game.csv")}))
def test_every_source_has_one_kind_and_mode(name: str) -> None:
    found = {(r["kind"], r["mode"]) for r in rows("per_game.csv") if r["source"] == name}
    assert found == {(published.source(name).kind, published.source(name).mode)}


def test_an_unknown_source_is_an_error() -> None:
    with pytest.raises(ValueError, match="nobody"):
        published.source("nobody")


def test_sources_of_a_mode_keep_their_letters() -> None:
    assert list(published.per_game_sources({"easy"})) == ["a", "b"]
    assert list(published.per_game_sources({"hard"})) == ["c"]
    assert list(published.per_game_sources({"easy", "hard"})) == ["a", "b", "c"]
    assert published.per_game_sources(set()) == {}


def test_the_papers_best_augmentations() -> None:
    best, source = published.best_augmentation()
    assert list(best) == [row["game"] for row in rows("best_augmentation.csv")]
    assert set(best) == set(GAMES)
    assert set(best.values()) <= set(PAPER_ARMS)
    assert best == {row["game"]: row["augmentation"] for row in rows("best_augmentation.csv")}
    assert {source} == {row["source"] for row in rows("best_augmentation.csv")}


def test_the_speed_of_the_released_code_is_known_for_the_papers_eight() -> None:
    speeds, source = published.released_augmentation_speed()
    assert set(speeds) == set(PAPER_ARMS)
    assert (speeds["crop"], speeds["random-conv"]) == (7200, 95)
    assert source == "measured by running the released code, float32, 2 AVX-512 cores, PyTorch 2.13"
