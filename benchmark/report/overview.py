"""The page that one opens first."""

from __future__ import annotations

from benchmark.analysis.caveats import apart_from_published, missing
from benchmark.report import methods, results
from benchmark.report.grid import Grid, grid
from benchmark.report.material import Material, game_page, method_page
from benchmark.report.pictures import HEADLINE
from benchmark.tables.per_game import OVERLAP


def overview(material: Material) -> None:
    """Write the page that one opens first."""
    content, complete = material.content, material.content.complete
    links = material.links("")
    headline = material.site.table(results.headline(content), "", links) if len(complete) else []
    warnings = apart_from_published(complete) if len(complete) else []
    material.site.page(
        "index.html",
        "overview.html",
        facts=_facts(material),
        warnings=[*warnings, *_unfinished(material)],
        headline=headline,
        pictures=material.pictures.whole(HEADLINE),
        missing=missing(content.runs),
        lacking=_lacking(material),
        games=[_card(material, game) for game in content.games],
        methods=[
            {"name": m, "href": method_page(m), "summary": methods.describe(m).summary}
            for m in content.methods
        ],
        overlap=OVERLAP,
    )


def _facts(material: Material) -> list[tuple[str, str]]:
    content, complete = material.content, material.content.complete
    steps = sorted({values["steps"] for values in complete["settings"]})
    return [
        ("complete runs", f"{len(complete):,} of {len(content.runs):,}"),
        ("methods", str(len(content.methods))),
        ("games", str(len(content.games))),
        ("seeds", str(content.runs["seed"].nunique())),
        ("steps a run", " / ".join(f"{count:,}" for count in steps) or "-"),
    ]


def _lacking(material: Material) -> Grid | None:
    lacking = material.runs[material.runs["state"] != "complete"][["run", "state"]]
    if lacking.empty:
        return None
    return grid("lacking", "Runs that are not complete", lacking, csv="data/runs.csv")


def _unfinished(material: Material) -> list[str]:
    lacking = len(material.runs) - int((material.runs["state"] == "complete").sum())
    if not lacking:
        return []
    return [f"{lacking:,} of {len(material.runs):,} planned runs are not complete; see below."]


def _card(material: Material, game: str) -> dict[str, str]:
    strips = material.strips.get(game, [])
    runs = material.content.of(game=game)
    done = int((runs["problems"].map(len) == 0).sum())
    return {
        "name": game,
        "href": game_page(game),
        "thumbnail": f"frames/{strips[0].path.name}" if strips else "",
        "said": f"{done} of {len(runs)} runs",
    }
