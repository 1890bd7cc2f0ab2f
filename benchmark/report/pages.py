"""Which pages there are, in the order in which they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from benchmark.figures.catalogue import FIGURES
from benchmark.report import listings
from benchmark.report.material import Material
from benchmark.report.overview import overview
from benchmark.report.subjects import game, method

NAVIGATION = (
    ("index.html", "Overview"),
    ("tables.html", "Tables"),
    ("figures.html", "Figures"),
    ("configs.html", "Configs"),
    ("provenance.html", "Provenance"),
    ("downloads.html", "Downloads"),
)

Step = tuple[str, Callable[[], object]]


def steps(material: Material) -> Iterator[Step]:
    """Yield what is to be done, and its name; the list of downloads comes last."""
    yield "overview", partial(overview, material)
    for name in material.content.games:
        yield name, partial(game, material, name)
    for name in material.content.methods:
        yield name, partial(method, material, name)
    yield "tables", partial(listings.tables, material)
    for name in FIGURES:
        yield f"figure {name}", partial(material.pictures.whole, [name])
    yield "figures", partial(listings.figures, material)
    yield "configs", partial(listings.configs, material)
    yield "provenance", partial(listings.provenance, material)
    yield "downloads", partial(listings.downloads, material)
