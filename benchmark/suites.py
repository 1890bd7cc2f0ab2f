"""Sweeps as data: a suite is methods x games x seeds and the options they share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from augmentations import PAPER_ARMS
from augmentations.arguments import unknown
from drac import methods as drac_methods
from drac.config import TrainConfig
from drac.config import train_config as configs
from drac.errors import ConfigError
from drac.games import GAMES


@dataclass(frozen=True, order=True)
class RunSpec:
    """One run. Its `id` is its folder below results/runs and its key in every table."""

    experiment: str
    method: str
    game: str
    seed: int

    @property
    def name(self) -> str:
        """Return e.g. "ucb-drac/bigfish/seed3", its key within the experiment."""
        return f"{self.method}/{self.game}/seed{self.seed}"

    @property
    def id(self) -> str:
        """Return e.g. "paper-table1/ucb-drac/bigfish/seed3"."""
        return f"{self.experiment}/{self.name}"


@dataclass(frozen=True)
class Suite:
    """A sweep.

    Attributes:
        name: also the experiment its runs are stored under.
        summary: one line for `--help`.
        methods, games, seeds: their product is run.
        options: fields of `TrainConfig` that differ from the defaults.
    """

    name: str
    summary: str
    methods: tuple[str, ...]
    games: tuple[str, ...] = GAMES
    seeds: tuple[int, ...] = tuple(range(10))
    options: Mapping[str, Any] = field(default_factory=dict)


_DEMO = {"num_envs": 16, "num_steps": 16, "steps": 2048, "eval_episodes": 8, "eval_every": 0}
_TINY = {"num_envs": 8, "num_steps": 16, "steps": 256, "eval_episodes": 2, "eval_every": 0}
_SHORT = {"num_steps": 32, "steps": 50_000, "eval_every": 12_500}
_SHORT |= {"eval_episodes": 20, "eval_envs": 20}
"""Rollouts of 32 steps: 24 updates, in which a bandit may move."""

_SWEEP = tuple(f"drac-{name}" for name in PAPER_ARMS)

SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite(
            name="demo",
            summary="all 16 games with UCB-DrAC, 2,048 steps each: minutes on a laptop",
            methods=("ucb-drac",),
            seeds=(0,),
            options=_DEMO,
        ),
        Suite(
            name="smoke",
            summary="two methods x two games x 256 steps, for tests",
            methods=("ppo", "ucb-drac"),
            games=("coinrun", "starpilot"),
            seeds=(0,),
            options=_TINY,
        ),
        Suite(
            name="rehearsal",
            summary="PPO and UCB-DrAC x 16 games x 50k steps: an hour on 2 cores, and no result",
            methods=("ppo", "ucb-drac"),
            seeds=(0,),
            options=_SHORT,
        ),
        Suite(
            name="rehearsal-augmentations",
            summary="DrAC with each of the eight augmentations x 4 games x 16k steps, likewise",
            methods=_SWEEP,
            games=("coinrun", "starpilot", "bigfish", "leaper"),
            seeds=(0,),
            options={**_SHORT, "steps": 16_000, "eval_every": 8000},
        ),
        Suite(
            name="paper-table1",
            summary="the paper's Table 1: methods x 16 games x 10 seeds x 25M steps, released code",
            methods=("ppo", "drac-crop", "ucb-drac"),
            options={"fidelity": "released"},
        ),
        Suite(
            name="policy-gradients",
            summary="REINFORCE, with a baseline, A2C, TRPO and PPO x 3 games x 3 seeds x 2M steps",
            methods=("reinforce", "reinforce-baseline", "a2c", "trpo", "ppo"),
            games=("bigfish", "coinrun", "starpilot"),
            seeds=(0, 1, 2),
            options={"steps": 2_000_000, "eval_every": 250_000},
        ),
        Suite(
            name="augmentation-sweep",
            summary="DrAC with each of the eight augmentations x 16 games x 10 seeds x 25M steps",
            methods=_SWEEP,
            options={"fidelity": "released"},
        ),
    )
}


def get(name: str) -> Suite:
    """Return a suite.

    Raises:
        ConfigError: naming the nearest and the valid names.
    """
    if name not in SUITES:
        raise ConfigError(unknown("suite", name, SUITES))
    return SUITES[name]


def parse_seeds(words: Sequence[str]) -> tuple[int, ...]:
    """Read seeds such as ["0-2", "7"] -> (0, 1, 2, 7).

    Raises:
        ConfigError: for anything else.
    """
    seeds: list[int] = []
    for word in words:
        match = re.fullmatch(r"([0-9]{1,10})(?:-([0-9]{1,10}))?", word)
        if not match:
            raise ConfigError(f"seeds {word!r} must be a number or a range A-B, e.g. 0 or 0-9")
        low, high = int(match[1]), int(match[2] or match[1])
        if low > high or high - low >= 10_000:
            raise ConfigError(f"seeds {word!r} must be a range of 1 to 10,000 seeds")
        seeds += range(low, high + 1)
    return tuple(dict.fromkeys(seeds))


def parse_games(words: Sequence[str]) -> tuple[str, ...]:
    """Read games; "all" stands for the 16.

    Raises:
        ConfigError: for an unknown game.
    """
    for word in words:
        if word not in (*GAMES, "all"):
            raise ConfigError(unknown("game", word, (*GAMES, "all")))
    return GAMES if "all" in words else tuple(dict.fromkeys(words))


def parse_methods(words: Sequence[str], augmentation: str | None = None) -> tuple[str, ...]:
    """Read methods; "all" stands for each of them, families with one augmentation.

    Args:
        words: as given.
        augmentation: of the sweep, which then is that of the families; None takes crop.
    """
    if "all" not in words:
        return tuple(words)
    known = drac_methods.known().values()
    return tuple(f"{m.name}-crop" if m.is_family and not augmentation else m.name for m in known)


def expand(
    experiment: str,
    methods: Sequence[str],
    games: Sequence[str],
    seeds: Sequence[int],
    options: Mapping[str, Any],
) -> Iterator[tuple[RunSpec, TrainConfig]]:
    """Yield every run of a sweep with its validated config, seed by seed, game by game.

    Two spellings of a method are one run, and it is yielded once.

    Raises:
        ConfigError: if a config is impossible, or there is nothing to run.
    """
    if not (methods and games and seeds):
        raise ConfigError("a sweep needs at least one method, one game and one seed")
    seen: set[RunSpec] = set()
    shares = {method: _share(method, methods, options) for method in methods}
    for seed, game, method in product(seeds, games, methods):
        config = configs.build({**shares[method], "method": method, "game": game, "seed": seed})
        spec = RunSpec(experiment, config.method, game, seed)
        if spec not in seen:
            seen.add(spec)
            yield spec, config


def _share(method: str, methods: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a sweep's options without those that other methods of it have and this one has not."""
    try:
        foreign, *others = [_foreign(name) for name in (method, *methods)]
    except ValueError:  # an unknown method: the config says so
        return dict(options)
    foreign -= frozenset.intersection(*others)  # what no method has is for the config to refuse
    return {name: value for name, value in options.items() if name not in foreign}


def _foreign(method: str) -> frozenset[str]:
    """Return the options that a sweep's are not for: which augmentation is best is looked up."""
    best = drac_methods.get(method).augmentations == "best"
    return drac_methods.options_of_others(method) | ({"augmentation"} if best else set())
