"""Writes the pages: templates, tables, pictures, and the links between them.

What templates are handed is relative to the site's folder; they put `root` in front of it.
"""

from __future__ import annotations

import datetime
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import jinja2
import pandas as pd
from markupsafe import Markup, escape

from augmentations import plugins
from augmentations.errors import told
from benchmark.figures.drawing import SCREEN, Drawing
from benchmark.report import provenance
from benchmark.report.content import Content
from benchmark.report.frames import Strip
from benchmark.report.grid import Grid, Links, grid
from benchmark.tables.table import Table

Made = TypeVar("Made")

FOLDER = Path(__file__).parent
ASSETS = ("style.css", "report.js")

PICKED = 4
"""Curves in a figure of one game from which on the reader can pick some."""

NAVIGATION = ("Tables", "Figures", "Configs", "Provenance", "Downloads")
"""The pages that belong to all, beside the overview: "Tables" is tables.html."""


@dataclass(frozen=True)
class Picture:
    """A figure of a page.

    Attributes:
        anchor: unique on its page.
        src: the picture.
        title: what it shows, in a few words.
        notes: what must be said below.
        csv: the drawn numbers.
        wide: on a phone it is scrolled rather than made illegible.
        width, height: in CSS pixels, so that a page keeps its shape while pictures load.
        svg: the picture as a part of the page, where its curves can be picked; else "".
    """

    anchor: str
    src: str
    title: str
    notes: tuple[str, ...]
    csv: str
    wide: bool
    width: int
    height: int
    svg: str = ""


@dataclass
class Site:
    """A site that is being written into a folder.

    Attributes:
        folder: an empty one.
        content: what it is about.
        strips: example frames by game; none where they could not be drawn.
        no_frames: why some could not.
        downloads: the files that were written for programs: path, what it is, bytes.
        figures: those of all runs that were drawn already, by name.
        failed: sentences that say which tables and figures could not be made, with their kind.
    """

    folder: Path
    content: Content
    strips: Mapping[str, list[Strip]]
    no_frames: str
    downloads: list[tuple[str, str, int]] = field(default_factory=list)
    figures: dict[str, list[Picture]] = field(default_factory=dict)
    failed: dict[str, plugins.Kind] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(FOLDER / "templates"),
            autoescape=True,  # names of methods and machines are text, whatever they hold
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["breakable"] = breakable
        self._environment.globals |= {
            "navigation": [(f"{n.lower()}.html", n) for n in NAVIGATION],
            "experiments": " + ".join(self.content.experiments),
            "made_on": f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M UTC}",
            "made_by": f"procgen-drac {metadata.version('procgen-drac')}",
        }
        for name in ASSETS:
            self.write(f"assets/{name}", (FOLDER / "assets" / name).read_bytes())

    @cached_property
    def runs(self) -> pd.DataFrame:
        """Every planned run; see `provenance.runs_table`."""
        return provenance.runs_table(self.content)

    @cached_property
    def configs(self) -> pd.DataFrame:
        """Every option of every method; see `provenance.configs`."""
        return provenance.configs(self.content)

    @cached_property
    def links(self) -> Links:
        """Where names of games and methods lead, by column."""
        games = {game: game_page(game) for game in self.content.games}
        labels = {label: method_page(method) for label, method, _ in self.content.variants}
        return {"game": games, "method": labels, "variant": labels}

    def tried(self, kind: plugins.Kind, name: str, make: Callable[[], Made]) -> Made | None:
        """Return a table or a figure; None if it fails, which ends no report and is noted."""
        try:
            return plugins.called(kind, name, make)
        except plugins.PluginError as error:
            self.failed[str(error)] = kind
        except Exception as error:
            self.failed[f"the {kind.noun} {name!r} failed: {told(error)}"] = kind
        return None

    def failures(self, kind: plugins.Kind) -> list[str]:
        """Return what is to be said of the tables or the figures that failed."""
        return [sentence for sentence, of in self.failed.items() if of == kind]

    def write(self, path: str, content: bytes) -> str:
        """Write one file, whose name is never that of another; returns its path."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(content)
        return path

    def page(self, path: str, template: str, **context: Any) -> None:
        """Write one page."""
        page = self._environment.get_template(template)
        text = page.render(root="../" * path.count("/"), here=path, **context)
        self.write(path, text.encode("utf-8"))

    def csv(self, name: str, what: str, data: pd.DataFrame) -> str:
        """Write numbers for programs; returns the path."""
        content = data.to_csv(index=False).encode("utf-8")
        path = self.write(f"data/{slug(name)}.csv", content)
        self.downloads.append((path, what, len(content)))
        return path

    def table(self, table: Table) -> list[Grid]:
        """Make the tables of a page out of one of `benchmark.tables`, and their CSV file.

        There is one for each of its blocks; what must be said stands below the last.
        """
        csv, blocks = self.csv(table.name, table.title, table.data), table.blocks
        return [
            grid(
                slug(table.name) + (f"-{number}" if number else ""),
                f"{table.title}: {block.heading}" if block.heading else table.title,
                block.cells,
                notes=table.notes if block is blocks[-1] else (),
                csv=csv,
                links=self.links,
                strong=block.bold,
                keys=block.keys,
            )
            for number, block in enumerate(blocks)
        ]

    def runs_of(self, column: str, value: str) -> Grid:
        """Make the table of the runs of one game or method."""
        rows = self.runs[self.runs[column] == value]
        shown = rows.drop(columns=[column, "versions", "command", "machine", "threads"])
        caption = f"Runs {'on' if column == 'game' else 'of'} {value}"
        notes = ("Versions, machines and commands are in the file, and on the page Provenance.",)
        csv = "data/runs.csv"
        return grid("runs-table", caption, shown, notes=notes, csv=csv, links=self.links)

    def picture(self, drawing: Drawing, game: str = "") -> Picture:
        """Write a figure and its numbers.

        Args:
            drawing: the figure.
            game: the only one whose runs it shows; "" for all.
        """
        name = f"{game}-{drawing.name}" if game else drawing.name
        title = f"{drawing.title} on {game}" if game else drawing.title
        content = drawing.render("svg")
        many = game and len({*re.findall(rb'data-curve="([^"]*)"', content)}) >= PICKED
        width, height = (round(96 * inches) for inches in drawing.figure.get_size_inches())
        return Picture(
            slug(name),
            self.write(f"figures/{slug(name)}.svg", content),
            title,
            tuple(note for note in drawing.notes if note not in self.content.histories.notes),
            self.csv(f"figure-{name}", f"Numbers of the figure: {title}", drawing.data),
            drawing.figure.get_figwidth() > SCREEN.column,
            width,
            height,
            inlined(content.decode("utf-8"), slug(name)) if many else "",
        )

    def legend(self, drawing: Drawing, name: str) -> Picture:
        """Write the legend of figures side by side, which has no numbers and no notes."""
        src = self.write(f"figures/{slug(name)}.svg", drawing.render("svg"))
        size = (round(96 * inches) for inches in drawing.figure.get_size_inches())
        return Picture(slug(name), src, drawing.title, (), "", True, *size)


def inlined(svg: str, name: str) -> Markup:
    """Return an SVG of matplotlib's as a part of a page, where its ids begin with a name."""
    drawn = svg[svg.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, count=1, flags=re.DOTALL)
    drawn = re.sub(r'\bid="|(?<=href=")#|(?<=url\()#', lambda m: f"{m[0]}{name}-", drawn)
    return Markup(drawn.replace("<svg", '<svg aria-hidden="true" class="drawn"', 1))


def breakable(text: str) -> Markup:
    """Return text as HTML that may be broken after a slash: paths are long, phones narrow."""
    return escape(text).replace("/", Markup("/<wbr>"))


def game_page(game: str) -> str:
    """Return the path of a game's page."""
    return f"games/{game}.html"


def method_page(method: str) -> str:
    """Return the path of a method's page."""
    return f"methods/{slug(method)}.html"


def slug(name: str) -> str:
    """Return a name as one of a file or an anchor: letters, digits, ".", "-" and "_" only.

    Different names that differ in other characters alone get different slugs.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "x"
    return plain if plain == name else f"{plain}-{zlib.crc32(name.encode()):08x}"
