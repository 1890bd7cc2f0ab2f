"""Builds a report: reads the store once, draws, writes the pages, and swaps the folder in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmark.figures import catalogue as figure_catalogue
from benchmark.report import frames, listings, pictures
from benchmark.report.content import Content, gather
from benchmark.report.folder import swapped_in
from benchmark.report.overview import overview
from benchmark.report.site import Site
from benchmark.report.subjects import game, method
from benchmark.store.store import Store

Say = Callable[[str, int, int], None]
"""Called with what is done next, and how many steps of how many are done."""


def build(
    store: Store,
    experiments: Sequence[str],
    out: Path,
    *,
    with_frames: bool = True,
    say: Say = lambda what, done, total: None,
) -> tuple[int, list[str]]:
    """Write the report of some experiments.

    Args:
        store: of the runs, which may be unfinished or damaged: the report says so.
        experiments: names of experiments of the store.
        out: its folder, which is absent, empty or an older report.
        with_frames: draw example frames where there are none, which loads Procgen.
        say: told of the progress.

    Returns:
        Its number of pages, and which tables and figures failed and are not there.

    Raises:
        ConfigError: if `out` is something else, or a plan cannot be read.
    """
    with swapped_in(out) as folder:
        say("reading the runs", 0, 0)
        content = gather(store, experiments)
        site = Site(folder, content, *_strips(content, with_frames, say))
        to_do = list(steps(site))
        for number, (name, write) in enumerate(to_do):
            say(name, number, len(to_do))
            write()
        say("done", len(to_do), len(to_do))
        return len(list(folder.rglob("*.html"))), list(site.failed)


def _strips(
    content: Content, with_frames: bool, say: Say
) -> tuple[dict[str, list[frames.Strip]], str]:
    """Return the frames of every game by its runs' mode, and why some are missing."""
    folder = content.store.runs / frames.CACHE
    modes = dict.fromkeys(content.games, "easy")
    for row in content.runs.to_dict("records"):
        if row["settings"]:
            modes[row["game"]] = str(row["settings"]["mode"])
    why = "they were not asked for"
    if with_frames:
        say("drawing example frames", 0, 0)
        for mode in sorted(set(modes.values())):
            games = [game for game in content.games if modes[game] == mode]
            why = frames.draw_missing(folder, games, mode) or why
    return {game: frames.strips(folder, game, mode) for game, mode in modes.items()}, why


Step = tuple[str, Callable[[], object]]


def steps(site: Site) -> Iterator[Step]:
    """Yield what is to be done, and its name; the list of downloads comes last."""
    for name in site.content.games:
        yield name, partial(game, site, name)
    for name in site.content.methods:
        yield name, partial(method, site, name)
    yield "tables", partial(listings.tables, site)
    for name in figure_catalogue.known():
        yield f"figure {name}", partial(pictures.whole, site, [name])
    yield "figures", partial(listings.figures, site)
    yield "configs", partial(listings.configs, site)
    yield "provenance", partial(listings.provenance, site)
    yield "overview", partial(overview, site)  # which says what failed
    yield "downloads", partial(listings.downloads, site)
