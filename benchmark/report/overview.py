"""The page that one opens first."""

from __future__ import annotations

from benchmark.analysis.caveats import doubtful, missing
from benchmark.analysis.published_options import apart_from_published
from benchmark.report import methods, pictures, results
from benchmark.report.grid import grid
from benchmark.report.site import Site, game_page, method_page
from benchmark.tables.per_game import OVERLAP
from drac.config.quantities import number_of


def overview(site: Site) -> None:
    """Write the page that one opens first."""
    content, complete = site.content, site.content.complete
    headline = site.table(results.headline(content)) if len(complete) else []
    warnings = [*apart_from_published(complete), *doubtful(complete)]
    lacking = site.runs[site.runs["state"] != "complete"][["run", "state"]]
    if len(lacking):
        planned = number_of(len(site.runs), "planned run")
        said = f"Not complete: {len(lacking):,} of {planned}; see below."
        warnings = [*warnings, said]
    warnings = [*warnings, *site.failed]
    site.page(
        "index.html",
        "overview.html",
        facts=_facts(site),
        warnings=warnings,
        headline=headline,
        pictures=pictures.whole(site, pictures.HEADLINE),
        missing=missing(content.runs),
        lacking=grid("lacking", "Runs that are not complete", lacking, csv="data/runs.csv"),
        games=[_card(site, game) for game in content.games],
        methods=[
            {
                "name": content.shown[m],
                "href": method_page(m),
                "summary": methods.describe(m).summary,
            }
            for m in content.methods
        ],
        overlap=OVERLAP,
    )


def _facts(site: Site) -> list[tuple[str, str]]:
    content, complete = site.content, site.content.complete
    steps = sorted({values["steps"] for values in complete["settings"]})
    return [
        ("complete runs", f"{len(complete):,} of {len(content.runs):,}"),
        ("methods", str(len(content.methods))),
        ("games", str(len(content.games))),
        ("seeds", str(content.runs["seed"].nunique())),
        ("steps a run", " / ".join(f"{count:,}" for count in steps) or "-"),
    ]


def _card(site: Site, game: str) -> dict[str, str]:
    strips = site.strips.get(game, [])
    runs = site.content.runs[site.content.runs["game"] == game]
    done = int((runs["problems"].map(len) == 0).sum())
    return {
        "name": game,
        "href": game_page(game),
        "thumbnail": f"frames/{strips[0].name}" if strips else "",
        "said": f"{done} of {number_of(len(runs), 'run')}",
    }
