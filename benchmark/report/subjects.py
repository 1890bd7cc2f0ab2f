"""A page for each game and each method."""

from __future__ import annotations

from typing import Any

import pandas as pd

from benchmark.analysis.caveats import common_settings
from benchmark.report import methods, pictures, results
from benchmark.report.clips import copy_clips
from benchmark.report.grid import grid
from benchmark.report.site import Site, game_page, method_page
from drac.config import TrainConfig
from drac.methods import options as every_methods_options
from drac.methods.method import Method


def game(site: Site, game: str) -> None:
    """Write the page of one game."""
    content = site.content
    bandit = results.bandit(content, game)
    clips, clip_notes = copy_clips(site, game)
    strips = site.strips.get(game, [])
    for strip in strips:
        site.write(f"frames/{strip.name}", strip.png)
    site.page(
        game_page(game),
        "game.html",
        game=game,
        said=_said(content.complete[content.complete["game"] == game]),
        strips=strips,
        no_frames=site.no_frames,
        results=site.table(results.game_results(content, game)),
        curves=pictures.of_game(site, game, pictures.GAME_CURVES),
        bandit=site.table(bandit) if bandit else [],
        bandit_pictures=pictures.of_game(site, game, pictures.GAME_BANDIT),
        clips=clips,
        clip_notes=clip_notes,
        runs=site.runs_of("game", game),
        **_neighbours([(game_page(g), g) for g in content.games], game),
    )


def method(site: Site, method: str) -> None:
    """Write the page of one method."""
    content = site.content
    about, name = methods.describe(method), content.shown[method]
    own = site.configs[["option", name]].rename(columns={name: "value"})
    described = {n: info.description or "" for n, info in TrainConfig.model_fields.items()}
    own["used"] = [_used(option, about) for option in own["option"]]
    own["what it is"] = [described.get(option) or "-" for option in own["option"]]
    used = content.runs.loc[content.runs["method"] == method, "augmentation"].unique()
    csv = site.csv(f"config-{name}", f"Configuration of {name}", own)
    site.page(
        method_page(method),
        "method.html",
        method=name,
        about=about,
        equation=methods.docstring(about.objective),
        augmentations=[(s, text) for s in used if (text := methods.of_augmentation(s))],
        said=_said(content.complete[content.complete["method"] == method]),
        results=site.table(results.method_results(content, method)),
        config=grid("options", f"Options of {name}, as its runs recorded them", own, csv=csv),
        runs=site.runs_of("method", name),
        **_neighbours([(method_page(m), content.shown[m]) for m in content.methods], name),
    )


def _used(option: str, about: Method) -> str:
    """Say whether a method has an option: every config lists those of all methods."""
    if option in about.options:
        return "by this method"
    return "not by this method" if option in every_methods_options() else "by all"


def _said(complete: pd.DataFrame) -> str:
    return common_settings(complete) if len(complete) else "No run is complete yet."


def _neighbours(pages: list[tuple[str, str]], own: str) -> dict[str, Any]:
    """Return the pages before and after one, as (href, name)."""
    at = [name for _, name in pages].index(own)
    links = [None, *pages, None]
    return {"before": links[at], "after": links[at + 2]}
