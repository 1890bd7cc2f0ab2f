"""Files that are whole or absent, and folders with one owner."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from drac.errors import ConfigError
from drac.files import atomic, run_folder


def test_a_file_takes_its_name_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "füße.csv"
    path.write_text("old")
    with atomic.replacing(path) as file:
        file.write(b"new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), OSError(28, "full")])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    error: BaseException, tmp_path: Path
) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(type(error)), atomic.replacing(path) as file:  # noqa: PT012
        file.write(b"half of the n")
        file.flush()
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_renaming_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "taken"
    (folder / "full").mkdir(parents=True)
    with pytest.raises(OSError, match="taken"):
        atomic.write_text(folder, "text")
    assert list(tmp_path.iterdir()) == [folder]


def test_what_a_killed_command_left_is_removed_and_what_another_writes_is_not(
    tmp_path: Path,
) -> None:
    code = """
import os, sys
from pathlib import Path
from drac.files import atomic
with atomic.replacing(Path("policy.json")) as file:
    file.write(b"half of")
    file.flush()
    os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path).returncode == 9
    (left,) = tmp_path.iterdir()
    mine = tmp_path / ".policy.json.original"
    mine.write_text("mine")
    with atomic.replacing(tmp_path / "one.csv") as file:
        assert not left.exists()
        file.write(b"1")
        atomic.write_text(tmp_path / "other.csv", "2")
    names = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert names == {"one.csv": "1", "other.csv": "2", mine.name: "mine"}


def test_text_is_written_as_utf_8_with_its_line_ends(tmp_path: Path) -> None:
    atomic.write_text(tmp_path / "a.json", "ü\r\nx\n")
    assert (tmp_path / "a.json").read_bytes() == "ü\r\nx\n".encode()


def test_checking_a_folder_makes_nothing(tmp_path: Path) -> None:
    run_folder.require_writable(tmp_path)
    run_folder.require_writable(tmp_path / "a" / "b")
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "a" / "b"):
        with pytest.raises(ConfigError, match=r"cannot be a run folder: .*/file is a file"):
            run_folder.require_writable(folder)


def test_a_link_to_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    for folder in (tmp_path / "dangling", tmp_path / "dangling" / "a"):
        with pytest.raises(ConfigError, match=r"/dangling is a link to nothing"):
            run_folder.require_writable(folder)


def test_a_folder_without_permission_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *args: False)  # root may write anywhere
    with pytest.raises(ConfigError, match=r"/a/b cannot be written: no permission in"):
        run_folder.require_writable(tmp_path / "a" / "b")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
@pytest.mark.parametrize("mode", [0o555, 0o444, 0o000])
def test_permission_bits_count(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(mode)
    try:
        for below in (folder, folder / "a", folder / "a" / "b"):
            with pytest.raises(ConfigError, match="cannot be written"):
                run_folder.require_writable(below)
    finally:
        folder.chmod(0o755)


def test_a_folder_that_the_system_cannot_make(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="too long"):
        run_folder.require_writable(tmp_path / ("x" * 300))
