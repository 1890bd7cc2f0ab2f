"""docs/add-an-augmentation.md, executed: its files written, its commands typed, as they stand.

The page is one shell script: a block that begins with "# file: NAME" becomes that file, a block of
bash is run. Nothing is shortened here; the page itself trains next to nothing, with $TINY.
"""

from __future__ import annotations

import csv
import re
import subprocess
from pathlib import Path

import pytest
from checkout import ROOT
from matplotlib import image
from virtual_environment import create

PAGE = ROOT / "docs" / "add-an-augmentation.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def script() -> str:
    """The page as a script of bash."""
    lines = ["set -eu"]
    for language, code in BLOCKS:
        if language == "bash":
            lines.append(code)
            continue
        name = re.match(r"# file: (\S+)\n", code)
        assert name, f"a block of {language} is neither a command nor a file:\n{code}"
        lines.append(f"cat > {name[1]} <<'EOF'\n{code}EOF")
    return "\n".join(lines)


def test_the_class_is_short() -> None:
    (code,) = (code for _, code in BLOCKS if code.startswith("# file: my_package/gamma.py"))
    body = code[code.index("class ") :]
    assert len([line for line in body.splitlines() if line.strip()]) <= 15


@pytest.mark.full
@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    done = subprocess.run(
        ["bash", "-c", script()],
        cwd=here,
        env=create(tmp_path / "venv"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "keeps: " in done.stdout
    assert re.search(r"^gamma +my-package 1.0 +Raise each image", done.stdout, re.MULTILINE)
    assert "gamma(strength=1.0)" in done.stdout
    assert image.imread(here / "gamma.png").ndim == 3

    runs = here / "results" / "runs"
    with (runs / "default" / "ucb-drac" / "coinrun" / "seed0" / "arms.csv").open() as file:
        selected = [row["arm"] for row in csv.DictReader(file) if row["selected"] == "1"]
    assert selected == ["crop", "my_package.gamma:RandomGamma"]
    for method in ("drac-crop", "drac-gamma", "ucb-drac"):
        assert (runs / "gamma" / method / "bigfish" / "seed0" / "eval.csv").is_file()
    tables = "".join(path.read_text() for path in (here / "results/tables/gamma").glob("*.md"))
    assert "drac-gamma" in tables
    (row,) = re.findall(r"^\| gamma .*", done.stdout, re.MULTILINE)
    assert row.count("not available") >= 2  # neither the released code nor kornia has it
