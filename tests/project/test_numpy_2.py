"""A run under numpy 2 is, bit for bit, the run under numpy 1: Procgen's own pin is not needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT
from small_runs import small_config

from drac.runs.logs import TIMING_COLUMNS

CODE = """
import sys
import numpy
from pathlib import Path
from drac.config import TrainConfig
from drac.train.loop import train
train(TrainConfig.from_json(Path(sys.argv[1])), sys.argv[2])
print(numpy.__version__)
"""


@pytest.mark.full
@pytest.mark.slow
def test_a_run_under_numpy_2_is_the_same_run(tmp_path: Path) -> None:
    import pandas as pd

    other = tmp_path / "numpy 2"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(other)]
    done = subprocess.run([*pip, "numpy>=2,<3"], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"numpy 2 cannot be installed here: {done.stderr.strip()[-200:]}")
    config = tmp_path / "config.json"
    config.write_text(small_config(method="ucb-drac", steps=96).to_json(), encoding="utf-8")
    tables, versions = [], []
    for name, path in (("one", [str(ROOT)]), ("two", [str(other), str(ROOT)])):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
        command = [sys.executable, "-c", CODE, str(config), str(tmp_path / name)]
        run = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert run.returncode == 0, run.stderr
        versions.append(run.stdout.split()[-1].split(".")[0])
        files = [tmp_path / name / f"{kind}.csv" for kind in ("progress", "eval", "arms")]
        kept = [
            pd.read_csv(file).drop(columns=list(TIMING_COLUMNS), errors="ignore") for file in files
        ]
        tables.append([table.to_csv(index=False) for table in kept])
    assert versions == ["1", "2"]
    assert tables[0] == tables[1]
