"""A job as a process of this machine."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark.engines.engine import Job
from drac.commands.flags import TRACEBACK
from drac.runs.logs import LOG

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
_MODULE = (
    "import runpy, sys; sys.path[:1] == [''] and sys.path.append(sys.path.pop(0)); del sys.argv[0];"
    " runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)
# As `end_with_parent`, and at once if it has ended since. Not by preexec_fn: a fork copies locks.
_WITH_PARENT = (
    f"import ctypes, os, sys; ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG}, {int(signal.SIGTERM)});"
    " os.getppid() == int(sys.argv.pop(1)) or sys.exit(0); "
)


def end_with_parent() -> None:
    """Have Linux send this process SIGTERM when its parent ends, even by kill -9: it saves."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def command(words: Sequence[str]) -> list[str]:
    """Return how `python WORDS` is started so that no file of the working folder hides a module.

    The folder is the last on the path of `-m MODULE`, in place of the first: plug-ins are found.
    """
    if words[0] != "-m":
        return [sys.executable, *words]
    return [sys.executable, "-c", _MODULE, *words[1:]]


def start(
    job: Job, env: Mapping[str, str], run_dir: Path | None = None, cwd: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a job; what it prints is appended to its log.

    Args:
        job: to be executed.
        env: variables beside those of this process.
        run_dir: a folder to be used in place of the job's.
        cwd: its working directory; by default ours.
    """
    own = str(job.run_dir)
    folder = run_dir or job.run_dir
    folder.mkdir(parents=True, exist_ok=True)
    words = [str(folder) if word == own else word for word in job.argv]
    if words[0] == "-m":  # every job but those of tests
        words = ["-c", _WITH_PARENT + _MODULE, str(os.getpid()), *words[1:]]
    # A session of its own, so that the terminal's Ctrl-C reaches it through `cancel` alone.
    with (folder / LOG).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, TRACEBACK: "1", **env},
            cwd=cwd,
            start_new_session=True,
        )


def note(job: Job, text: str) -> None:
    """Append what an engine has to say of a job to its log."""
    job.run_dir.mkdir(parents=True, exist_ok=True)
    with (job.run_dir / LOG).open("a", encoding="utf-8") as log:
        log.write(f"{text}\n")


def threads(number: int) -> dict[str, str]:
    """Return the variable that gives a job so many threads, unless the user has set it."""
    return {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS") or str(number)}
