"""What is said of a method: summary, source and equation, from where the method is defined."""

from __future__ import annotations

import ast
import importlib.util
import inspect
from dataclasses import dataclass
from pathlib import Path

from drac import methods


@dataclass(frozen=True)
class Description:
    """What a method is.

    Attributes:
        summary: one line.
        source: where it was published.
        objective: what a gradient step minimizes, as "package.module:Name".
        equation: the description of that objective where it is defined; "" if it cannot be read.
        options: fields of the config that this method has and others have not.
    """

    summary: str
    source: str
    objective: str
    equation: str
    options: tuple[str, ...]


def describe(method_id: str) -> Description:
    """Describe a method, e.g. "drac-crop"; one whose plug-in is not installed is named as such."""
    method = methods.find(method_id)
    if method is None:
        return Description("a method that is not installed here", "not known here", "-", "", ())
    return Description(
        method.summary,
        method.source,
        method.objective,
        docstring(method.objective),
        method.options,
    )


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


PAPERS = {
    "Schulman et al. 2017": "1707.06347",
    "Raileanu et al. 2021": "2006.12862",
    "Laskin et al. 2020": "2004.14990",
    "Lee et al. 2020": "1910.05396",
    "Igl et al. 2019": "1910.12911",
    "Wang et al. 2020": "2010.10814",
    "Jiang et al. 2021": "2010.03934",
    "Raileanu & Fergus 2021": "2102.10330",
}
"""Beginning of a method's source -> its number at arXiv."""


def paper(source: str) -> str:
    """Return where a source can be read, "" if that is not known here."""
    found = [number for begin, number in PAPERS.items() if source.startswith(begin)]
    return f"https://arxiv.org/abs/{found[0]}" if found else ""
