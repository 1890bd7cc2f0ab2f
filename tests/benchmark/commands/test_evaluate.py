"""`drac-bench evaluate`: the complete runs of an experiment, played further, and their tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from refusals import refused
from small_runs import save_untrained
from synthetic_runs import TOTAL, write_run

from benchmark import cli
from benchmark.engines.engine import Job
from drac import cli as drac_cli
from drac.config import TrainConfig

EVALUATE = ["evaluate", "--experiment", "exp"]
LEVELS = [*EVALUATE, "--levels", "5,9", "--each", "2", "--num-envs", "2"]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """The jobs of an evaluation, which are executed within this process."""
    jobs: list[Job] = []

    def carry_out(
        own: Any, engine: Any, given: Sequence[Job], judge: Callable[..., Any], first: str
    ) -> int:
        jobs[:] = given
        print(first)
        for job in given:
            status = drac_cli.main([*job.argv[2:]])
            assert judge(job, status).text == "complete"
        return 0

    monkeypatch.setattr("benchmark.commands.evaluate.carry_out", carry_out)
    return jobs


def complete_run(seed: int = 0) -> Path:
    """Write a complete run that can be evaluated."""
    folder = write_run(Path("results"), game="starpilot", seed=seed, hidden_size=4)
    save_untrained(folder, TrainConfig.from_json(folder / "config.json"), TOTAL)
    return folder


BAD = {
    "no experiment": ("say whose runs: --experiment NAME; there are exp", ["evaluate"]),
    "an unknown one": ("(did you mean 'exp'?)", ["evaluate", "--experiment", "exq"]),
    "levels and split": ("exclude each other", [*EVALUATE, "--levels", "0-9", "--split", "test"]),
    "levels and episodes": ("--each", [*EVALUATE, "--levels", "0-9", "--episodes", "9"]),
    "no levels": ("levels is empty", [*EVALUATE, "--levels", ""]),
    "bad levels": ("levels '9-1'", [*EVALUATE, "--levels", "9-1"]),
    "no episodes": ("episodes must be at least 1", [*EVALUATE, "--episodes", "0"]),
    "unknown device": ("unknown device 'gpu'", [*EVALUATE, "--device", "gpu"]),
    "unknown engine": ("did you mean 'slurm'", [*EVALUATE, "--engine", "slum"]),
    "bad workers": ("workers 'two'", [*EVALUATE, "--workers", "two"]),
    "an option of training": ("unknown option '--steps'", [*EVALUATE, "--steps", "9"]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_writes_nothing(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(Path("results"))
    message, words = BAD[name]
    assert message in refused(words, tmp_path, capsys)


def test_without_a_complete_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (write_run(Path("results")) / "eval.csv").unlink()
    assert "exp has no complete run" in refused(EVALUATE, tmp_path, capsys)


def test_every_complete_run_is_played_once(
    executed: list[Job], capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in (0, 1):
        complete_run(seed)
    (write_run(Path("results"), game="starpilot", seed=2) / "eval.csv").unlink()
    assert cli.main(LEVELS) == 0
    out = capsys.readouterr().out
    assert "exp: 2 complete runs, 0 evaluated already" in out
    assert "levels 5,9, 2 of each" in out
    assert "Missing: 1 of 3 planned runs" in out
    name = "evaluation-levels5+9-each2-seed0"
    runs = pd.read_csv(f"results/tables/exp/{name}.csv")
    assert runs[["game", "method", "seed", "step", "levels", "episodes"]].to_numpy().tolist() == [
        ["starpilot", "ppo", seed, TOTAL, 2, 4] for seed in (0, 1)
    ]
    file = f"evaluations/levels5+9-each2-seed0-step{TOTAL}.csv"
    episodes = [pd.read_csv(f"results/runs/exp/ppo/starpilot/seed{seed}/{file}") for seed in (0, 1)]
    assert runs["mean"].tolist() == [own["return"].mean() for own in episodes]
    levels = pd.read_csv(f"results/tables/exp/{name}-levels.csv")
    assert levels["level_seed"].tolist() == [5, 9]
    assert levels["episodes"].tolist() == [4, 4]
    assert cli.main(LEVELS) == 0  # nothing is left to do
    assert "2 evaluated already" in capsys.readouterr().out
    assert not executed
    assert pd.read_csv(f"results/tables/exp/{name}.csv").equals(runs)


def test_what_is_not_whole_is_played_again(executed: list[Job]) -> None:
    words = [*EVALUATE, "--split", "train", "--num-envs", "2", "--episodes"]
    run_dir = complete_run()
    for episodes, played in (("3", 1), ("3", 0), ("4", 1)):
        assert cli.main([*words, episodes]) == 0
        assert len(executed) == played
    (file,) = (run_dir / "evaluations").iterdir()
    file.write_text(file.read_text()[:-9])
    assert cli.main([*words, "4"]) == 0
    assert len(executed) == 1


def test_robustness_of_every_run(
    executed: list[Job], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drac.evaluate.robustness.MAX_STEPS", 20)
    for seed in (0, 1):
        complete_run(seed)
    words = [*EVALUATE, "--robustness", "--num-envs", "2"]
    assert cli.main([*words, "--episodes", "2"]) == 0
    assert len(executed) == 2
    table = "drac-bench tables --table robustness --experiment exp"
    assert capsys.readouterr().out.splitlines()[-1] == table
    assert cli.main(table.split()[1:]) == 0
    data = pd.read_csv("results/tables/exp/robustness.csv")
    assert {*data["split"]} == {"train", "test"}
    for episodes, played in (("2", 0), ("3", 2)):
        assert cli.main([*words, "--episodes", episodes]) == 0
        assert len(executed) == played


def test_a_dry_run_prints_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    complete_run()
    assert cli.main([*LEVELS, "--dry-run", "--seed", "3"]) == 0
    assert capsys.readouterr().out == (
        "drac evaluate results/runs/exp/ppo/starpilot/seed0 --seed=3 --levels=5,9"
        " --each=2 --num-envs=2\n"
    )
    assert not Path("results/tables").exists()


@pytest.mark.slow
def test_a_run_that_cannot_be_evaluated_stops_no_other(capfd: pytest.CaptureFixture[str]) -> None:
    complete_run()
    write_run(Path("results"), game="starpilot", seed=1)  # without a checkpoint
    assert cli.main([*LEVELS, "--retries", "0", "--workers", "2", "--device", "cpu"]) == 1
    out = capfd.readouterr().out
    assert "exp/ppo/starpilot/seed1, levels 5,9, 2 of each, seed 0: FAILED (exit status 2" in out
    assert "this run alone: drac evaluate results/runs/exp/ppo/starpilot/seed1" in out
    assert "ppo/starpilot/seed1 (not evaluated)" in out
    assert len(pd.read_csv("results/tables/exp/evaluation-levels5+9-each2-seed0.csv")) == 1
