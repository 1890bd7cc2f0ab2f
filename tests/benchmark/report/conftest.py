"""One report for all tests that only read it."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_site import fill

from benchmark.report import build, pictures
from benchmark.store.store import Store


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("store") / "results")


@pytest.fixture(scope="session")
def report(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "report"
    build.build(Store(root), ["exp"], out)
    return out


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take most of the time, and these tests are about other files."""
    monkeypatch.setattr(pictures, "whole", lambda *_: [])
    monkeypatch.setattr(pictures, "of_game", lambda *_: pictures.Row(None, []))
