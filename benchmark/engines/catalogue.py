"""What engines there are: read by `drac-bench run`. Imports nothing heavy."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from augmentations import plugins
from augmentations.arguments import unknown
from drac.commands import flags
from drac.errors import ConfigError

if TYPE_CHECKING:
    from benchmark.engines.engine import Engine

KIND = plugins.Kind("procgen_drac.engines", "engine")
"""Entry points of other packages; each is an `Entry`."""

Result = TypeVar("Result")
_Words = tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """An engine, before it is made.

    Attributes:
        title: where it executes runs, for the help.
        made_by: "package.module:function" of options, a mapping, and a folder for files of its
            own, which may not exist yet; it returns an `Engine` and starts or writes nothing.
        options: flags of `drac-bench run` that it adds; they come as text. Beside them `options`
            has `cpus_per_run` and `runs_per_gpu`, numbers or None, which jobs know as well.
        elsewhere: whether the runs' machine is another, so that this one needs no GPU.
    """

    title: str
    made_by: str
    options: tuple[flags.Field, ...] = ()
    elsewhere: bool = False

    def __call__(self, options: Mapping[str, Any], folder: Path) -> Engine:
        """Make the engine."""
        engine: Engine = resolve_name(self.made_by)(options, folder)
        return engine


ENGINES: Mapping[str, Entry] = MappingProxyType(
    {
        "local": Entry(
            "processes on this machine",
            "benchmark.engines.local:make",
            (
                (
                    "workers",
                    str | None,
                    flags.option(
                        None,
                        "runs side by side, which share the cores; auto: as many as cores and"
                        " memory have room for (default: 1, or as many as the GPUs take)",
                        "N",
                    ),
                ),
                (
                    "gpus",
                    _Words,
                    flags.option((), "GPUs that runs share, e.g. 0-7; each run sees one", "A-B"),
                ),
            ),
        ),
        "slurm": Entry(
            "job arrays of a Slurm cluster",
            "benchmark.engines.slurm:make",
            (
                ("partition", str | None, flags.option(None, "partition (default: Slurm's)")),
                (
                    "time",
                    str,
                    flags.option("12:00:00", "limit of a job, [D-]H:M:S; it is requeued then"),
                ),
                (
                    "gpus_per_node",
                    str | None,
                    flags.option(None, "GPUs of a job (default: none)", "N"),
                ),
                (
                    "array_parallelism",
                    str,
                    flags.option("64", "jobs of an array that run at a time, at most", "N"),
                ),
                (
                    "slurm",
                    _Words,
                    flags.option((), "further options of sbatch, e.g. account=A mem=16G", "KEY=V"),
                ),
                ("detach", bool, flags.option(False, "leave once the jobs are submitted")),
            ),
            elsewhere=True,
        ),
        "ray": Entry(
            "tasks of a Ray cluster",
            "benchmark.engines.ray:make",
            (
                (
                    "address",
                    str | None,
                    flags.option(
                        None,
                        "of the cluster: auto, HOST:PORT or ray://HOST:PORT (default: start one on"
                        " this machine)",
                    ),
                ),
                (
                    "storage",
                    str,
                    flags.option(
                        "shared",
                        "shared: nodes see the run folders; fetch: their files come back at every"
                        " checkpoint",
                        "{shared,fetch}",
                    ),
                ),
            ),
            elsewhere=True,
        ),
    }
)
"""Name -> engine."""


@functools.cache
def known() -> Mapping[str, Entry]:
    """Return ENGINES and those that installed packages offer, which are imported now."""
    return plugins.united(ENGINES, KIND, Entry)


def get(name: str) -> Entry:
    """Return an engine.

    Raises:
        ConfigError: naming the nearest and the valid names.
    """
    if name in ENGINES:
        return ENGINES[name]
    if name not in known():
        raise ConfigError(unknown("engine", name, known()))
    return known()[name]


def called(name: str, function: Callable[[], Result]) -> Result:
    """Call something of an engine; ours may raise as they like.

    Raises:
        ConfigError: in one sentence that names the plug-in, for whatever one of a plug-in raises.
    """
    try:
        return plugins.called(KIND, name, function)
    except plugins.PluginError as error:
        raise ConfigError(str(error)) from error.__cause__
