"""Fuzzes the command lines: every command of drac and drac-bench, with any flags and values.

Parsing and checks are real and run in this process; where training, playing, drawing, measuring
or tabulating would start, a stub ends the command. A refusal must be one sentence and status 2 and
leave every file as it was; status 1 is one sentence too; there is never a traceback, nor silence
for `LIMIT_S`. Command lines are drawn from a seed, so that each can be made again.

    make test-fuzz ARGS="--inputs 100000"
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import os
import random
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, get_origin, get_type_hints

import pytest
import torch
from checkout import EVIDENCE
from fuzz_values import ODD_TEXTS, PATHS, VALUES
from log_head import add_log, written
from small_runs import small_run
from synthetic_runs import write_run

import benchmark.cli
import drac.cli
from drac.commands import flags
from drac.runs import trackers

LIMIT_S = 60
"""So long may one command line take, on cores that are busy."""

MAINS = {"drac": drac.cli.main, "drac-bench": benchmark.cli.main}
COMMANDS = (
    *("drac train", "drac evaluate", "drac export", "drac watch"),
    *("drac augmentations list", "drac augmentations show"),
    *("drac-bench run", "drac-bench status", "drac-bench tables", "drac-bench compare"),
    *("drac-bench import-scores", "drac-bench plot", "drac-bench figures", "drac-bench report"),
    *("drac-bench speed", "drac-bench speed compare", "drac-bench speed augmentations"),
    *("drac-bench bandits", "drac-bench import-curves", "drac-bench import-runs"),
    *("drac-bench suites", "drac-bench index", "drac-bench logs", "drac-bench evaluate"),
)
_SMALL = ("--steps", "64", "--num-envs", "4", "--num-steps", "16")
WORKING = {
    "drac train": [*_SMALL, "--device", "cpu", "--threads", "1"],
    "drac evaluate": ["run"],
    "drac export": ["run"],
    "drac watch": ["run"],
    "drac-bench run": ["--methods", "ppo", "--games", "maze", *_SMALL],
    "drac-bench compare": ["ppo", "drac-crop"],
    "drac-bench import-scores": ["scores.csv"],
    "drac-bench plot": ["run"],
    "drac-bench speed": ["--device", "cpu"],
    "drac-bench speed compare": ["speed.json", "speed.json"],
}
"""Words with which the work would begin: most lines have them, lest all be refused at once."""

HEAVY = (
    *("benchmark.engines.local.LocalEngine", "benchmark.analysis.compare.compare"),
    *("drac.evaluate.evaluate", "drac.evaluate.robustness.measure", "drac.pictures.playing.watch"),
    *("drac.pictures.gallery.draw", "benchmark.commands.tables._tabulate"),
    "benchmark.commands.figures._draw",
    *("benchmark.report.build.build", "benchmark.figures.run_curves.learning_curves"),
    *("benchmark.speed.plan.Plan", "benchmark.speed.plan.verdicts"),
    *("benchmark.speed.worker.augmentations.measure", "benchmark.bandits.tasks.compare"),
    "benchmark.bandits.simulation.simulate_all",
)
"""Where the work of the commands begins; that of `drac train` after its checks."""


class Started(BaseException):
    """The work would begin."""


def _start(*args: Any, **kwargs: Any) -> NoReturn:
    raise Started


def _train(config: Any, run_dir: Any, watcher: Any, **how: Any) -> NoReturn:
    """What `train` does before it writes."""
    from drac.train import loop

    del how["accept_changed_code"]
    trackers.require(how.pop("track"))
    loop.prepare(config, Path(run_dir), **how, notify=watcher.message)
    raise Started


def _images(config: Any) -> dict[str, torch.Tensor]:
    """A try of augmentations without Procgen."""
    generator = torch.Generator().manual_seed(0)
    shape = (8, 16, 16, 3)
    return {"images": torch.randint(256, shape, generator=generator, dtype=torch.uint8)}


@contextlib.contextmanager
def stubbed() -> Iterator[None]:
    """Have no command do its work."""
    with pytest.MonkeyPatch.context() as patch:
        for name in HEAVY:
            patch.setattr(name, _start)
        patch.setattr("drac.train.train", _train)
        patch.setattr("drac.arms.trial._trial_images", _images)
        patch.setattr("time.sleep", _start)  # `--watch`, `--follow`: they have shown it once
        yield


# Command lines


@dataclasses.dataclass(frozen=True)
class Flag:
    """A field of a command's flags: how many values it takes, and whether it is one at all."""

    name: str
    values: str  # "one", "many", "none"
    positional: bool


class _Learned(BaseException):
    pass


def flags_of(command: str) -> list[Flag]:
    """Return the flags of a command, as its own parser has them."""

    def learn(flags_type: type, *args: Any) -> NoReturn:
        raise _Learned(flags_type)

    program, *words = command.split()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flags, "parse", learn)
        try:
            MAINS[program](words)
        except _Learned as learned:
            (flags_type,) = learned.args
    found = []
    for field in dataclasses.fields(flags_type):
        kind = get_type_hints(flags_type)[field.name]
        values = "none" if kind is bool else "many" if get_origin(kind) is tuple else "one"
        found.append(Flag(field.name, values, "positional" in field.metadata))
    return found


def value(name: str, rng: random.Random) -> str:
    """Draw a value: one that fits the flag, a path, or anything."""
    chance = rng.random()
    if name in VALUES and chance < 0.6:
        return rng.choice(VALUES[name])
    if chance < 0.75:
        return rng.choice(PATHS)
    if chance < 0.8:
        return str(rng.choice((rng.randint(-9, 300), rng.random() * 10 ** rng.randint(-9, 30))))
    return rng.choice(ODD_TEXTS)


def draw(command: str, known: Sequence[Flag], rng: random.Random) -> list[str]:
    """Draw the words of a command line, those of the command first."""
    words: list[str] = []
    if rng.random() < 0.85:
        words += WORKING.get(command, ())
    elif rng.random() < 0.7:
        for flag in known:
            if flag.positional:
                words += [value("run", rng) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
    for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 3, 6))):
        words += _flag(rng.choice(known), rng) if known else []
    if rng.random() < 0.05:
        at = rng.randint(0, len(words))
        words[at:at] = [rng.choice(("--", "-h", "--help", "-x", "stray", "--nonsense", "-", "="))]
    return [*command.split(), *words]


def _flag(flag: Flag, rng: random.Random) -> list[str]:
    name = flag.name if rng.random() < 0.1 else flag.name.replace("_", "-")
    if rng.random() < 0.03:
        name = name[:-1] + rng.choice(("", "x", name[-1].upper()))
    if flag.positional:
        return [value(flag.name, rng)]
    if flag.values == "none":
        return [f"--{name}"] if rng.random() < 0.9 else [f"--{name}={value(flag.name, rng)}"]
    number = rng.choice((0, 1, 1, 2, 5)) if flag.values == "many" else rng.random() < 0.95
    values = [value(flag.name, rng) for _ in range(int(number))]
    if len(values) == 1 and rng.random() < 0.4:
        return [f"--{name}={values[0]}"]
    return [f"--{name}", *values]


# The run


def write_inputs() -> None:
    """Fill the working folder with what command lines name; see PATHS."""
    small_run(Path("run"))
    small_run(Path("empty"), saved=False)
    for method in ("ppo", "drac-crop"):
        write_run(Path("results"), method, "maze")
    for name in ("file", "taken.csv", "taken.mp4", "taken.safetensors"):
        Path(name).touch()
    Path("folder.png").mkdir()
    rows = "".join(f"{m},maze,test,{run},{run}\n" for m in ("a", "b") for run in range(3))
    Path("scores.csv").write_text(f"method,game,split,run,score\n{rows}", encoding="utf-8")
    shutil.copy(EVIDENCE / "training-speed.json", "speed.json")
    Path("dangling").symlink_to("nowhere/at/all")
    Path("loop").symlink_to("loop")
    os.mkfifo("pipe")


def seen() -> dict[str, tuple[int, int]]:
    """Everything below the working folder: size and time of change."""
    found = {}
    for folder, folders, files in os.walk("."):
        for name in files:
            status = os.lstat(f"{folder}/{name}")
            found[f"{folder}/{name}"] = status.st_size, status.st_mtime_ns
        found |= {f"{folder}/{name}/": (0, 0) for name in folders}
    return found


class Hanging(BaseException):
    """A command line has taken `LIMIT_S`."""


def _hang(*args: object) -> NoReturn:
    raise Hanging


@dataclasses.dataclass
class Result:
    """What came of the command lines."""

    counts: dict[str, Counter[str]]
    failures: list[str]


def fuzz(
    inputs: int,
    seed: int,
    folder: Path,
    tell: Callable[[str], None],
    first: int = 0,
    keep: Callable[[Result], None] = lambda result: None,
) -> Result:
    """Try `inputs` command lines in `folder`, which is empty; see `fuzz_readers.fuzz`."""
    known = {command: flags_of(command) for command in COMMANDS}
    counts = {command: Counter[str]() for command in COMMANDS}
    failures: list[str] = []
    before = Path.cwd(), signal.signal(signal.SIGALRM, _hang)
    os.chdir(folder)
    try:
        write_inputs()
        expected, begun = seen(), time.monotonic()
        with stubbed():
            for number in range(first, inputs):
                command = COMMANDS[number % len(COMMANDS)]
                rng = random.Random(f"{seed} {command} {number // len(COMMANDS)}")
                words = draw(command, known[command], rng)
                outcome, problem = run(words)
                if outcome == "hanging":  # unless somebody had stopped us for so long
                    outcome, problem = run(words)
                counts[command][outcome] += 1
                now = seen()
                if now != expected:
                    if outcome == "refused":
                        changed = sorted({*now.items()} ^ {*expected.items()})[:3]
                        problem = problem or f"refused, and there was written: {changed}"
                    shutil.rmtree(folder)
                    folder.mkdir()
                    os.chdir(folder)
                    write_inputs()
                    expected = seen()
                if problem:
                    failures.append(f"{shlex.join(words)[:300]}: {problem}")
                    tell(failures[-1])
                if number % 10_000 == 9999 or number == inputs - 1:
                    rate = (number + 1 - first) / (time.monotonic() - begun)
                    tell(f"{number + 1:,} inputs, {len(failures)} failures, {rate:.0f} a second")
                    keep(Result(counts, failures))
    finally:
        os.chdir(before[0])
        signal.signal(signal.SIGALRM, before[1])
    return Result(counts, failures)


def run(words: Sequence[str]) -> tuple[str, str]:
    """Run a command line; return what it came to, and what is wrong with that, or ""."""
    out, err = io.StringIO(), io.StringIO()
    signal.alarm(LIMIT_S)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status: Any = MAINS[words[0]](list(words[1:]))
    except Started:
        return "would start", ""
    except SystemExit as end:  # --help
        status = end.code or 0
    except Hanging:
        return "hanging", f"nothing for {LIMIT_S} s"
    except Exception as error:
        return "failed", f"{type(error).__name__}: {str(error)[:200]!r}"
    finally:
        signal.alarm(0)
    if status == 0:
        return "done", ""
    said = err.getvalue()
    outcome = {2: "refused", 1: "failed honestly"}.get(status, "failed")
    most = 10_000 + 4 * sum(map(len, words))  # what was given may be repeated, escaped
    if outcome == "failed":
        return outcome, f"status {status}"
    if status == 1 and words[1] == "import-runs":  # a line for each run that was left out
        return outcome, ""
    if said.count("\n") != 1 or ": error: " not in said or len(said) > most:
        return outcome, f"status {status} and said: {said[:300]!r}"
    if status == 2 and out.getvalue():
        return outcome, f"refused, and printed: {out.getvalue()[:200]!r}"
    return outcome, ""


def table(result: Result) -> list[str]:
    """Return the lines of the log: a command each, and the failures."""
    names = ("refused", "would start", "done", "failed honestly", "failed", "hanging")
    lines = [f"{'command':32}{'inputs':>10}" + "".join(f"{name:>17}" for name in names)]
    for command, counts in result.counts.items():
        cells = "".join(f"{counts[name]:>17,}" for name in names)
        lines.append(f"{command:32}{counts.total():>10,}{cells}")
    return [*lines, "", f"failures: {len(result.failures)}", *result.failures[:50]]


def main(argv: Sequence[str] | None = None) -> int:
    """Fuzz, print a table, and write it to --log."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="begin with this one")
    add_log(parser)
    argv = sys.argv[1:] if argv is None else argv
    given, begun = parser.parse_args(argv), time.monotonic()
    torch.set_num_threads(1)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a disk is most of the time

    def keep(result: Result) -> str:
        return written(given, argv, begun, table(result))

    with tempfile.TemporaryDirectory(dir=memory) as name:
        folder, tell = Path(name) / "here", lambda text: print(text, flush=True)
        folder.mkdir()
        result = fuzz(given.inputs, given.seed, folder, tell, given.first, keep)
    print(keep(result))
    return 1 if result.failures else 0


if __name__ == "__main__":
    sys.exit(main())
