"""A virtual environment of a test's own: what is installed here, and what the test adds."""

from __future__ import annotations

import os
import shlex
import sys
import sysconfig
import venv
from pathlib import Path

from checkout import ROOT

_SCRIPTS = {"drac": "drac.cli", "drac-bench": "benchmark.cli"}


def create(folder: Path) -> dict[str, str]:
    """Make an environment that sees this checkout and whatever the running one has installed.

    Its `bin` has `drac`, `drac-bench` and an offline `pip`.

    Returns:
        The environment variables of its programs; PYTHONPATH would come before what it has.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    bin_folder = folder / "bin"
    python = bin_folder / "python"
    site = next((folder / "lib").glob("python*")) / "site-packages"
    installed = dict.fromkeys(sysconfig.get_paths()[key] for key in ("purelib", "platlib"))
    (site / "here.pth").write_text("\n".join([str(ROOT), *installed]) + "\n")
    for name, module in _SCRIPTS.items():
        # A script, as pip makes them: with `python -m` the working directory would be on the path.
        code = f"#!{python}\nimport sys\nfrom {module} import main\nsys.exit(main())\n"
        _executable(bin_folder / name, code)
    own, its = shlex.quote(sys.executable), shlex.quote(str(python))
    pip = f"{own} -m pip --python {its} --disable-pip-version-check"
    offline = '--no-deps --no-build-isolation --no-index "$@"'
    _executable(
        bin_folder / "pip",
        f'#!/bin/sh\ncommand="$1"; shift\nexec {pip} "$command" {offline}\n',
    )
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "OMP_NUM_THREADS": "1"}


def _executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
