"""Run folders and stores from strangers: nothing is executed, followed outside or waited for."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checkout import ROOT
from small_runs import small_config, small_run, tree

import benchmark.cli
from benchmark.store.run_record import validate
from benchmark.store.store import Store
from drac import cli
from drac.config import TrainConfig, as_argv
from drac.errors import ConfigError
from drac.files import lock, untrusted
from drac.runs import checkpoint, meta

MEMORY = 2 * 2**30
"""Bytes of address space beyond what the imports take that reading a hostile file may need."""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train_flags(config: TrainConfig) -> list[str]:
    """The command that continues a run, in the folder "run"."""
    return ["train", *as_argv(config), "--run-dir", "run"]


def refused(argv: list[str], capsys: pytest.CaptureFixture[str], main: Any = cli.main) -> str:
    """Run a command that must fail in one line, and return it."""
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return str(err)


# JSON


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"format": NaN}', "NaN is no number of JSON"),
        (b'{"format": -Infinity}', "-Infinity is no number of JSON"),
        (b'{"format": 1e999}', "1e999 is too large a number"),
        (b'{"format": ' + b"9" * 100_000 + b"}", "a number has 100,000 digits"),
        (b'{"format": 1.' + b"9" * 100_000 + b"}", "a number has 100,002 digits"),
        (b"[" * 200_000 + b"]" * 200_000, "it is nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "it is nested too deeply"),
        (b'{"a": "\\ud800"}', "it has text that is no Unicode"),
        (b'{"\\udfff": 1}', "it has text that is no Unicode"),
        (b'"\xff"', "can't decode"),
        (b" " * (untrusted.JSON_LIMIT + 1), "it has 1,048,577 bytes, more than the 1,048,576"),
        (b"", "Expecting value"),
    ],
    ids=range(12),
)
def test_json_beyond_the_limits_is_refused(here: Path, content: bytes, message: str) -> None:
    (here / "config.json").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        untrusted.read_json(here / "config.json")
    with pytest.raises(ConfigError, match=message):
        TrainConfig.from_json(here / "config.json")
    (here / "meta.json").write_bytes(content)
    assert meta.read_meta(here) == {}


def test_json_within_the_limits_is_read(here: Path) -> None:
    data = {"a": [1, -2.5e300, True, None, "ü𝄞"], "b": 10**399}
    (here / "a.json").write_text(json.dumps(data), encoding="utf-8")
    assert untrusted.read_json(here / "a.json") == data


def test_what_never_ends_is_not_read(here: Path) -> None:
    os.mkfifo(here / "pipe")
    (here / "link").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        for name in ("pipe", "link", "socket"):
            with pytest.raises((ValueError, OSError), match="no regular file|No such device"):
                untrusted.read(here / name, 100)
    (here / "holes").touch()
    os.truncate(here / "holes", 2**40)
    with pytest.raises(ValueError, match="it has 1,099,511,627,776 bytes, more than the 100"):
        untrusted.read(here / "holes", 100)
    with pytest.raises(ConfigError, match="cannot be read"):
        checkpoint.load(here / "holes")


def test_a_damaged_meta_json_is_begun_anew_and_a_later_one_is_refused(here: Path) -> None:
    (here / "meta.json").write_text("[" * 100_000)
    meta.write_meta(here, steps=1)
    assert meta.read_meta(here) == {"format": 1, "steps": 1}
    (here / "meta.json").write_text('{"format": 2, "steps": 9}')
    with pytest.raises(ConfigError, match=r"meta.json has format 2; this version reads format 1"):
        meta.write_meta(here, steps=1)
    assert json.loads((here / "meta.json").read_text()) == {"format": 2, "steps": 9}


def test_a_config_opens_no_other_file(here: Path) -> None:
    config = small_run(here / "run", method="drac-best")
    data = json.loads(config.to_json())
    os.mkfifo(here / "pipe")
    data |= {"best_from": str(here / "pipe"), "augmentation": None}
    (here / "run" / "config.json").write_text(json.dumps(data))
    with pytest.raises(ConfigError, match="best_from without the augmentation"):
        TrainConfig.from_json(here / "run" / "config.json")


def test_a_config_imports_no_module(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "evil.py").write_text("open('marker', 'w')\nclass Evil: ...\n")
    small_run(here / "run", method="drac", augmentation="evil:Evil")
    config = TrainConfig.from_json(here / "run" / "config.json")
    assert config.augmentation == "evil:Evil"
    assert cli.main(["evaluate", "run", "--episodes", "1"]) == 0
    assert cli.main(["export", "run", "--out", "a.safetensors"]) == 0
    assert validate(here / "run") != []
    capsys.readouterr()
    assert "another configuration" in refused(train_flags(small_config()), capsys)
    assert not (here / "marker").exists()


# Links


@pytest.mark.parametrize(
    "name",
    [
        *("config.json", "meta.json", "progress.csv", "arms.csv", "eval.csv", ".lock", "train.log"),
        *("checkpoint", "evaluations", "checkpoint/step_000000000032.pt", "evaluations/a.csv"),
    ],
)
@pytest.mark.parametrize("kind", ["file", "folder", "dangling", "pipe"])
def test_what_leads_out_of_a_run_s_folder_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str], name: str, kind: str
) -> None:
    config = small_run(here / "run")
    outside = here / "outside"
    (outside / "checkpoint").mkdir(parents=True)
    (outside / "file").write_text("mine\n")
    path = here / "run" / name
    path.parent.mkdir(exist_ok=True)
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(outside / {"file": "file", "folder": "", "dangling": "new"}[kind])
    before = tree(here)
    for argv in (
        train_flags(config),
        ["evaluate", "run", "--episodes", "1"],
        ["export", "run", "--out", "policy.safetensors"],
    ):
        line = refused(argv, capsys)
        assert f"run/{name} is a {'pipe' if kind == 'pipe' else 'symbolic link'}" in line
    with pytest.raises(ConfigError, match="what is in a run's folder must lie there"):  # noqa: SIM117
        with lock.owned(here / "run"):
            pass
    assert tree(here) == before


def test_the_folder_itself_may_be_a_link(here: Path) -> None:
    small_run(here / "big disk" / "run")
    (here / "run").symlink_to(here / "big disk" / "run")
    assert cli.main(["evaluate", "run", "--episodes", "1"]) == 0
    assert len(list((here / "big disk" / "run" / "evaluations").iterdir())) == 1


def test_a_sweep_writes_through_no_link(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_dir = here / "results" / "runs" / "default" / "ppo" / "bigfish" / "seed0"
    run_dir.mkdir(parents=True)
    (here / "mine").write_text("mine\n")
    (run_dir / "train.log").symlink_to(here / "mine")
    argv = ["run", "--methods", "ppo", "--games", "bigfish", "--seeds", "0", "--workers", "1"]
    before = tree(here)
    assert "train.log is a symbolic link" in refused(argv, capsys, benchmark.cli.main)
    assert tree(here) == before


# Names


@pytest.mark.parametrize("name", ["..", "../x", "/tmp/x", "a/b", ".", "", "-x", "a\nb", "x" * 300])
def test_an_experiment_is_a_plain_name(
    here: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    before = tree(here)
    line = refused(["train", f"--experiment={name}", "--method", "ppo"], capsys)
    assert "must be letters, digits" in line
    argv = ["run", "--methods", "ppo", "--games", "bigfish", f"--experiment={name}"]
    refused(argv, capsys, benchmark.cli.main)
    assert tree(here) == before


@pytest.mark.parametrize(
    "run",
    [
        *("../../seed0", "../ppo/seed0", "ppo/../seed0", "ppo/bigfish/../seed0", "ppo/bigfish/0"),
        *("/etc/passwd/seed0", "ppo/big|fish/seed0", "p<b>/bigfish/seed0", "ppo/bigfish/seed-1"),
        *("ppo/bigfish/seed" + "9" * 5000, 7, None, ["ppo"], {}),
    ],
    ids=lambda run: str(run)[:30],
)
def test_a_plan_names_runs_of_its_own_store(here: Path, run: object) -> None:
    store = Store(here / "results")
    folder = store.runs / "mine"
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(json.dumps({"format": 1, "runs": [run]}))
    with pytest.raises(
        ConfigError, match=r"plan.json cannot be read as a plan of runs \(.*is no run"
    ):
        store.specs("mine")


@pytest.mark.parametrize("plan", [[], {}, 7, {"runs": None}, {"runs": {"ppo/bigfish/seed0": 1}}])
def test_a_plan_without_a_list_of_runs(here: Path, plan: object) -> None:
    folder = Store(here / "results").runs / "mine"
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(ConfigError, match=r'\(it has no list "runs"\); delete it'):
        Store(here / "results").specs("mine")


def test_folders_of_an_imported_store_with_other_names_are_no_runs(here: Path) -> None:
    store = Store(here / "results")
    for name in ("ppo/bigfish/seed0", "p<b>x/bigfish/seed0", "ppo/a|b/seed0", "ppo/\n/seed0"):
        small_run(store.runs / "mine" / name)
    assert [spec.id for spec in store.specs("mine")] == ["mine/ppo/bigfish/seed0"]
    (store.runs / "<script>").mkdir()
    assert store.experiments() == ["mine"]


# Checkpoints


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"mkdir '{self.path}'",)


class Call:
    """Calls a function when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def saved(value: object) -> bytes:
    """What torch writes."""
    content = io.BytesIO()
    torch.save({"format": 1, "training": value}, content)
    return content.getvalue()


def compressed(content: bytes, **grown: bytes) -> bytes:
    """An archive with its entries compressed, and some of them replaced."""
    result = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as archive,
        zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for name in archive.namelist():
            data = grown.get(name.rpartition("/")[2].replace(".", "_"), archive.read(name))
            bomb.writestr(name, data)
    return result.getvalue()


def enlarged(sizes: str) -> bytes:
    """A tensor of one number that is declared as very many, by stride 0 or by a larger storage."""
    storage = torch.ones(1).untyped_storage()
    typed = torch.storage.TypedStorage(wrap_storage=storage, dtype=torch.float32, _internal=True)
    shape, stride = (2**33,), (0 if sizes == "stride" else 1,)
    return saved(Call(torch._utils._rebuild_tensor_v2, typed, 0, shape, stride, False, {}))


def a_thousand_times_over(levels: int) -> list[Any]:
    """A list whose elements are one list, whose elements are one list, ..."""
    value: list[Any] = [1.0] * 10
    for _ in range(levels):
        value = [value] * 10
    return value


HOSTILE: dict[str, Callable[[Path], bytes]] = {
    "os.system": lambda marker: saved(Evil(marker)),
    "os.system in a plain pickle": lambda marker: pickle.dumps(Evil(marker)),
    "eval": lambda marker: saved(Call(eval, f"__import__('os').mkdir({str(marker)!r})")),
    "a terabyte of bytes": lambda marker: saved(Call(bytearray, 2**40)),
    "a tensor of a terabyte": lambda marker: saved(Call(torch.Tensor, 2**38)),
    "a zip bomb": lambda marker: compressed(saved(torch.ones(1)), **{"0": bytes(2**27)}),
    "a bomb of a pickle": lambda marker: compressed(saved([]), data_pkl=b"]" * 2**27 + b"."),
    "a tensor of stride 0": lambda marker: enlarged("stride"),
    "a tensor beyond its storage": lambda marker: enlarged("storage"),
    "a billion laughs": lambda marker: saved({"network": a_thousand_times_over(9), "update": 1}),
}

READ = """
import resource, sys
from pathlib import Path
from drac.policy import agent
from drac.config import ConfigError, TrainConfig
from drac.policy.agent import load_agent
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[1]), used + int(sys.argv[1])))
for name in sys.argv[2:]:
    run = Path(name)
    try:
        load_agent(run, TrainConfig.from_json(run / "config.json"))
    except ConfigError as error:
        print("refused:", error)
# Not getrusage's ru_maxrss: a process begins with that of its parent.
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


def test_hostile_checkpoints_are_refused(here: Path) -> None:
    """In a process of its own, with a limit on the memory that it may ask for."""
    marker = here / "marker"
    small_run(here / "run")
    for number, make in enumerate(HOSTILE.values()):
        shutil.copytree(here / "run", here / str(number))
        path = checkpoint.newest(here / str(number))
        assert path is not None
        path.write_bytes(make(marker))
        assert path.stat().st_size < 2**20
    before = tree(here)
    done = subprocess.run(
        [sys.executable, "-c", READ, str(MEMORY), *map(str, range(len(HOSTILE)))],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stderr == ""
    *lines, peak = done.stdout.splitlines()
    for number, (line, name) in enumerate(zip(lines, HOSTILE, strict=True)):
        assert line.startswith(f"refused: {number}/checkpoint/step_000000000032.pt "), name
    assert int(peak) < 1_500_000  # KiB; torch alone takes some 300,000
    assert tree(here) == before
