"""Weights & Biases and MLflow beside TensorBoard: the same scalars under the same names.

A run that is continued goes on in the tracker's same run, whose id is in meta.json. No result
depends on a tracker: one that fails after the beginning is left, and the run goes on.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from augmentations.errors import told
from drac.errors import ConfigError, imported

NAMES = ("none", "wandb", "mlflow")
IDS = "trackers"
"""The key of meta.json: name of a tracker -> its id of the run."""

PROJECT = "procgen-drac"
"""Where WANDB_PROJECT or MLFLOW_EXPERIMENT_NAME names no other."""

_MOST_PARAMS = 100  # of one request to MLflow


class WandB:
    """A run of Weights & Biases, on its server or, with WANDB_MODE=offline, in its own files."""

    def __init__(self, name: str, settings: Mapping[str, Any], known: str) -> None:
        wandb = _library("wandb")
        self.id = known or secrets.token_hex(8)
        project = os.environ.get("WANDB_PROJECT", PROJECT)
        how = {"resume": "allow", "settings": wandb.Settings(console="off")}
        self._run = wandb.init(project=project, id=self.id, name=name, config={**settings}, **how)
        # Its own count would refuse the steps that a run does again after its last checkpoint.
        self._run.define_metric("*", step_metric="global_step")

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Log values of one environment step."""
        self._run.log({**values, "global_step": step})

    def close(self) -> None:
        """End this session of the run."""
        self._run.finish()


class MLflow:
    """A run of MLflow, in the store that MLFLOW_TRACKING_URI names."""

    def __init__(self, name: str, settings: Mapping[str, Any], known: str) -> None:
        mlflow = _library("mlflow")
        self._entities = mlflow.entities
        self._client = client = mlflow.MlflowClient()
        self.id = known
        if known:
            client.update_run(known, status="RUNNING")
            return
        where = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        experiment = client.get_experiment_by_name(where)
        number = experiment.experiment_id if experiment else client.create_experiment(where)
        self.id = client.create_run(number, run_name=name).info.run_id
        params = [mlflow.entities.Param(key, str(value)) for key, value in settings.items()]
        for first in range(0, len(params), _MOST_PARAMS):
            client.log_batch(self.id, params=params[first : first + _MOST_PARAMS])

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Log values of one environment step; MLflow has no brackets and quotes in names."""
        now = int(1000 * time.time())
        metrics = [
            self._entities.Metric(re.sub(r"[^\w./ -]", "_", name), value, now, step)
            for name, value in values.items()
        ]
        self._client.log_batch(self.id, metrics=metrics)

    def close(self) -> None:
        """End this session of the run."""
        self._client.set_terminated(self.id)


_KINDS: dict[str, type[WandB | MLflow]] = {"wandb": WandB, "mlflow": MLflow}


class Tracker:
    """What `--track` names, or nothing.

    Args:
        kind: one of NAMES.
        run_dir: the run's folder, whose end is its name: experiment/method/game/seed.
        settings: its options.
        known: what meta.json has under IDS.
        notify: is told if the tracker fails.

    Raises:
        ConfigError: if its library is not installed, or it does not begin.
    """

    def __init__(
        self,
        kind: str = "none",
        run_dir: Path = Path(),
        settings: Mapping[str, Any] | None = None,
        known: Any = None,
        notify: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._kind, self._notify = kind, notify
        self._backend: WandB | MLflow | None = None
        self.ids = {str(k): str(v) for k, v in known.items()} if isinstance(known, dict) else {}
        if kind == "none":
            return
        name = "/".join(run_dir.absolute().parts[-4:]).lstrip("/")
        try:
            self._backend = _KINDS[kind](name, settings or {}, self.ids.get(kind, ""))
        except ConfigError:
            raise
        except Exception as error:  # a server, a login, a file: its libraries raise anything
            raise ConfigError(
                f"--track {kind} could not begin: {told(error.with_traceback(None))}"
            ) from error
        self.ids[kind] = self._backend.id

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Pass named values of one step on."""
        self._call("scalars", values, step)

    def close(self) -> None:
        """End the session; the tracker's run can be gone on with."""
        self._call("close")
        self._backend = None

    def _call(self, what: str, *values: Any) -> None:
        if self._backend is None:
            return
        try:
            getattr(self._backend, what)(*values)
        except Exception as error:
            self._backend = None
            why = told(error.with_traceback(None))  # without the place in its library
            self._notify(f"warning: {self._kind} failed ({why}); the run goes on without it")


def require(kind: str) -> None:
    """Check that a tracker's library can be imported.

    Raises:
        ConfigError: otherwise, with the command that installs it.
    """
    if kind != "none":
        _library(kind)


def _library(kind: str) -> Any:
    return imported(kind, kind, f"--track {kind}")
