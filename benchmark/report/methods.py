"""What is said of a method: summary, source and equation, from where the method is defined."""

from __future__ import annotations

import ast
import importlib.util
import inspect
from pathlib import Path

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


def _path(module: str) -> Path | None:
    """Return the file of a module; its packages are not imported but for the way to the first."""
    top, *rest = module.split(".")
    try:
        found = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if found is None or found.origin is None:
        return None
    if not rest:
        return Path(found.origin)
    for folder in found.submodule_search_locations or ():
        path = Path(folder, *rest)
        for candidate in (path.with_suffix(".py"), path / "__init__.py"):
            if candidate.is_file():
                return candidate
    return None
