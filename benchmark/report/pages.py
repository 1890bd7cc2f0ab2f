"""What stands on each page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from benchmark import published, tables
from benchmark.comparable import apart_from_published, common_settings, missing
from benchmark.report import clips, frames, methods, pictures, provenance, results
from benchmark.report.content import Content
from benchmark.report.grid import Grid, Links, grid
from benchmark.report.site import Picture, Site, slug
from benchmark.tables.per_game import OVERLAP
from drac.config import TrainConfig
from drac.logs import SPLITS

NAVIGATION = (
    ("index.html", "Overview"),
    ("tables.html", "Tables"),
    ("configs.html", "Configs"),
    ("provenance.html", "Provenance"),
    ("downloads.html", "Downloads"),
)

Step = tuple[str, Callable[[], None]]


@dataclass(frozen=True)
class Section:
    """A part of a page that is made of tables and figures."""

    anchor: str
    title: str
    said: tuple[str, ...] = ()
    grids: tuple[Grid, ...] = ()
    pictures: tuple[Picture, ...] = ()


def game_page(game: str) -> str:
    """Return the path of a game's page."""
    return f"games/{game}.html"


def method_page(method: str) -> str:
    """Return the path of a method's page."""
    return f"methods/{slug(method)}.html"


class Pages:
    """Writes the pages of one report.

    Args:
        site: where to.
        content: what about.
        strips: example frames by game; none where they could not be drawn.
        no_frames: why some could not.
    """

    def __init__(
        self,
        site: Site,
        content: Content,
        strips: Mapping[str, list[frames.Strip]],
        no_frames: str,
    ) -> None:
        self.site, self.content = site, content
        self._strips, self._no_frames = strips, no_frames
        self._runs = provenance.runs_table(content)
        self._configs = provenance.configs(content)

    def steps(self) -> Iterator[Step]:
        """Yield what is to be done, by the name of the page; the downloads come last."""
        yield "overview", self.overview
        yield from ((game, partial(self.game, game)) for game in self.content.games)
        yield from ((method, partial(self.method, method)) for method in self.content.methods)
        yield "tables", self.tables
        yield "configs", self.configs
        yield "provenance", self.provenance
        yield "downloads", self.downloads

    def _links(self, root: str) -> Links:
        """Lead from names of games and methods to their pages."""
        games = {game: root + game_page(game) for game in self.content.games}
        known = {label: method for label, method, _ in results.labels(self.content)}
        pages = {label: root + method_page(method) for label, method in known.items()}
        return Links(
            {
                "game": lambda text: games.get(text, ""),
                "method": lambda text: pages.get(text, ""),
                "variant": lambda text: pages.get(text, ""),
            }
        )

    # --- the overview -------------------------------------------------------------------------

    def overview(self) -> None:
        """Write the page that one opens first."""
        content, complete = self.content, self.content.complete
        links = self._links("")
        headline = [
            table
            for split in reversed(SPLITS)
            if len(complete)
            for table in self.site.table(results.headline(content, split), "", links)
        ]
        warnings = apart_from_published(complete) if len(complete) else []
        self.site.page(
            "index.html",
            "overview.html",
            facts=self._facts(),
            warnings=[*warnings, *self._unfinished()],
            headline=headline,
            pictures=[],
            missing=missing(content.runs),
            lacking=self._lacking(),
            games=[self._card(game) for game in content.games],
            methods=[
                {"name": m, "href": method_page(m), "summary": methods.describe(m).summary}
                for m in content.methods
            ],
            overlap=OVERLAP,
        )

    def _facts(self) -> list[tuple[str, str]]:
        content, complete = self.content, self.content.complete
        steps = sorted({values["steps"] for values in complete["settings"]})
        return [
            ("complete runs", f"{len(complete):,} of {len(content.runs):,}"),
            ("methods", str(len(content.methods))),
            ("games", str(len(content.games))),
            ("seeds", str(content.runs["seed"].nunique())),
            ("steps a run", " / ".join(f"{count:,}" for count in steps) or "-"),
        ]

    def _lacking(self) -> Grid | None:
        lacking = self._runs[self._runs["state"] != "complete"][["run", "state"]]
        if lacking.empty:
            return None
        return grid("lacking", "Runs that are not complete", lacking, csv="data/runs.csv")

    def _unfinished(self) -> list[str]:
        lacking = len(self._runs) - int((self._runs["state"] == "complete").sum())
        if not lacking:
            return []
        return [f"{lacking:,} of {len(self._runs):,} planned runs are not complete; see below."]

    def _card(self, game: str) -> dict[str, str]:
        strips = self._strips.get(game, [])
        runs = self.content.of(game=game)
        done = int((runs["problems"].map(len) == 0).sum())
        return {
            "name": game,
            "href": game_page(game),
            "thumbnail": f"frames/{strips[0].path.name}" if strips else "",
            "said": f"{done} of {len(runs)} runs",
        }

    # --- a page for each game and method ------------------------------------------------------

    def game(self, game: str) -> None:
        """Write the page of one game."""
        content, root = self.content, "../"
        links = self._links(root)
        bandit = results.bandit(content, game)
        shown, notes = clips.copy_clips(content, game, self.site.folder, root)
        runs = self._runs[self._runs["game"] == game]
        self.site.page(
            game_page(game),
            "game.html",
            game=game,
            said=self._said(content.complete[content.complete["game"] == game]),
            strips=[self._strip(game, strip, root) for strip in self._strips.get(game, [])],
            no_frames=self._no_frames,
            results=self.site.table(results.game_results(content, game), root, links),
            curves=pictures.game_curves(self.site, content, game, root),
            bandit=self.site.table(bandit, root) if bandit else [],
            bandit_pictures=[],
            clips=shown,
            clip_notes=notes,
            runs=self._runs_grid("runs-table", f"Runs on {game}", runs.drop(columns="game"), root),
            **_neighbours([(g, f"{g}.html") for g in content.games], game),
        )

    def _strip(self, game: str, strip: frames.Strip, root: str) -> dict[str, str]:
        folder = self.site.folder / "frames"
        if not (folder / strip.path.name).exists():
            frames.copy(strip, folder)
        kind = "training levels" if strip.split == "train" else "levels of the full distribution"
        levels = ", ".join(map(str, strip.levels))
        caption = f"{kind[0].upper()}{kind[1:]} {levels}, after 48 random steps ({strip.build})"
        alt = f"Four frames of {game}, {kind}: {levels}"
        return {"src": f"{root}frames/{strip.path.name}", "alt": alt, "caption": caption}

    def method(self, method: str) -> None:
        """Write the page of one method."""
        content, root = self.content, "../"
        about = methods.describe(method)
        own = self._configs[["option", method]].rename(columns={method: "value"})
        described = {n: info.description or "" for n, info in TrainConfig.model_fields.items()}
        own["own"] = ["this method's" if n in about.options else "-" for n in own["option"]]
        own["what it is"] = [described.get(name) or "-" for name in own["option"]]
        csv = root + self.site.csv(f"config-{method}", f"Configuration of {method}", own)
        table = results.method_results(content, method)
        runs = self._runs[self._runs["method"] == method]
        self.site.page(
            method_page(method),
            "method.html",
            method=method,
            about=about,
            paper=methods.paper(about.source),
            said=self._said(content.complete[content.complete["method"] == method]),
            results=self.site.table(table, root, self._links(root)),
            pictures=[],
            config=grid("config", f"Options of {method}, as its runs recorded them", own, csv=csv),
            runs=self._runs_grid(
                "runs-table", f"Runs of {method}", runs.drop(columns="method"), root
            ),
            **_neighbours([(m, f"{slug(m)}.html") for m in content.methods], method),
        )

    def _said(self, complete: pd.DataFrame) -> str:
        return common_settings(complete) if len(complete) else "No run is complete yet."

    def _runs_grid(self, name: str, caption: str, runs: pd.DataFrame, root: str) -> Grid:
        shown = runs.drop(columns=["versions", "command", "machine", "threads"])
        notes = ("Versions, machines and commands are in the file, and on the page Provenance.",)
        csv = root + "data/runs.csv"
        return grid(name, caption, shown, notes=notes, csv=csv, links=self._links(root))

    # --- what belongs to all ------------------------------------------------------------------

    def tables(self) -> None:
        """Write the page of all tables."""
        sections = []
        skipped = tables.not_applicable(self.content.runs)
        for name, make in tables.ALL.items():
            if name not in skipped:
                table = make(self.content.runs)
                made = tuple(self.site.table(table, "", self._links("")))
                sections.append(Section(f"table-{name}", table.title, grids=made))
        said = (
            "The tables of drac-bench tables, with what is missing below each.",
            *(f"There is no table {name}: {why}." for name, why in skipped.items()),
        )
        self.site.page(
            "tables.html", "listing.html", heading="Tables", said=said, sections=sections
        )

    def configs(self) -> None:
        """Write the page of all methods' configs."""
        frame = self._configs.copy()
        differing = frame.drop(columns="option").nunique(axis=1) > 1
        csv = self.site.csv("configs", "Every option of every method", frame)
        said = ("Values are those that the runs' own config.json recorded.",)
        sections = [
            Section(
                "differing",
                "Options in which methods differ",
                grids=(grid("differing-options", "Options that differ", frame[differing], csv=csv),),
            ),
            Section(
                "all",
                "All options",
                grids=(grid("all-options", "Every option of every method", frame, csv=csv),),
            ),
        ]
        self.site.page(
            "configs.html", "listing.html", heading="Configs", said=said, sections=sections
        )

    def provenance(self) -> None:
        """Write the page that says where every number comes from."""
        made, sources = provenance.made_with(self._runs), provenance.published_sources()
        csvs = [
            self.site.csv("made-with", "Commits, builds, machines and versions", made),
            self.site.csv("published-sources", "Sources of the published numbers", sources),
            self.site.csv("runs", "Every run: scores, state, commit, machine, command", self._runs),
        ]
        for path in sorted(published.FOLDER.glob("*.csv")):
            frame = pd.read_csv(path)
            self.site.csv(f"published-{path.stem}", f"Published numbers: {path.name}", frame)
        all_runs = self._runs[["run", "state", "steps", "commit", "versions", "command"]]
        sections = [
            Section(
                "made-with",
                "What the runs were made with",
                grids=(grid("made", "Distinct commits, builds and machines", made, csv=csvs[0]),),
            ),
            Section(
                "published",
                "Where the published numbers come from",
                ("Nothing is from memory: each row of the files names its source.",),
                (grid("sources", "Published numbers", sources, csv=csvs[1]),),
            ),
            Section(
                "runs",
                "Runs",
                ("Each number of a table is a mean over runs that this list names.",),
                (grid("all-runs", "Every planned run", all_runs, csv=csvs[2]),),
            ),
        ]
        self.site.page(
            "provenance.html", "listing.html", heading="Provenance", said=(), sections=sections
        )

    def downloads(self) -> None:
        """Write the list of all files for programs."""
        files = sorted(self.site.downloads, key=lambda d: d.path)
        frame = pd.DataFrame(
            {
                "file": [d.path for d in files],
                "what it is": [d.what for d in files],
                "bytes": [f"{d.size:,}" for d in files],
            }
        )
        listed = grid("files", "Files", frame, links=Links({"file": lambda text: text}))
        section = Section("files", "CSV files", grids=(listed,))
        said = ("Every table of this site, and the published numbers, as CSV (UTF-8).",)
        self.site.page(
            "downloads.html", "listing.html", heading="Downloads", said=said, sections=[section]
        )


def _neighbours(pages: list[tuple[str, str]], own: str) -> dict[str, Any]:
    """Return the pages before and after one, as (href, name)."""
    names = [name for name, _ in pages]
    at = names.index(own)
    links = [None, *((href, name) for name, href in pages), None]
    return {"before": links[at], "after": links[at + 2]}
