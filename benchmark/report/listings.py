"""The pages that belong to all: tables, figures, configs, provenance, downloads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from benchmark.figures import catalogue as figure_catalogue
from benchmark.report import pictures
from benchmark.report import provenance as origins
from benchmark.report.grid import Grid, grid
from benchmark.report.site import Picture, Site
from benchmark.scores import published
from benchmark.tables import catalogue as table_catalogue


@dataclass(frozen=True)
class Section:
    """A part of a page that is made of tables and figures."""

    anchor: str
    title: str
    grids: Sequence[Grid] = ()
    said: Sequence[str] = ()
    pictures: Sequence[Picture] = ()


def _page(site: Site, heading: str, said: Sequence[str], sections: Sequence[Section]) -> None:
    path = f"{heading.lower()}.html"
    site.page(path, "listing.html", heading=heading, said=said, sections=sections)


def tables(site: Site) -> None:
    """Write the page of all tables."""
    made: dict[str, Section | None] = {
        name: site.tried(table_catalogue.KIND, name, partial(_section, site, name, entry))
        for name, entry in table_catalogue.known().items()
    }
    said = ["The tables of drac-bench tables, with what is missing below each."]
    said += site.failures(table_catalogue.KIND)
    sections = [section for section in made.values() if section]
    said += [why for section in sections if not section.grids for why in section.said]
    _page(site, "Tables", said, [section for section in sections if section.grids])


def _section(site: Site, name: str, entry: table_catalogue.Entry) -> Section:
    """Return the section of a table; if these runs have nothing to say to it, it says why."""
    if why := entry.missing(site.content.runs):
        return Section(name, name, said=[f"There is no table {name}: {why}."])
    table = entry(site.content.runs)
    return Section(f"table-{name}", table.title, site.table(table))


def figures(site: Site) -> None:
    """Write the page of all figures."""
    drawn = pictures.whole(site, figure_catalogue.known())
    sections = [Section(p.anchor, p.title, pictures=[p]) for p in drawn]
    said = [
        "The figures of drac-bench figures. A click shows one alone, as large as it goes.",
        *site.content.histories.notes,
        *site.failures(figure_catalogue.KIND),
    ]
    if not drawn:
        said.append("No run has logged an update yet.")
    _page(site, "Figures", said, sections)


def configs(site: Site) -> None:
    """Write the page of all methods' configs."""
    frame = site.configs.copy()
    differing = frame.drop(columns="option").nunique(axis=1) > 1
    csv = site.csv("configs", "Every option of every method", frame)
    unlike = grid("differing-options", "Options that differ", frame[differing], csv=csv)
    every = grid("all-options", "Every option of every method", frame, csv=csv)
    title = "Options in which methods differ"
    sections = [
        Section("differing", title, [unlike])
        if differing.any()
        else Section("differing", title, said=["No option differs."]),
        Section("all", "All options", [every]),
    ]
    _page(site, "Configs", ["Values are those that the runs' own config.json recorded."], sections)


def provenance(site: Site) -> None:
    """Write the page that says where every number comes from."""
    made, sources = origins.made_with(site.runs), origins.published_sources()
    csvs = [
        site.csv("made-with", "Commits, builds, machines and versions", made),
        site.csv("published-sources", "Sources of the published numbers", sources),
        site.csv("runs", "Every run: scores, state, commit, machine, command", site.runs),
    ]
    for path in sorted(published.FOLDER.glob("*.csv")):
        frame = pd.read_csv(path)
        site.csv(f"published-{path.stem}", f"Published numbers: {path.name}", frame)
    all_runs = site.runs[["run", "state", "steps", "commit", "versions", "command"]]
    sections = [
        Section(
            "made-with",
            "What the runs were made with",
            [grid("made", "Distinct commits, builds and machines", made, csv=csvs[0])],
        ),
        Section(
            "published",
            "Where the published numbers come from",
            [grid("sources", "Published numbers", sources, csv=csvs[1])],
            ["Nothing is from memory: each row of the files names its source."],
        ),
        Section(
            "runs",
            "Runs",
            [grid("all-runs", "Every planned run", all_runs, csv=csvs[2])],
            ["Each number of a table is a mean over runs that this list names."],
        ),
    ]
    _page(site, "Provenance", (), sections)


def downloads(site: Site) -> None:
    """Write the list of all files for programs."""
    files = pd.DataFrame(sorted(site.downloads), columns=["file", "what it is", "bytes"])
    links = {"file": dict(zip(files["file"], files["file"], strict=True))}
    section = Section("csv-files", "CSV files", [grid("files", "Files", files, links=links)])
    said = ["Every table of this site, and the published numbers, as CSV (UTF-8)."]
    _page(site, "Downloads", said, [section])
