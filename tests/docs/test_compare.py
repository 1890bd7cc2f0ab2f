"""docs/compare.md: its commands typed, its answer the real one, its Python run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from checkout import ROOT

from benchmark import cli
from benchmark.scores import imported as imports
from benchmark.statistics import aggregate

PAGE = (ROOT / "docs" / "compare.md").read_text(encoding="utf-8")


def test_the_answer_is_what_the_commands_say(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    first, second = re.findall(r"^    drac-bench (.*)$", PAGE, re.MULTILINE)[:2]
    for command in (first, second):
        capsys.readouterr()
        assert cli.main([*shlex.split(command), "--results", str(tmp_path)]) == 0
    said = re.sub(r"on \d{4}-\d\d-\d\d", "on 2026-11-21", capsys.readouterr().out)
    indented = "\n".join(f"    {line}".rstrip() for line in said.rstrip().splitlines())
    assert f"\n\n{indented}\n\n" in PAGE


def test_the_python_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(code, "compare.md", "exec"), {})  # noqa: S102
    assert "Interval(low=" in capsys.readouterr().out


def test_every_column_is_described() -> None:
    table = PAGE.partition("## Importing scores")[2]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == (
        *imports.REQUIRED,
        *imports.OPTIONAL,
    )
    for name in ("performance_profile", "optimality_gap"):
        assert callable(getattr(aggregate, name))
