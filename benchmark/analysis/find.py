"""Methods of the store and of imported scores, found by what the user calls them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from augmentations.arguments import hint
from augmentations.specs import short
from benchmark.analysis.comparable import split_label
from benchmark.analysis.contestants import Contestant, imported, stored
from benchmark.scores import imported as imports
from benchmark.store.store import Store
from drac import methods
from drac.config.quantities import shortened
from drac.errors import ConfigError
from drac.methods import spellings


def find(
    words: Sequence[str],
    results: Path,
    split: str,
    experiments: Sequence[str] = (),
    on_run: Callable[[], None] = lambda: None,
) -> list[Contestant]:
    """Return the contestants with these names.

    Args:
        words: "METHOD", or "SOURCE:METHOD" where several experiments or imported sets have it,
            unless it is one that has another of the words too; a method with runs of different
            settings has several names, "METHOD [setting=value]". "drac" is the only "drac-..."
            that there is, and an augmentation may stand as its specification.
        results: root of all results.
        split: "train" or "test".
        experiments: whose runs to take, together; none takes every experiment, each on its own.
        on_run: called after each run that is read.

    Raises:
        ConfigError: for a name that is unknown (with the nearest, or with the split or experiment
            that has it) or that several have.
    """
    store = Store(results)
    groups = [tuple(experiments)] if experiments else [(name,) for name in store.experiments()]
    specs = {group: [s for name in group for s in store.specs(name)] for group in groups}
    sources = ["+".join(group) for group in groups]
    words = [_identifier(word, [*sources, *imports.names(results)]) for word in words]
    of = {(source, s.method) for source, g in zip(sources, groups, strict=True) for s in specs[g]}
    planned = {method for _, method in of}
    # Only what is asked for is read: a store may hold thousands of runs.
    wanted = {split_label(word)[0].rpartition(":")[2] for word in words}
    wanted = {method for method in planned if not wanted.isdisjoint(_names(method))}
    damaged: list[str] = []
    known = [
        *(c for g in groups for c in stored(store, split, g, specs[g], wanted, on_run)),
        *imported(results, split, damaged),
    ]
    absent = [word for word in words if word not in _ways(of) and not _called(word, known)]
    if absent and (said := "; ".join(_elsewhere(absent, results, split, experiments))):
        raise ConfigError(said)
    if not known and not planned and not damaged:
        raise ConfigError(
            f"there are no runs and no imported scores of the {split} split in {results}; begin"
            f" with drac-bench run or drac-bench import-scores"
        )
    try:
        found = _together(words, known) or [_find(word, known, of) for word in words]
    except ConfigError as error:  # it may be a method of what could not be read
        raise ConfigError(damaged[0] if damaged else str(error)) from None
    left_out = tuple(f"Imported scores are left out: {why}." for why in damaged)
    return [replace(found[0], cautions=(*found[0].cautions, *left_out)), *found[1:]]


def _identifier(word: str, sources: Sequence[str]) -> str:
    """Return a word with its method as the folders of runs have it: its augmentation's slug."""
    source = next((f"{name}:" for name in sources if word.startswith(f"{name}:")), "")
    method = word.removeprefix(source)
    if {":", "("}.isdisjoint(method):
        return word
    try:
        return source + spellings.resolve(method, None, recorded=True)[0]
    except ValueError:
        return word


def _names(method: str) -> tuple[str, ...]:
    """Return all that a method may be called."""
    return method, short(method), _family(method)


def _ways(planned: Collection[tuple[str, str]]) -> set[str]:
    """Return what sources and their methods may be called, but for families."""
    own = {(source, name) for source, method in planned for name in (method, short(method))}
    return {way for source, name in own for way in (name, f"{source}:{name}")}


def _family(method: str) -> str:
    """Return "drac" of "drac-crop", "" of a method that is no family with its augmentation."""
    found = methods.find(method)
    return found.name if found and found.is_family else ""


def _together(words: Sequence[str], known: Sequence[Contestant]) -> list[Contestant]:
    """Return those of the one source that has all words, once each; nothing unless one has."""
    found = [_called(word, known) for word in words]
    of = [set(combination) for combination in product(*([c.source for c in own] for own in found))]
    if all(len(own) == 1 for own in found) or sum(len(sources) == 1 for sources in of) != 1:
        return []
    (source,) = next(sources for sources in of if len(sources) == 1)
    chosen = [c for own in found for c in own if c.source == source]
    others = dict.fromkeys(c.source for own in found for c in own if c.source != source)
    said = f"Both are those of {source}; also in {shortened(others)}: say SOURCE:METHOD for these."
    return [replace(chosen[0], cautions=(*chosen[0].cautions, said)), *chosen[1:]]


def _find(
    word: str, known: Sequence[Contestant], planned: Collection[tuple[str, str]]
) -> Contestant:
    """Return the one with this name; `planned` are source and method of every run."""
    found = _called(word, known)
    if len(found) == 1:
        return _beside_variants(found[0], known)
    if found:
        ways = [c.address if len({c.source for c in found}) > 1 else c.name for c in found]
        said = " or ".join(shlex.quote(way) if "'" in way else f"'{way}'" for way in ways)
        raise ConfigError(f"several are called {word!r}: say which, {said}")
    see = "yet: see drac-bench status"
    if word in _ways(planned):
        raise ConfigError(f"{word!r} has no complete run {see}")
    if of := {m for s, m in planned if (own := _family(m)) and word in (own, f"{s}:{own}")}:
        own_runs = shortened(sorted(of))
        raise ConfigError(f"no run is called {word!r}, and none of {own_runs} is complete {see}")
    names = spellings.shown(method for _, method in planned).values()
    every = [*dict.fromkeys([*(c.name for c in known), *sorted(names)])]
    nearest = hint(word, [*every, *(c.address for c in known)])
    raise ConfigError(f"unknown method {word!r}{nearest}; there are {shortened(every)}")


def _beside_variants(found: Contestant, known: Sequence[Contestant]) -> Contestant:
    """Have one whose settings are the defaults say so, where its method was run with others too."""
    own = [c for c in known if c.method and (c.source, c.method) == (found.source, found.method)]
    others = [c.name for c in own if c.name != found.name]
    if not others or split_label(found.name)[1]:
        return found
    said = f"{found.name}: its runs with default settings; there are also {shortened(others)}."
    return replace(found, cautions=(*found.cautions, said))


def _called(word: str, known: Sequence[Contestant]) -> list[Contestant]:
    """Return those with this name, or else the variants of a method, or of a family, with it."""
    found: list[Contestant] = []
    for names in (Contestant.names, Contestant.short_names):
        found = found or [c for c in known if word in names(c)]
        found = found or [c for c in known if word in {split_label(n)[0] for n in names(c)}]
    source, _, family = word.rpartition(":")
    alike = (c for c in known if family and source in ("", c.source))
    return found or [c for c in alike if _family(split_label(c.name)[0]) == family]


def _elsewhere(
    words: Sequence[str], results: Path, split: str, experiments: Sequence[str]
) -> Iterator[str]:
    """Say of methods that are not here on which other split, or in which experiments, they are."""
    other = "train" if split == "test" else "test"
    scores = [*imported(results, other, [])]
    by_source: dict[str, dict[str, None]] = {}
    for contestant in (c for word in words for c in _called(word, scores)):
        by_source.setdefault(contestant.source, {})[contestant.name] = None
    for source, names in by_source.items():
        yield (
            f"{' and '.join(names)} of {source} {'has' if len(names) == 1 else 'have'} scores of"
            f" the {other} split only: add --split {other}"
        )
    store = Store(results)
    planned = {name: {spec.method for spec in store.specs(name)} for name in store.experiments()}
    for word in words:
        source, _, method = split_label(word)[0].rpartition(":")
        having = [
            experiment
            for experiment, found in planned.items()
            if source in ("", experiment) and any(method in (m, short(m)) for m in found)
        ]
        if having and not {*having} & {*experiments}:
            yield (
                f"{method} has no runs in {' and '.join(experiments)} but in {shortened(having)}:"
                f" give --experiment {' '.join([*experiments, having[0]])}"
            )
