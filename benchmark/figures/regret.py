"""What choosing augmentations cost against the best fixed one, one panel a game."""

from __future__ import annotations

from matplotlib.axes import Axes

from benchmark.analysis.histories import Histories, ordered
from benchmark.analysis.regret import regrets
from benchmark.figures import method_style
from benchmark.figures.canvas import Panels, draw
from benchmark.figures.curves import dress, legend, length_text
from benchmark.figures.drawing import Drawing, Style

MARKERS = 6
"""On a curve, about: variants of one method have its colour."""


def bandit_regret(histories: Histories, style: Style) -> list[Drawing]:
    """Regret per update so far of each run that chooses, where two arms have fixed runs."""
    table = regrets(histories)
    if table.empty:
        return []
    labels = ordered(table["label"])
    updates = histories.arms[histories.arms["selected"] == 1]
    last = table.groupby(["game", "label", "seed"], sort=False)
    ends = [
        f"{game}, {label}, seed {seed}: {own['regret'].iloc[-1]:.2f} of {own['best'].iloc[-1]}'s"
        f" {own['best_return'].iloc[-1]:.2f}"
        for (game, label, seed), own in last
    ]
    how = (
        "Return per update so far that the best single augmentation in hindsight would have had"
        " above those chosen, if each one's training return were that of its fixed runs (DrAC with"
        " this augmentation alone) at the same update. Below 0: changing was better than any one."
    )
    share = f"{len(table):,} of {len(updates):,}"
    notes = (
        how,
        f"At the end: {'; '.join(ends)}.",
        f"Updates that count, as their arm has fixed runs: {share}.",
        *histories.notes,
    )

    def paint(game: str, ax: Axes) -> None:
        runs = table[table["game"] == game].groupby(["label", "seed"], sort=False)
        for place, ((label, _), own) in enumerate(runs):
            look = method_style.of_method(str(label))
            gap = max(1, len(own) // MARKERS)
            ax.plot(own["step"].to_numpy(float), own["regret"].to_numpy(float),
                    color=look.colour, linestyle=look.dashes, marker=look.marker,
                    markevery=(place % gap, gap), markeredgewidth=0)  # fmt: skip
        ax.axhline(0, color="0.6", linewidth=0.6, zorder=0.5)
        dress(ax)

    panels = Panels(
        sorted(set(table["game"])),
        "environment steps",
        "regret per update",
        legend(labels, style),
        length_text(table),
    )
    title = "Regret of choosing against the best fixed augmentation"
    return [draw("bandit-regret", title, table, notes, style, panels, paint)]
