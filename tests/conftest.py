"""Settings that hold for every test."""

import os

from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")  # figures are drawn to files, never to a screen

# The same examples on every machine and run, and no failure because a machine is slow.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
