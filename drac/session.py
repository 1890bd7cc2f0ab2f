"""One process's work on a run: continuing it, its logs, evaluations and checkpoints."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from drac import checkpoint, hardware, logs
from drac.config import CONTINUABLE, ConfigError, TrainConfig
from drac.envs import procgen_build
from drac.evaluate import evaluate
from drac.logs import SPLITS, RunLog
from drac.networks import ActorCritic, of_method
from drac.report import Report
from drac.seeding import stream_seed
from drac.training import Training


class Watcher:
    """Follows a training run; every method may be overridden, none has to be."""

    def begun(self, config: TrainConfig, step: int) -> None:
        """The run starts, or continues from `step`."""

    def progress(self, step: float) -> None:
        """`step` environment steps' worth of work is done; called several times a second."""

    def updated(self, report: Report, sps: float) -> None:
        """An update has been logged."""

    def evaluating(self, split: str, played: int, episodes: int) -> None:
        """`played` of an evaluation's `episodes` are over."""

    def evaluated(self, step: int, split: str, mean_return: float) -> None:
        """A split has been evaluated."""

    def message(self, text: str) -> None:
        """Something the user should read."""


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
    """One process's work on a run: its logs, evaluations and checkpoints."""

    def __init__(self, training: Training, run_dir: Path, watcher: Watcher) -> None:
        self.training, self.run_dir, self.watcher = training, run_dir, watcher
        self.config = training.config
        limit = checkpoint_limit(training.network, self.config)
        state = checkpoint.load_newest(run_dir, watcher.message, self._restore, limit)
        self.evaluations: dict[str, float] = state.get("evaluations", {})
        self.evaluated_step: int = state.get("evaluated_step", 0)
        self._wall_before: float = state.get("wall_s", 0.0)
        self._begun = self._saved_at = self._updated_at = time.monotonic()
        self._log = RunLog(run_dir, state.get("positions"), training.step, training.levels.table())
        facts = hardware.describe(self.config, procgen_build())
        logs.write_meta(run_dir, **facts, wall_s=self.wall_s, steps=training.step)
        watcher.begun(self.config, training.step)

    def _restore(self, state: dict[str, Any]) -> None:
        """Restore the training, or raise ConfigError if the checkpoint is of another run."""
        require_own(state, self.config)
        try:
            self.training.load_state_dict(state["training"])
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            what = str(error).partition("\n")[0]
            raise ConfigError(
                f"a checkpoint in {self.run_dir} does not fit its config.json ({what})"
            ) from None

    @property
    def wall_s(self) -> float:
        """Seconds this run has taken so far, over all its sessions."""
        return self._wall_before + time.monotonic() - self._begun

    def finished(self) -> bool:
        """Whether all steps are trained and evaluated."""
        done = self.training.update >= self.config.num_updates
        return done and self.evaluated_step == self.training.step

    def log(self, report: Report) -> None:
        """Write an update to the logs and tell the watcher."""
        now = time.monotonic()
        sps = self.config.rollout_size / max(now - self._updated_at, 1e-9)
        self._updated_at = now
        self._log.update(report, self.wall_s, sps)
        self.watcher.updated(report, sps)

    def evaluate_and_save_when_due(self) -> None:
        """Evaluate every `eval_every` steps, save every `checkpoint_every` minutes.

        Called after every update, and before the first of a session: a signal may have come
        between an update and its evaluation.
        """
        every, step = self.config.eval_every, self.training.step
        last = self.training.update == self.config.num_updates
        due = every and step and step // every > (step - self.config.rollout_size) // every
        if due and not last and self.evaluated_step != step:
            self.evaluate()
        if time.monotonic() - self._saved_at >= 60 * self.config.checkpoint_every:
            self.save()

    def evaluate(self) -> None:
        """Play `eval_episodes` on both splits and log every episode."""
        for split in SPLITS:
            self._evaluate(split)
        levels = self.training.levels
        for name in levels.table():
            self._log.rows(name, levels.rows(self.training.step))
        self.evaluated_step = self.training.step
        self._updated_at = time.monotonic()

    def _evaluate(self, split: str) -> None:
        config, step = self.config, self.training.step
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
        ).assign(split=split)
        self._log.evaluation(step, episodes)
        self.evaluations[split] = float(episodes["return"].mean())
        self.watcher.evaluated(step, split, self.evaluations[split])

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
        checkpoint.save(self.run_dir, self.training.step, state)
        logs.write_meta(self.run_dir, wall_s=round(self.wall_s, 3), steps=self.training.step)
        self._saved_at = time.monotonic()

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

    def left_behind(self) -> str:
        """Say where the log and the checkpoint are, for the end of an error's sentence."""
        newest = checkpoint.newest(self.run_dir)
        kept = f"the newest checkpoint {newest}" if newest else "there is no checkpoint yet"
        return f"the log is {self.run_dir / 'progress.csv'}, {kept}"

    def close(self) -> None:
        """Close logs and envs."""
        self._log.close()
        self.training.env.close()


def checkpoint_limit(network: ActorCritic, config: TrainConfig) -> int:
    """Return the bytes that a checkpoint may have, generously: of a larger one nothing is read.

    It holds the weights and Adam's two moments, some 25 KB an env (never above 1 MiB), the scores
    of levels, and what a selector or a plug-in remembers.
    """
    weights: int = sum(t.numel() * t.element_size() for t in network.state_dict().values())
    return 8 * weights + config.num_envs * 2**20 + 64 * 2**20


def require_own(state: dict[str, Any], config: TrainConfig) -> None:
    """Raise ConfigError if a checkpoint was saved by a run with another configuration."""
    saved = state.get("config", {})  # format 1 had none
    if not isinstance(saved, dict):
        raise ConfigError("a checkpoint holds no configuration where it should")
    ours = config.model_dump(mode="json")
    differing = [
        f"{name} is {saved[name]!r} there and {value!r} here"
        for name, value in ours.items()
        if name in saved and saved[name] != value and name not in CONTINUABLE
    ]
    if differing:
        raise ConfigError(f"a checkpoint is of another run: {'; '.join(differing)}")


def load_agent(run_dir: Path, config: TrainConfig) -> tuple[ActorCritic, int]:
    """Return the network of a run's newest checkpoint, and the step it was saved at.

    It is the network of the run's method, in evaluation mode.

    Raises:
        ConfigError: if there is no checkpoint, or it does not fit the config.
    """
    path = checkpoint.newest(run_dir)
    if path is None:
        raise ConfigError(f"{run_dir} has no checkpoint yet")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = of_method(config).to(device).eval()
    state = checkpoint.load(path, checkpoint_limit(network, config))
    try:
        require_own(state, config)
        weights = state["training"]["network"]
        if not all(isinstance(tensor, torch.Tensor) for tensor in weights.values()):
            raise TypeError("its network has weights that are no tensors")
        network.load_state_dict(weights)
        step = int(state["training"]["update"]) * config.rollout_size
    except ConfigError as error:
        raise ConfigError(f"{path} cannot be used: {error}") from None
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise ConfigError(f"{path} does not fit {run_dir}/config.json: {error}") from None
    return network, step
