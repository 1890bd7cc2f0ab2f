"""Tables of finished runs beside the published numbers, as Markdown and CSV."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from benchmark import published
from benchmark.aggregate import summarize
from drac.config import PRESETS
from drac.games import GAMES

NOT_AVAILABLE = "not available"
NO_RUNS = "no runs"

OVERLAP = (
    "Test levels come from the full distribution, which is not disjoint in content from the"
    " training levels: openai/procgen issue 100 reports duplicated easy levels between disjoint"
    " seed sets (CoinRun 24 %, Maze 20 %, Ninja 4 %)."
)


@dataclass(frozen=True)
class Table:
    """A table for people (`cells`, text) and for programs (`data`), and what must be said below.

    Attributes:
        name: file name without ending.
        title: heading.
        cells: what is shown.
        data: numbers, one row per game and method.
        notes: sources, missing runs, caveats.
    """

    name: str
    title: str
    cells: pd.DataFrame
    data: pd.DataFrame
    notes: tuple[str, ...]

    def markdown(self) -> str:
        """Return the table as GitHub-flavoured Markdown, aligned to be read as text too."""
        rows = [list(map(str, self.cells.columns)), *self.cells.astype(str).to_numpy().tolist()]
        rows = [[cell.replace("|", "\\|") for cell in row] for row in rows]
        widths = [max(3, *map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        notes = "".join(f"- {note}\n" for note in self.notes)
        return f"## {self.title}\n\n" + "\n".join(lines) + f"\n\n{notes}"


def variants(runs: pd.DataFrame) -> pd.Series[str]:
    """Name each complete run's method, with whatever setting not all runs share.

    Runs of one method whose settings differ stand in separate columns, e.g. "ppo [steps=2048]"
    and "ppo [steps=4096]": they are never averaged together.
    """
    settings = list(runs["settings"])
    names = list(dict.fromkeys(name for values in settings for name in values))
    differing = [n for n in names if len({str(values.get(n)) for values in settings}) > 1]
    if "fidelity" in differing:  # it stands for the options that it sets
        differing = [name for name in differing if name not in PRESETS["paper"]]
    labels = []
    for method, values in zip(runs["method"], settings, strict=True):
        extra = ", ".join(f"{name}={values.get(name)}" for name in differing)
        labels.append(f"{method} [{extra}]" if extra else method)
    return pd.Series(labels, index=runs.index, dtype="object")


def missing(runs: pd.DataFrame) -> list[str]:
    """Say what is not in the table: incomplete runs, and unequal numbers of seeds."""
    if runs.empty:
        return ["No runs were found."]
    lacking = runs[runs["problems"].map(len) > 0]
    notes = []
    if len(lacking):
        shown = [
            f"{row['method']}/{row['game']}/seed{row['seed']} ({'; '.join(row['problems'])})"
            for row in lacking.head(8).to_dict("records")
        ]
        more = f" and {len(lacking) - 8} more" if len(lacking) > 8 else ""
        notes.append(
            f"Missing: {len(lacking)} of {len(runs)} planned runs are not complete and not"
            f" counted: {', '.join(shown)}{more}."
        )
    else:
        notes.append(f"All {len(runs)} planned runs are complete.")
    complete = runs[runs["problems"].map(len) == 0]
    seeds = complete.groupby(["method", "game"])["seed"].size()
    if len(seeds) and seeds.min() != seeds.max():
        notes.append(f"Seeds per cell differ: {seeds.min()} to {seeds.max()}.")
    elif len(seeds):
        notes.append(
            "One seed per cell: no spread can be shown."
            if seeds.max() == 1
            else f"{seeds.max()} seeds per cell; ± is the sample standard deviation over seeds."
        )
    return notes


def common_settings(complete: pd.DataFrame) -> str:
    """Describe the settings of the runs in one sentence; several values are listed."""
    names = ("steps", "fidelity", "mode", "levels", "precision", "device", "procgen_build")
    parts = []
    for name in (*names, "eval_episodes"):
        values = dict.fromkeys(str(values[name]) for values in complete["settings"])
        parts.append(f"{name} {' / '.join(values)}")
    return "Settings: " + ", ".join(parts) + "."


def per_game(runs: pd.DataFrame, caveat: str = "") -> Table:
    """Train and test return and the generalization gap, per game and method.

    Args:
        runs: as `Store.load` returns them.
        caveat: a first note, such as that the runs are too short.
    """
    complete = runs[runs["problems"].map(len) == 0].copy()
    complete["label"] = variants(complete)
    labels = list(dict.fromkeys(complete["label"])) or list(dict.fromkeys(runs["method"]))
    letters = {source: chr(97 + i) for i, source in enumerate(published.PER_GAME_SOURCES)}
    cells: list[dict[str, str]] = []
    data: list[dict[str, Any]] = []
    for game in [game for game in GAMES if game in set(runs["game"])]:
        shown = {"game": game}
        for label in labels:
            rows = complete[(complete["game"] == game) & (complete["label"] == label)]
            method = label.partition(" [")[0]
            train, test = summarize(rows["train"]), summarize(rows["test"])
            gap = summarize(rows["train"] - rows["test"])
            for name, summary in (("train", train), ("test", test), ("gap", gap)):
                shown[f"{label} {name}"] = summary.text() or "missing"
            numbers = {f"train_{k}": v for k, v in (("mean", train.mean), ("std", train.std))}
            numbers |= {"test_mean": test.mean, "test_std": test.std, "gap_mean": gap.mean}
            line = {"game": game, "method": label, "seeds": test.n, **numbers}
            mode = rows["settings"].iloc[0]["mode"] if len(rows) else "easy"
            for source, letter in letters.items():
                value = published.per_game(method, "test", mode, source).get(game)
                if method in published.NAMES:
                    name = f"published {published.NAMES[method]} test [{letter}]"
                    shown[name] = f"{value[0]:.1f}" if value else NOT_AVAILABLE
                line[f"published_test_{letter}"] = value[0] if value else float("nan")
            data.append(line)
        cells.append(shown)
    notes = [caveat, *missing(runs)]
    if len(complete):
        notes.append(common_settings(complete))
    notes += [f"[{letters[s]}] {s} ({published.kind(s)}); 25M steps." for s in letters]
    unpublished = [m for m in dict.fromkeys(runs["method"]) if m not in published.NAMES]
    if unpublished:
        notes.append(f"Published per-game test returns of {', '.join(unpublished)}: not available.")
    notes += ["gap = train - test.", OVERLAP]
    title = "Train and test return per game"
    return Table("per-game", title, pd.DataFrame(cells), pd.DataFrame(data), _said(notes))


_HOW_CHOSEN = (
    "By the sweep: highest mean test return over seeds among runs of fixed augmentations"
    " (drac-<augmentation>). By the bandit: the arm selected in most updates, over all seeds."
    " Arms with equal counts are joined by '='. The two need not agree: with the paper's"
    " constants the bandit can lock on to one arm (docs/fidelity.md)."
)


def best_augmentations(runs: pd.DataFrame, caveat: str = "") -> Table:
    """The best augmentation per game: by the sweep, by the bandit, by the paper.

    The sweep's best has the highest mean test return among the fixed augmentations, as in the
    paper; the bandit's is the arm it selected most, over all seeds.
    """
    complete = runs[runs["problems"].map(len) == 0]
    paper, source = published.best_augmentation()
    cells, data = [], []
    for game in [game for game in GAMES if game in set(runs["game"])] or list(GAMES):
        here = complete[complete["game"] == game]
        sweep, sweep_text = _sweep_choice(here)
        bandit, share = _bandit_choice(here)
        bandit_text = f"{' = '.join(bandit)} ({share:.0%})" if bandit else NO_RUNS
        cells.append(
            {
                "game": game,
                "by the sweep (test return)": sweep_text,
                "by the bandit (share of updates)": bandit_text,
                "by the paper": paper.get(game, NOT_AVAILABLE),
            }
        )
        data.append(
            {
                "game": game,
                "sweep": " = ".join(sweep),
                "bandit": " = ".join(bandit),
                "bandit_share": share,
                "paper": paper.get(game, ""),
            }
        )
    notes = [
        caveat,
        *missing(runs),
        _HOW_CHOSEN,
        f"By the paper: {source}.",
    ]
    title = "Best augmentation per game"
    return Table("best-augmentation", title, pd.DataFrame(cells), pd.DataFrame(data), _said(notes))


def _sweep_choice(runs: pd.DataFrame) -> tuple[list[str], str]:
    """Return the augmentation(s) with the best mean test return, and the cell's text."""
    fixed = runs[runs["method"].str.startswith("drac-")]
    if fixed.empty:
        return [], NO_RUNS
    if variants(fixed).str.contains(r" \[").any():
        return [], "not comparable: settings differ"
    means = fixed.groupby("method")["test"].mean()
    best = [name.removeprefix("drac-") for name in means.index[means == means.max()]]
    if len(means) < 2:
        return best, f"{best[0]} (the only one run)"
    return best, f"{' = '.join(best)} ({means.max():.2f}, best of {len(means)})"


def _bandit_choice(runs: pd.DataFrame) -> tuple[list[str], float]:
    """Return the most selected arm(s) of the bandit's runs, and their share of all updates."""
    counts: dict[str, int] = {}
    for arms in runs.loc[runs["method"] == "ucb-drac", "arms"]:
        for arm, count in arms.items():
            counts[arm] = counts.get(arm, 0) + count
    if not counts:
        return [], float("nan")
    most = max(counts.values())
    return [arm for arm, n in counts.items() if n == most], most / sum(counts.values())


def _said(notes: Iterable[str]) -> tuple[str, ...]:
    return tuple(note for note in notes if note)


ALL: Sequence[Any] = (per_game, best_augmentations)
"""What `drac-bench tables` makes."""
