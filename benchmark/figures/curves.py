"""Curves over environment steps, one panel a game."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from benchmark.analysis.histories import Histories
from benchmark.figures import method_style
from benchmark.figures.canvas import EARLY, LIGHTER, Panels, count, curve, draw, empty, fit
from benchmark.figures.drawing import CURVE, Drawing, Style
from benchmark.statistics.bands import per_game
from benchmark.store.many_files import RUN
from drac.config.quantities import shortened

_MARKERS = 6
"""Markers on a curve, so that it is known in grey, spread out over its length."""

BEST = "best evaluation"


def train_curves(histories: Histories, style: Style) -> list[Drawing]:
    """Return during training: the mean of the last 100 episodes on the training levels."""
    values = histories.progress[[RUN, "step", "train_return", "envs_ended"]]
    title = "Return while training, on the training levels"
    how = "Mean of the last 100 training episodes of a run."
    return [_curves("train-curves", title, how, "return", values, histories, style, "train")]


def test_curves(histories: Histories, style: Style) -> list[Drawing]:
    """Return of evaluations on the full distribution of levels."""
    title = "Test return, on the full distribution of levels"
    return [_test_curves("test-curves", title, "", histories, style)]


def transfer_curves(histories: Histories, style: Style) -> list[Drawing]:
    """Test return while trained weights go on learning on other levels, and how it over-fits.

    Games in which no run begins with trained weights are not shown.
    """
    runs = histories.runs
    begun = [bool(settings.get("init_from")) for settings in runs["settings"]]
    own = histories.where(runs["game"].isin(runs["game"][begun]))
    if own.runs.empty:
        return []
    title = "Transfer: test return while learning goes on"
    how = "A best before the end is over-fitting to the levels that are trained on, or chance."
    return [_test_curves("transfer", title, how, own, style, best=True)]


def _test_curves(
    name: str, title: str, how: str, histories: Histories, style: Style, best: bool = False
) -> Drawing:
    rows = histories.evaluations[histories.evaluations["split"] == "test"]
    values = rows[[RUN, "step", "return"]]
    how = " ".join(filter(None, (how, f"Test episodes per evaluation: {_episodes(rows)}.")))
    return _curves(name, title, how, "return", values, histories, style, "test", best)


def gap_curves(histories: Histories, style: Style) -> list[Drawing]:
    """Train less test return of the same evaluation."""
    rows = histories.evaluations
    wide = rows.pivot(index=[RUN, "step"], columns="split", values="return")
    wide = wide.reindex(columns=["train", "test"])
    values = (wide["train"] - wide["test"]).rename("gap").reset_index()
    title = "Generalization gap: train return less test return"
    how = f"Both of the same evaluation; episodes on each split: {_episodes(rows)}."
    drawing = _curves("gap", title, how, "gap in return", values, histories, style)
    for ax in drawing.figure.axes:
        bottom, top = ax.get_ylim()
        ax.axhline(0, color="0.6", linewidth=0.6, zorder=0.5)
        ax.set_ylim(min(bottom, 0), max(top, 0))
    return [drawing]


def entropy_curves(histories: Histories, style: Style) -> list[Drawing]:
    """Entropy of the policy; ln 15 = 2.71 nats is a policy that has learned nothing."""
    values = histories.progress[[RUN, "step", "entropy"]]
    title = "Entropy of the policy"
    how = "Mean over an update's samples; 15 equally likely actions have ln 15 = 2.71 nats."
    return [_curves("entropy", title, how, "entropy (nats)", values, histories, style)]


def _curves(
    name: str,
    title: str,
    how: str,
    ylabel: str,
    values: pd.DataFrame,
    histories: Histories,
    style: Style,
    split: str = "",
    best: bool = False,
) -> Drawing:
    """Draw the third column of `values` over the second, one panel a game, one line a label.

    A fourth is the share of envs that have ended an episode: see `drac.stats.Report`. With a split,
    other people's curves of it are drawn beside ours; `best` marks the highest point of ours.
    """
    table = per_game(values.iloc[:, :3].set_axis([RUN, "step", "value"], axis=1), histories.runs)
    others = histories.imported[histories.imported["split"] == split]
    labels = [*histories.labels, *dict.fromkeys(others["label"])]
    handles = legend(labels, style)
    if "envs_ended" in values:
        keys = ["label", "game", "step"]
        known = values.join(histories.runs[keys[:2]], on=RUN).groupby(keys, observed=True)
        table = table.join(known["envs_ended"].min(), on=keys)
        if (table["envs_ended"] < 1).any():
            handles.append(Line2D([], [], color="0.3", alpha=LIGHTER, label=EARLY))
    if best:
        table["best"] = table.index.isin(table.groupby(["label", "game"])["mean"].idxmax())
        handles.append(Line2D([], [], color="0.3", linestyle="", marker="*", label=BEST))
    notes = (how, *band_notes(table), *_absent(table, histories), *histories.notes)
    if len(others):
        theirs = per_game(
            others[[RUN, "step", "value"]], others.drop_duplicates(RUN).set_index(RUN)
        )
        notes += (*histories.sources, *(f"Imported: {note}" for note in band_notes(theirs)))
        table = pd.concat([table, theirs], ignore_index=True)
    cells = dict(iter(table.groupby(["label", "game"], observed=True)))

    def paint(game: str, ax: Axes) -> None:
        own = [label for label in labels if (label, game) in cells]
        for label in own:
            draw_curve(ax, cells[label, game], label, labels)
            if best:
                top = cells[label, game].query("best == True")
                colour = method_style.of_method(label).colour
                ax.plot(
                    *(top["step"], top["mean"], "*"),
                    color=colour,
                    markersize=3 * style.marker,
                    zorder=3,
                )
        fit(ax)
        if not own:
            empty(ax)
        dress(ax)

    panels = Panels(
        histories.games,
        "environment steps",
        ylabel,
        handles,
        length_text(table),
    )
    return draw(name, title, table, notes, style, panels, paint)


def draw_curve(ax: Axes, rows: pd.DataFrame, label: str, labels: Sequence[str]) -> None:
    """Draw the mean and the band of a label: `step, mean, low, high`, by step.

    Where there is a column `envs_ended`, the part in which it is below 1 is lighter. All that is
    drawn has `CURVE` and the label for its `gid`.
    """
    look, known = method_style.of_method(label), {*ax.get_children()}
    steps = rows["step"].to_numpy(float)
    gap = max(1, -(-len(steps) // _MARKERS))
    early = int((rows["envs_ended"] < 1).sum()) if "envs_ended" in rows else 0
    start = len(steps) - 1 - gap * labels.index(label) // max(1, len(labels)) if gap > 1 else 0
    curve(
        ax,
        steps,
        rows["mean"].to_numpy(float),
        early,
        color=look.colour,
        linestyle=look.dashes,
        marker=look.marker,
        markevery=((start - early) % gap, gap),
        markeredgewidth=0,
        zorder=2.5,
    )
    if rows["low"].notna().any():
        low, high = rows["low"].to_numpy(float), rows["high"].to_numpy(float)
        ax.fill_between(steps, low, high, color=look.colour, alpha=0.15, linewidth=0)
    for artist in {*ax.get_children()} - known:
        artist.set_gid(CURVE + label)


def legend(labels: Sequence[str], style: Style) -> list[Artist]:
    """Return a handle for each label."""
    handles: list[Artist] = []
    for label in labels:
        look = method_style.of_method(label)
        line = Line2D([], [], color=look.colour, linestyle=look.dashes, linewidth=style.line)
        line.set(marker=look.marker, markeredgewidth=0, markersize=style.marker, label=label)
        handles.append(line)
    return handles


def dress(ax: Axes) -> None:
    """Give an axis of steps its numbers and a grid."""
    ax.xaxis.set_major_formatter(count)
    ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.grid(color="0.9", linewidth=0.5)
    ax.set_axisbelow(True)
    ax.margins(x=0.02)
    ax.set_xlim(left=0)


def band_notes(table: pd.DataFrame) -> list[str]:
    """Say how many seeds a mean is over, and what its band is, or why it has none."""
    if table.empty:
        return ["No runs were found."]
    seeds = table.groupby("label", observed=True)["seeds"].agg(["min", "max"])
    low, high = int(seeds["min"].min()), int(seeds["max"].max())
    if high == 1:
        return ["One seed per curve: there is no band, and no telling how much is chance."]
    number = f"{low}" if low == high else f"{low} to {high}"
    band = "95 % confidence interval (Student's t), which may go beyond a panel"
    notes = [f"Mean of {number} seeds; bands are its {band}."]
    if low != high:
        differ = [
            f"{label} {a}" + (f" to {b}" if a < b else "")
            for label, a, b in seeds.itertuples()
            if a < high
        ]
        notes.append(f"Fewer than {high}: {shortened(differ)}; a curve of one seed has no band.")
    if (table["low"].isna() & (table["seeds"] > 1)).any():
        notes.append("Where all seeds are equal there is no band.")
    return notes


def _episodes(rows: pd.DataFrame) -> str:
    found = sorted({int(number) for number in rows["episodes"]})
    return " or ".join(map(str, found)) if len(found) < 3 else f"{found[0]} to {found[-1]}"


def length_text(table: pd.DataFrame) -> str:
    """Return " (25M steps)": how far a table's column `step` goes; "up to" if not everywhere."""
    if table.empty:
        return ""
    which = table.columns.intersection(["label", "game"])
    ends = {format(step, ".3g") for step in table.groupby(list(which))["step"].max()}
    up_to = "up to " if len(ends) > 1 else ""
    return f" ({up_to}{count(max(map(float, ends)))} steps)"


def _absent(table: pd.DataFrame, histories: Histories) -> list[str]:
    """Say which methods have no curve on which games."""
    there = set(zip(table["label"], table["game"], strict=True))
    lacking: dict[tuple[str, ...], list[str]] = {}
    for label in histories.labels:
        games = tuple(game for game in histories.games if (label, game) not in there)
        lacking.setdefault(games, []).append(label)
    lacking.pop((), None)
    return [
        f"No curve of {shortened(labels)} on"
        f" {', '.join(games) if len(games) < 9 else f'{len(games)} games'}."
        for games, labels in lacking.items()
    ]
