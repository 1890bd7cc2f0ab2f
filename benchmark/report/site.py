"""Writes the pages: templates, files beside them, and the links between them."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup, escape

from benchmark.report.grid import Grid, Links, grid
from benchmark.tables.table import Table

FOLDER = Path(__file__).parent
ASSETS = ("style.css", "report.js")


@dataclass(frozen=True)
class Download:
    """A file that can be downloaded: its path below the site, and what it is."""

    path: str
    what: str
    size: int


@dataclass
class Site:
    """A site that is being written into a folder.

    Attributes:
        folder: an empty one.
        common: what every template can use.
        downloads: the files that were written for programs.
    """

    folder: Path
    common: dict[str, Any]
    downloads: list[Download] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(FOLDER / "templates"),
            autoescape=True,  # names of methods and machines are text, whatever they hold
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["breakable"] = breakable
        for name in ASSETS:
            self.write(f"assets/{name}", (FOLDER / "assets" / name).read_bytes())

    def write(self, path: str, content: bytes) -> None:
        """Write one file; its name is never that of another."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(content)

    def page(self, path: str, template: str, **context: Any) -> None:
        """Write one page; `root` leads from it to the site's folder."""
        root = "../" * path.count("/")
        text = self._environment.get_template(template).render(
            **self.common, root=root, here=path, **context
        )
        self.write(path, text.encode("utf-8"))

    def csv(self, name: str, what: str, data: pd.DataFrame) -> str:
        """Write numbers for programs; returns the path below the site."""
        path = f"data/{slug(name)}.csv"
        content = data.to_csv(index=False).encode("utf-8")
        self.write(path, content)
        self.downloads.append(Download(path, what, len(content)))
        return path

    def table(self, table: Table, root: str, links: Links | None = None) -> list[Grid]:
        """Make the tables of a page out of one of `benchmark.tables`, and their CSV file.

        There is one for each of its blocks; what must be said stands below the last.
        """
        csv = root + self.csv(table.name, table.title, table.data)
        blocks = table.blocks
        return [
            grid(
                slug(table.name) + (f"-{number}" if number else ""),
                f"{table.title}: {block.heading}" if block.heading else table.title,
                block.cells,
                notes=table.notes if block is blocks[-1] else (),
                csv=csv,
                links=links,
                strong=block.bold,
                keys=block.keys,
            )
            for number, block in enumerate(blocks)
        ]


def breakable(text: str) -> Markup:
    """Return text as HTML that may be broken after a slash: paths are long, phones narrow."""
    return escape(text).replace("/", Markup("/<wbr>"))


def slug(name: str) -> str:
    """Return a name as one of a file or an anchor: letters, digits, ".", "-" and "_" only.

    Different names that differ in other characters alone get different slugs.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "x"
    return plain if plain == name else f"{plain}-{zlib.crc32(name.encode()):08x}"
