"""docs/ecosystem.md: what works has a test, which exists."""

from __future__ import annotations

import ast
import re

import pytest
from checkout import ROOT

PAGE = (ROOT / "docs" / "ecosystem.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([^|*]+) \| (works|partly|no) \| (.*) \|$", PAGE, re.MULTILINE)
TESTS = re.findall(r"\[(\S+\.py)::(\w+)\]\(\.\./([^)]+)\)", PAGE)


def test_every_row_is_read() -> None:
    assert len(ROWS) == len(re.findall(r"^\| (?!tool |\*\*)", PAGE, re.MULTILINE))


@pytest.mark.parametrize(("tool", "state", "shown"), ROWS)
def test_what_works_is_shown_and_what_does_not_is_explained(
    tool: str, state: str, shown: str
) -> None:
    assert ("::" in shown) if state == "works" else len(shown) > 20, tool


@pytest.mark.parametrize(("file", "test", "path"), TESTS)
def test_the_test_exists(file: str, test: str, path: str) -> None:
    assert path.endswith(f"/{file}")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
