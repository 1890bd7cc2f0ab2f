"""The pages that belong to all: tables, figures, configs, provenance, downloads."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from benchmark.figures.catalogue import FIGURES
from benchmark.report import provenance as origins
from benchmark.report.grid import Grid, Links, grid
from benchmark.report.material import Material
from benchmark.report.pictures import Picture
from benchmark.scores import published
from benchmark.tables.catalogue import TABLES, not_applicable


@dataclass(frozen=True)
class Section:
    """A part of a page that is made of tables and figures."""

    anchor: str
    title: str
    said: tuple[str, ...] = ()
    grids: tuple[Grid, ...] = ()
    pictures: tuple[Picture, ...] = ()


def tables(material: Material) -> None:
    """Write the page of all tables."""
    sections = []
    skipped = not_applicable(material.content.runs)
    for name, make in TABLES.items():
        if name not in skipped:
            table = make(material.content.runs)
            made = tuple(material.site.table(table, "", material.links("")))
            sections.append(Section(f"table-{name}", table.title, grids=made))
    said = (
        "The tables of drac-bench tables, with what is missing below each.",
        *(f"There is no table {name}: {why}." for name, why in skipped.items()),
    )
    material.site.page(
        "tables.html", "listing.html", heading="Tables", said=said, sections=sections
    )


def figures(material: Material) -> None:
    """Write the page of all figures."""
    pictures = material.pictures.whole(list(FIGURES))
    sections = [Section(p.anchor, p.title, pictures=(p,)) for p in pictures]
    said = [
        "The figures of drac-bench figures. A click shows one alone, as large as it goes.",
        *material.pictures.missing,
    ]
    if not pictures:
        said.append("No run has logged an update yet.")
    material.site.page(
        "figures.html", "listing.html", heading="Figures", said=said, sections=sections
    )


def configs(material: Material) -> None:
    """Write the page of all methods' configs."""
    frame = material.configs.copy()
    differing = frame.drop(columns="option").nunique(axis=1) > 1
    csv = material.site.csv("configs", "Every option of every method", frame)
    unlike = grid("differing-options", "Options that differ", frame[differing], csv=csv)
    said = ("Values are those that the runs' own config.json recorded.",)
    sections = [
        Section(
            "differing",
            "Options in which methods differ",
            () if differing.any() else ("No option differs.",),
            grids=(unlike,) if differing.any() else (),
        ),
        Section(
            "all",
            "All options",
            grids=(grid("all-options", "Every option of every method", frame, csv=csv),),
        ),
    ]
    material.site.page(
        "configs.html", "listing.html", heading="Configs", said=said, sections=sections
    )


def provenance(material: Material) -> None:
    """Write the page that says where every number comes from."""
    made, sources = origins.made_with(material.runs), origins.published_sources()
    csvs = [
        material.site.csv("made-with", "Commits, builds, machines and versions", made),
        material.site.csv("published-sources", "Sources of the published numbers", sources),
        material.site.csv(
            "runs", "Every run: scores, state, commit, machine, command", material.runs
        ),
    ]
    for path in sorted(published.FOLDER.glob("*.csv")):
        frame = pd.read_csv(path)
        material.site.csv(f"published-{path.stem}", f"Published numbers: {path.name}", frame)
    all_runs = material.runs[["run", "state", "steps", "commit", "versions", "command"]]
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
    material.site.page(
        "provenance.html", "listing.html", heading="Provenance", said=(), sections=sections
    )


def downloads(material: Material) -> None:
    """Write the list of all files for programs."""
    files = sorted(material.site.downloads, key=lambda d: d.path)
    frame = pd.DataFrame(
        {
            "file": [d.path for d in files],
            "what it is": [d.what for d in files],
            "bytes": [f"{d.size:,}" for d in files],
        }
    )
    listed = grid("files", "Files", frame, links=Links({"file": lambda text: text}))
    section = Section("csv-files", "CSV files", grids=(listed,))
    said = ("Every table of this site, and the published numbers, as CSV (UTF-8).",)
    material.site.page(
        "downloads.html", "listing.html", heading="Downloads", said=said, sections=[section]
    )
