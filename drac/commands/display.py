"""What one sees of a run: a live bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column

from drac.commands.output import fitted
from drac.config import TrainConfig
from drac.config.quantities import duration
from drac.files import retry
from drac.methods import spellings
from drac.stats import Report, early_text
from drac.timing import Stopwatch
from drac.train.watcher import Watcher

PLAIN_INTERVAL_S = 10.0
"""Seconds between two lines where the output is no terminal."""

NARROW = 110
"""A terminal with fewer columns shows the share of the steps, and a short bar."""


def returns_text(train: float | None, test: float | None, early: str = "") -> str:
    """Format the last train and test return, each as soon as there is one.

    Args:
        train: mean of the last training episodes.
        test: mean of the last evaluation.
        early: see `drac.stats.early_text`.
    """
    said = [] if train is None else [f"train {train:.2f}{early}"]
    return "  ".join(said if test is None else [*said, f"test {test:.2f}"])


class TerminalWatcher(Watcher):
    """Prints a run's progress to stdout; use `watching` to make one."""

    def __init__(self, console: Console, bar: Progress | None) -> None:
        self._console, self._bar = console, bar
        self._task = TaskID(0)
        self._total = self._num_envs = 0
        self._sps: float | None = None
        self._train: float | None = None
        self._test: float | None = None
        self._early = self._arm = ""
        self._called: dict[str, str] = {}
        self._clock = Stopwatch()
        self._printed_at = self._begun_step = self._begun_at = 0.0

    def begun(self, config: TrainConfig, step: int) -> None:
        """Say what runs."""
        self._total = config.num_updates * config.rollout_size
        self._num_envs = config.num_envs
        self._called = spellings.arms(config.augmentation_specs)
        how = f"continued at step {step:,}" if step else "begun"
        whole = "" if self._total == config.steps else f" ({config.steps:,} in whole updates)"
        self.message(
            f"{spellings.name(config.method)} on {config.game}, seed {config.seed},"
            f" {self._total:,} steps{whole}, fidelity {config.fidelity}, {config.device}"
            f" {config.precision}: {how}"
        )
        self._begun_step, self._begun_at = step, self._clock()
        if self._bar:
            self._bar.start()  # not before: a run that is refused draws nothing
            self._task = self._bar.add_task("", total=self._total, completed=step, **self._fields())

    def _fields(self) -> dict[str, Any]:
        return {
            "sps": "-" if self._sps is None else f"{self._sps:,.0f}",
            "returns": returns_text(self._train, self._test, self._early),
            "arm": self._arm,
        }

    def progress(self, step: float) -> None:
        """Move the bar, or print a line now and then."""
        elapsed = self._clock() - self._begun_at
        if elapsed > 2:
            self._sps = (step - self._begun_step) / elapsed
        if self._bar:
            self._bar.update(self._task, completed=step, **self._fields())
        elif self._line_due():
            left = duration((self._total - step) / self._sps) if self._sps else "-"
            fields = self._fields()
            said = [f"step {step:,.0f}/{self._total:,}", f"{fields['sps']} steps/s", f"{left} left"]
            said += [fields["returns"], fields["arm"] and f"arm {fields['arm']}"]
            self.message("  ".join(filter(None, said)))

    def _line_due(self) -> bool:
        """Whether the last plain line is long enough ago; if so, the next one is now."""
        due = self._clock() - self._printed_at >= PLAIN_INTERVAL_S
        if due:
            self._printed_at = self._clock()
        return due

    def updated(self, report: Report, sps: float) -> None:
        """Remember the latest training return and arm."""
        arm = "" if report.arm == "none" else report.arm
        self._train, self._arm = report.train_return, self._called.get(arm, arm)
        self._early = early_text(report.envs_ended, self._num_envs)
        self.progress(report.step)

    def evaluating(self, split: str, played: int, episodes: int) -> None:
        """Show how many episodes have been played, in place of the returns and the augmentation."""
        text = f"evaluating {split}: {played}/{episodes}"
        if self._bar:
            self._bar.update(self._task, **{**self._fields(), "returns": text, "arm": ""})
        elif self._line_due():
            self.message(f"{text} episodes")

    def evaluated(self, step: int, split: str, mean_return: float) -> None:
        """Print an evaluation's mean."""
        if split == "test":
            self._test = mean_return
        if self._bar:
            self._bar.update(self._task, **self._fields())
        self.message(f"step {step:,}: mean return {mean_return:.2f} on the {split} split")

    def message(self, text: str) -> None:
        """Print a line above the bar, wrapped in a terminal, elsewhere one line, for programs.

        It is printed as it is: a specification may look like rich's markup.
        """
        text = fitted(text) if self._console.is_terminal else text
        try:
            self._console.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True)
        except OSError as error:
            if error.errno not in retry.TEMPORARY:  # a full disk must not end a run by its output
                raise


@contextmanager
def watching() -> Iterator[TerminalWatcher]:
    """Yield a watcher that draws to stdout, live if that is a terminal."""
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        yield TerminalWatcher(console, None)
        return
    narrow = console.width < NARROW
    steps = "{task.percentage:.0f}%" if narrow else "{task.completed:,.0f}/{task.total:,.0f}"
    yields = Column(overflow="ellipsis")  # of all columns the arm's alone gets narrower, and first
    columns = (
        BarColumn(12 if narrow else 24, table_column=Column(no_wrap=True)),
        TextColumn(steps),
        TextColumn("{task.fields[sps]} steps/s"),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[returns]}"),
        TextColumn("{task.fields[arm]}", style="cyan", markup=False, table_column=yields),
    )
    bar = Progress(*columns, console=console, refresh_per_second=4)
    try:
        yield TerminalWatcher(console, bar)
    finally:
        if bar.live.is_started:
            bar.stop()
