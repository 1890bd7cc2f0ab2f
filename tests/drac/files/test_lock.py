"""Folders with one owner, by locks of the system or, where there are none, by a file."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drac.errors import ConfigError
from drac.files import lock
from drac.files.lock import set_aside

HOLD = """
import errno, fcntl, sys, time
from pathlib import Path
from drac.files.lock import owned
if sys.argv[2] == "without":
    def flock(*args):
        raise OSError(errno.ENOLCK, "No locks available")
    fcntl.flock = flock
with owned(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture(params=["with", "without"])
def locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether the file system has locks."""

    if request.param == "without":
        monkeypatch.setattr(fcntl, "flock", _no_locks)
    return str(request.param)


def _no_locks(*args: Any) -> None:
    raise OSError(errno.ENOLCK, "No locks available")


@pytest.fixture
def holder(locks: str, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that owns tmp_path."""
    command = [sys.executable, "-c", HOLD, str(tmp_path), locks]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_an_owned_folder_is_made_and_may_be_owned_again(locks: str, tmp_path: Path) -> None:
    folder, said = tmp_path / "a" / "b", list[str]()
    for _ in range(2):
        with lock.owned(folder, said.append):
            about = json.loads((folder / lock.NAME).read_text())
            assert about["pid"] == os.getpid()
            assert about["host"] == socket.gethostname()
            assert about["started"][:2] == "20"
            assert lock.in_use(folder)
        assert not lock.in_use(folder)
    assert said == []
    assert [(path.name, path.stat().st_size) for path in folder.iterdir()] == [(lock.NAME, 0)]


def test_a_second_owner_is_refused_until_the_first_is_gone(
    holder: subprocess.Popen[str], locks: str, tmp_path: Path
) -> None:
    assert lock.in_use(tmp_path)
    said: list[str] = []
    wanted = f"in use by process {holder.pid} on {socket.gethostname()}, there since 20"
    with pytest.raises(ConfigError, match=wanted), lock.owned(tmp_path, said.append):
        pass
    holder.kill()  # SIGKILL: it cannot clean up
    holder.wait()
    assert not lock.in_use(tmp_path)
    with lock.owned(tmp_path, said.append):
        assert json.loads((tmp_path / lock.NAME).read_text())["pid"] == os.getpid()
    assert len(said) == 1
    assert f"was held by process {holder.pid}" in said[0]
    assert "taking it over" in said[0]


def test_who_only_asks_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow: it holds the lock, but is not named in it."""
    (tmp_path / lock.NAME).touch()
    asking = (tmp_path / lock.NAME).open()
    fcntl.flock(asking, fcntl.LOCK_SH)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 30:
            asking.close()

    monkeypatch.setattr(lock.time, "sleep", sleep)
    with lock.owned(tmp_path):
        assert len(slept) == 30


def test_an_error_frees_the_folder(locks: str, tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), lock.owned(tmp_path):
            raise ZeroDivisionError
    assert not lock.in_use(tmp_path)


def test_a_number_that_another_process_has_now_is_no_owner(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A process of this host with our number, but started at another time."""
    monkeypatch.setattr(fcntl, "flock", _no_locks)
    before = {"host": socket.gethostname(), "pid": os.getpid(), "started": "then", "mark": "x-1"}
    (tmp_path / lock.CLAIM).write_text(json.dumps(before))
    assert not lock.in_use(tmp_path)
    said: list[str] = []
    with lock.owned(tmp_path, said.append):
        pass
    assert "taking it over" in said[0]


def test_a_process_of_another_host_may_be_alive(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fcntl, "flock", _no_locks)
    claim = tmp_path / lock.CLAIM
    for text in ('{"host": "elsewhere", "pid": 1, "started": "then", "mark": ""}', "", "[1]"):
        claim.write_text(text)
        wanted = r"is in use by .*if that process is gone, delete .*/\.lock\.claim"
        with pytest.raises(ConfigError, match=wanted), lock.owned(tmp_path):
            pass
        assert claim.read_text() == text


def test_a_lock_of_version_0_1_is_taken_without_a_word(tmp_path: Path) -> None:
    (tmp_path / lock.NAME).write_text("12345")
    said: list[str] = []
    with lock.owned(tmp_path, said.append):
        pass
    assert said == []


def test_a_lock_that_cannot_be_written_to_is_held_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What it says is for people; a full disk must not keep a run from continuing."""
    monkeypatch.setattr(lock, "this_process", lambda: lock.Owner("h" * 10**6, 1, "", ""))
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Path("/dev/full").open("w") as full:
        lock._write(full, "text that does not fit")
    with lock.owned(tmp_path):
        assert lock.in_use(tmp_path)


def test_a_folder_that_the_system_cannot_make() -> None:
    with (
        pytest.raises(ConfigError, match="cannot be written"),
        lock.owned(Path("/proc/self/new/run")),
    ):
        pass


# Starting over


def begun(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(folder.name)
    return folder


def test_what_was_there_keeps_everything_under_another_name(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        run_dir = begun(tmp_path / "seed0")
        (run_dir / "data").write_text(str(number))
        assert set_aside(run_dir) == tmp_path / f"seed0.before-{number}"
        assert not run_dir.exists()
    (tmp_path / "seed0.before-4").symlink_to("nowhere")
    assert set_aside(begun(tmp_path / "seed0")) == tmp_path / "seed0.before-5"
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"seed0.before-{number}" for number in (1, 2, 3, 4, 5)}
    for number in (1, 2, 3):
        assert (tmp_path / f"seed0.before-{number}/data").read_text() == str(number)


def test_a_folder_that_holds_no_run_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.png").touch()
    for name in ("photos", "absent"):
        assert set_aside(tmp_path / name) is None
    assert (tmp_path / "photos" / "one.png").exists()


def test_a_run_in_use_is_not_moved(
    holder: subprocess.Popen[str], locks: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").touch()
    with pytest.raises(ConfigError, match=f"in use by process {holder.pid}"):
        set_aside(tmp_path)
    assert (tmp_path / "config.json").exists()


def test_the_folder_in_which_one_is_has_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir = begun(tmp_path / "run")
    monkeypatch.chdir(run_dir)
    assert set_aside(Path()) == tmp_path / "run.before-1"
    assert set_aside(Path("..") / "run.before-1") == Path("..") / "run.before-1.before-1"


def test_who_waited_for_a_folder_that_was_moved_gets_the_new_one(tmp_path: Path) -> None:
    """The lock that it opened lies in the old folder by then."""
    run_dir = begun(tmp_path / "run")
    moved: list[Path | None] = []
    flock = fcntl.flock

    def moving(file: Any, how: int) -> None:
        if not moved:
            moved.append(None)
            moved[0] = set_aside(run_dir)
        flock(file, how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fcntl, "flock", moving)
        with lock.owned(run_dir):
            assert moved == [tmp_path / "run.before-1"]
            assert lock.in_use(run_dir)
            assert not lock.in_use(tmp_path / "run.before-1")
