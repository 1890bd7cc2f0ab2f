"""Installs the wheel, not the clone, into clean environments, and types what the README says.

    python tests/scripts/install/try_install.py --log results/evidence/install.txt python3.10 ...

Builds wheel and sdist, has twine check them, and for each interpreter makes an environment with the
versions of constraints.txt and runs there, in an empty folder, every command and Python example of
the README that a newcomer can type without a clone and without years of training; the runs are made
small by flags that follow the README's. A failure is told and ends with status 1.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    ((?:drac|drac-bench) [^#\n]*[^#\s])", README, re.MULTILINE)
EXAMPLES = re.findall(r"^```python\n(.*?)```", README, re.MULTILINE | re.DOTALL)

_TINY = "--steps 128 --num-envs 4 --num-steps 16 --epochs 1 --hidden-size 8 --eval-episodes 1"
_TINY_PYTHON = (
    "steps=128, num_envs=4, num_steps=16, epochs=1, hidden_size=8, eval_episodes=1, eval_envs=1"
)
SMALL = {
    "drac train": f"{_TINY} --eval-envs 1",
    "drac evaluate": "--episodes 2",
    "drac watch": "--episodes 1",
    "drac-bench run": f"{_TINY} --eval-envs 1 --games bigfish --seeds 0",
}
"""Flags that make a command short, by its first two words: the last of a flag's values holds."""

LEFT_OUT = {
    "paper-table1|augmentation-sweep|rehearsal|PLR": "the runs take days",
    "results/evidence|results/published": "a file of the clone",
    " speed| bandits|--methods all|--robustness|--each": "it takes minutes",
    "--follow|import-runs|scores.npy| > ": "a file or a terminal of the reader's",
}
"""Commands that are not tried, by words in them, and why."""

OWN = {
    "my_package/my_module.py": """from augmentations import RandomFlip


class MyAugmentation(RandomFlip):
    pass
"""
}
"""What the README says that the reader has."""


def said(words: list[str], folder: Path, env: dict[str, str] | None = None) -> str:
    """Run a command and return what it printed; SystemExit with all of it if it fails."""
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"$ {shlex.join(words)}\n{done.stdout}{done.stderr}: {done.returncode}")
    return done.stdout


def small(command: str) -> str:
    """Return a command of the README with flags that make it short."""
    words = shlex.split(command)
    more = "" if {"help", "--each"} & {*words} else SMALL.get(" ".join(words[:2]), "")
    return shlex.join([*words, *more.split()])


def built(folder: Path, python: str) -> Path:
    """Build both archives, have them checked, and return the wheel."""
    said([python, "-m", "venv", str(folder / "tools")], folder)
    tool = str(folder / "tools" / "bin" / "python")
    said([tool, "-m", "pip", "install", "-q", "build", "twine"], folder)
    said([tool, "-m", "build", "--outdir", str(folder / "dist"), str(ROOT)], folder)
    archives = sorted(map(str, (folder / "dist").iterdir()))
    print(said([tool, "-m", "twine", "check", "--strict", *archives], folder).strip())
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


def tried(python: str, wheel: Path, folder: Path) -> Iterator[str]:
    """Install the wheel into a new environment and yield a line for each thing that was done."""
    said([python, "-m", "venv", str(folder / "venv")], folder)
    bin_folder = folder / "venv" / "bin"
    begun = time.monotonic()
    pip = [str(bin_folder / "python"), "-m", "pip", "install", "-q", "--no-compile"]
    said([*pip, "-c", str(ROOT / "constraints.txt"), str(wheel)], folder)
    versions = "import platform, torch; print(platform.python_version(), torch.__version__)"
    found = said([str(bin_folder / "python"), "-c", versions], folder).split()
    yield f"Python {found[0]}, torch {found[1]}: installed in {time.monotonic() - begun:.0f} s"
    here = folder / "here"
    for name, text in OWN.items():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(text)
    env = {"PATH": f"{bin_folder}:/usr/bin:/bin", "OMP_NUM_THREADS": "1", "HOME": str(folder)}
    for number, example in enumerate(EXAMPLES):
        code = example.replace('steps="1M"', _TINY_PYTHON)
        (here / "example.py").write_text(code)
        said([str(bin_folder / "python"), "example.py"], here, env)
        yield f"  Python example {number + 1}"
    for command in COMMANDS:
        why = next((why for words, why in LEFT_OUT.items() if re.search(words, command)), "")
        if why:
            yield f"  left out, {why}: {command}"
            continue
        begun = time.monotonic()
        try:
            said(shlex.split(small(command)), here, env)
        except SystemExit as failure:
            yield f"  FAILED: {failure}"
        else:
            yield f"  {time.monotonic() - begun:4.0f} s  {small(command)}"


def main() -> None:
    """Try all interpreters, print what was done, and write it to the log."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pythons", nargs="+", help="interpreters to make environments from")
    parser.add_argument("--log", type=Path, help="where the lines go")
    given = parser.parse_args()
    lines: list[str] = []

    def tell(line: str) -> None:
        print(line, flush=True)
        lines.append(line)
        if given.log:
            given.log.write_text("\n".join(lines) + "\n", encoding="utf-8")

    with tempfile.TemporaryDirectory(prefix="drac-install-") as temporary:
        wheel = built(Path(temporary), given.pythons[0])
        tell(f"{wheel.name} ({wheel.stat().st_size:,} bytes) and its sdist pass twine")
        for number, python in enumerate(given.pythons):
            folder = Path(temporary) / str(number)
            folder.mkdir()
            for line in tried(python, wheel, folder):
                tell(line)
    if any("FAILED" in line for line in lines):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
