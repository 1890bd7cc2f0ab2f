"""Checkpoints: whole or absent, data only."""

from __future__ import annotations

import errno
import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small_runs import same

from drac.errors import ConfigError
from drac.runs import checkpoint

STATE: dict[str, Any] = {
    "weights": {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1, 2], dtype=torch.uint8)},
    "bf16": torch.ones(3, dtype=torch.bfloat16),
    "generator": torch.Generator().manual_seed(3).get_state(),
    "list": [1, 2.5, "text", None, True, [1], {"x": (1, 2)}],
}


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, 16384, STATE)
    assert path == tmp_path / "checkpoint" / "step_000000016384.pt"
    assert same(checkpoint.load(path), STATE)
    assert checkpoint.newest(tmp_path) == path


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    assert checkpoint.newest(tmp_path) is None
    steps = (5, 40, 300, 10**9, 25 * 10**9)
    for step in steps:
        path = checkpoint.save(tmp_path, step, {"step": step})
        assert checkpoint.newest(tmp_path) == path
    kept = sorted(checkpoint.folder(tmp_path).iterdir())
    assert [checkpoint.load(path)["step"] for path in kept] == [10**9, 25 * 10**9]


def test_a_checkpoint_may_be_written_again(tmp_path: Path) -> None:
    for value in (1, 2):
        path = checkpoint.save(tmp_path, 7, {"value": value})
    assert checkpoint.load(path) == {"value": 2}
    assert len(list(checkpoint.folder(tmp_path).iterdir())) == 1


def test_a_failed_save_leaves_the_old_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in (1, 2):
        checkpoint.save(tmp_path, step, {"step": step})

    class Full(io.BytesIO):
        """A file on a disk that fills up half-way."""

        def write(self, content: Any) -> int:
            super().write(content[: len(content) // 2])
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", lambda path, mode: Full())
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(tmp_path, 3, {"step": 3})
    names = sorted(path.name for path in checkpoint.folder(tmp_path).iterdir())
    assert names == ["step_000000000001.pt", "step_000000000002.pt"]


def test_one_that_cannot_be_read_back_does_not_replace_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (1, 2):
        checkpoint.save(tmp_path, step, {"step": step})
    with pytest.raises(ConfigError, match="more than data"):
        checkpoint.save(tmp_path, 4, {"object": Evil(tmp_path / "evil")})
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.truncate(descriptor, 100))
    with pytest.raises(OSError, match="read back otherwise"):
        checkpoint.save(tmp_path, 3, {"step": 3})
    newest = checkpoint.newest(tmp_path)
    assert newest is not None
    assert checkpoint.load(newest) == {"step": 2}
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("write", [torch.save, lambda x, path: path.write_bytes(pickle.dumps(x))])
def test_pickles_are_refused_and_nothing_of_them_is_executed(
    tmp_path: Path, write: Callable[[Any, Path], None]
) -> None:
    path, evil = tmp_path / "a.pt", tmp_path / "evil"
    for content in ({"format": 1, "training": Evil(evil)}, {"a": 1}, [1], torch.zeros(2)):
        write(content, path)
        with pytest.raises(ConfigError, match=r"a\.pt cannot be read as a checkpoint"):
            checkpoint.load(path)
    assert not evil.exists()


def test_missing_empty_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("hello", "world")
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("step,update\n1,2\n")
    (tmp_path / "folder").mkdir()
    for name in ("zip", "empty", "text", "folder", "missing"):
        with pytest.raises(ConfigError, match=f"{name} ") as caught:
            checkpoint.load(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, 1, STATE)
    whole = path.read_bytes()
    for size in range(0, len(whole), 97):
        path.write_bytes(whole[:size])
        with pytest.raises(ConfigError, match=r"step_.*cannot be read") as caught:
            checkpoint.load(path)
        assert "\n" not in str(caught.value)


def test_a_step_that_is_not_the_name_s_is_refused(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, 64, {"a": 1})
    other = path.rename(path.with_name("step_000000000128.pt"))
    with pytest.raises(ConfigError, match="named for another step than it holds, 64"):
        checkpoint.load(other)


def test_a_file_larger_than_the_run_can_need_is_not_read(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, 64, STATE)
    size = path.stat().st_size
    assert same(checkpoint.load(path, max_bytes=size), STATE)
    with pytest.raises(ConfigError, match=f"more than the {size - 1:,} allowed"):
        checkpoint.load(path, max_bytes=size - 1)


def test_what_cannot_be_restored_is_set_aside_too(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, step, {"step": step})
    said: list[str] = []

    def restore(state: dict[str, Any]) -> None:
        if state["step"] != 2:
            raise ConfigError("of another run")

    assert checkpoint.load_newest(tmp_path, said.append, restore) == {"step": 2}
    names = sorted(path.name for path in checkpoint.folder(tmp_path).iterdir())
    assert names == ["step_000000000002.pt", "step_000000000003.damaged"]
    assert "step_000000000003.pt is damaged and was set aside" in said[0]
    checkpoint.save(tmp_path, 3, {"step": 3})
    checkpoint.load_newest(tmp_path, said.append, restore)
    names = sorted(path.name for path in checkpoint.folder(tmp_path).iterdir())
    assert names[1:] == ["step_000000000003.damaged", "step_000000000003.damaged-2"]

    def nothing_fits(state: dict[str, Any]) -> None:
        raise ConfigError("of another run")

    with pytest.raises(ConfigError, match=r"of another run; drac train --fresh starts over"):
        checkpoint.load_newest(tmp_path, said.append, nothing_fits)
    assert checkpoint.newest(tmp_path) is not None


def test_a_full_disk_is_an_os_error_and_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch would report it as a RuntimeError about its own file format."""
    state = {"weights": torch.zeros(1000)}
    checkpoint.save(tmp_path, 1, state)

    def full(file: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left on device"):
        checkpoint.save(tmp_path, 2, state)
    assert [path.name for path in (tmp_path / "checkpoint").iterdir()] == ["step_000000000001.pt"]
