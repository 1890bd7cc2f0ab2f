"""One process's work on a run: continuing it, its logs, evaluations and checkpoints."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drac import methods
from drac.config import quantities
from drac.config.quantities import number_of
from drac.envs.procgen_env import procgen_build
from drac.errors import ConfigError, Interrupted
from drac.evaluate import evaluate
from drac.files.retry import Retry
from drac.policy.initial import INITIAL, initial_network
from drac.runs import checkpoint, foreign_code, meta, provenance
from drac.runs.logs import SPLITS, RunLog
from drac.runs.trackers import IDS, Tracker
from drac.seeding import stream_seed
from drac.stats import Report
from drac.timing import Stopwatch
from drac.train.state import Training
from drac.train.watcher import Watcher

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class TrainResult:
    """Where a run stands when `train` returns.

    `train_return` and `test_return` are the means of the last evaluation's episodes.
    """

    run_dir: Path
    steps: int
    train_return: float
    test_return: float


class Session:
    """One process's work on a run: its logs, evaluations and checkpoints.

    Args:
        training: at its beginning; the newest checkpoint is restored into it.
        run_dir: owned by this process.
        watcher: is told of everything.
        stopping: whether a signal came; evaluations end then.
        accept_changed_code: whether a plug-in may be another than the run was trained with.
        retry: does every write; None: one that waits as `disk_wait` says.
        track: which tracker gets the scalars too.

    Raises:
        ConfigError: if checkpoints or logs do not let the run continue; nothing was written.
        DiskError: here and in all methods, when a write fails for longer than `disk_wait`.
    """

    def __init__(
        self,
        training: Training,
        run_dir: Path,
        watcher: Watcher,
        stopping: Callable[[], bool] = lambda: False,
        accept_changed_code: bool = False,
        retry: Retry | None = None,
        track: str = "none",
    ) -> None:
        self.training, self.run_dir, self.watcher = training, run_dir, watcher
        self.config, self._stopping = training.config, stopping
        self._retry = retry or Retry(self.config.disk_wait, watcher.message, stopping)
        limit = checkpoint.most_bytes(training.network.state_dict(), self.config)
        state = checkpoint.load_newest(run_dir, watcher.message, self._restore, limit)
        self._require_whole_updates()
        began = {} if state else self._begin()
        self.evaluations: dict[str, float] = state.get("evaluations", {})
        self.evaluated_step: int = state.get("evaluated_step", 0)
        code = self._code(accept_changed_code)
        self._wall_before: float = state.get("wall_s", 0.0)
        self._clock = Stopwatch()
        self._saved_at = self._updated_at = 0.0
        self._save_after = 60 * quantities.interval_minutes(self.config.checkpoint_every)
        self._saved_step, self._skipped = training.step, training.skipped_steps
        positions, tables = state.get("positions"), training.levels.table()
        settings = self.config.model_dump(mode="json")
        known = meta.read_meta(run_dir).get(IDS)
        tracker = Tracker(track, run_dir, settings, known, watcher.message)
        self._log = RunLog(
            run_dir, positions, training.step, tables, self._retry, settings, tracker
        )
        newest = checkpoint.newest(run_dir)
        sessions = meta.begin_session(run_dir, newest.name if newest else None, training.step)
        facts = provenance.describe(self.config, procgen_build())
        ids = {IDS: tracker.ids} if tracker.ids else {}
        self._write_meta(**facts, **code, **began, **ids, sessions=sessions)
        watcher.begun(self.config, training.step)

    def _begin(self) -> dict[str, Any]:
        """Give a new run the weights that it is to begin with; return that for meta.json.

        Raises:
            ConfigError: if it is no new run, or these weights are not there.
        """
        checkpoint.require_new(self.run_dir)
        if (initial := initial_network(self.config)) is None:
            return {}
        network, facts = initial
        self.training.network.load_state_dict(network.state_dict())
        return {INITIAL: facts}

    def _code(self, accept_changed: bool) -> dict[str, Any]:
        """Return what meta.json is to say of others' code.

        That of a complete run stays: nothing is trained with what is here now.

        Raises:
            ConfigError: if it has changed since the run was last trained, and that is not accepted.
        """
        if self.finished():
            return {}
        training, known = self.training, meta.read_meta(self.run_dir)
        method = methods.get(self.config.method)
        now = foreign_code.hashes(training.augmentations.values(), method)
        names = foreign_code.changed(known, now) if training.step else []
        if not accept_changed:
            told = [foreign_code.told(name, known) for name in names]
            foreign_code.require_unchanged(told, self.run_dir)
        code = {foreign_code.CODE: now, foreign_code.FILES: foreign_code.files(now)}
        if not names:
            return code
        earlier = known.get(foreign_code.CHANGES)
        changes = [*(earlier if isinstance(earlier, list) else ())]
        before = {name: known[foreign_code.CODE][name] for name in names}
        changes.append({"step": training.step, "changed": names, "before": before})
        return {**code, foreign_code.CHANGES: changes}

    def _restore(self, state: dict[str, Any]) -> None:
        """Restore the training, or raise ConfigError if the checkpoint is of another run."""
        checkpoint.require_same_run(state, self.config)
        checkpoint.require_facts(state)
        try:
            self.training.load_state_dict(state["training"])
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            what = str(error).partition("\n")[0]
            raise ConfigError(
                f"a checkpoint in {self.run_dir} does not fit its config.json ({what})"
            ) from None

    def _require_whole_updates(self) -> None:
        """Check that the run is not to end within an update, in whose auxiliary phase it is."""
        training = self.training
        if training.begun and training.update >= self.config.num_updates:
            raise ConfigError(
                f"{self.run_dir} is in an auxiliary phase, of the update that ends at step"
                f" {training.step + self.config.rollout_size:,}: it can end there at the earliest,"
                f" and must be trained on with at least as many steps"
            )

    def _write_meta(self, **facts: Any) -> None:
        facts |= {"wall_s": round(self.wall_s, 3), "steps": self.training.step}
        facts[meta.EVALUATED] = self.evaluated_step
        path = self.run_dir / meta.META
        self._retry(path, lambda: meta.write_meta(self.run_dir, **facts))

    @property
    def wall_s(self) -> float:
        """Seconds this run has taken so far, over all its sessions."""
        return self._wall_before + self._clock()

    def finished(self) -> bool:
        """Whether all steps are trained and evaluated."""
        done = self.training.update >= self.config.num_updates
        return done and self.evaluated_step == self.training.step

    def log(self, report: Report) -> None:
        """Write an update to the logs and tell the watcher."""
        now = self._clock()
        sps = self.config.rollout_size / max(now - self._updated_at, 1e-9)
        self._updated_at = now
        self._log.update(report, self.wall_s, sps)
        if report.skipped_steps > self._skipped:
            number = report.skipped_steps - self._skipped
            self.watcher.message(
                f"update {report.update}: {number_of(number, 'gradient step')} not finite"
                f" and skipped, {report.skipped_steps} in all"
            )
            self._skipped = report.skipped_steps
        self.watcher.updated(report, sps)

    def evaluate_and_save_when_due(self) -> None:
        """Evaluate every `eval_every` steps, save as often as `checkpoint_every` says.

        Called after every update, and before the first of a session: a signal may have come
        between an update and its evaluation.

        Raises:
            Interrupted: see `evaluate`.
        """
        step = self.training.step
        last = self.training.update == self.config.num_updates
        before = step - self.config.rollout_size
        to_evaluate = step and not last and self.evaluated_step != step
        if to_evaluate and quantities.passed(self.config.eval_every, before, step):
            self.evaluate()
        due = self._clock() - self._saved_at >= self._save_after
        every = quantities.interval_steps(self.config.checkpoint_every)
        if due or quantities.passed(every, self._saved_step, step):
            self.save()

    def evaluate(self) -> None:
        """Play `eval_episodes` on both splits and log every episode, of both splits or of none.

        Raises:
            Interrupted: if a signal came. The state was saved without the evaluation, which the
                run repeats when it continues.
        """
        step = self.training.step
        try:
            played = {split: self._evaluate(split) for split in SPLITS}
        except Stopped:
            self.save()
            raise Interrupted(
                f"saved at step {step}, whose evaluation is to be repeated; the same command"
                f" continues"
            ) from None
        for split, episodes in played.items():
            self._log.evaluation(step, episodes)
            self.evaluations[split] = float(episodes["return"].mean())
        levels = self.training.levels
        for name in levels.table():
            self._log.rows(name, levels.rows(step))
        self.evaluated_step = step
        self._updated_at = self._clock()

    def _evaluate(self, split: str) -> pd.DataFrame:
        config, step = self.config, self.training.step
        self.watcher.evaluating(split, 0, config.eval_episodes)
        played = itertools.count(1)
        episodes = evaluate(
            self.training.network,
            config.game,
            config.train_levels if split == "train" else "test",
            config.eval_episodes,
            config.eval_envs,
            stream_seed(config.seed, "evaluate", split, step),
            mode=config.mode,
            precision=config.precision,
            on_episode=lambda: self.watcher.evaluating(split, next(played), config.eval_episodes),
            on_step=self._stop_if_asked,
            episodes_per_trial=config.trial,
        ).assign(split=split)
        self.watcher.evaluated(step, split, float(episodes["return"].mean()))
        return episodes

    def _stop_if_asked(self) -> None:
        if self._stopping():
            raise Stopped

    def progress(self, step: float) -> None:
        """Tell the watcher; in an auxiliary phase, which is long, look whether to stop or to save.

        Raises:
            Stopped: if a signal came there; nothing is saved yet.
        """
        self.watcher.progress(step)
        if self.training.learner.in_phase:
            self._stop_if_asked()
            if 0 < self._save_after <= self._clock() - self._saved_at:
                self.save()

    def save(self) -> None:
        """Write a checkpoint from which the run continues exactly."""
        state = {
            "config": self.config.model_dump(mode="json"),
            "training": self.training.state_dict(),
            "evaluations": self.evaluations,
            "evaluated_step": self.evaluated_step,
            "wall_s": self.wall_s,
            "positions": self._log.positions(),
        }
        run_dir, step = self.run_dir, self.training.step
        self._retry(checkpoint.folder(run_dir), lambda: checkpoint.save(run_dir, step, state))
        self._write_meta()
        self._saved_at, self._saved_step = self._clock(), step

    def finish(self) -> TrainResult:
        """Evaluate the final policy unless that is done, and save."""
        if not self.finished():
            self.save()
            self.evaluate()
            self.save()
        return TrainResult(
            run_dir=self.run_dir,
            steps=self.training.step,
            train_return=self.evaluations["train"],
            test_return=self.evaluations["test"],
        )

    def close(self) -> None:
        """Close logs and envs."""
        self._log.close()
        self.training.env.close()


class Stopped(Exception):
    """A signal came during an evaluation, or an auxiliary phase."""
