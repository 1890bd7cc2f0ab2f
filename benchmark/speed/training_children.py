"""Child processes that measure: each with its own memory and threads, and none outlives us."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmark.speed.training import Task

COMMAND = (sys.executable, "-m", "benchmark.speed.worker")

Message = dict[str, Any]


class ChildFailedError(Exception):
    """A measurement that broke off; the message is one sentence and says where its log is."""


def run(tasks: Sequence[Task], on_part: Callable[[str], None] = lambda name: None) -> list[Any]:
    """Measure tasks in processes side by side; those that are `in_step` begin each part together.

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
        children += (_Child(task) for task in tasks)
        while True:
            found = [child.next(on_part) for child in children]
            if all("result" in message for message in found):
                return [message["result"] for message in found]
            for child in children:
                child.go()
    finally:
        for child in children:
            child.close()


class _Child:
    """One process: the task goes in as a line of JSON, messages come out as lines of JSON."""

    def __init__(self, task: Task) -> None:
        self._task = task
        handle, name = tempfile.mkstemp(prefix="drac-bench-speed-", suffix=".log")
        self._log, self._failed = Path(name), False
        with os.fdopen(handle, "wb") as log:
            self._process = subprocess.Popen(
                COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": str(task.config["threads"])},
                start_new_session=True,  # the terminal's Ctrl-C reaches it through `close` alone
            )
        self._say(json.dumps(dataclasses.asdict(task)))

    def go(self) -> None:
        """Have it begin the part that it is ready for."""
        self._say("go")

    def next(self, on_part: Callable[[str], None]) -> Message:
        """Wait until it is ready for a part, or done."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message: Message = json.loads(line)
            if "part" not in message:
                return message
            on_part(f"{self._task.name}: {message['part']}")
        self._failed = True
        raise ChildFailedError(self._why())

    def close(self) -> None:
        """End it, if it has not ended, and remove its log unless it failed."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                try:
                    stream.close()
                except BrokenPipeError:  # what it had not read is of no interest now
                    continue
        if not self._failed:
            self._log.unlink(missing_ok=True)

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self._failed = True
            raise ChildFailedError(self._why()) from None

    def _why(self) -> str:
        from benchmark.store.progress import last_line

        status = self._process.wait()
        how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        said = last_line(self._log)
        return (
            f"measuring {self._task.name} failed ({how}{f', {said}' if said else ''});"
            f" its log is {self._log}"
        )
