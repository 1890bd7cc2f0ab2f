"""Child processes that measure: each with its own memory and threads, and none outlives us."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmark.engines import process
from benchmark.speed.records import Task
from benchmark.store.progress import last_line

COMMAND = tuple(process.command(("-m", "benchmark.speed.worker")))


class ChildFailedError(Exception):
    """A measurement that broke off; the message is one sentence and says where its log is."""


def run(tasks: Sequence[Task], on_part: Callable[[str], None] = lambda name: None) -> list[Any]:
    """Measure tasks of the same parts in processes side by side; they begin each part together.

    Args:
        tasks: one process each.
        on_part: called with the name of each part of the work.

    Returns:
        What the processes found, in the order of the tasks.

    Raises:
        ChildFailedError: if one of them fails; the others are ended.
    """
    children: list[_Child] = []
    try:
        for task in tasks:
            children.append(_Child(task))
            children[-1].say(task.model_dump_json())
        while True:
            messages = [child.next() for child in children]
            if all("result" in message for message in messages):
                return [message["result"] for message in messages]
            on_part(f"{tasks[0].name}: {messages[0]['part']}")
            for child in children:
                child.say("go")
    finally:
        for child in children:
            child.close()


class _Child:
    """One process: the task goes in as a line of JSON, messages come out as lines of JSON."""

    def __init__(self, task: Task) -> None:
        self._name, self._failed = task.name, False
        handle, log = tempfile.mkstemp(prefix="drac-bench-speed-", suffix=".log")
        self._log = Path(log)
        with os.fdopen(handle, "wb") as stderr:
            self._process = subprocess.Popen(
                COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": str(task.config.threads)},
                start_new_session=True,  # the terminal's Ctrl-C reaches it through `close` alone
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout

    def say(self, line: str) -> None:
        """Give it a line: the task, or that the part that it is ready for may begin."""
        try:
            self._stdin.write(line + "\n")
            self._stdin.flush()
        except BrokenPipeError:
            raise self._failure() from None

    def next(self) -> dict[str, Any]:
        """Wait until it is ready for a part, or done."""
        line = self._stdout.readline()
        if not line:
            raise self._failure()
        message: dict[str, Any] = json.loads(line)
        return message

    def close(self) -> None:
        """End it, if it has not ended, and remove its log unless it failed."""
        self._process.kill()
        self._process.wait()
        self._stdout.close()
        with contextlib.suppress(BrokenPipeError):  # what it had not read is of no interest now
            self._stdin.close()
        if not self._failed:
            self._log.unlink(missing_ok=True)

    def _failure(self) -> ChildFailedError:
        self._failed = True
        status = self._process.wait()
        how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        said = last_line(self._log)
        return ChildFailedError(
            f"measuring {self._name} failed ({how}{f', {said}' if said else ''});"
            f" its log is {self._log}"
        )
