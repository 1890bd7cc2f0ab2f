"""The figures of the site."""

from __future__ import annotations

from benchmark.plots import learning_curves
from benchmark.report.content import Content
from benchmark.report.site import Picture, Site
from benchmark.run_files import DamagedError


def game_curves(site: Site, content: Content, game: str, root: str) -> list[Picture]:
    """Draw the learning curves of one game."""
    rows = content.of(game=game).to_dict("records")
    folders = [row["folder"] for row in rows]
    begun = [f for f in folders if (f / "config.json").is_file() and (f / "progress.csv").is_file()]
    if not begun:
        return []
    path = f"figures/curves-{game}.svg"
    (site.folder / "figures").mkdir(exist_ok=True)
    try:
        learning_curves(begun, site.folder / path)
    except DamagedError:
        return []
    title = f"Training return on {game}, and every evaluation"
    return [Picture(root + path, title, f"{title}; the table above has the final values.")]
