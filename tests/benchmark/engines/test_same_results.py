"""The smoke suite, cut, on every engine: the same bytes in every CSV file, timing columns aside."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from checkout import ROOT
from ray_cluster import ray_cluster
from tiny_runs import tables

CUT = [
    *("run", "--suite", "smoke", "--games", "starpilot", "--device", "cpu", "--steps", "256"),
    *("--epochs", "1", "--hidden-size", "8", "--eval-episodes", "1", "--checkpoint-every", "0"),
    *("--retries", "0"),
]
RUNS = [f"runs/smoke/{method}/starpilot/seed0" for method in ("ppo", "ucb-drac")]
ON_SUBMITITS_LOCAL_EXECUTOR = """
import sys
from benchmark.engines import slurm
slurm.CLUSTER, slurm.LOOK_S = "local", 0.5
from benchmark.cli import main
sys.exit(main(sys.argv[1:]))
"""

pytestmark = pytest.mark.slow


def sweep(
    folder: Path, words: Sequence[str], program: Sequence[str] = ("-m", "benchmark.cli")
) -> list[object]:
    """Run the suite in an empty folder; return its runs' tables."""
    folder.mkdir()
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    env["PYTHONPATH"] = f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"
    command = [sys.executable, *program, *CUT, *words]
    run = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "2 runs finished" in run.stdout
    found = [tables(folder / "results" / name) for name in RUNS]
    assert all({"progress.csv", "arms.csv", "eval.csv"} <= one.keys() for one in found)
    return list(found)


@pytest.fixture(scope="module")
def one_worker(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    return sweep(tmp_path_factory.mktemp("same") / "one", ["--workers", "1"])


def test_two_workers(tmp_path: Path, one_worker: list[object]) -> None:
    assert sweep(tmp_path / "two", ["--workers", "2"]) == one_worker


def test_submitit(tmp_path: Path, one_worker: list[object]) -> None:
    pytest.importorskip("submitit")
    program = ("-c", ON_SUBMITITS_LOCAL_EXECUTOR)
    assert sweep(tmp_path / "slurm", ["--engine", "slurm"], program) == one_worker


@pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="Ray is not installed")
@pytest.mark.filterwarnings("ignore")
def test_a_ray_cluster_of_two_nodes(tmp_path: Path, one_worker: list[object]) -> None:
    with ray_cluster(2) as cluster:
        for storage in ("shared", "fetch"):
            words = ["--engine", "ray", "--address", cluster.address, "--storage", storage]
            assert sweep(tmp_path / storage, words) == one_worker
