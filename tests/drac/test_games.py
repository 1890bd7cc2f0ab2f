"""The games' names and the published score ranges."""

from __future__ import annotations

import csv

import pytest
from checkout import ROOT

from drac.games import GAMES, NUM_ACTIONS, RANGE_SOURCES, normalize_score, score_range

TABLE = ROOT / "results" / "published" / "score_ranges.csv"


def rows() -> list[dict[str, str]]:
    with TABLE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_there_are_sixteen_games_in_alphabetical_order() -> None:
    assert len(set(GAMES)) == 16
    assert list(GAMES) == sorted(GAMES)
    assert NUM_ACTIONS == 15


@pytest.mark.parametrize("ranges", RANGE_SOURCES)
def test_the_ranges_are_the_table_s_rows(ranges: str) -> None:
    published = {
        (row["mode"], row["game"]): (float(row["r_min"]), float(row["r_max"]))
        for row in rows()
        if row["source"] == RANGE_SOURCES[ranges]
    }
    assert {game for _, game in published} == set(GAMES)
    for (mode, game), expected in published.items():
        assert score_range(game, mode, ranges) == expected


def test_every_source_of_the_table_has_a_name() -> None:
    assert {row["source"] for row in rows()} >= set(RANGE_SOURCES.values())


def test_the_two_sets_differ_on_easy_jumper_and_leaper_only() -> None:
    keys = {(row["mode"], row["game"]) for row in rows() if row["source"] in RANGE_SOURCES.values()}
    differing = {
        (mode, game)
        for mode, game in keys
        if mode == "easy" and score_range(game, mode) != score_range(game, mode, "train-procgen")
    }
    assert differing == {("easy", "jumper"), ("easy", "leaper")}
    assert score_range("jumper")[0] == score_range("leaper")[0] == 3
    assert score_range("jumper", ranges="train-procgen")[0] == 1
    assert score_range("leaper", ranges="train-procgen")[0] == 1.5


@pytest.mark.parametrize("game", GAMES)
def test_the_ends_of_a_range_are_normalized_to_0_and_1(game: str) -> None:
    low, high = score_range(game)
    assert low < high
    assert normalize_score(low, game) == 0
    assert normalize_score(high, game) == 1
    assert normalize_score((low + high) / 2, game) == pytest.approx(0.5)
    assert normalize_score(2 * high - low, game) == pytest.approx(2)  # not clipped


def test_what_is_not_in_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="'pong'"):
        score_range("pong")
    with pytest.raises(ValueError, match="'medium'"):
        score_range("coinrun", "medium")
    with pytest.raises(ValueError, match=r"'atari'.*default, train-procgen"):
        score_range("coinrun", ranges="atari")
