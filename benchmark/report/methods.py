"""What is said of a method: summary, source and equation, from where the method is defined."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import sys
from importlib.machinery import PathFinder
from pathlib import Path

from augmentations import registry as augmentations
from augmentations.specs import parse
from drac import methods
from drac.methods.method import Method


def describe(method_id: str) -> Method:
    """Return a method, e.g. "drac-crop"; one whose plug-in is not installed says just that."""
    unknown = Method(
        method_id, "a method that is not installed here", "not known here", objective="-"
    )
    return methods.find(method_id) or unknown


def docstring(name: str) -> str:
    """Return the docstring of a class without importing it (that would import torch).

    Args:
        name: as "package.module:Name".
    """
    module, _, own = name.partition(":")
    path = _path(module)
    if path is None:
        return ""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return ""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == own:
            return inspect.cleandoc(ast.get_docstring(node) or "")
    return ""


def of_augmentation(spec: object) -> str:
    """Return the docstring of an augmentation's class, of whoever's it is; "" if there is none.

    Args:
        spec: its specification, as a run recorded it; it may be anything.
    """
    try:
        return docstring(augmentations.place(parse(str(spec)).name))
    except ValueError:
        return ""


def _path(module: str) -> Path | None:
    """Return the file of a module, as training finds it: in the working folder first.

    Nothing is imported.
    """
    top, *rest = module.split(".")
    try:
        here = PathFinder.find_spec(top, [str(Path.cwd()), *sys.path])
        found = here or importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if found is None:
        return None
    if not rest:
        return Path(found.origin) if found.origin else None
    for folder in found.submodule_search_locations or ():
        path = Path(folder, *rest)
        for candidate in (path.with_suffix(".py"), path / "__init__.py"):
            if candidate.is_file():
                return candidate
    return None
