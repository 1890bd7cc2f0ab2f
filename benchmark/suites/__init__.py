"""Sweeps as data: suites, their TOML files, and the words of the command line that cut them."""

from benchmark.suites.files import built_in, get, read
from benchmark.suites.suite import Part, RunSpec, Suite, expand
from benchmark.suites.words import parse_games, parse_methods, parse_seeds

__all__ = [
    "Part",
    "RunSpec",
    "Suite",
    "built_in",
    "expand",
    "get",
    "parse_games",
    "parse_methods",
    "parse_seeds",
    "read",
]
