"""A plug-in that was edited between two sessions of a run does not go unnoticed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from recording import Recording
from tiny_runs import rows, tables, tiny_config

import augmentations
from drac import cli
from drac.config import as_argv
from drac.errors import OTHERS_CODE_FAILED, ConfigError
from drac.methods import METHODS, Method
from drac.runs import foreign_code
from drac.runs.meta import read_meta
from drac.train import train

SOURCE = """
from augmentations import Augmentation, as_float


class Invert(Augmentation):
    name = "invert"

    def sample(self, shape, generator):
        return {}

    def apply(self, obs, params):
        return 1 - as_float(obs)
"""

Edit = Callable[[str], None]


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edit:
    """Write mine.py anew; it is imported afresh, as by the next process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def write(source: str) -> None:
        (tmp_path / "mine.py").write_text(source)
        sys.modules.pop("mine", None)

    yield write
    sys.modules.pop("mine", None)


def test_a_changed_plug_in_ends_the_run_unless_that_is_accepted(
    tiny: None,
    edit: Edit,
    tmp_path: Path,
) -> None:
    run_dir = tmp_path / "run"

    def go_on(steps: int, **how: bool) -> int:
        config = tiny_config(method="drac", augmentation="mine:Invert", steps=steps)
        return train(config, run_dir, **how).steps

    edit(SOURCE)
    assert go_on(16) == 16
    edit(SOURCE)  # the same again
    assert go_on(24) == 24
    assert list(read_meta(run_dir)[foreign_code.CODE]) == ["mine"]
    edit(SOURCE.replace("1 -", "0.5 *"))
    hashed = read_meta(run_dir)[foreign_code.CODE]
    before = (run_dir / "config.json").read_bytes(), tables(run_dir)
    with pytest.raises(ConfigError, match=r"the source of mine has changed since .*--accept-cha"):
        go_on(32)
    assert ((run_dir / "config.json").read_bytes(), tables(run_dir)) == before
    assert go_on(32, accept_changed_code=True) == 32
    changes = [{"step": 24, "changed": ["mine"], "before": hashed}]
    assert read_meta(run_dir)[foreign_code.CHANGES] == changes
    edit(SOURCE.replace("1 -", "0.5 *"))
    assert go_on(40) == 40
    known = read_meta(run_dir)
    edit(SOURCE)
    assert go_on(40, accept_changed_code=True) == 40  # complete: nothing is trained with it
    assert [read_meta(run_dir)[name] for name in ("code", "code_changes")] == [
        known["code"],
        known["code_changes"],
    ]


FAILING = """
    calls = 0

    def apply(self, obs, params):
        self.calls += 1
        if self.calls > 2:
            return params["nothing"]
        return 1 - as_float(obs)
"""


def test_code_that_fails_in_a_run_is_one_sentence_and_the_mended_goes_on(
    tiny: None, edit: Edit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(SOURCE.partition("    def apply")[0] + FAILING.lstrip("\n"))
    config = tiny_config(method="drac", augmentation="mine:Invert", checkpoint_every="8 steps")
    words = ["train", *as_argv(config), "--run-dir", "run"]
    assert cli.main(words) == OTHERS_CODE_FAILED
    (said,) = capsys.readouterr().err.splitlines()
    assert said == (
        "drac train: error: the run failed after step 8, with the augmentation 'mine:Invert':"
        f" KeyError: 'nothing' (in Invert.apply, line 16 of {tmp_path / 'mine.py'}); the log is"
        " run/train.log, the newest checkpoint run/checkpoint/step_000000000008.pt; mended, it goes"
        " on with --accept-changed-code"
    )
    log = (tmp_path / "run/train.log").read_text()
    assert 'return params["nothing"]' in log
    assert log.endswith("KeyError: 'nothing'\n")
    edit(SOURCE)
    assert cli.main([*words, foreign_code.ACCEPT]) == 0
    assert len(rows(tmp_path / "run", "progress")) == 3


def test_other_errors_are_not_laid_at_the_door_of_the_code_of_others(
    tiny: None, edit: Edit, tmp_path: Path
) -> None:
    edit(SOURCE)
    config = tiny_config(method="drac", augmentation="mine:Invert")
    with pytest.raises(RuntimeError, match="power cut"):
        train(config, tmp_path / "run", Recording(killed_after=1))


def test_a_complete_run_says_so_and_is_left_as_it_is(
    tiny: None, edit: Edit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = tmp_path / "run"
    edit(SOURCE)
    config = tiny_config(method="drac", augmentation="mine:Invert", steps=16)
    train(config, run_dir)
    before = {path: path.stat().st_mtime_ns for path in run_dir.rglob("*")}
    words = ["train", *as_argv(config), "--run-dir", "run"]
    for source, more in ((SOURCE, []), ("", []), ("", [foreign_code.ACCEPT]), ("", ["--finish"])):
        edit(source)
        assert cli.main([*words, *more]) == 0
        said = capsys.readouterr()
        assert said.out.startswith("already complete: 16 steps, train ")
        assert ("warning: it had another source of mine than is here now" in said.err) == (
            not source
        )
        assert {path: path.stat().st_mtime_ns for path in run_dir.rglob("*")} == before
    assert cli.main([*words, "--steps", "24"]) == 2  # there it would be trained with
    assert "the source of mine has changed" in capsys.readouterr().err


def test_all_files_of_a_package_and_of_a_method_count(edit: Edit, tmp_path: Path) -> None:
    package = tmp_path / "my_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "helper.py").write_text("HALF = 0.5\n")
    (package / "loss.py").write_text("from drac.objectives.ppo import PPO\n")
    __import__("my_package.loss")
    method = Method("mine", "", "", objective="my_package.loss:PPO")
    try:
        first = foreign_code.hashes([], method)
        (package / "helper.py").write_text("HALF = 0.25\n")
        second = foreign_code.hashes([], method)
    finally:
        for name in [name for name in sys.modules if name.startswith("my_package")]:
            del sys.modules[name]
    assert list(first) == list(second) == ["my_package", "method mine"]
    assert foreign_code.changed({foreign_code.CODE: first}, second) == ["my_package"]
    other = Method("mine", "", "", objective="drac.objectives.rad:RAD")
    third = foreign_code.hashes([], other)
    assert foreign_code.changed({foreign_code.CODE: first}, third) == ["method mine"]


def test_the_files_of_a_package_that_differ_are_named(edit: Edit, tmp_path: Path) -> None:
    package = tmp_path / "mylab"
    package.mkdir()
    for name in ("__init__", "gone", "same", "vignette"):
        (package / f"{name}.py").write_text("")
    known = {
        "code": {"mylab": foreign_code._hash("mylab")},
        "code_files": foreign_code.files(["mylab"]),
    }
    assert foreign_code.outdated([known]) == [[]]
    (package / "vignette.py").write_text("STRENGTH = 1\n")
    (package / "gone.py").unlink()
    (package / "bad.py").write_text("")
    (package / "more.py").write_text("")
    files = "mylab ('bad.py', 'gone.py', 'more.py' and 1 more)"
    damaged = {**known, "code_files": ["mylab"]}
    assert foreign_code.outdated([known, damaged]) == [[files], ["mylab"]]
    (tmp_path / "mine.py").write_text("")
    assert [*foreign_code.files(["mine", "mylab", "method mine"])] == ["mylab"]


def test_ours_and_torch_s_are_not_hashed() -> None:
    made = [augmentations.make(name) for name in (*augmentations.PAPER_ARMS, "compose")]
    assert foreign_code.hashes([None, *made], METHODS["idaac"]) == {}


@pytest.mark.parametrize("damaged", [{}, {"code": 3}, {"code": {"mine": 5}}, {"code": ["mine"]}])
def test_a_meta_without_hashes_is_no_change_and_damage_is(damaged: dict[str, object]) -> None:
    known = isinstance(damaged.get("code"), dict)
    assert foreign_code.changed(damaged, {"mine": "abc"}) == (["mine"] if known else [])


def test_a_folder_that_is_twice_on_the_path_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no_init").mkdir()
    (tmp_path / "no_init" / "loss.py").write_text("from drac.objectives.ppo import PPO\n")
    method = Method("mine", "", "", objective="no_init.loss:PPO")
    found = []
    for again in (tmp_path, tmp_path / "no_init" / ".."):
        monkeypatch.syspath_prepend(again)
        for name in [name for name in sys.modules if name.startswith("no_init")]:
            del sys.modules[name]
        __import__("no_init.loss")
        found.append(foreign_code.hashes([], method))
    assert len(sys.modules["no_init"].__path__) == 2
    assert found[0] == found[1]
    for name in [name for name in sys.modules if name.startswith("no_init")]:
        del sys.modules[name]
