"""A page for each game and each method."""

from __future__ import annotations

from typing import Any

import pandas as pd

from benchmark.analysis.caveats import common_settings
from benchmark.report import frames, methods, results
from benchmark.report.grid import grid
from benchmark.report.material import Material, game_page, method_page
from benchmark.report.pictures import GAME_BANDIT, GAME_CURVES
from benchmark.report.site import slug
from drac.config import TrainConfig
from drac.methods import options as every_methods_options


def game(material: Material, game: str) -> None:
    """Write the page of one game."""
    content, root = material.content, "../"
    links = material.links(root)
    bandit = results.bandit(content, game)
    shown, notes = frames.copy_clips(content, game, material.site.folder, root)
    runs = material.runs[material.runs["game"] == game]
    material.site.page(
        game_page(game),
        "game.html",
        game=game,
        said=_said(content.complete[content.complete["game"] == game]),
        strips=[_strip(material, game, strip, root) for strip in material.strips.get(game, [])],
        no_frames=material.no_frames,
        results=material.site.table(results.game_results(content, game), root, links),
        curves=material.pictures.of_game(game, GAME_CURVES, root),
        bandit=material.site.table(bandit, root) if bandit else [],
        bandit_pictures=material.pictures.of_game(game, GAME_BANDIT, root),
        clips=shown,
        clip_notes=notes,
        runs=material.runs_grid("runs-table", f"Runs on {game}", runs.drop(columns="game"), root),
        **_neighbours([(g, f"{g}.html") for g in content.games], game),
    )


def _strip(material: Material, game: str, strip: frames.Strip, root: str) -> dict[str, str]:
    folder = material.site.folder / "frames"
    if not (folder / strip.path.name).exists():
        frames.copy(strip, folder)
    kind = "training levels" if strip.split == "train" else "levels of the full distribution"
    levels = ", ".join(map(str, strip.levels))
    caption = f"{kind[0].upper()}{kind[1:]} {levels}, after 48 random steps ({strip.build})"
    alt = f"Four frames of {game}, {kind}: {levels}"
    return {"src": f"{root}frames/{strip.path.name}", "alt": alt, "caption": caption}


def method(material: Material, method: str) -> None:
    """Write the page of one method."""
    content, root = material.content, "../"
    about = methods.describe(method)
    own = material.configs[["option", method]].rename(columns={method: "value"})
    described = {n: info.description or "" for n, info in TrainConfig.model_fields.items()}
    own["used"] = [_used(name, about) for name in own["option"]]
    own["what it is"] = [described.get(name) or "-" for name in own["option"]]
    csv = root + material.site.csv(f"config-{method}", f"Configuration of {method}", own)
    table = results.method_results(content, method)
    runs = material.runs[material.runs["method"] == method]
    material.site.page(
        method_page(method),
        "method.html",
        method=method,
        about=about,
        paper=methods.paper(about.source),
        said=_said(content.complete[content.complete["method"] == method]),
        results=material.site.table(table, root, material.links(root)),
        config=grid("options", f"Options of {method}, as its runs recorded them", own, csv=csv),
        runs=material.runs_grid(
            "runs-table", f"Runs of {method}", runs.drop(columns="method"), root
        ),
        **_neighbours([(m, f"{slug(m)}.html") for m in content.methods], method),
    )


def _used(option: str, about: methods.Description) -> str:
    """Say whether a method has an option: every config lists those of all methods."""
    if option in about.options:
        return "by this method"
    return "not by this method" if option in every_methods_options() else "by all"


def _said(complete: pd.DataFrame) -> str:
    return common_settings(complete) if len(complete) else "No run is complete yet."


def _neighbours(pages: list[tuple[str, str]], own: str) -> dict[str, Any]:
    """Return the pages before and after one, as (href, name)."""
    names = [name for name, _ in pages]
    at = names.index(own)
    links = [None, *((href, name) for name, href in pages), None]
    return {"before": links[at], "after": links[at + 2]}
