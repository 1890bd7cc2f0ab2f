"""Writes that wait for room: a full disk costs a run time, and nothing else."""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from drac.errors import DiskError

Written = TypeVar("Written")

TEMPORARY = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
"""No space, no quota, read-only, and the errors of a device or a network in trouble."""

INTERVAL_S = 60
"""Between two attempts."""


class Retry:
    """Repeats a write that fails because of the disk, once a minute for a while.

    Args:
        minutes: how long; 0 gives up at once.
        notify: told in one sentence before each wait.
        stopping: whether to give up now: a signal came.
        check: called before each attempt; what it raises ends them.
    """

    def __init__(
        self,
        minutes: float = 0.0,
        notify: Callable[[str], None] = lambda text: None,
        stopping: Callable[[], bool] = lambda: False,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._minutes, self._notify, self._stopping = minutes, notify, stopping
        self._check = check

    def __call__(self, what: Path, write: Callable[[], Written]) -> Written:
        """Return what `write` returns, in the end.

        Args:
            what: is written, for messages.
            write: may be called again after it has failed.

        Raises:
            DiskError: when its minutes are over.
        """
        waited = 0.0
        while True:
            self._check()
            try:
                result = write()
            except OSError as error:
                if error.errno not in TEMPORARY:
                    raise
                waited += self._wait(what, error.strerror or str(error), waited)
                continue
            if waited:
                self._tell(f"{what} could be written again")
            return result

    def _wait(self, what: Path, why: str, waited: float) -> float:
        """Wait until the next attempt is due; return the seconds that it took."""
        left = 60 * self._minutes - waited
        if left <= 0 or self._stopping():
            tried = f" (tried for {waited / 60:g} min)" if waited else ""
            raise DiskError(f"{what} cannot be written: {why}{tried}")
        self._tell(
            f"{what} cannot be written: {why}; trying again in a minute, up to"
            f" {left / 60:g} min from now"
        )
        seconds = 0
        while seconds < min(INTERVAL_S, left) and not self._stopping():
            sleep(1)
            seconds += 1
        return float(max(seconds, 1))

    def _tell(self, text: str) -> None:
        with contextlib.suppress(OSError):  # what we say may go to the same disk
            self._notify(text)


sleep = time.sleep
