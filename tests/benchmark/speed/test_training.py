"""`drac-bench speed` without another word: what is measured and what is said of it.

No test asserts a time. Most have no child process measure: `fake_children` makes up what it finds.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from augmentations import PAPER_ARMS, make
from benchmark.cli import main
from benchmark.speed import training as training_speed
from benchmark.speed import training_children, training_plan, training_table
from benchmark.speed.training import Cell, Machine, Report, Task, Verdict, Workers
from benchmark.speed.training_children import ChildFailedError
from benchmark.speed.training_compare import compare
from benchmark.speed.worker import arithmetic, others, parity, work
from drac import hardware
from drac.config import build
from drac.errors import ConfigError
from drac.networks import ActorCritic
from drac.timing import PHASES

TINY = [
    "--num-envs",
    "4",
    "--num-steps",
    "16",
    "--device",
    "cpu",
    "--threads",
    "1",
    "--eval-episodes",
    "2",
]
MACHINE = Machine("a CPU", 2, "cpu", "9.9")
CELL = Cell(
    method="ppo",
    device="cpu",
    precision="float32",
    engine="drac",
    threads=2,
    num_envs=64,
    num_steps=256,
    micro_batch=128,
    env_groups=1,
    steps_per_s=250.0,
    update_s=16384 / 250,
    phases=dict.fromkeys((*PHASES, "other"), 7.0),
    network_share=0.9,
    evaluate_s=10.0,
    checkpoint_s=0.5,
    checkpoint_mb=7.7,
    forward_flop=60e6,
    both_flop=180e6,
    model_gflops=150.0,
    matmul_gflops=200.0,
    matmul_mean_gflops=190.0,
    peak_memory_mb=1500.0,
    peak_device_mb=None,
    others_cores=0.0,
)


def settings() -> dict[str, Any]:
    return training_plan.Plan((config_of("ppo"),)).settings()


def config_of(method: str, **options: Any) -> Any:
    fixed = {"device": "cpu", "precision": "float32", "threads": 1, "game": "starpilot"}
    return hardware.resolve(build({**fixed, "method": method, **options}))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[Task]]:
    """What children would have been asked; each finds a CELL of its task's config."""
    calls: list[list[Task]] = []

    def run(tasks: Sequence[Task], on_part: Any) -> list[Any]:
        calls.append(list(tasks))
        on_part("a part")
        if tasks[0].kind == "parity":
            return [[asdict(Verdict("weights", 1e-12, 1e-9)), asdict(Verdict("gradient", 1, 1e-3))]]
        return [{"machine": asdict(MACHINE), "cell": asdict(cell_of(task))} for task in tasks]

    monkeypatch.setattr(training_children, "run", run)
    return calls


def cell_of(task: Task) -> Cell:
    names = ("method", "device", "precision", "threads", "micro_batch", "env_groups")
    config = {name: task.config[name] for name in names}
    speed = 100 * task.config["threads"] + (task.config["micro_batch"] == 64)
    return replace(CELL, **config, engine=task.engine, steps_per_s=float(speed))


def test_the_command_measures_and_compares(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is made up here: two processes train, evaluate and save."""
    out = tmp_path / "new" / "speed.json"
    words = [*TINY, "--methods", "ucb-drac", "--precisions", "float32", "--reference"]
    assert main(["speed", *words, "--json", str(out)]) == 0
    printed, progress = capsys.readouterr()
    assert "| ucb-drac | drac      | cpu    | float32   | 1 " in printed
    assert "| ucb-drac | reference | cpu    | float32   | 1 " in printed
    assert "ucb-drac, reference: training" in progress
    found = training_speed.load(out)
    fast, plain = found.cells
    assert found.machine.torch == torch.__version__
    assert (fast.engine, plain.engine) == ("drac", "reference")
    assert (plain.evaluate_s, plain.checkpoint_s) == (None, None)
    for cell in found.cells:
        assert cell.steps_per_s == pytest.approx(64 / cell.update_s)
        training = {k: v for k, v in cell.phases.items() if k not in ("evaluate", "checkpoint")}
        assert sum(training.values()) == pytest.approx(cell.update_s)
        assert set(cell.phases) == {*PHASES, "other"}
        inside = cell.phases["act"] + cell.phases["forward, backward"]
        assert cell.network_share == pytest.approx(inside / cell.update_s)
        passes = 64 * 2 * 3 * cell.both_flop + (64 + 4) * cell.forward_flop
        assert cell.model_gflops == pytest.approx(passes / cell.update_s / 1e9)
        assert 300 < cell.peak_memory_mb < 4000
        assert cell.peak_device_mb is None
    assert fast.evaluate_s
    assert fast.phases["evaluate"] == pytest.approx(fast.evaluate_s * 64 / 500_000)
    assert fast.checkpoint_s
    assert fast.phases["checkpoint"] == pytest.approx(fast.checkpoint_s * fast.update_s / 600)
    assert main(["speed", "compare", str(out), str(out)]) == 0
    assert "1.000" in capsys.readouterr().out


def test_what_is_measured_by_default(
    asked: list[list[Task]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hardware, "has_native_bf16", lambda device: True)
    assert main(["speed", "--device", "cpu", "--reference"]) == 0
    tasks = [task for call in asked for task in call]
    measured = [(t.config["method"], t.config["precision"], t.engine) for t in tasks]
    assert measured == [
        ("ppo", "float32", "drac"),
        ("ppo", "bf16", "drac"),
        ("ppo", "bf16", "reference"),
        ("ucb-drac", "float32", "drac"),
        ("ucb-drac", "bf16", "drac"),
        ("ucb-drac", "bf16", "reference"),
    ]
    for task in tasks:
        assert (task.config["num_envs"], task.config["num_steps"]) == (64, 256)
        assert (task.gradient_steps, task.in_step) == (8, False)
        assert task.evaluate == (task.engine == "drac")
    assert len(asked) == 6
    assert "Where the time goes" in capsys.readouterr().out


def test_without_bf16_it_is_left_out(
    asked: list[list[Task]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "has_native_bf16", lambda device: False)
    assert main(["speed", "--device", "cpu", "--methods", "ppo", "--full"]) == 0
    (((task,)),) = asked
    assert (task.config["precision"], task.gradient_steps) == ("float32", 0)


def test_workers_side_by_side(
    asked: list[list[Task]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "workers.json"
    words = ["--device", "cpu", "--methods", "ppo", "--precisions", "float32", "--workers", "3"]
    assert main(["speed", *words, "--json", str(out)]) == 0
    assert [[task.config["threads"] for task in call] for call in asked] == [[1], [1, 1, 1], [3]]
    assert all(task.in_step and not task.evaluate for call in asked for task in call)
    (row,) = training_speed.load(out).workers
    assert (len(row.together), row.one.threads) == (3, 3)
    said = capsys.readouterr().out
    assert "every worker has 1 thread; all begin at the same moment" in said
    assert "| 3.00 " in said
    assert "100.0%" in said


def test_the_speed_up_of_workers_is_that_of_their_sum() -> None:
    together = tuple(
        replace(CELL, steps_per_s=speed, matmul_mean_gflops=rate)
        for speed, rate in ((95.0, 99.0), (97.0, 98.0))
    )
    alone = replace(CELL, steps_per_s=100.0, matmul_mean_gflops=100.0)
    row = Workers(alone, together, CELL)
    assert row.speed_up == pytest.approx(1.92)
    assert row.matmul_speed_up == pytest.approx(1.97)
    assert row.efficiency == pytest.approx(1.92 / 1.97)


def test_calibration_recommends_the_fastest(
    asked: list[list[Task]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2})
    words = ["--device", "cpu", "--methods", "ppo", "--precisions", "float32", "--calibrate"]
    assert main(["speed", *words]) == 0
    tried = [(t.config["threads"], t.config["micro_batch"]) for (t,) in asked]
    assert tried == [(threads, size) for threads in (1, 3) for size in training_plan.MICRO_BATCHES]
    assert all((t.collect_steps, t.gradient_steps, t.evaluate) == (16, 2, False) for (t,) in asked)
    said = capsys.readouterr().out
    best = "drac train --device cpu --precision float32 --threads 3 --micro-batch 64"
    assert f"fastest here: {best}\n" in said


def test_on_cuda_groups_of_envs_are_tried() -> None:
    config = config_of("ppo", num_envs=6).model_copy(update={"device": "cuda"})
    assert list(training_plan.choices(config, 8)) == [{"env_groups": 1}, {"env_groups": 2}]


def test_the_check_prints_a_verdict_a_line_and_its_status_tells(
    asked: list[list[Task]], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--device", "cpu", "--methods", "ppo", "--precisions", "float32", "--check"]
    assert main(["speed", *words]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "ok      weights: 1e-12 (at most 1e-09)",
        "FAILED  gradient: 1 (at most 0.001)",
    ]
    assert lines[2] == "## Speed of training"
    assert [call[0].kind for call in asked] == ["parity", "speed"]


def test_a_figure_that_is_no_number_fails() -> None:
    assert not Verdict("a", float("nan"), 1).passed
    assert not Verdict("a", float("nan"), 1, at_least=True).passed
    assert Verdict("a", 0.995, 0.99, at_least=True).text() == "ok      a: 0.995 (at least 0.99)"


def test_this_device_agrees_with_the_plain_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity, "METHODS", (("drac-crop", "released"),))
    config = config_of("ppo", num_envs=4, num_steps=8).model_dump(mode="json")
    parts: list[str] = []
    found = [Verdict(**one) for one in parity.verdicts(Task(config, "parity"), parts.append)]
    assert parts == ["drac-crop (released), micro-batches"]
    kinds = [verdict.name.partition(": ")[2] for verdict in found]
    assert kinds[:2] == ["weights after an update in float64", "gradients in float32"]
    assert all(verdict.passed for verdict in found[:2]), [v.text() for v in found]
    assert found[0].limit == 1e-9


def test_the_check_sees_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity, "METHODS", (("ppo", "paper"),))
    monkeypatch.setattr(parity, "_generators", lambda: [torch.Generator() for _ in range(3)])
    config = config_of("ppo", num_envs=4, num_steps=8).model_dump(mode="json")
    seeds = iter(range(100))
    monkeypatch.setattr(
        parity,
        "_generators",
        lambda: [torch.Generator().manual_seed(next(seeds)) for _ in range(3)],
    )
    found = [Verdict(**one) for one in parity.verdicts(Task(config, "parity"), lambda name: None)]
    assert not any(verdict.passed for verdict in found)


def test_every_augmentation_has_its_turn() -> None:
    arms = [make(name) for name in PAPER_ARMS]
    for name, arm in zip(PAPER_ARMS, arms, strict=True):
        arm.name = name
    turn = work.InTurn(arms)
    images = torch.rand(2, 3, 64, 64)
    for arm in (*arms, arms[0]):
        generator, same = (torch.Generator().manual_seed(3) for _ in range(2))
        params = turn.sample(images.shape, generator)
        wanted = arm.apply(images, arm.sample(images.shape, same))
        assert torch.equal(turn.apply(images, params), wanted)


def test_the_operations_of_the_network_are_those_of_a_count_by_hand() -> None:
    """Multiplications and additions of the convolutions and the three linear layers."""
    by_hand, size, channels = 0, 64, 3
    for out in (16, 32, 32):
        by_hand += 2 * 9 * channels * out * size * size
        size, channels = size // 2, out
        by_hand += 4 * 2 * 9 * channels * channels * size * size
    by_hand += 2 * (size * size * channels * 256 + 256 * 15 + 256)
    forward, both = arithmetic.flop(ActorCritic(15), (3, 64, 64))
    assert forward == by_hand
    first = 2 * 9 * 3 * 16 * 64 * 64  # nobody needs the gradient of the images
    assert both == 3 * by_hand - first


def test_matrix_products_are_counted() -> None:
    rates = arithmetic.matmul_rates(torch.device("cpu"), "float32", 0.01, side=64)
    assert 0 < rates.mean <= rates.best


def test_the_tables_say_what_was_measured() -> None:
    plain = replace(CELL, engine="reference", steps_per_s=50.0, evaluate_s=None)
    found = Report(MACHINE, settings(), (CELL, plain))
    text = training_table.cells(found).markdown()
    lines = [" ".join(line.replace("|", " ").split()) for line in text.splitlines()]
    hours = 25e6 / 16384 * 70 / 3600
    assert f"ppo drac cpu float32 2 250 5.00x {hours:.1f} 90.0% 75% 1,500" in lines
    assert "starpilot, 64 envs x 256 steps; on CPU a rollout and one epoch" in text
    assert "a CPU, 2 cores, torch 9.9" in text
    text = training_table.phases(found).markdown()
    assert text.count("7.000 (10.0%)") == 20
    assert text.count("70.000 (100.0%)") == 2
    assert "100 episodes on each split" in text


def test_a_disturbed_measurement_is_called_so() -> None:
    busy = replace(CELL, precision="bf16", others_cores=0.5)
    text = training_table.cells(Report(MACHINE, settings(), (CELL, busy))).markdown()
    assert "measure again; how many: ppo, bf16: 0.50\n" in text
    assert (
        "measure again" not in training_table.cells(Report(MACHINE, settings(), (CELL,))).markdown()
    )


@pytest.mark.parametrize("attempts", [1, 3])
def test_what_was_disturbed_is_measured_again(
    attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The least disturbed counts; what was not disturbed is measured once."""
    busy = iter([0.9, 0.4, 0.7, 0.0])

    def run(tasks: Sequence[Task], on_part: Any) -> list[Any]:
        cell = replace(cell_of(tasks[0]), others_cores=next(busy))
        return [{"machine": asdict(MACHINE), "cell": asdict(cell)}]

    monkeypatch.setattr(training_children, "run", run)
    configs = (config_of("ppo"), config_of("ucb-drac"))
    found = training_plan.Plan(configs, attempts=attempts).cells(reference=False)
    wanted = [0.9, 0.4] if attempts == 1 else [0.4, 0.0]
    assert [cell.others_cores for cell in found.cells] == wanted


def test_workers_do_not_disturb_each_other() -> None:
    beside = replace(CELL, threads=1, others_cores=2.02)
    row = Workers(replace(CELL, threads=1), (beside,) * 3, CELL)
    assert row.others_cores == pytest.approx(0.02)
    row = replace(row, one=replace(CELL, others_cores=0.3))
    assert row.others_cores == 0.3
    text = training_table.workers(Report(MACHINE, settings(), workers=(row,))).markdown()
    assert "how many: ppo, float32: 0.30" in text


def test_others_are_seen_and_we_are_not_among_them() -> None:
    """A process at work beside us is seen; what we do ourselves is not counted."""
    code = (
        "import time; print(flush=True)\nuntil = time.time() + 60\nwhile time.time() < until: pass"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.readline()
        watched = others.Others()
        until = time.perf_counter() + 1
        while time.perf_counter() < until:
            pass
        busy = watched.cores()
        other.kill()
    assert 0.05 < busy < (os.cpu_count() or 1) + 0.2


def test_the_gpus_memory_has_its_column() -> None:
    cell = replace(CELL, device="cuda", peak_device_mb=2345.6)
    found = Report(MACHINE, settings(), (cell,))
    assert "2,346" in training_table.cells(found).markdown()
    assert "their sum exceeds" in training_table.phases(found).markdown()


def test_a_comparison_names_what_differs() -> None:
    faster = replace(CELL, steps_per_s=500.0, peak_memory_mb=750.0)
    other = replace(CELL, method="ucb-drac")
    first = Report(MACHINE, settings(), (CELL, other))
    second = Report(replace(MACHINE, cores=4), {**settings(), "num_envs": 8}, (faster,))
    text = compare(first, second).markdown()
    assert "| 250 -> 500 | 2.000 | 0.500 " in text
    assert "- machine cores: 2 in the first, 4 in the second\n" in text
    assert "- settings num_envs: 64 in the first, 8 in the second\n" in text
    assert "- only in the first: ucb-drac cpu float32 drac\n" in text
    assert "machine and settings are the same" in compare(first, first).markdown()


def test_workers_are_compared_too() -> None:
    found = Report(MACHINE, settings(), workers=(Workers(CELL, (CELL, CELL), CELL),))
    assert compare(found, found).markdown().count("1.000 | 1.000") == 4


def test_the_file_keeps_everything(tmp_path: Path) -> None:
    path = tmp_path / "speed.json"
    found = Report(MACHINE, settings(), (CELL,), (Workers(CELL, (CELL, CELL), CELL),))
    path.write_text(found.to_json())
    assert training_speed.load(path) == found


BROKEN = {
    "nothing there": (None, "cannot be read"),
    "no JSON": ("{", "is no JSON file of drac-bench speed"),
    "another kind": ("[1]", "is no JSON file of drac-bench speed"),
    "a later format": ('{"format": 9}', "has format 9; this version reads format 1"),
    "damaged": ('{"format": 1, "machine": {}}', "is damaged"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_other_files_are_refused(name: str, tmp_path: Path) -> None:
    text, message = BROKEN[name]
    if text is not None:
        (tmp_path / "speed.json").write_text(text)
    with pytest.raises(ConfigError, match=message):
        training_speed.load(tmp_path / "speed.json")


TASK = Task({"method": "ppo", "precision": "float32", "threads": 1})


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def play(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Have children run some lines in place of measuring."""
    monkeypatch.setattr(training_children, "COMMAND", (sys.executable, "-u", "-c", code))


IN_STEP = """
import json, os, sys, time
task = json.loads(input())
print(json.dumps({"part": "begin"}))
for part in "ab":
    print(json.dumps({"ready": part}))
    assert input() == "go"
print(json.dumps({"result": [time.time(), task["engine"], os.environ["OMP_NUM_THREADS"]]}))
"""


def test_children_go_on_together(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, IN_STEP)
    parts: list[str] = []
    found = training_children.run([TASK, replace(TASK, engine="reference")], parts.append)
    assert [result[1:] for result in found] == [["drac", "1"], ["reference", "1"]]
    assert parts == ["ppo, float32: begin", "ppo, reference: begin"]
    assert list(logs.iterdir()) == []


FAILING = {
    "raises": ("input()\nraise ValueError('it is late')", "exit status 1, ValueError: it is late"),
    "is killed": ("import os\ninput()\nos.kill(os.getpid(), 9)", "killed by signal 9"),
    "reads nothing": ("raise SystemExit(3)", "exit status 3"),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_child_that_fails_is_one_sentence(
    name: str, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, message = FAILING[name]
    play(monkeypatch, code)
    with pytest.raises(ChildFailedError) as caught:
        training_children.run([TASK])
    (log,) = logs.iterdir()
    said = str(caught.value)
    assert said == f"measuring ppo, float32 failed ({message}); its log is {log}"


def test_a_child_that_fails_has_status_1(
    logs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    play(monkeypatch, "input()\nraise ValueError('it is late')")
    assert main(["speed", *TINY, "--methods", "ppo"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "drac-bench speed: error: measuring ppo, float32 failed (exit status 1" in err


def test_ctrl_c_ends_the_children(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, 'import os, time\nprint(\'{"part": "%d"}\' % os.getpid())\ntime.sleep(99)')
    found: list[int] = []

    def interrupt(part: str) -> None:
        found.append(int(part.rpartition(" ")[2]))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training_children.run([TASK], interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(found[0], signal.SIGTERM)
    assert list(logs.iterdir()) == []


BAD = {
    "no CUDA": ("--device cuda", "torch finds no CUDA device"),
    "unknown method": ("--methods pqo", "unknown method 'pqo'"),
    "unknown precision": ("--precisions fp8", "precision 'fp8' is not possible"),
    "no methods": ("--methods", "--methods names nothing to measure"),
    "no attempts": ("--attempts 0", "attempts must be at least 1"),
    "no workers": ("--workers 0", "workers must be at least 1"),
    "not divisible": ("--num-envs 3 --num-steps 3", "not divisible by minibatches 8"),
    "two questions": ("--calibrate --check", "are different measurements"),
    "a reference of workers": ("--workers 2 --reference", "has no meaning beside --workers"),
    "a folder": ("--json folder", "folder is a folder"),
    "one file": ("compare folder", "give two files"),
    "three files": ("compare a b c", "give two files"),
    "no file": ("compare a b", "a cannot be read: No such file or directory"),
    "unknown command": ("comparison a b", "unknown command 'comparison'"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    yield tmp_path
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("name", BAD)
@pytest.mark.usefixtures("folder", "asked")
def test_bad_input_is_one_sentence(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    flags, message = BAD[name]
    assert main(["speed", *flags.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    (line,) = (line for line in err.splitlines() if line.strip())
    assert line.startswith("drac-bench speed")
    assert ": error: " in line


def test_the_report_is_json_without_a_date(tmp_path: Path) -> None:
    data = json.loads(Report(MACHINE, settings(), (CELL,)).to_json())
    assert data["format"] == 1
    assert set(data) == {"format", "machine", "settings", "cells", "workers"}
    assert set(data["machine"]) == {"cpu", "cores", "device", "torch"}
