"""The figures of the site: those of `drac-bench figures`, whole and for single games."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from benchmark.analysis.histories import Histories
from benchmark.figures import catalogue as figure_catalogue
from benchmark.figures.drawing import SCREEN, Style
from benchmark.report.site import Picture, Site

# The pages have titles and notes as text. One panel is as wide as a phone can show legibly.
WHOLE = replace(SCREEN, titled=False, noted=False)
ONE_GAME = replace(WHOLE, column=5.2)

GAME_CURVES = ("test-curves", "train-curves", "gap")
GAME_BANDIT = ("bandit-shares", "bandit-scores")
HEADLINE = ("intervals", "aggregate")


def whole(site: Site, names: Iterable[str]) -> list[Picture]:
    """Return figures of all runs, each drawn once; none if no run has logged anything yet."""
    histories = site.content.histories
    if histories.runs.empty:
        return []
    for name in names:
        if name not in site.figures:
            site.figures[name] = _drawn(site, name, histories, WHOLE)
    return [picture for name in names for picture in site.figures[name]]


def of_game(site: Site, game: str, names: Iterable[str]) -> list[Picture]:
    """Return figures of the runs on one game; none if they have logged nothing yet."""
    every = site.content.histories
    own = replace(every.where(every.runs["game"] == game), notes=())  # they stand elsewhere
    if own.runs.empty:
        return []
    return [picture for name in names for picture in _drawn(site, name, own, ONE_GAME, game)]


def _drawn(
    site: Site, name: str, histories: Histories, style: Style, game: str = ""
) -> list[Picture]:
    """Draw one kind of figure; none if that fails."""

    def draw() -> list[Picture]:
        drawings = figure_catalogue.known()[name](histories, style)
        return [site.picture(drawing, game) for drawing in drawings]

    return site.tried(figure_catalogue.KIND, name, draw) or []
