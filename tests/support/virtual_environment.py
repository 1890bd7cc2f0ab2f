"""A virtual environment of a test's own: what is installed here, and what the test adds."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

from checkout import ROOT

_SCRIPTS = {"drac": "drac.cli", "drac-bench": "benchmark.cli"}


@dataclass(frozen=True)
class Environment:
    """A virtual environment with `drac`, `drac-bench` and an offline `pip` in `bin`."""

    folder: Path

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    def run(self, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run one of its programs; the text it printed is in the result."""
        program = str(self.bin / words[0])
        return subprocess.run(
            [program, *words[1:]], cwd=cwd, env=self.variables(), capture_output=True, text=True
        )

    def variables(self) -> dict[str, str]:
        """The environment variables of its programs; PYTHONPATH would come before what it has."""
        kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        return {**kept, "PATH": path, "OMP_NUM_THREADS": "1"}

    def install(self, project: Path) -> None:
        """Install a package from its source, as `pip install PROJECT` would."""
        done = self.run("pip", "install", str(project), cwd=project)
        assert done.returncode == 0, done.stderr


def create(folder: Path) -> Environment:
    """Make an environment that sees this checkout and whatever the running one has installed."""
    venv.create(folder, with_pip=False, symlinks=True)
    environment = Environment(folder)
    python = environment.bin / "python"
    site = next((folder / "lib").glob("python*")) / "site-packages"
    installed = dict.fromkeys(sysconfig.get_paths()[key] for key in ("purelib", "platlib"))
    (site / "here.pth").write_text("\n".join([str(ROOT), *installed]) + "\n")
    for name, module in _SCRIPTS.items():
        # A script, as pip makes them: with `python -m` the working directory would be on the path.
        code = f"#!{python}\nimport sys\nfrom {module} import main\nsys.exit(main())\n"
        _executable(environment.bin / name, code)
    own, its = shlex.quote(sys.executable), shlex.quote(str(python))
    pip = f"{own} -m pip --python {its} --disable-pip-version-check"
    offline = '--no-deps --no-build-isolation --no-index "$@"'
    _executable(
        environment.bin / "pip",
        f'#!/bin/sh\ncommand="$1"; shift\nexec {pip} "$command" {offline}\n',
    )
    return environment


def _executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
