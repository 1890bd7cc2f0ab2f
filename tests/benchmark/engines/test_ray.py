"""Tasks on a Ray cluster of two nodes, with tiny commands in place of training."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray_cluster import RayCluster, ray_cluster
from refusals import refused

from benchmark.engines import ray as engine_module
from benchmark.engines.engine import Job
from benchmark.engines.ray import RayEngine, pack, unpack
from drac.files import lock

pytest.importorskip("ray")
pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own, in its threads
RUN = ["run", "--methods", "ppo", "--games", "coinrun", "--engine", "ray"]

BAD = {
    "storage": ("unknown storage 'nfs'", ["--storage", "nfs"]),
    "near storage": ("did you mean 'fetch'", ["--storage", "fetched"]),
    "no port": ("address 'here' must be auto, HOST:PORT", ["--address", "here"]),
    "bad port": ("address 'ray://a:99999' must be", ["--address", "ray://a:99999"]),
    "nobody": ("no Ray cluster answers at 127.0.0.1:9", ["--address", "127.0.0.1:9"]),
    "no address": ("address is empty", ["--address="]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said, words = BAD[name]
    assert said in refused([*RUN, *words, "--results", str(tmp_path / "r")], tmp_path, capsys)


def test_without_ray(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    said = refused([*RUN, "--results", str(tmp_path / "r")], tmp_path, capsys)
    assert "the engine ray needs ray, which cannot be imported" in said
    assert 'pip install "procgen-drac[ray]"' in said


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_files_travel_whole_the_newest_checkpoint_alone(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for step in (1, 2):
        write(here / f"checkpoint/step_{step:012}.pt", f"state {step}")
    write(here / "progress.csv", "a\n1\n")
    write(here / "evaluations/a.csv", "b\n")
    write(here / ".lock", "")
    for step in (0, 1):
        write(there / f"checkpoint/step_{step:012}.pt", f"state {step}")
    write(there / "progress.csv", "a\n")
    unpack(pack(here), there)
    assert {str(p.relative_to(there)): p.read_text() for p in there.rglob("*") if p.is_file()} == {
        "checkpoint/step_000000000001.pt": "state 1",
        "checkpoint/step_000000000002.pt": "state 2",
        "progress.csv": "a\n1\n",
        "evaluations/a.csv": "b\n",
    }


def test_what_comes_after_a_node_was_given_up_is_let_be(tmp_path: Path) -> None:
    engine, late = RayEngine(None, fetch=True), pack(tmp_path)
    engine._ray = SimpleNamespace(get=lambda answer: answer)
    engine._desk = SimpleNamespace(take=SimpleNamespace(remote=lambda: {"given up": late}))
    engine._collect()


# --- a cluster ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster(2) as cluster:
        yield cluster


def finish(
    engine: RayEngine, count: int, until: Callable[[], bool] = lambda: False
) -> dict[str, int]:
    statuses: dict[str, int] = {}
    deadline = time.monotonic() + 300
    while len(statuses) < count and not until():
        statuses |= engine.poll()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return statuses


CODE = """
import os, pathlib, signal, sys, time
run = pathlib.Path(sys.argv[1])
log = run / "progress.csv"
def stop(*_):
    checkpoint(2)
    sys.exit(75)
def checkpoint(step):
    (run / "checkpoint").mkdir(exist_ok=True)
    (run / "checkpoint" / f"step_{step:012}.pt").write_text(log.read_text())
signal.signal(signal.SIGTERM, stop)
with log.open("a") as file:
    file.write("begun\\n")
checkpoint(1)
if sys.argv[2] == "wait":
    time.sleep(120)
print(os.getcwd(), flush=True)
sys.exit(int(sys.argv[2]))
"""


def job(root: Path, name: str, does: str) -> Job:
    return Job(name, ("-S", "-c", CODE, str(root / name), does), root / name)


@pytest.mark.slow
@pytest.mark.parametrize("fetch", [False, True])
def test_jobs_end_and_stop(cluster: RayCluster, tmp_path: Path, fetch: bool) -> None:
    short = [job(tmp_path, f"job{k}", str(k % 3)) for k in range(6)]
    long = [job(tmp_path, f"long{k}", "wait") for k in range(4)]
    with RayEngine(cluster.address, fetch) as engine:
        for one in short:
            engine.submit(one)
        assert finish(engine, 6) == {f"job{k}": k % 3 for k in range(6)}
        assert engine.running == []
        for one in long:
            engine.submit(one)
        begun = [one.run_dir / "checkpoint/step_000000000001.pt" for one in long]
        finish(engine, 4, until=lambda: sum(path.exists() for path in begun) == 2)
        some_looks = time.monotonic() + 4 * engine_module.LOOK_S
        finish(engine, 4, until=lambda: time.monotonic() > some_looks)
        assert all(lock.in_use(one.run_dir) for one in long) == fetch
    for one in short:
        cwd = Path((one.run_dir / "train.log").read_text().strip())
        assert (cwd == Path.cwd()) != fetch
        assert not lock.in_use(one.run_dir)
    saved = [(one.run_dir / "checkpoint/step_000000000002.pt").exists() for one in long]
    assert sum(saved) == 2  # the others had not begun


@pytest.mark.slow
@pytest.mark.parametrize("fetch", [False, True])
def test_what_a_lost_node_had_goes_on_elsewhere(
    cluster: RayCluster, tmp_path: Path, fetch: bool
) -> None:
    with RayEngine(cluster.address, fetch) as engine:
        first, second = job(tmp_path, "a", "wait"), job(tmp_path, "b", "wait")
        for one in (first, second):
            engine.submit(one)
        begun = [one.run_dir / "checkpoint/step_000000000001.pt" for one in (first, second)]
        finish(engine, 2, until=lambda: all(path.exists() for path in begun))
        cluster.remove(cluster.nodes[-1])
        ((lost, status),) = finish(engine, 1).items()
        assert status == 1
        log = (tmp_path / lost / "train.log").read_text()
        assert "Ray: " in log
        cluster.add(tmp_path)
        engine.submit(job(tmp_path, lost, "0"))
        assert finish(engine, 1) == {lost: 0}
        assert (tmp_path / lost / "progress.csv").read_text() == "begun\nbegun\n"


def test_an_address_where_something_else_listens(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "ANSWER_S", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        words = [*RUN, "--address", address, "--results", str(tmp_path / "r")]
        assert f"no Ray cluster answers at {address}" in refused(words, tmp_path, capsys)
