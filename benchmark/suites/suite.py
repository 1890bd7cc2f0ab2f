"""What a sweep is: methods x games x seeds, the options they share, and those of some alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from drac import methods as drac_methods
from drac.config import TrainConfig
from drac.config import train_config as configs
from drac.errors import ConfigError
from drac.games import GAMES

Options = Mapping[str, Any]
"""Fields of `TrainConfig`, by name."""


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
class Part:
    """Some runs of a suite.

    Attributes:
        methods, games, seeds: their product; the suite's where None.
        options: beside the suite's.
        suffix: of the experiment's name, for runs that differ from those of another part in
            options alone.
    """

    methods: tuple[str, ...] | None = None
    games: tuple[str, ...] | None = None
    seeds: tuple[int, ...] | None = None
    options: Options = field(default_factory=dict)
    suffix: str = ""


@dataclass(frozen=True)
class Suite:
    """A sweep.

    Attributes:
        name: also the experiment its runs are stored under.
        summary: one line for `--help`.
        methods, games, seeds: their product is run, in every part that names no others.
        options: fields of `TrainConfig` that differ from the defaults.
        special: those of (method, game), where "" stands for all: ("idaac", "bigfish").
        parts: what is run.
    """

    name: str
    summary: str
    methods: tuple[str, ...] = ()
    games: tuple[str, ...] = GAMES
    seeds: tuple[int, ...] = (0,)
    options: Options = field(default_factory=dict)
    special: Mapping[tuple[str, str], Options] = field(default_factory=dict)
    parts: tuple[Part, ...] = (Part(),)

    @property
    def experiments(self) -> tuple[str, ...]:
        """The experiments that its runs are stored under."""
        return tuple(dict.fromkeys(self.name + part.suffix for part in self.parts))

    @property
    def every_method(self) -> tuple[str, ...]:
        """The methods of all parts."""
        named = (part.methods or self.methods for part in self.parts)
        return tuple(dict.fromkeys(method for methods in named for method in methods))

    def runs(
        self,
        experiment: str = "",
        methods: Sequence[str] = (),
        games: Sequence[str] = (),
        seeds: Sequence[int] = (),
        given: Options | None = None,
    ) -> Iterator[tuple[RunSpec, TrainConfig]]:
        """Yield every run, each once, with its validated config.

        Args:
            experiment: in place of the suite's name.
            methods: in place of the suite's; a part that names its own keeps those in both.
            games: likewise.
            seeds: likewise.
            given: options that hold for every run, whatever the suite says.

        Raises:
            ConfigError: if a config is impossible, or nothing is left to run.
        """
        seen: set[RunSpec] = set()
        for part in self.parts:
            chosen_methods = _chosen(part.methods, methods, self.methods)
            chosen_games = _chosen(part.games, games, self.games)
            chosen_seeds = _chosen(part.seeds, seeds, self.seeds)
            if not (chosen_methods and chosen_games and chosen_seeds):
                continue
            name = (experiment or self.name) + part.suffix
            own = self._own(part, given or {})
            runs = expand(name, chosen_methods, chosen_games, chosen_seeds, given or {}, own)
            for spec, config in runs:
                if spec not in seen:
                    seen.add(spec)
                    yield spec, config
        if not seen:
            raise ConfigError(
                f"nothing is left to run of suite {self.name!r}: a sweep needs at least one method,"
                f" one game and one seed of its parts"
            )

    def _own(self, part: Part, given: Options) -> Callable[[str, str], Options]:
        """Return a function of method and game: the options that the suite has for such a run."""

        def own(method: str, game: str) -> Options:
            shared = {**self.options, **part.options, **self.special.get(("", game), {})}
            try:
                absent = foreign(method)
            except ValueError:  # an unknown method: the config says so
                absent = frozenset()
            values = {name: value for name, value in shared.items() if name not in absent}
            values |= {**self.special.get((method, ""), {}), **self.special.get((method, game), {})}
            return {name: value for name, value in values.items() if name not in given}

        return own


def _chosen(part: Sequence[Any] | None, given: Sequence[Any], suite: Sequence[Any]) -> list[Any]:
    if part is None:
        return [*(given or suite)]
    return [name for name in part if not given or name in given]


def expand(
    experiment: str,
    methods: Sequence[str],
    games: Sequence[str],
    seeds: Sequence[int],
    options: Options,
    own: Callable[[str, str], Options] = lambda method, game: {},
) -> Iterator[tuple[RunSpec, TrainConfig]]:
    """Yield every run of a sweep with its validated config, seed by seed, game by game.

    Two spellings of a method are one run, and it is yielded once.

    Args:
        experiment: its runs' name.
        methods: these,
        games: with each of these,
        seeds: and each of these.
        options: of all; those that a method lacks and another of the sweep has are not for it.
        own: further ones, a function of method and game.

    Raises:
        ConfigError: if a config is impossible, or there is nothing to run.
    """
    if not (methods and games and seeds):
        raise ConfigError("a sweep needs at least one method, one game and one seed")
    shares = {method: _share(method, methods, options) for method in methods}
    highest = max(seeds)  # the one that may be too large
    built = {
        (game, method): configs.build(
            {**own(method, game), **shares[method], "method": method, "game": game, "seed": highest}
        )
        for game, method in product(games, methods)
    }
    seen: set[RunSpec] = set()
    for seed, game, method in product(seeds, games, methods):
        config = built[game, method]
        spec = RunSpec(experiment, config.method, game, seed)
        if spec not in seen:
            seen.add(spec)
            yield spec, config.model_copy(update={"seed": seed})


def _share(method: str, methods: Collection[str], options: Options) -> dict[str, Any]:
    """Return a sweep's options without those that other methods of it have and this one has not."""
    try:
        absent, *others = [foreign(name) for name in (method, *methods)]
    except ValueError:  # an unknown method: the config says so
        return dict(options)
    absent -= frozenset.intersection(*others)  # what no method has is for the config to refuse
    return {name: value for name, value in options.items() if name not in absent}


def foreign(method: str) -> frozenset[str]:
    """Return the options that a sweep's are not for: which augmentation is best is looked up.

    Raises:
        ValueError: if there is no such method.
    """
    best = drac_methods.get(method).augmentations == "best"
    return drac_methods.options_of_others(method) | ({"augmentation"} if best else set())
