"""Runs from another machine: what comes in is whole and checked, and nothing is overwritten."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from refusals import refused
from synthetic_runs import ARMS, tree, write_run

from benchmark import cli
from benchmark.store.store import Store
from drac.files import lock


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store on another machine, with two runs, one of which has not ended."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "theirs"
    whole = write_run(root, "ucb-drac", arms=ARMS)
    (whole / "checkpoint").mkdir()
    (whole / "checkpoint" / "step_000000000256.pt").write_bytes(b"state")
    half = write_run(root, "ppo", "maze", 1)
    (half / "eval.csv").unlink()
    (root / "tables").mkdir()
    (root / "tables" / "a.md").write_text("no run")
    (whole / ".lock").write_text("")
    return root


def packed(root: Path, path: Path, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        archive.add(root, root.name)
    return path


def bring(*words: str | Path) -> int:
    return cli.main(["import-runs", *map(str, words), "--results", "ours"])


WHOLE = "runs/exp/ucb-drac/coinrun/seed0"


@pytest.mark.parametrize("source", ["", "runs", "runs/exp", "tar", "gz", "xz"])
def test_a_store_or_a_part_of_it(
    source: str, theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = theirs / source
    if source in ("tar", "gz", "xz"):
        path = packed(theirs, tmp_path / f"runs.{source}", f"w:{source}".replace("w:tar", "w"))
    assert bring(path) == 0
    assert "2 runs brought in, of which 1 incomplete; 0 there already" in capsys.readouterr().out
    want = {name: content for name, content in tree(theirs).items() if "tables" not in name}
    del want[f"{WHOLE}/.lock"]
    assert tree(tmp_path / "ours") == want
    assert bring(path) == 0
    assert "0 runs brought in, of which 0 incomplete; 2 there already" in capsys.readouterr().out
    assert tree(tmp_path / "ours") == want


def test_under_another_name(theirs: Path, tmp_path: Path) -> None:
    assert bring(theirs, "--experiment", "cluster") == 0
    packed(theirs / "runs/exp/ppo", tmp_path / "part.tar")
    assert bring(tmp_path / "part.tar", "--experiment", "part") == 0
    assert Store(tmp_path / "ours").experiments() == ["cluster", "part"]


def test_nothing_is_overwritten(
    theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "ours", "ucb-drac", test=(9.0, 9.0, 9.0))
    before = tree(tmp_path / "ours/runs/exp/ucb-drac")
    assert bring(theirs) == 1
    said = capsys.readouterr()
    assert "1 run brought in" in said.out
    assert "exp/ucb-drac/coinrun/seed0 was left out: it is there already with other" in said.err
    assert tree(tmp_path / "ours/runs/exp/ucb-drac") == before


def spoilt(run: Path) -> dict[str, tuple[str, Callable[[], object]]]:
    """What keeps a run from being brought in: what is said, and how it comes about."""
    evaluation = run / "eval.csv"
    return {
        "a link": (
            "eval.csv is a link",
            lambda: (evaluation.unlink(), evaluation.symlink_to("/x")),
        ),
        "a link in a folder": (
            "checkpoint/x is a link",
            lambda: (run / "checkpoint/x").symlink_to("/etc/passwd"),
        ),
        "a linked folder": ("clips is a link", lambda: (run / "clips").symlink_to("/etc")),
        "a pipe": ("x is a device", lambda: os.mkfifo(run / "x")),
        "a damaged file": (
            "eval.csv is damaged: line 2 has no return",
            lambda: evaluation.write_text(
                "step,split,level_seed,return,length,extra\n1,test,1,nan,1,0\n"
            ),
        ),
        "no config": (
            "config.json cannot be read as a run's configuration",
            lambda: (run / "config.json").write_text("{"),
        ),
        "the config of another run": (
            "its config.json is that of exp/ppo/maze/seed1",
            lambda: shutil.copy(run.parents[2] / "ppo/maze/seed1/config.json", run),
        ),
        "a damaged meta.json": (
            "no readable meta.json",
            lambda: (run / "meta.json").write_text(""),
        ),
        "an odd name": ("'a b' is no file of a run", lambda: (run / "a b").write_text("")),
        "a deep file": (
            "'checkpoint/a/b' is no file of a run",
            lambda: ((run / "checkpoint/a").mkdir(), (run / "checkpoint/a/b").write_text("")),
        ),
    }


@pytest.mark.parametrize("packs", [False, True], ids=["folder", "tar"])
@pytest.mark.parametrize("name", spoilt(Path()))
def test_a_run_that_is_not_as_it_should_be_is_left_out_whole(
    name: str, packs: bool, theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message, spoil = spoilt(theirs / WHOLE)[name]
    spoil()
    assert bring(packed(theirs, tmp_path / "runs.tgz") if packs else theirs) == 1
    said = capsys.readouterr()
    assert "1 run brought in" in said.out
    assert f"exp/ucb-drac/coinrun/seed0 was left out: {message}" in said.err
    assert str(tmp_path / "ours") not in said.err
    assert [spec.method for spec in Store(tmp_path / "ours").specs("exp")] == ["ppo"]
    assert sorted(path.name for path in (tmp_path / "ours/runs").iterdir()) == ["exp"]


def test_a_run_that_is_being_trained_stays(
    theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with lock.owned(theirs / WHOLE):
        assert bring(theirs) == 1
    assert "in the hands of a process that trains it" in capsys.readouterr().err


def archive_of(path: Path, *members: tuple[str, bytes, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type, member.size = kind, len(content)
            member.linkname = "/etc/passwd"
            archive.addfile(member, io.BytesIO(content))
    return path


RUN = "runs/exp/ppo/maze/seed0"


@pytest.mark.parametrize("name", [f"/{RUN}/x", f"../{RUN}/x", f"a/../../{RUN}/x"])
def test_a_path_that_leads_outside_refuses_the_archive(
    name: str, theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed(theirs, tmp_path / "runs.tar", "w")
    with tarfile.open(tmp_path / "runs.tar", "a") as archive:
        archive.addfile(tarfile.TarInfo(name))
    words = ["import-runs", "runs.tar", "--results", "ours"]
    assert "has a path that leads outside" in refused(words, tmp_path, capsys)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_a_run_that_is_no_folder(
    kind: bytes, theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = (theirs / "runs/exp/ppo/maze/seed1/config.json").read_bytes()
    member = (f"{RUN}/config.json", tarfile.REGTYPE, config)
    archive = archive_of(tmp_path / "a.tar", (RUN, kind, b""), member)
    assert bring(archive) == 1
    assert "exp/ppo/maze/seed0 was left out: its folder is a" in capsys.readouterr().err


def test_what_is_no_source(
    theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("no tar")
    whole = packed(theirs, tmp_path / "runs.tgz").read_bytes()
    (tmp_path / "half.tgz").write_bytes(whole[: len(whole) // 2])
    for words, message in {
        ("absent",): "absent cannot be read",
        ("empty",): "empty holds no runs",
        ("text",): "no tar file that can be read",
        ("half.tgz",): "half.tgz",
        ("a", "b"): "give one folder or tar file, not 2",
        (): "give one folder or tar file, not 0",
        ("theirs", "--experiment", "../x"): "experiment '../x'",
        ("theirs/runs/exp/ppo/maze/seed1/meta.json",): "no tar file",
    }.items():
        command = ["import-runs", *words, "--results", "ours"]
        assert message in refused(command, tmp_path, capsys)
