"""Holds the source of the four packages to the house rules: who imports whom, and some habits.

Nothing here imports the packages; the files are parsed. `test_each_rule_can_fail` shows every
rule a small file that breaks it.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest
from checkout import ROOT

MAY_IMPORT = {
    "augmentations": set(),
    "ucb": set(),
    "drac": {"augmentations", "ucb"},
    "benchmark": {"augmentations", "ucb", "drac"},
}
"""Package -> the other folders of this project that it may import."""

FOLDERS = {*MAY_IMPORT, "results", "tests"}

PRINTERS = ("drac/cli.py", "benchmark/cli.py", "drac/commands/flags.py", "*_cli.py", "*display.py")
"""The only files that may call print: what talks to the terminal (flags runs the commands)."""

WITH_TORCH = ("benchmark/speed/worker/*.py",)
"""What of benchmark is made of torch: no command line imports these before it does its work."""


@dataclass(frozen=True)
class Source:
    """One parsed file; `path` is relative to the root of the project, with forward slashes."""

    path: str
    tree: ast.Module

    @property
    def package(self) -> str:
        return self.path.split("/")[0]


@dataclass(frozen=True)
class Import:
    """One imported name, dotted: `from torch import nn` imports "torch.nn"."""

    name: str
    line: int
    deferred: bool
    """True inside a function or `if TYPE_CHECKING`: importing the file does not import this."""

    @property
    def top(self) -> str:
        return self.name.split(".")[0]


Rule = Callable[[Source], Iterator[tuple[int, str]]]


def sources(root: Path) -> list[Source]:
    """Every Python file of the four packages below `root`."""
    return [
        Source(path.relative_to(root).as_posix(), ast.parse(path.read_bytes(), str(path)))
        for package in MAY_IMPORT
        for path in sorted((root / package).rglob("*.py"))
    ]


def imports(source: Source) -> list[Import]:
    """All imports of a file, relative ones resolved, import_module("x") and __import__("x") too."""
    folders = source.path.split("/")[:-1]
    found: list[Import] = []

    def visit(node: ast.AST, deferred: bool) -> None:
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = folders[: max(0, len(folders) - node.level + 1)] if node.level else []
            base += node.module.split(".") if node.module else []
            names = [".".join([*base, alias.name]) for alias in node.names]
        elif isinstance(node, ast.Call) and node.args:
            called = ast.unparse(node.func).split(".")[-1]
            argument = node.args[0]
            if called in {"import_module", "__import__"} and isinstance(argument, ast.Constant):
                names = [str(argument.value)]
        found.extend(Import(name, node.lineno, deferred) for name in names)

        for child in ast.iter_child_nodes(node):
            inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            if isinstance(node, ast.If) and child in node.body:
                inside = "TYPE_CHECKING" in ast.unparse(node.test)
            visit(child, deferred or inside)

    visit(source.tree, deferred=False)
    return found


def one_way_imports(source: Source) -> Iterator[tuple[int, str]]:
    """Imports go one way: augmentations, ucb <- drac <- benchmark; nobody results or tests."""
    allowed = MAY_IMPORT[source.package]
    for found in imports(source):
        if found.top in FOLDERS - allowed - {source.package}:
            may = ", ".join(sorted(allowed)) or "none of the others"
            yield found.line, f"imports {found.name}; {source.package} may import {may}"


def procgen_in_one_place(source: Source) -> Iterator[tuple[int, str]]:
    """Only drac/envs/procgen_env.py knows Procgen."""
    for found in imports(source):
        if found.top == "procgen" and source.path != "drac/envs/procgen_env.py":
            yield found.line, "imports procgen; only drac/envs/procgen_env.py may"


def ucb_without_torch(source: Source) -> Iterator[tuple[int, str]]:
    """The bandit is numpy only."""
    for found in imports(source):
        if source.package == "ucb" and found.top == "torch":
            yield found.line, "imports torch; ucb is numpy only"


def benchmark_without_torch(source: Source) -> Iterator[tuple[int, str]]:
    """Tables and --help answer at once: benchmark imports torch inside functions if at all."""
    if any(fnmatch(source.path, pattern) for pattern in WITH_TORCH):
        return
    for found in imports(source):
        if source.package == "benchmark" and found.top == "torch" and not found.deferred:
            yield found.line, "imports torch when it is imported; move it into the function"


def no_utils(source: Source) -> Iterator[tuple[int, str]]:
    """A helper lives in the file of its noun."""
    if {"utils.py", "utils"} & set(source.path.split("/")):
        yield 1, "is called utils; name the file after what it holds"


def no_print(source: Source) -> Iterator[tuple[int, str]]:
    """Libraries return and raise; only what talks to the terminal prints."""
    if any(fnmatch(source.path, pattern) for pattern in PRINTERS):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print":
            yield node.lineno, f"calls print; only {', '.join(PRINTERS)} may"


def no_bare_except(source: Source) -> Iterator[tuple[int, str]]:
    """A bare except swallows Ctrl-C and typing errors alike."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield node.lineno, "has a bare except; name what is expected"


RULES: list[Rule] = [
    one_way_imports,
    procgen_in_one_place,
    ucb_without_torch,
    benchmark_without_torch,
    no_utils,
    no_print,
    no_bare_except,
]


def violations(rule: Rule, root: Path) -> list[str]:
    """What breaks the rule below `root`, one "file:line message" each."""
    return [
        f"{source.path}:{line} {message}"
        for source in sources(root)
        for line, message in rule(source)
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_packages_keep_the_rule(rule: Rule) -> None:
    found = violations(rule, ROOT)
    assert not found, "\n".join([str(rule.__doc__), *found])


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_every_package_is_looked_at(package: str) -> None:
    assert package in {source.package for source in sources(ROOT)}


@pytest.mark.parametrize("module", ["drac.cli", "benchmark.cli"])
def test_command_lines_start_without_torch(module: str) -> None:
    # The rule above sees direct imports only; this one also those that come with drac's modules.
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, f"importing {module} imports torch, or fails:\n{run.stderr}"


BAD = [
    (one_way_imports, "augmentations/a.py", "import ucb"),
    (one_way_imports, "augmentations/a.py", "from drac.games import GAMES"),
    (one_way_imports, "ucb/a.py", "def f():\n    import augmentations.transforms.crop"),
    (one_way_imports, "ucb/a.py", "if TYPE_CHECKING:\n    from benchmark import suites"),
    (one_way_imports, "drac/sub/a.py", "from benchmark import suites"),
    (one_way_imports, "drac/a.py", "import importlib\nimportlib.import_module('benchmark.cli')"),
    (one_way_imports, "drac/a.py", "from .. import benchmark"),
    (one_way_imports, "benchmark/a.py", "import results"),
    (one_way_imports, "benchmark/a.py", "from tests.conftest import x"),
    (procgen_in_one_place, "drac/a.py", "def f():\n    from procgen import ProcgenGym3Env"),
    (procgen_in_one_place, "benchmark/envs.py", "import procgen.env"),
    (procgen_in_one_place, "drac/a.py", "__import__('procgen')"),
    (ucb_without_torch, "ucb/a.py", "def f():\n    import torch.nn as nn"),
    (benchmark_without_torch, "benchmark/a.py", "from torch import nn"),
    (benchmark_without_torch, "benchmark/a.py", "try:\n    import torch\nexcept ImportError: ..."),
    (no_utils, "drac/utils.py", ""),
    (no_utils, "drac/utils/a.py", ""),
    (no_print, "drac/train/loop.py", "def f():\n    print('hello')"),
    (no_bare_except, "benchmark/a.py", "try:\n    f()\nexcept:\n    pass"),
]

GOOD = [
    ("drac/envs/procgen_env.py", "from procgen import ProcgenGym3Env"),
    ("drac/sub/a.py", "import ucb\nfrom augmentations import make\nfrom drac.games import GAMES"),
    ("drac/sub/a.py", "from . import b\nfrom ..config import TrainConfig"),
    ("benchmark/a.py", "import ucb, augmentations, drac.games\ndef f():\n    import torch"),
    ("benchmark/a.py", "if TYPE_CHECKING:\n    import torch"),
    ("benchmark/speed/worker/reference.py", "import torch"),
    ("benchmark/cli.py", "print('hello')"),
    ("drac/commands/display.py", "print('hello')"),
    ("drac/a.py", "console.print('hello')\nresults = tests = 1\nimport resultset"),
]


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True)
    (root / path).write_text(text)


@pytest.mark.parametrize(
    ("rule", "path", "text"), BAD, ids=[f"{i}-{bad[0].__name__}" for i, bad in enumerate(BAD)]
)
def test_each_rule_can_fail(rule: Rule, path: str, text: str, tmp_path: Path) -> None:
    write(tmp_path, path, text)
    broken = [other for other in RULES if violations(other, tmp_path)]
    assert broken == [rule]
    assert violations(rule, tmp_path)[0].startswith(f"{path}:")


@pytest.mark.parametrize(("path", "text"), GOOD, ids=range(len(GOOD)))
def test_what_is_allowed_passes(path: str, text: str, tmp_path: Path) -> None:
    write(tmp_path, path, text)
    assert [message for rule in RULES for message in violations(rule, tmp_path)] == []


def test_every_rule_is_shown_a_bad_file() -> None:
    assert {rule for rule, _, _ in BAD} == set(RULES)
