"""Return by episode within a trial, on training levels and on unseen ones."""

from __future__ import annotations

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from benchmark.analysis.histories import Histories, ordered
from benchmark.figures import method_style
from benchmark.figures.canvas import Panels, draw
from benchmark.figures.curves import legend
from benchmark.figures.drawing import Drawing, Style
from benchmark.tables.trials import by_episode


def trial_returns(histories: Histories, style: Style) -> list[Drawing]:
    """Return by episode within a trial of the last evaluations, game by game."""
    table = by_episode(histories.runs, histories.levels)
    if table.empty:
        return []
    labels = ordered(table["label"])
    how = (
        "Mean return of each episode of a trial, whose episodes are played in one level, in the"
        " last evaluations; bars are standard errors over the trials of all seeds. Hollow: levels"
        " that were trained on."
    )

    def paint(game: str, ax: Axes) -> None:
        for (label, split), own in table[table["game"] == game].groupby(["label", "split"]):
            look = method_style.of_method(str(label))
            ax.errorbar(
                own["episode"],
                own["return"],
                own["error"],
                color=look.colour,
                linestyle=look.dashes,
                marker=look.marker,
                markerfacecolor=look.colour if split == "test" else "white",
            )
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        ax.yaxis.set_major_locator(MaxNLocator(4))
        ax.grid(color="0.9", linewidth=0.5)

    hollow = Line2D([], [], color="0.4", linestyle="", marker="o", label="training levels")
    hollow.set(markerfacecolor="white", markersize=style.marker)
    handles: list[Artist] = [*legend(labels, style), hollow]
    notes = (how, histories.lengths, *histories.notes)
    games = sorted(set(table["game"]))
    panels = Panels(games, "episode of the trial", "return", handles)
    title = "Return by episode within a trial"
    return [draw("trials", title, table, notes, style, panels, paint)]
