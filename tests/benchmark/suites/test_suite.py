"""Suites are data: what they contain, and how words of the command line become runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augmentations import PAPER_ARMS
from benchmark import suites
from benchmark.scores import published
from benchmark.suites import Part, RunSpec, Suite, expand, parse_games, parse_seeds
from drac.config import TrainConfig
from drac.errors import ConfigError
from drac.games import GAMES

SUITES = tuple(suites.built_in())


def runs_of(name: str) -> list[tuple[RunSpec, TrainConfig]]:
    return list(suites.get(name).runs())


def test_an_id_is_experiment_method_game_and_seed() -> None:
    spec = RunSpec("paper-table1", "ucb-drac", "bigfish", 3)
    assert spec.id == "paper-table1/ucb-drac/bigfish/seed3"
    assert replace(spec, seed=4) != spec


@pytest.mark.parametrize("name", SUITES)
def test_every_suite_is_possible_and_has_each_run_once(name: str) -> None:
    suite, runs = suites.get(name), runs_of(name)
    assert suite.summary == suites.built_in()[name]
    assert len(runs) == sum(
        len(part.methods or suite.methods)
        * len(part.games or suite.games)
        * len(part.seeds or suite.seeds)
        for part in suite.parts
    )
    assert len({spec.id for spec, _ in runs}) == len(runs)
    for spec, config in runs:
        assert (spec.method, spec.game, spec.seed) == (config.method, config.game, config.seed)


def test_demo_covers_the_16_games_with_ucb_drac() -> None:
    runs = runs_of("demo")
    assert [spec.game for spec, _ in runs] == list(GAMES)
    assert {spec.method for spec, _ in runs} == {"ucb-drac"}
    config = runs[0][1]
    assert (config.num_updates, config.eval_episodes) == (8, 8)


def test_smoke_is_tiny() -> None:
    assert sum(config.steps for _, config in runs_of("smoke")) <= 2000


def test_the_rehearsal_is_short_and_lets_a_bandit_move() -> None:
    runs = runs_of("rehearsal")
    assert {(spec.method, spec.game) for spec, _ in runs} == {
        (method, game) for method in ("ppo", "ucb-drac") for game in GAMES
    }
    assert {(config.steps, config.num_updates) for _, config in runs} == {(50_000, 24)}
    sweep = runs_of("rehearsal-augmentations")
    assert {config.augmentation for _, config in sweep} == set(PAPER_ARMS)
    assert {spec.game for spec, _ in sweep} == {"coinrun", "starpilot", "bigfish", "leaper"}
    assert {config.num_steps for _, config in (*runs, *sweep)} == {32}


def test_paper_table1_is_the_papers_experiment() -> None:
    runs = runs_of("paper-table1")
    assert {config.fidelity for _, config in runs} == {"released"}
    assert {config.steps for _, config in runs} == {25_000_000}
    assert {config.num_updates for _, config in runs} == {1525}
    assert {config.residual for _, config in runs} == {"released"}  # the preset came with it
    paper = published.normalized("test", published.NORMALIZED_SOURCES[0])
    assert len(paper) == 11
    assert {published.NAMES[spec.method] for spec, _ in runs} == {*paper}
    for method in {spec.method for spec, _ in runs}:
        for game in GAMES:
            seeds = [s.seed for s, _ in runs if (s.method, s.game) == (method, game)]
            assert seeds == list(range(10))


def test_the_sweep_has_each_of_the_eight_augmentations() -> None:
    runs = runs_of("augmentation-sweep")
    assert {config.augmentation for _, config in runs} == set(PAPER_ARMS)
    assert len(runs) == 8 * 16 * 10
    assert {(config.fidelity, config.num_updates) for _, config in runs} == {("released", 1525)}


def test_the_hard_suite_is_that_of_the_published_numbers() -> None:
    runs = runs_of("paper-hard")
    hard = {(c.mode, c.levels, c.steps, c.num_envs) for _, c in runs}
    assert hard == {("hard", "0-499", 200_000_000, 128)}
    for spec, _ in runs:
        scores = published.per_game(spec.method, "test", "hard", published.PER_GAME_SOURCES[2])
        assert spec.game in scores


def test_the_levels_suite_has_an_experiment_for_each_number_of_levels() -> None:
    runs = runs_of("levels")
    sizes = (50, 100, 200, 500, 1000, 2000, 5000, 10_000)
    assert {(spec.experiment, len(config.train_levels)) for spec, config in runs} == {
        (f"levels-{size}", size) for size in sizes
    }
    assert suites.get("levels").experiments == tuple(f"levels-{size}" for size in sizes)
    assert len(runs) == 8 * 2 * 16 * 3


def test_the_evidence_is_what_it_is_said_to_be() -> None:
    runs = runs_of("evidence")
    games = ("starpilot", "fruitbot", "bigfish")
    assert sorted(spec.name for spec, _ in runs) == sorted(
        [f"{m}/{g}/seed0" for m in ("ppo", "drac-crop", "ucb-drac") for g in games]
        + ["ppo/starpilot/seed1", "ppo/starpilot/seed2"]
    )
    for _, config in runs:
        assert (config.steps, config.mode, config.levels) == (1_000_000, "easy", "0-199")
        assert (config.num_envs, config.num_steps) == (64, 256)
        assert (config.precision, config.threads) == ("bf16", 1)
        assert (config.eval_every, config.eval_episodes) == (250_000, 100)


SMALL = Suite(
    "mine",
    "",
    methods=("ppo", "idaac"),
    games=("maze", "heist"),
    options={"num_steps": 64, "idaac_value_epochs": 2},
    special={
        ("", "maze"): {"num_steps": 32, "idaac_value_epochs": 3, "gamma": 0.9},
        ("idaac", ""): {"num_steps": 16, "idaac_value_epochs": 4},
        ("idaac", "maze"): {"idaac_value_epochs": 5},
    },
)


def options_of(suite: Suite, *names: str, **given: Any) -> dict[str, tuple[Any, ...]]:
    return {
        spec.name: tuple(getattr(config, name) for name in names)
        for spec, config in suite.runs(given=given)
    }


def test_the_narrower_option_counts_and_the_command_line_above_all() -> None:
    assert options_of(SMALL, "num_steps", "gamma") == {
        "ppo/maze/seed0": (32, 0.9),
        "ppo/heist/seed0": (64, 0.999),
        "idaac/maze/seed0": (16, 0.9),
        "idaac/heist/seed0": (16, 0.999),
    }
    epochs = options_of(SMALL, "idaac_value_epochs")
    assert (epochs["idaac/maze/seed0"], epochs["idaac/heist/seed0"]) == ((5,), (4,))
    assert {*options_of(SMALL, "num_steps", num_steps="128").values()} == {(128,)}


def test_a_suite_is_cut_and_parts_keep_what_is_theirs() -> None:
    suite = suites.get("evidence")

    def names(**cut: Any) -> list[str]:
        return [spec.name for spec, _ in suite.runs(**cut)]

    assert names(methods=["ppo"], games=["starpilot"]) == [
        f"ppo/starpilot/seed{seed}" for seed in range(3)
    ]
    assert names(seeds=[2]) == ["ppo/starpilot/seed2"]
    assert names(games=["bigfish"], seeds=[0, 1]) == [
        f"{method}/bigfish/seed0" for method in ("ppo", "drac-crop", "ucb-drac")
    ]
    with pytest.raises(ConfigError, match="nothing is left to run of suite 'evidence'"):
        names(games=["maze"])
    assert len([*SMALL.runs(methods=["ucb-drac"], seeds=[4, 5])]) == 4  # it has no parts


def test_what_two_parts_have_in_common_on_the_command_line_runs_once() -> None:
    suite = Suite("mine", "", methods=("ppo",), parts=(Part(), Part(games=("maze",))))
    assert len([*suite.runs(games=["maze"], seeds=[1])]) == 1


def test_an_unknown_method_in_place_of_the_suites_is_named() -> None:
    with pytest.raises(ConfigError, match=r"unknown method 'pppo' \(did you mean 'ppo'"):
        list(SMALL.runs(methods=["pppo"]))


def test_an_unknown_suite_is_named_with_its_nearest() -> None:
    with pytest.raises(ConfigError, match=r"unknown suite 'dmo' \(did you mean 'demo'\?\)"):
        suites.get("dmo")


@pytest.mark.parametrize(
    ("words", "seeds"),
    [
        (["0"], (0,)),
        (["0-2", "7"], (0, 1, 2, 7)),
        (["3-3"], (3,)),
        (["1", "0-2", "1"], (1, 0, 2)),
        ([], ()),
    ],
)
def test_seeds(words: list[str], seeds: tuple[int, ...]) -> None:
    assert parse_seeds(words) == seeds


@pytest.mark.parametrize(
    "word",
    ["", "a", "-1", "1-", "2-1", "1-2-3", "0x1", "1.5", "٣", "0-99999", "9" * 5000, "all", " 1"],
)
def test_bad_seeds(word: str) -> None:
    with pytest.raises(ConfigError, match="^seeds "):
        parse_seeds([word])


@given(st.integers(0, 500), st.integers(0, 500))
def test_a_range_of_seeds_includes_both_ends(low: int, length: int) -> None:
    assert parse_seeds([f"{low}-{low + length}"]) == tuple(range(low, low + length + 1))


def test_games() -> None:
    assert parse_games(["all"]) == GAMES
    assert parse_games(["coinrun", "all"]) == GAMES
    assert parse_games(["maze", "coinrun", "maze"]) == ("maze", "coinrun")


@pytest.mark.parametrize("word", ["Coinrun", "coinrunn", "", "ALL", "coinrun,maze"])
def test_unknown_games(word: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown game '{word}'.*coinrun, "):
        parse_games(["maze", word])


def test_two_spellings_of_a_method_are_one_run() -> None:
    options = {"augmentation": "crop"}
    (one,) = expand("e", ["drac"], ["maze"], [0], options)
    (other,) = expand("e", ["drac-crop"], ["maze"], [0], {})
    assert one == other
    assert one[0].id == "e/drac-crop/maze/seed0"
    assert len(list(expand("e", ["drac", "drac-crop"], ["maze"], [0], options))) == 1


def test_what_is_named_twice_runs_once() -> None:
    assert len(list(expand("e", ["ppo", "ppo"], ["maze", "maze"], [0, 0], {}))) == 1


@pytest.mark.parametrize(
    ("methods", "games", "seeds"),
    [([], ["maze"], [0]), (["ppo"], [], [0]), (["ppo"], ["maze"], [])],
)
def test_an_empty_sweep_is_an_error(methods: list[str], games: list[str], seeds: list[int]) -> None:
    with pytest.raises(ConfigError, match="at least one"):
        list(expand("e", methods, games, seeds, {}))


def test_an_impossible_option_is_an_error() -> None:
    with pytest.raises(ConfigError, match="not divisible"):
        list(expand("e", ["ppo"], ["maze"], [0], {"num_envs": 3, "num_steps": 3}))


def test_what_a_method_ignores_is_for_the_others_of_the_sweep() -> None:
    """DAAC has passes of its own in place of epochs."""
    options = {"epochs": 1, "idaac_value_epochs": 2, "ucb_window": 5}
    methods = ["ppo", "daac", "ucb-drac"]
    configs = {config.method: config for _, config in expand("e", methods, ["maze"], [0], options)}
    assert {name: config.epochs for name, config in configs.items()} == {
        "ppo": 1,
        "ucb-drac": 1,
        "daac": TrainConfig().epochs,
    }
    assert configs["daac"].idaac_value_epochs == 2
    with pytest.raises(ConfigError, match="'daac' has no option epochs$"):
        list(expand("e", ["daac"], ["maze"], [0], {"epochs": 1}))
