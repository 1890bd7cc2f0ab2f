"""docs/quickstart.ipynb, executed as it stands, in an empty folder; and the pages as a site."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import DOCS, ROOT


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient, nbformat = map(pytest.importorskip, ("nbclient", "nbformat"))
    pytest.importorskip("ipykernel")
    for name, first in (("PATH", Path(sys.executable).parent), ("PYTHONPATH", ROOT)):
        monkeypatch.setenv(name, os.pathsep.join([str(first), os.environ.get(name, "")]))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")  # else it warns that they will be the default
    book = nbformat.read(DOCS / "quickstart.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in book.cells)
    client = nbclient.NotebookClient(book, resources={"metadata": {"path": tmp_path}}, timeout=300)
    client.execute()
    outputs = [output for cell in book.cells for output in cell.get("outputs", ())]
    pictures = [one for one in outputs if "image/png" in one.get("data", ())]
    assert len(pictures) == 3
    said = "".join(one.get("text", "") for one in outputs)
    assert "drac-crop 1 train " in said
    assert "test return per game" in said
    assert "quickstart: 4 of 4 runs complete, 2 methods x 1 game x 2 seeds, 512 steps" in said
    assert not [one for one in outputs if one.get("name") == "stderr" and "rror" in one["text"]]


def test_the_pages_become_a_site(tmp_path: Path) -> None:
    for name in ("material", "mkdocstrings"):
        pytest.importorskip(name)
    words = ["mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "quickstart.ipynb").is_file()
    assert "TrainConfig" in (tmp_path / "api" / "index.html").read_text(encoding="utf-8")
