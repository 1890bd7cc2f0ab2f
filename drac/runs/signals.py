"""Ctrl-C and the scheduler's signals: finish the update, save, stop."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

EXIT_CODE = 75
"""Exit status of a run that was stopped after saving: EX_TEMPFAIL, "try again"."""

CAUGHT = (
    *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP),
    *(signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU),
)
"""Ctrl-C, `kill`, a closed terminal; what schedulers send before they kill: Slurm's --signal=USR1,
submitit's and Grid Engine's USR2, and XCPU where a limit of CPU time is soft."""


@contextlib.contextmanager
def stop_requested(
    notify: Callable[[str], None],
    promise: str = "saving after this update (Ctrl-C again stops at once, without saving)",
) -> Iterator[Callable[[], bool]]:
    """Catch the first stop signal; a second Ctrl-C stops at once.

    Args:
        notify: called once with a sentence for the user.
        promise: what happens now, the end of that sentence.

    Yields:
        A function that tells whether a signal came.
    """
    received: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        if received and number == signal.SIGINT:
            raise KeyboardInterrupt
        first = not received
        received.append(number)
        if first:
            with contextlib.suppress(RuntimeError, OSError):  # we may have interrupted a print
                notify(f"{signal.Signals(number).name} received: {promise}")

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False  # only the main thread may set handlers
        return
    # What is ignored stays ignored: nohup does that with SIGHUP.
    wanted = [number for number in CAUGHT if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, remember) for number in wanted}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
