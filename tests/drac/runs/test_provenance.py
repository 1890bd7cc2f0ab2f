"""The commit that a run is recorded with, or why there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.report.provenance import _made_with
from drac.runs import provenance


def test_without_a_commit_the_version_is_recorded_and_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "drac" / "runs" / "provenance.py"))
    ours = f"procgen-drac {provenance.version('procgen-drac')}"
    assert provenance._commit() == f"{ours}, installed without git"
    (tmp_path / ".git").mkdir()  # a damaged checkout
    assert provenance._commit() == f"{ours}, a checkout whose commit git does not tell"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance._commit() == f"{ours}, a checkout without the program git"


@pytest.mark.parametrize(
    ("recorded", "said"),
    [
        ("0123456789abcdef" * 2 + "01234567+", "0123456789ab+"),
        ("procgen-drac 0.1.0, installed without git", "procgen-drac 0.1.0, installed without git"),
        ("", "not recorded"),
    ],
)
def test_the_report_cuts_hashes_alone(recorded: str, said: str) -> None:
    assert _made_with({"commit": recorded})["commit"] == said
