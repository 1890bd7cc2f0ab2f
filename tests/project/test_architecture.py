"""Holds the source to its architecture: who imports whom, how large folders are, some habits.

Nothing here imports the packages; the files are parsed. `test_each_rule_can_fail` shows every
rule a small file that breaks it. `make architecture` prints the layers, with files and lines.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
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

LAYERS: dict[str, tuple[str, ...]] = {
    "augmentations": (
        "arguments base errors specs",
        "global_state guards kornia_classes plugins",
        "kornia_adapter stateless testing",
        "registry",
        "transforms",
    ),
    "ucb": ("generators moments", "selector", "discounted exp3 sliding_window thompson"),
    "drac": (
        "errors games names seeding losses returns rollout stats timing cuda_graphs",
        "files methods",
        "config",
        "networks envs hardware",
        "objectives arms evaluate runs",
        "learner policy pictures",
        "train",
        "api commands sb3",
        "cli",
    ),
    "benchmark": (
        "suites statistics",
        "store scores",
        "analysis engines",
        "tables",
        "figures bandits speed",
        "report",
        "commands",
        "cli",
    ),
}
"""Package -> its subpackages and files from the bottom up; each imports only from lower layers."""

MOST_FILES = 15
"""Python files of a folder beside its __init__.py."""

PRINTERS = ("drac/commands/*.py", "benchmark/commands/*.py", "drac/policy/read.py")
"""The only files that may call print: what talks to the terminal."""

WITH_TORCH = ("benchmark/speed/worker/*.py", "benchmark/bandits/rl2_training.py")
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


def only_from_lower_layers(source: Source) -> Iterator[tuple[int, str]]:
    """Inside a package, imports go to lower layers only: see LAYERS."""
    layer = {
        name: number
        for number, names in enumerate(LAYERS[source.package])
        for name in names.split()
    }
    own = part(source.path.removesuffix(".py").split("/"))
    if own not in layer:
        if own:
            yield 1, f"is in no layer: add {own} to LAYERS"
        return
    for found in imports(source):
        other = part(found.name.split("."))
        if found.top != source.package or other in ("", own):
            continue
        if other not in layer:
            yield found.line, f"imports {found.name}, which is in no layer"
        elif layer[other] >= layer[own]:
            yield found.line, f"imports {found.name}, of layer {layer[other] + 1}"


def part(path: Sequence[str]) -> str:
    """The subpackage or file right below the package that a path leads to; "" for the package."""
    return "" if len(path) < 2 or path[1] == "__init__" else path[1]


def names_only(source: Source) -> Iterator[tuple[int, str]]:
    """An __init__.py passes names on and defines none; augmentations does so lazily."""
    if not source.path.endswith("/__init__.py"):
        return
    for node in source.tree.body:
        passes_on = isinstance(node, ast.Import | ast.ImportFrom | ast.Expr | ast.If)
        lazily = isinstance(node, ast.FunctionDef) and node.name in ("__getattr__", "__dir__")
        if isinstance(node, ast.Assign):
            passes_on = ast.unparse(node.targets[0]) in ("__all__", "_LAZY", "PAPER_ARMS")
        if not passes_on and not lazily:
            yield node.lineno, "defines something; a package's __init__.py passes names on"


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
    only_from_lower_layers,
    names_only,
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


def crowded(root: Path) -> list[str]:
    """Folders of the packages and the tests with more than MOST_FILES Python files."""
    folders = Counter(
        path.parent.relative_to(root).as_posix()
        for top in (*MAY_IMPORT, "tests")
        for path in (root / top).rglob("*.py")
        if path.name != "__init__.py"
    )
    return [f"{folder} has {n} files" for folder, n in folders.items() if n > MOST_FILES]


def test_no_folder_is_crowded(tmp_path: Path) -> None:
    assert crowded(ROOT) == []
    for number in range(MOST_FILES + 1):
        write(tmp_path, f"drac/files/f{number}.py", "")
        write(tmp_path, "drac/files/__init__.py", "")
    assert crowded(tmp_path) == ["drac/files has 16 files"]


def test_every_layer_names_what_there_is() -> None:
    for package, layers in LAYERS.items():
        named = " ".join(layers).split()
        assert len(named) == len({*named})
        there = {path.stem for path in (ROOT / package).iterdir() if path.suffix == ".py"}
        there |= {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
        assert {*named} == there - {"__init__"}, package


@pytest.mark.parametrize(
    "modules",
    ["drac.cli", "benchmark.cli", "drac.methods, drac.config, drac.files, benchmark.tables"],
)
def test_they_are_imported_without_torch(modules: str) -> None:
    # The rule above sees direct imports only; this one also those that come with drac's modules.
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, f"importing {modules} imports torch, or fails:\n{run.stderr}"


BAD = [
    (one_way_imports, "augmentations/base.py", "import ucb"),
    (one_way_imports, "augmentations/base.py", "from drac.games import GAMES"),
    (one_way_imports, "ucb/selector.py", "def f():\n    import augmentations.transforms.crop"),
    (one_way_imports, "ucb/selector.py", "if TYPE_CHECKING:\n    from benchmark import suites"),
    (one_way_imports, "drac/train/a.py", "from benchmark import suites"),
    (one_way_imports, "drac/cli.py", "import importlib\nimportlib.import_module('benchmark.cli')"),
    (one_way_imports, "drac/cli.py", "from .. import benchmark"),
    (one_way_imports, "benchmark/cli.py", "import results"),
    (one_way_imports, "benchmark/cli.py", "from tests.conftest import x"),
    (only_from_lower_layers, "drac/config/a.py", "from drac.train import loop"),
    (only_from_lower_layers, "drac/networks/a.py", "def f():\n    from drac import hardware"),
    (only_from_lower_layers, "benchmark/tables/a.py", "import benchmark.report.build"),
    (only_from_lower_layers, "drac/corridor.py", ""),
    (only_from_lower_layers, "drac/cli.py", "from drac.corridor import door"),
    (names_only, "drac/config/__init__.py", "def load():\n    pass"),
    (names_only, "drac/config/__init__.py", "LIMIT = 3"),
    (procgen_in_one_place, "drac/api.py", "def f():\n    from procgen import ProcgenGym3Env"),
    (procgen_in_one_place, "benchmark/speed/a.py", "import procgen.env"),
    (procgen_in_one_place, "drac/envs/a.py", "__import__('procgen')"),
    (ucb_without_torch, "ucb/selector.py", "def f():\n    import torch.nn as nn"),
    (benchmark_without_torch, "benchmark/cli.py", "from torch import nn"),
    (benchmark_without_torch, "benchmark/cli.py", "try:\n    import torch\nexcept OSError: ..."),
    (no_utils, "drac/train/utils.py", ""),
    (no_utils, "drac/train/utils/a.py", ""),
    (no_print, "drac/train/loop.py", "def f():\n    print('hello')"),
    (no_bare_except, "benchmark/cli.py", "try:\n    f()\nexcept:\n    pass"),
]

GOOD = [
    ("drac/envs/procgen_env.py", "from procgen import ProcgenGym3Env"),
    ("drac/train/a.py", "import ucb\nfrom augmentations import make\nfrom drac.games import GAMES"),
    ("drac/train/a.py", "from . import b\nfrom ..config import TrainConfig"),
    ("drac/config/__init__.py", "from drac.config.options import Options\n__all__ = ['Options']"),
    ("benchmark/report/a.py", "import ucb, augmentations, drac.games\ndef f():\n    import torch"),
    ("benchmark/report/a.py", "if TYPE_CHECKING:\n    import torch"),
    ("benchmark/speed/worker/reference.py", "import torch"),
    ("benchmark/commands/status.py", "print('hello')"),
    ("drac/commands/display.py", "print('hello')"),
    ("drac/api.py", "console.print('hello')\nresults = tests = 1\nimport resultset"),
]


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
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


def described(root: Path) -> Iterator[str]:
    """The layers from the top down: each subpackage's or file's Python files and lines."""
    for package, layers in LAYERS.items():
        every = sorted((root / package).rglob("*.py"))
        yield f"{package}: {len(every)} files, {sum(map(lines_of, every)):,} lines"
        for number, names in reversed([*enumerate(layers, start=1)]):
            for name in names.split():
                inside = [*(root / package / name).rglob("*.py"), root / package / f"{name}.py"]
                found = [path for path in inside if path.exists()]
                total = sum(map(lines_of, found))
                yield f"  layer {number}  {name:<15} {len(found):>3} files {total:>6,} lines"


def lines_of(path: Path) -> int:
    return path.read_text(encoding="utf-8").count("\n")


if __name__ == "__main__":
    print("\n".join(described(ROOT)))
