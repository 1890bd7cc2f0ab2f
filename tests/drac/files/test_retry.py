"""A full disk: each write of a run fails once, or for ever, and nothing is lost."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from checkout import ROOT
from small_runs import same
from tiny_runs import OPTIONS, state, tables, tiny, tiny_config  # noqa: F401

from drac import cli
from drac.errors import DiskError
from drac.files import atomic, retry
from drac.files.atomic import Appender
from drac.files.retry import Retry
from drac.runs import checkpoint
from drac.train import train
from drac.train.watcher import Watcher


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Bits depend on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited, in no time."""
    seconds: list[float] = []
    monkeypatch.setattr(retry, "sleep", seconds.append)
    return seconds


class Messages(Watcher):
    def __init__(self) -> None:
        self.said: list[str] = []

    def message(self, text: str) -> None:
        self.said.append(text)


class Faults:
    """Makes the k-th thing that a run does to its disk fail, and perhaps all that follow.

    Writes do what a disk does that fills up: they write half.
    """

    def __init__(self, at: int | None, number: int = errno.ENOSPC, lasts: bool = False) -> None:
        self.at, self.number, self.lasts, self.done = at, number, lasts, 0

    def now(self) -> bool:
        self.done += 1
        if self.at is None:
            return False
        return self.done >= self.at if self.lasts else self.done == self.at

    def error(self) -> OSError:
        return OSError(self.number, os.strerror(self.number))

    def write(self, descriptor: int, content: bytes) -> int:
        if self.now():
            self._os_write(descriptor, content[: len(content) // 2])
            raise self.error()
        # Less than was asked for, as the system may.
        return self._os_write(descriptor, content[: max(1, len(content) // 2)])

    def open(self, path: Path, mode: str = "r", **options: Any) -> Any:
        faults, opened = self, self._path_open(path, mode, **options)
        if mode != "wb":
            return opened

        class File(io.RawIOBase):
            def write(self, content: Any) -> int:
                if faults.now():
                    opened.write(bytes(content)[: len(content) // 2])
                    opened.flush()
                    raise faults.error()
                return int(opened.write(content))

            def flush(self) -> None:
                opened.flush()

            name = opened.name

            def fileno(self) -> int:
                return int(opened.fileno())

            def close(self) -> None:
                opened.close()

        return File()

    def failing(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if self.now():
                raise self.error()
            return function(*args, **options)

        return call

    @contextlib.contextmanager
    def injected(self, where: Path) -> Iterator[None]:
        """Let them happen while a run in `where` is trained."""
        self._os_write, self._path_open = os.write, Path.open
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "write", self.write)
            patch.setattr(Path, "open", lambda path, *args, **kw: self.open(path, *args, **kw))
            patch.setattr(os, "fsync", self.failing(lambda descriptor: None))
            patch.setattr(os, "ftruncate", self.failing(os.ftruncate))
            patch.setattr(tempfile, "mkstemp", self.failing(tempfile.mkstemp))
            patch.setattr(Path, "replace", self.failing(Path.replace))
            patch.setattr(Path, "mkdir", self.failing(Path.mkdir))
            yield


Site = tuple[tuple[str, int, str], ...]
"""Where a write is made: (file, line, function) in drac/files and drac/runs, innermost first."""

KINDS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


class FaultsBySite(Faults):
    """Makes the first write of every site fail; or that of one site, and all that follow.

    What is written once and not again, as the folder is made, is left out.
    """

    def __init__(self, only: Site | None = None) -> None:
        super().__init__(None)
        self.only, self.failed = only, list[Site]()

    def now(self) -> bool:
        if self.only and self.failed:
            return True
        site = tuple(
            (frame.f_code.co_filename, line, frame.f_code.co_name)
            for frame, line in traceback.walk_stack(sys._getframe(1))
            if Path(frame.f_code.co_filename).parent in (ROOT / "drac/files", ROOT / "drac/runs")
        )
        again = any(Path(file).name == "retry.py" for file, _, _ in site)
        if not again or site in self.failed or self.only not in (None, site):
            return False
        self.number = KINDS[len(self.failed) % len(KINDS)]
        self.failed.append(site)
        return True


@pytest.fixture
def straight(tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: F811
    """A run of two updates that nothing disturbs."""
    monkeypatch.setitem(OPTIONS, "steps", 16)
    train(tiny_config(), tmp_path / "straight")
    return tmp_path / "straight"


def unlike(run_dir: Path, straight: Path) -> list[str]:
    """What of a run differs from one that nothing disturbed."""
    found = [name for name, rows in tables(straight).items() if tables(run_dir)[name] != rows]
    ours, theirs = state(run_dir), state(straight)
    for each in (ours, theirs):
        each["config"].pop("disk_wait")
    return found + [key for key in theirs if not same(ours[key], theirs[key])]


def left_over(run_dir: Path) -> list[str]:
    return [path.name for path in run_dir.rglob(".*") if path.name != ".lock"]


def test_every_site_s_write_may_fail_once(
    straight: Path, tmp_path: Path, slept: list[float]
) -> None:
    """The run waits, and ends as if nothing had been."""
    run_dir, watcher, faults = tmp_path / "run", Messages(), FaultsBySite()
    with faults.injected(tmp_path):
        train(tiny_config(disk_wait=60), run_dir, watcher)
    assert unlike(run_dir, straight) == []
    assert left_over(run_dir) == []
    told = [text for text in watcher.said if "cannot be written" in text]
    # What is left need not succeed: a folder's fsync, and cutting off what was half written.
    assert 20 < len(told) < len(faults.failed)
    assert len(slept) == 60 * len(told)


@pytest.mark.parametrize("steps", [0, 8])
def test_every_site_s_write_may_fail_for_ever(
    straight: Path, tmp_path: Path, slept: list[float], steps: int
) -> None:
    """The run ends with a sentence and keeps its checkpoint; the same call continues exactly."""
    run_dir, every = tmp_path / "run", FaultsBySite()
    with every.injected(tmp_path):
        train(tiny_config(disk_wait=60), tmp_path / "counted")
    if steps:
        train(tiny_config(steps=steps), run_dir)
    ended = 0
    for site in every.failed:
        before = checkpoint.newest(run_dir)
        with FaultsBySite(only=site).injected(tmp_path):
            try:
                train(tiny_config(), run_dir)
            except DiskError as error:
                ended += "cannot be written: No space left on device" in str(error)
        newest = checkpoint.newest(run_dir)
        assert checkpoint.load(newest) if newest else not before
    train(tiny_config(), run_dir)
    assert unlike(run_dir, straight) == []
    assert ended > len(every.failed) / 2  # what is left fails where that does not matter


def number_of_writes(tmp_path: Path) -> int:
    (tmp_path / "counted").mkdir()
    faults = Faults(None)
    with faults.injected(tmp_path):
        train(tiny_config(), tmp_path / "counted")
    return faults.done


@pytest.mark.full
def test_any_write_may_fail_once(straight: Path, tmp_path: Path, slept: list[float]) -> None:
    """As above, but each single write of a run."""
    total = number_of_writes(tmp_path)
    assert total > 60
    for at in range(2, total + 1):  # the first makes the folder
        run_dir, watcher = tmp_path / str(at), Messages()
        with Faults(at, KINDS[at % 4]).injected(tmp_path):
            train(tiny_config(disk_wait=5), run_dir, watcher)
        assert unlike(run_dir, straight) == []
        assert left_over(run_dir) == []
        told = [text for text in watcher.said if "cannot be written" in text]
        assert len(told) == bool(slept) <= 1
        assert len(slept) in (0, 60)
        slept.clear()


@pytest.mark.full
def test_any_write_may_fail_for_ever(straight: Path, tmp_path: Path) -> None:
    """The run ends with a sentence and keeps its checkpoint; the same call continues exactly."""
    total = number_of_writes(tmp_path)
    ended = 0
    for at in range(2, total + 1):
        run_dir = tmp_path / str(at)
        with Faults(at, lasts=True).injected(tmp_path):
            try:
                train(tiny_config(), run_dir)
            except DiskError as error:
                ended += 1
                message = str(error)
                assert "cannot be written: No space left on device" in message
        newest = checkpoint.newest(run_dir)
        assert newest is None or checkpoint.load(newest)
        train(tiny_config(), run_dir)
        assert unlike(run_dir, straight) == []
    assert ended > total / 2  # what is left fails where that does not matter, as in the lock


def test_giving_up_says_what_is_kept(
    tiny: None,  # noqa: F811
    tmp_path: Path,
    slept: list[float],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On the command line: one sentence and status 1, after as many minutes as were asked for."""
    train(tiny_config(steps=8), tmp_path / "run")

    def full(descriptor: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    names = {**OPTIONS, "steps": 24, "disk_wait": 2.5}
    words = [word for name, value in names.items() for word in (f"--{name}", str(value))]
    assert cli.main(["train", *words, "--run-dir", str(tmp_path / "run")]) == 1
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert "cannot be written: No space left on device (tried for 2.5 min)" in printed.err
    assert len(slept) == 150
    assert printed.out.count("trying again in a minute") == 3


def test_a_signal_ends_the_waiting(slept: list[float]) -> None:
    retry = Retry(60, stopping=lambda: len(slept) >= 5)
    with pytest.raises(DiskError, match="file cannot be written: Input/output error"):
        retry(Path("file"), Faults(1, errno.EIO, lasts=True).failing(lambda: None))
    assert len(slept) == 5


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOENT, errno.EPIPE, errno.EFBIG])
def test_other_errors_are_not_waited_for(number: int, slept: list[float]) -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011
        Retry(60)(Path("file"), Faults(1, number).failing(lambda: None))
    assert (caught.value.errno, slept) == (number, [])


def test_nobody_to_tell_is_no_reason_to_end(slept: list[float]) -> None:
    def full(text: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert Retry(1, full)(Path("file"), Faults(1).failing(lambda: 3)) == 3
    assert len(slept) == 60


def test_pieces_are_whole(tmp_path: Path, slept: list[float]) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo\nhalf a li")
    log = Appender(path, 8, Retry(10))
    assert path.read_bytes() == b"one\ntwo\n"
    seen: list[bytes] = []
    for at in range(1, 6):
        seen.append(path.read_bytes())
        with Faults(at).injected(tmp_path):
            log.append(b"x" * 20 + b"\n")
    assert path.read_bytes() == b"one\ntwo\n" + (b"x" * 20 + b"\n") * 5
    assert all(content.endswith(b"\n") for content in seen)
    assert log.position() == path.stat().st_size
    log.close()


def test_what_a_killed_process_left_is_removed(tiny: None, tmp_path: Path) -> None:  # noqa: F811
    run_dir = tmp_path / "run"
    train(tiny_config(steps=8), run_dir)
    left = [
        ".meta.json.abcd_123.drac-partial",
        "checkpoint/.step_000000000008.pt.aaaaaaaa.drac-partial",
        ".config.json.12345678.drac-partial",
    ]
    kept = [".notes.json", ".meta.json.abcd_123", "x.drac-partial", ".x.drac-partial/f"]
    for name in left + kept:
        (run_dir / name).parent.mkdir(exist_ok=True)
        (run_dir / name).write_text("half")
    train(tiny_config(steps=16), run_dir)
    assert [name for name in left if (run_dir / name).exists()] == []
    assert [name for name in kept if not (run_dir / name).exists()] == []
    assert atomic.remove_temporary(tmp_path / "absent") == []
