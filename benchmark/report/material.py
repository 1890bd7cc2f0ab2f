"""What the pages of a report are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from benchmark.report import frames, provenance
from benchmark.report.content import Content
from benchmark.report.grid import Grid, Links, grid
from benchmark.report.pictures import Pictures
from benchmark.report.site import Site, slug


@dataclass(frozen=True)
class Material:
    """What the pages of a report are made from.

    Attributes:
        site: where they are written.
        content: what they are about.
        strips: example frames by game; none where they could not be drawn.
        no_frames: why some could not.
    """

    site: Site
    content: Content
    strips: Mapping[str, list[frames.Strip]]
    no_frames: str

    @cached_property
    def runs(self) -> pd.DataFrame:
        """Every planned run; see `provenance.runs_table`."""
        return provenance.runs_table(self.content)

    @cached_property
    def configs(self) -> pd.DataFrame:
        """Every option of every method; see `provenance.configs`."""
        return provenance.configs(self.content)

    @cached_property
    def pictures(self) -> Pictures:
        """The figures; reads the histories of the runs."""
        return Pictures(self.site, self.content)

    def links(self, root: str) -> Links:
        """Lead from names of games and methods to their pages."""
        games = {game: root + game_page(game) for game in self.content.games}
        known = {label: method for label, method, _ in self.content.variants}
        pages = {label: root + method_page(method) for label, method in known.items()}
        return Links(
            {
                "game": lambda text: games.get(text, ""),
                "method": lambda text: pages.get(text, ""),
                "variant": lambda text: pages.get(text, ""),
            }
        )

    def runs_grid(self, name: str, caption: str, runs: pd.DataFrame, root: str) -> Grid:
        """Make the table of some rows of `runs` for a page that is `root` below the top."""
        shown = runs.drop(columns=["versions", "command", "machine", "threads"])
        notes = ("Versions, machines and commands are in the file, and on the page Provenance.",)
        csv = root + "data/runs.csv"
        return grid(name, caption, shown, notes=notes, csv=csv, links=self.links(root))


def game_page(game: str) -> str:
    """Return the path of a game's page."""
    return f"games/{game}.html"


def method_page(method: str) -> str:
    """Return the path of a method's page."""
    return f"methods/{slug(method)}.html"
