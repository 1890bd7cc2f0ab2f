"""The command `drac train`."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import make_dataclass
from pathlib import Path
from typing import Any

from drac.commands import flags
from drac.commands.output import print_json, tell
from drac.config import TrainConfig, as_argv, build, preset_defaults
from drac.config.quantities import number_of
from drac.errors import ConfigError
from drac.files import lock, run_folder
from drac.methods import spellings
from drac.methods.listing import WIDTH, listing, records
from drac.runs import foreign_code, logs, meta, named, provenance, trackers

TRAIN_HELP = """Train one agent on the training levels of a game, then evaluate it on them and on
unseen ones. The same command continues a run that was stopped; other --steps prolong or shorten
it, --finish ends it where it stands, and --fresh starts over. Ctrl-C and SIGTERM save first
and end with status 75.

examples:
  drac train --game bigfish --method ucb-drac --seed 0 --steps 1M
  drac train --config results/runs/default/ppo/maze/seed0 --experiment again
  drac train --method help"""


TRACK: flags.Field = (
    "track",
    str,
    flags.option("none", "where the scalars go beside TensorBoard", "{none,wandb,mlflow}"),
)

ACCEPT_CHANGED_CODE: flags.Field = (
    "accept_changed_code",
    bool,
    flags.option(False, "continue although a plug-in has changed; recorded in meta.json"),
)

_OWN_FLAGS: list[flags.Field] = [
    (
        "config",
        Path | None,
        flags.option(None, "config.json of a run to repeat; what else is given changes it"),
    ),
    (
        "run_dir",
        Path | None,
        flags.option(None, "the run's folder, else RESULTS/runs/EXPERIMENT/METHOD/GAME/seedK"),
    ),
    ("experiment", str, flags.option("default", "groups runs that belong together")),
    ("results", Path, flags.option(Path("results"), "root of all results")),
    (
        "fresh",
        bool,
        flags.option(
            False,
            "start over; a run that is there keeps everything as SEED.before-1, .before-2, ...",
        ),
    ),
    (
        "finish",
        bool,
        flags.option(False, "evaluate and complete the run at the step that it has reached"),
    ),
    ACCEPT_CHANGED_CODE,
    TRACK,
]


def run_id(config: TrainConfig, experiment: str) -> str:
    """Return a run's identifier, its path below results/runs: experiment/method/game/seed."""
    return f"{experiment}/{config.method}/{config.game}/seed{config.seed}"


def train_command(argv: Sequence[str]) -> int:
    """`drac train`."""
    if flags.peek(argv, "--method") == "help":
        if "json" in flags.named(argv):
            print_json(1, methods=records())
        else:
            print(listing(shutil.get_terminal_size((WIDTH, 0)).columns))
        return 0
    if (split := flags.peek(argv, "--split")) is not None:
        raise ConfigError(
            f"a run trains on --levels, A-B or all, and is evaluated on both splits:"
            f" --split {split} belongs to drac evaluate"
        )
    argv = [*_of_file(flags.peek(argv, "--config")), *argv]
    config_fields = flags.config_fields(preset_defaults(flags.peek(argv, "--fidelity") or "paper"))
    flags_type = make_dataclass("TrainFlags", [*config_fields, *_OWN_FLAGS])
    values = vars(flags.parse(flags_type, argv, "drac train", TRAIN_HELP))
    del values["config"]
    for name in TrainConfig.model_fields.keys() - flags.named(argv):
        del values[name]  # so that what depends on a method, a game or a preset is not contradicted
    own = ("fresh", "finish", "accept_changed_code", "track")
    how = {name: values.pop(name) for name in own}
    flags.require_known("tracker", how["track"], trackers.NAMES)
    if how["fresh"] and how["finish"]:
        raise ConfigError("--fresh starts a run over and --finish ends one: give one of them")
    if how["finish"]:
        values.pop("steps", None)  # the run says how many there are
    run_dir, experiment, results = (values.pop(k) for k in ("run_dir", "experiment", "results"))

    def folder(config: TrainConfig) -> Path:
        if run_dir is not None:
            return Path(run_dir)
        run_folder.check_name("experiment", experiment)
        return Path(results) / "runs" / run_id(config, experiment)

    if "method" in values and "augmentation" not in values:
        values["method"] = named.typed(values["method"], Path(results) / "runs")
    try:
        config = build(values)
    except ConfigError as error:
        raise ConfigError(_without_plugin(values, folder) or str(error)) from None
    if flags.peek(argv, "--run-dir") == "":  # an unset variable of a script: not this folder
        raise ConfigError("run_dir is empty; give a folder, or leave --run-dir out")
    if _check(config, folder(config), shlex.join(["drac", "train", *argv]), **how):
        return 0
    return _train(config, folder(config), **how)


def _of_file(config: str | None) -> list[str]:
    """Return the flags that a config.json, or a run's folder, stands for."""
    if config is None or config.startswith("--"):  # it is not given, or lacks its value
        return []
    if not config:
        raise ConfigError("config is empty; give a run's config.json, or leave --config out")
    path = Path(config)
    if path.is_dir():
        run_folder.require_run(path)
        path /= "config.json"
    return as_argv(TrainConfig.from_json(path))


def _without_plugin(values: dict[str, Any], folder: Callable[[TrainConfig], Path]) -> str:
    """Say which plug-in is missing, if that is why a run that was begun has no valid values."""
    with contextlib.suppress(ConfigError):  # there is no such run, or other values are bad too
        run_dir = folder(build(values, recorded=True))
        return provenance.missing(TrainConfig.from_json(run_dir / "config.json"), run_dir)
    return ""


def _check(config: TrainConfig, run_dir: Path, command: str, **how: Any) -> bool:
    """Refuse what `drac.train.prepare` refuses, as far as torch is not needed for it.

    Returns:
        Whether the run is complete, which is said: nothing is left to do.
    """
    run_folder.require_writable(run_dir)
    run_folder.require_plain(run_dir)
    lock.require_free(run_dir)
    if how["fresh"]:
        return False
    if (run_dir / "config.json").exists():
        known = meta.read_meta(run_dir)
        reached = known["steps"] if isinstance(known.get("steps"), int) else 0
        if how["finish"]:
            config = config.model_copy(update={"steps": reached})
        saved = TrainConfig.from_json(run_dir / "config.json")
        config = config.continue_from(saved, run_dir, reached)
        at_end = reached == known.get(meta.EVALUATED) == saved.num_updates * saved.rollout_size
        same = config.num_updates == saved.num_updates
        if same and at_end and _say_complete(config, run_dir, reached):
            return True
        provenance.require(config, run_dir)
    if not how["accept_changed_code"]:
        foreign_code.require_none_changed([run_dir], command)
    return False


def _say_complete(config: TrainConfig, run_dir: Path, step: int) -> bool:
    """Say that a run is complete, and if its source is another now; False if it lacks episodes."""
    from drac.policy.card import scores

    found = scores(run_dir, config, step)
    if len(found) < len(logs.SPLITS):
        return False
    means = ", ".join(f"{split} {own['mean']:.2f}" for split, own in found.items())
    print(f"already complete: {number_of(step, 'step')}, {means}; files in {run_dir}")
    if names := foreign_code.outdated([meta.read_meta(run_dir)])[0]:
        tell(
            f"drac train: warning: it had another source of {', '.join(names)} than is here now;"
            f" what is complete is left as it is, and --fresh starts it over"
        )
    return True


def _train(config: TrainConfig, run_dir: Path, **how: Any) -> int:
    if "torch" not in sys.modules:  # that takes a while
        what = f"{spellings.name(config.method)} on {config.game}, seed {config.seed}"
        print(f"{what}: importing torch, making levels and envs", flush=True)
    from drac.commands.display import watching
    from drac.errors import Interrupted
    from drac.runs.signals import EXIT_CODE
    from drac.train import train

    with watching() as watcher:
        try:
            result = train(config, run_dir, watcher, **how)
        except Interrupted as stop:
            watcher.message(str(stop))
            return EXIT_CODE
        watcher.message(
            f"done: {number_of(result.steps, 'step')}, train {result.train_return:.2f},"
            f" test {result.test_return:.2f}; files in {run_dir}"
        )
    return 0
