"""The index: what is read through it is what the files say, whatever happens to either."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic_runs import ARMS, tree, write_run

from benchmark import cli
from benchmark.store import index
from benchmark.store.index import Index
from benchmark.store.run_record import RunRecord
from benchmark.store.store import Store


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The runs that were read from their files."""
    seen: Counter[str] = Counter()
    original = Store.read

    def counting(store: Store, spec: Any) -> RunRecord:
        seen[spec.name] += 1
        return original(store, spec)

    monkeypatch.setattr(Store, "read", counting)
    return seen


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests do not wait for files to be old; times of change are fine enough here."""
    monkeypatch.setattr(index, "SETTLED_S", -1e6)


def plain(record: RunRecord) -> dict[str, Any]:
    """A record as what can be compared, with types."""
    known = {field.name: getattr(record, field.name) for field in fields(record)}
    known["final"] = None if record.problems else record.final
    for name, value in known.items():
        if isinstance(value, Mapping) and all(isinstance(v, np.ndarray) for v in value.values()):
            known[name] = {n: (v.dtype.str, repr(v.tolist())) for n, v in value.items()}
    return known


def assert_same(store: Store) -> None:
    """What the index has is what the files say, and its order of runs."""
    for name in store.experiments():
        specs = store.specs(name)
        through = [plain(record) for record in store.records(specs)]
        assert through == [plain(Store(store.root).read(spec)) for spec in specs]


def filled(root: Path) -> Store:
    write_run(root)
    write_run(root, "ucb-drac", "maze", 3, arms=ARMS)
    half = write_run(root, "drac-crop", "maze", seed=12)
    lines = (half / "eval.csv").read_text().splitlines(keepends=True)
    (half / "eval.csv").write_text("".join(lines[:-2]))
    robust = write_run(root, "ppo", "maze", experiment="other")
    (robust / "robustness.csv").write_text("metric,split,variant,pairs,value\nJSD,test,a,5,0.5\n")
    (robust / "robustness.json").write_text('{"step": 256}')
    return Store(root)


def test_the_second_time_no_run_is_read(tmp_path: Path, read: Counter[str]) -> None:
    store = filled(tmp_path)
    specs = [spec for name in store.experiments() for spec in store.specs(name)]
    first = [plain(record) for record in store.records(specs)]
    assert {*read.values()} == {1}
    read.clear()
    assert [plain(record) for record in Store(tmp_path).records(specs)] == first
    assert not read
    assert Index(tmp_path).count() == 4


def pipes(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if Path(folder, name).is_fifo()]


def edits(run: Path, rng: random.Random) -> list[Callable[[], object]]:
    """What may happen to a run's folder."""
    files = [run / name for name in ("config.json", "meta.json", "progress.csv", "eval.csv")]
    path = rng.choice([*files, run / "arms.csv", run / "robustness.csv", run / "robustness.json"])
    other = rng.choice(["robustness.csv", "checkpoint", "clips", "x"])
    if path.is_fifo():  # whose bytes would be waited for
        return [path.unlink]

    def replace_bytes() -> None:
        content = bytearray(path.read_bytes())
        for _ in range(rng.choice((1, 5))):
            content[rng.randrange(len(content))] = rng.choice(b"0123456789.,x{")
        before = path.stat()
        path.write_bytes(content)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # the same size and time

    def link() -> None:
        if other in ("checkpoint", "clips"):
            (run / other).mkdir(exist_ok=True)
            (run / other / "link").symlink_to(run)
        else:
            (run / other).unlink(missing_ok=True)
            (run / other).symlink_to(path)

    return [
        replace_bytes,
        lambda: path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)]),
        lambda: path.write_bytes(path.read_bytes() + b"1"),
        lambda: path.unlink(),
        lambda: path.rename(run / f"{path.name}.old"),
        lambda: path.chmod(0o600),
        lambda: shutil.copy(rng.choice(files), run / "robustness.csv"),
        lambda: os.mkfifo(run / "robustness.json"),
        lambda: (path.unlink(), path.mkdir()),
        link,
        lambda: run.rename(run.with_name(f"seed{rng.randrange(20)}")),
        lambda: run.rename(run.with_name("seed0.before-1")),
        lambda: shutil.copytree(run, run.with_name("seed7"), ignore=pipes, symlinks=True),
        lambda: (run.parent.rename(run.parents[2] / "m"), run.parent.symlink_to("../m")),
        lambda: shutil.rmtree(run),
    ]


def spoil(database: Path, rng: random.Random) -> None:
    """What may happen to the index."""
    how = rng.randrange(5)
    if how == 0:
        database.unlink(missing_ok=True)
    elif how == 1:
        database.write_bytes(rng.randbytes(rng.randrange(5000)))
    elif how == 2 and database.exists():
        content = bytearray(database.read_bytes())
        for _ in range(50):
            content[rng.randrange(len(content))] = rng.randrange(256)
        database.write_bytes(content[: rng.randrange(100, len(content))])
    elif how == 3:
        database.unlink(missing_ok=True)
        with sqlite3.connect(database) as other:
            other.execute("CREATE TABLE runs (id, signature, config, facts, arrays)")
        other.close()
    elif database.exists():
        with sqlite3.connect(database) as other:
            other.execute("UPDATE runs SET facts = '{}'")
        other.close()


def disturb(root: Path, rng: random.Random) -> None:
    runs = [path.parent for path in root.glob("runs/*/*/*/seed*/config.json")]
    for _ in range(rng.choice((1, 2, 4))):
        if not runs or rng.random() < 0.1:
            return
        try:
            rng.choice(edits(rng.choice(runs), rng))()
        except (OSError, ValueError):  # an edit before took it away
            continue


@pytest.mark.parametrize(
    "seed", [*range(8), *(pytest.param(n, marks=pytest.mark.full) for n in range(8, 60))]
)
def test_random_edits_of_the_store_are_noticed(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    store = filled(tmp_path)
    for step in range(6):
        assert_same(store)
        disturb(tmp_path, rng)
        if step % 2:
            assert_same(store)
            database = tmp_path / index.NAME
            try:
                spoil(database, rng)
            except sqlite3.DatabaseError:  # it was spoilt already
                database.unlink()
    assert_same(store)


def test_commands_print_the_same_with_and_without_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], read: Counter[str]
) -> None:
    filled(tmp_path)
    results = ["--results", str(tmp_path)]
    for words in (["status"], ["status", "--experiment", "exp"], ["status", "--json"], ["tables"]):
        said = []
        for _ in range(3):
            assert cli.main([*words, *results]) == 0
            said.append(capsys.readouterr().out)
            if len(said) == 1:
                assert (tmp_path / index.NAME).exists()
                read.clear()
            elif len(said) == 2:
                assert not read
                (tmp_path / index.NAME).unlink()
        assert said[0] == said[1] == said[2]


def test_what_has_just_changed_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Counter[str]
) -> None:
    """Within one tick of the clock a file may change once more and look the same."""
    monkeypatch.setattr(index, "SETTLED_S", 2.0)
    store = Store(write_run(tmp_path).parents[4])
    for _ in range(2):
        list(store.records(store.specs("exp")))
    assert read["ppo/coinrun/seed0"] == 2
    for path in [*tmp_path.rglob("seed0/*"), *tmp_path.rglob("seed0")]:
        os.utime(path, (time.time() - 9,) * 2)
    for _ in range(2):
        list(store.records(store.specs("exp")))
    assert read["ppo/coinrun/seed0"] == 3


def test_a_store_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """We may be root here, whom no mode stops: SQLite is told to open for reading only."""
    store = filled(tmp_path)
    connect = sqlite3.connect

    def read_only(address: str, **more: Any) -> sqlite3.Connection:
        return connect(address.replace("mode=rwc", "mode=ro"), **more)

    monkeypatch.setattr(sqlite3, "connect", read_only)
    before = tree(tmp_path)
    assert_same(store)
    assert cli.main(["status", "--results", str(tmp_path)]) == 0
    assert cli.main(["index", "--results", str(tmp_path)]) == 0
    assert "0 of 4 runs" in capsys.readouterr().out
    assert tree(tmp_path) == before


def test_an_index_that_is_a_link_is_left_alone(tmp_path: Path) -> None:
    """In a store from elsewhere it could be any database of the user's."""
    store = filled(tmp_path / "store")
    mine = tmp_path / "mine.sqlite"
    mine.write_bytes(b"precious")
    for name in (index.NAME, f"{index.NAME}-journal"):
        (store.root / name).symlink_to(mine)
        assert_same(store)
        assert mine.read_bytes() == b"precious"
        (store.root / name).unlink()
    os.mkfifo(store.root / index.NAME)
    assert_same(store)


def test_a_store_that_was_copied_is_read_again(tmp_path: Path, read: Counter[str]) -> None:
    """What an index from elsewhere says is not believed: its files have other inodes and times."""
    store = filled(tmp_path / "a")
    list(store.records(store.specs("exp")))
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    read.clear()
    list(Store(tmp_path / "b").records(store.specs("exp")))
    assert len(read) == 3


def test_the_index_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled(tmp_path)
    for words in ([], ["--rebuild"]):
        assert cli.main(["index", "--results", str(tmp_path), *words]) == 0
        assert f"{tmp_path}/{index.NAME}: 4 of 4 runs, in " in capsys.readouterr().out
    assert cli.main(["index", "--results", str(tmp_path / "x")]) == 2
    assert "there are no runs below" in capsys.readouterr().err


@pytest.mark.slow
def test_processes_that_write_runs_and_the_index_at_once(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from synthetic_runs import write_run
from benchmark.store import index
from benchmark.store.store import Store
index.SETTLED_S = -1e6
root, first = Path(sys.argv[1]), int(sys.argv[2])
for seed in range(first, first + 10):
    write_run(root, seed=seed)
    store = Store(root)
    assert all(record is not None for record in store.records(store.specs("exp")))
"""
    write_run(tmp_path, "ucb-drac", arms=ARMS)
    path = os.pathsep.join(entry for entry in sys.path if entry)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path), str(first)],
            env={**os.environ, "PYTHONPATH": path},
        )
        for first in (0, 10, 20)
    ]
    assert [process.wait(timeout=300) for process in processes] == [0, 0, 0]
    store = Store(tmp_path)
    assert len(store.specs("exp")) == 31
    assert_same(store)
    assert Index(tmp_path).count() == 31


def test_of_many_runs_all_cores_read_the_files(
    tmp_path: Path, read: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "SETTLED_S", 0.0)
    store = filled(tmp_path)
    specs = [spec for name in store.experiments() for spec in store.specs(name)]
    expected = [plain(record) for record in Store(tmp_path).records(specs)]
    index.Index(tmp_path).delete()
    time.sleep(2.1)  # other processes wait for files to be old
    read.clear()
    monkeypatch.setattr("benchmark.store.store.MANY", 2)
    told: list[int] = []
    assert [plain(r) for r in store.records(specs, lambda: told.append(1))] == expected
    assert len(told) == len(specs)
    assert not read
