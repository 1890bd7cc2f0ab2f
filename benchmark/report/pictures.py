"""The figures of the site: those of `drac-bench figures`, whole and for single games."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from benchmark.analysis.histories import Histories
from benchmark.figures import catalogue as figure_catalogue
from benchmark.figures.canvas import legend_of
from benchmark.figures.drawing import SCREEN, Drawing, Style
from benchmark.report.site import Picture, Site

# The pages have titles and notes as text. One panel is as wide as a phone can show legibly.
WHOLE = replace(SCREEN, titled=False, noted=False)
ONE_GAME = replace(WHOLE, column=5.2, labelled=False)

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
            drawn = _drawn(site, name, histories, WHOLE)
            site.figures[name] = [picture for _, picture in drawn]
    return [picture for name in names for picture in site.figures[name]]


@dataclass(frozen=True)
class Row:
    """Figures side by side, and the legend above them; None if there are no figures."""

    legend: Picture | None
    pictures: list[Picture]


def of_game(site: Site, game: str, names: Sequence[str]) -> Row:
    """Return figures of the runs on one game; none if they have logged nothing yet."""
    every = site.content.histories
    own = replace(every.where(every.runs["game"] == game), noted=False)  # they stand elsewhere
    found = (
        []
        if own.runs.empty
        else [drawn for name in names for drawn in _drawn(site, name, own, ONE_GAME, game)]
    )
    if not found:
        return Row(None, [])
    drawings, drawn = zip(*found, strict=True)
    return Row(site.legend(legend_of(drawings, WHOLE), f"{game}-{names[0]}-legend"), [*drawn])


def _drawn(
    site: Site, name: str, histories: Histories, style: Style, game: str = ""
) -> list[tuple[Drawing, Picture]]:
    """Draw one kind of figure; none if that fails."""

    def draw() -> list[tuple[Drawing, Picture]]:
        drawings = figure_catalogue.known()[name](histories, style)
        return [(drawing, site.picture(drawing, game)) for drawing in drawings]

    return site.tried(figure_catalogue.KIND, name, draw) or []
