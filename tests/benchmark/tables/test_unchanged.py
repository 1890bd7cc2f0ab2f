"""Tables are not made again while nothing has changed, and always when something has."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from synthetic_runs import ARMS, write_run

import drac
from augmentations import plugins
from benchmark import cli
from benchmark.store import index
from benchmark.store.store import Store
from benchmark.tables import unchanged
from drac.games import PUBLISHED


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """How often the runs were loaded; files need not be old."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(index, "SETTLED_S", -1e6)
    original, times = Store.load, list[int]()
    monkeypatch.setattr(Store, "load", lambda *args: times.append(1) or original(*args))
    write_run(Path("results"), "ppo")
    write_run(Path("results"), "ucb-drac", arms=ARMS)
    return times


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(["tables", *words]) == 0
    return capsys.readouterr().out


def test_the_second_time_the_same_is_shown_and_nothing_is_made(
    loaded: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    first = printed(capsys)
    files = {path: path.stat().st_mtime_ns for path in Path("results/tables").rglob("*")}
    assert printed(capsys) == first
    assert loaded == [1]
    assert files == {path: path.stat().st_mtime_ns for path in Path("results/tables").rglob("*")}


RUN = Path("results/runs/exp/ppo/coinrun/seed0")
MADE = Path("results/tables/exp")


def append(path: Path) -> Callable[[], object]:
    return lambda: path.write_bytes(path.read_bytes() + b"\n")


def note(change: Callable[[dict[str, object]], object]) -> Callable[[], object]:
    def changed() -> None:
        data = json.loads((MADE / unchanged.NAME).read_text())
        change(data)
        (MADE / unchanged.NAME).write_text(json.dumps(data))

    return changed


CHANGES: dict[str, Callable[[], object]] = {
    "a run's file": append(RUN / "meta.json"),
    "a run's file is gone": lambda: (RUN / "arms.csv").unlink(),
    "a run's file has come": lambda: (RUN / "robustness.csv").write_text(""),
    "another run": lambda: write_run(Path("results"), "ppo", seed=1),
    "curves of others": lambda: cli.main(
        ["import-curves", str(PUBLISHED / "curves.csv"), "--name", "openai"]
    ),
    "a table's file": append(MADE / "per-game.csv"),
    "a table's file is gone": lambda: (MADE / "runs.csv").unlink(),
    "no note": lambda: (MADE / unchanged.NAME).unlink(),
    "a damaged note": lambda: (MADE / unchanged.NAME).write_text('{"made_of": '),
    "a note of lists": lambda: (MADE / unchanged.NAME).write_text("[]"),
    "a note without a screen": note(lambda data: data.pop("screen")),
    "a note of another kind": note(lambda data: data.update(files=[["runs.csv"]])),
    "a note that is a link": lambda: (
        (MADE / unchanged.NAME).rename("note")
        or (MADE / unchanged.NAME).symlink_to(Path("note").absolute())
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_has_changed_they_are_made_again(
    change: str, loaded: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    printed(capsys)
    CHANGES[change]()
    printed(capsys)
    assert loaded == [1, 1]


def test_so_they_are_by_other_code_and_for_another_question(
    loaded: list[int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    printed(capsys)
    write_run(Path("results"), "ppo", experiment="other")
    printed(capsys)  # that of one experiment alone has the games too
    assert len(loaded) == 3
    own = unchanged._code
    monkeypatch.setattr(unchanged, "_code", lambda: [*own(), "another file"])
    printed(capsys)
    assert len(loaded) == 5


def test_all_of_this_package_is_looked_at() -> None:
    seen = {entry[0] for entry in unchanged._code()}
    losses, published = Path(drac.__file__).parent / "losses.py", PUBLISHED / "README.md"
    assert {str(losses), str(published)} <= seen


@pytest.mark.parametrize("words", [["--all"], ["--table", "per-game"], ["--json"]])
def test_what_needs_the_tables_makes_them(
    words: list[str], loaded: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    printed(capsys)
    printed(capsys, *words)
    assert loaded == [1, 1]


def test_nothing_is_kept_of_code_that_may_change_at_any_time(
    loaded: list[int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    meta = json.loads((RUN / "meta.json").read_text())
    (RUN / "meta.json").write_text(json.dumps({**meta, "code": {"mine:Invert": "0" * 64}}))
    printed(capsys)
    assert not (MADE / unchanged.NAME).exists()
    append(RUN / "meta.json")()
    monkeypatch.setattr(plugins, "offered", lambda kind: {"theirs": ()})
    assert unchanged.made_of(Store(Path("results")), []) is None


def test_of_files_written_just_now_nothing_is_kept(
    loaded: list[int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "SETTLED_S", 1e6)
    printed(capsys)
    assert not (MADE / unchanged.NAME).exists()
