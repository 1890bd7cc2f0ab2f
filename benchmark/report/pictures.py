"""The figures of the site: those of `drac-bench figures`, whole and for single games."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmark.analysis import histories
from benchmark.analysis.histories import Histories
from benchmark.figures.catalogue import FIGURES
from benchmark.figures.drawing import SCREEN, Drawing
from benchmark.report.content import Content
from benchmark.report.site import Site, slug
from benchmark.store.many_files import RUN

# The pages have titles and notes as text. One panel is as wide as a phone can show legibly.
WHOLE = replace(SCREEN, titled=False, noted=False)
ONE_GAME = replace(WHOLE, column=5.2)

GAME_CURVES = ("test-curves", "train-curves", "gap")
GAME_BANDIT = ("bandit-shares", "bandit-scores")
HEADLINE = ("intervals", "aggregate")


@dataclass(frozen=True)
class Picture:
    """A figure of a page.

    Attributes:
        anchor: unique on its page.
        src: relative to the page.
        title: what it shows, in a few words.
        alt: what somebody should know who cannot see it.
        notes: what must be said below.
        csv: the drawn numbers, relative to the page.
        wide: on a phone it is scrolled rather than made illegible.
        width, height: in CSS pixels, so that a page keeps its shape while pictures load.
    """

    anchor: str
    src: str
    title: str
    alt: str
    notes: tuple[str, ...]
    csv: str
    wide: bool
    width: int
    height: int


class Pictures:
    """Draws figures into a site.

    Args:
        site: where to.
        content: of what; the histories of its runs are read here.
    """

    def __init__(self, site: Site, content: Content) -> None:
        self._site = site
        self._histories = histories.load(content.runs)
        self._made: dict[str, list[Picture]] = {}

    @property
    def missing(self) -> tuple[str, ...]:
        """What is missing in every figure, to be said once a page and not below each."""
        return self._histories.notes

    def whole(self, names: Sequence[str], root: str = "") -> list[Picture]:
        """Return figures of all runs, each drawn once, for a page that is `root` below the top."""
        if self._histories.runs.empty:
            return []
        for name in names:
            if name not in self._made:
                drawings = FIGURES[name](self._histories, WHOLE)
                self._made[name] = [self._save(drawing, drawing.name) for drawing in drawings]
        return [_seen_from(root, picture) for name in names for picture in self._made[name]]

    def of_game(self, game: str, names: Sequence[str], root: str) -> list[Picture]:
        """Return figures of the runs on one game; none if they have logged nothing yet."""
        own = restricted(self._histories, game)
        if own.runs.empty:
            return []
        drawings = [drawing for name in names for drawing in FIGURES[name](own, ONE_GAME)]
        return [
            _seen_from(root, self._save(drawing, f"{game}-{drawing.name}", f" on {game}"))
            for drawing in drawings
        ]

    def _save(self, drawing: Drawing, name: str, of: str = "") -> Picture:
        path = f"figures/{slug(name)}.svg"
        self._site.write(path, drawing.render("svg"))
        title = f"{drawing.title}{of}"
        csv = self._site.csv(f"figure-{name}", f"Numbers of the figure: {title}", drawing.data)
        alt = f"Figure: {title}. The notes and the numbers are below."
        notes = tuple(note for note in drawing.notes if note not in self.missing)
        wide = drawing.figure.get_figwidth() > WHOLE.column
        width, height = (round(96 * inches) for inches in drawing.figure.get_size_inches())
        return Picture(slug(name), path, title, alt, notes, csv, wide, width, height)


def _seen_from(root: str, picture: Picture) -> Picture:
    return replace(picture, src=root + picture.src, csv=root + picture.csv)


def restricted(every: Histories, game: str) -> Histories:
    """Return the histories of the runs on one game; what is missing stands elsewhere."""
    runs = every.runs[every.runs["game"] == game]
    progress, evaluations, levels, arms = (
        table[table[RUN].isin(runs.index)]
        for table in (every.progress, every.evaluations, every.levels, every.arms)
    )
    return Histories(runs, progress, evaluations, levels, arms, ())
