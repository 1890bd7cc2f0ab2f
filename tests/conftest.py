"""Settings that hold for every test."""

import os
import signal

from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")  # figures are drawn to files, never to a screen
os.environ.pop("COLUMNS", None)  # as xdist gives it to its workers: messages are not wrapped

# The same examples on every machine and run, and no failure because a machine is slow.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

# A run in the background of a script inherits ignored signals, and the code leaves them ignored.
_HANDLERS = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
for _number, _handler in _HANDLERS.items():
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)
