"""Games x augmentations of DrAC: the mean test return, and which is best."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from benchmark.analysis.best_augmentation import is_fixed
from benchmark.analysis.comparable import protocol, split_label, variants
from benchmark.analysis.histories import Histories, lengths, ordered
from benchmark.figures.canvas import Panels, draw
from benchmark.figures.drawing import Drawing, Style
from benchmark.scores import published


def heatmap(histories: Histories, style: Style) -> list[Drawing]:
    """Mean final test return of DrAC with each fixed augmentation, and of PPO without any.

    PPO is shown where its runs are of the same settings: shades compare the cells of a row.
    """
    own, notes = _runs(histories)
    if own.empty:
        return []
    labels = ordered(own["label"])
    grouped = own.groupby(["game", "label"], observed=True)["test"].agg(["mean", "size"])
    games = sorted(set(own["game"][[_is_fixed(label) for label in own["label"]]]))
    index = pd.MultiIndex.from_product([games, labels], names=["game", "label"])
    table = grouped.reindex(index).rename(columns={"mean": "test_return", "size": "seeds"})
    table["seeds"] = table["seeds"].fillna(0).astype(int)
    table = table.reset_index()
    paper, source = published.best_augmentation()
    seeds = sorted(set(table["seeds"]) - {0})
    title = "Test return by augmentation"
    many = f"{' or '.join(map(str, seeds[:4]))} seed{'' if seeds == [1] else 's'}"
    how = (
        f"Mean final test return over {many}; the colour goes"
        f" from the least (dark) to the most (bright) of each game. Framed: the most of DrAC's,"
        f" which may be chance."
    )
    names = table["label"].str.removeprefix("drac-")
    starred = (table["game"].map(paper) == names) & table["test_return"].notna()
    how += f" Star: the best according to the paper ({source})." if starred.any() else ""
    blank = ("Empty: no complete run.",) if table["test_return"].isna().any() else ()
    notes = (how, lengths(own), *blank, *notes, *histories.notes_of(own.index))
    wide = table.pivot(index="game", columns="label", values="test_return")[labels]
    panels = Panels([""], height=(len(games) + 0.7) * style.font * 2.0 / 72, wide=True)

    def paint(_: str, ax: Axes) -> None:
        _draw(ax, wide, paper, style)

    return [draw("heatmap", title, table, notes, style, panels, paint)]


def _runs(histories: Histories) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the runs that are shown, with a `label` that names what not all share, and notes."""
    runs = histories.runs[histories.runs["complete"]]
    fixed = runs[[_is_fixed(label) for label in runs["label"]]]
    if fixed.empty:
        return fixed, ()
    ppo = runs[(runs["method"] == "ppo") & runs["game"].isin(fixed["game"])]
    known = {protocol(settings) for settings in fixed["settings"]}
    alike = np.array([protocol(settings) in known for settings in ppo["settings"]], dtype=bool)
    own = pd.concat([fixed, ppo[alike]]).sort_index()
    own["label"] = variants(own)
    other = "PPO is left out: its runs differ in steps or another setting that matters."
    return own, (other,) if len(ppo) and not alike.any() else ()


def _is_fixed(label: str) -> bool:
    return is_fixed(split_label(label)[0])


def _draw(ax: Axes, wide: pd.DataFrame, paper: dict[str, str], style: Style) -> None:
    values = wide.to_numpy(float)
    low = np.nanmin(values, axis=1, keepdims=True)
    spread = np.nanmax(values, axis=1, keepdims=True) - low
    shades = np.where(spread > 0, (values - low) / np.where(spread > 0, spread, 1), 0.5)
    ax.imshow(np.where(np.isnan(values), np.nan, shades), cmap="cividis", vmin=0, vmax=1,
              aspect="auto", interpolation="nearest")  # fmt: skip
    columns = [label.removeprefix("drac-") for label in wide.columns]
    fixed = np.array([_is_fixed(label) for label in wide.columns])
    for row, game in enumerate(wide.index):
        own = np.where(fixed, values[row], np.nan)
        best = np.flatnonzero(own >= np.nanmax(own) - 1e-9)
        for column in range(len(columns)):
            value = values[row, column]
            if np.isnan(value):
                continue
            star = " *" if paper.get(str(game)) == columns[column] else ""
            look: dict[str, Any] = {"weight": "bold"} if column in best else {}
            ink = "black" if shades[row, column] > 0.55 else "white"
            ax.text(column, row, f"{value:.2f}{star}", color=ink, ha="center", va="center",
                    fontsize=style.font - 0.5, **look)  # fmt: skip
        for column in best:
            ax.add_patch(Rectangle((column - 0.47, row - 0.44), 0.94, 0.88, fill=False,
                                   edgecolor="#d62728", linewidth=style.line))  # fmt: skip
    ax.set_xticks(range(len(columns)), [_two_lines(column) for column in columns])
    ax.set_yticks(range(len(wide.index)), list(wide.index))
    ax.tick_params(length=0, labeltop=False)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)


def _two_lines(name: str) -> str:
    return name.replace("-", "-\n", 1) if len(name) > 9 else name
