"""Suites as files: what they may say, and that what is wrong with one is named with its line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from checkout import ROOT
from refusals import refused

from benchmark import cli, suites
from benchmark.commands import run as run_command
from benchmark.suites import RunSpec, files
from drac.config import TrainConfig
from drac.errors import ConfigError


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str) -> Path:
    path = Path("mine.toml")
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", suites.built_in())
def test_what_show_prints_is_the_same_suite(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli.main(["suites", "show", name]) == 0
    (tmp_path / f"{name}.toml").write_text(capsys.readouterr().out)
    assert suites.read(tmp_path / f"{name}.toml") == suites.get(name)
    assert cli.main(["suites", "show", f"{name}.toml"]) == 0
    assert capsys.readouterr().out == (tmp_path / f"{name}.toml").read_text()


IDAAC = """
summary = "IDAAC with the settings of two games"
methods = ["idaac", "drac"]
games = ["maze", "bigfish"]
seeds = ["0-1", 7]
steps = "1M"

[options]
augmentation = "flip"

[game.maze]
gamma = 0.99

[method.idaac]
idaac_order_hidden = 4

[method.idaac.game.bigfish]
idaac_value_every = 32
"""


def test_options_of_methods_and_games() -> None:
    suite = suites.read(write(IDAAC))
    assert (suite.name, suite.methods, suite.seeds) == ("mine", ("idaac", "drac-flip"), (0, 1, 7))
    configs = {spec.name: config for spec, config in suite.runs()}
    assert len(configs) == 12
    bigfish, maze = configs["idaac/bigfish/seed0"], configs["idaac/maze/seed7"]
    assert (bigfish.idaac_value_every, bigfish.idaac_order_hidden, bigfish.gamma) == (32, 4, 0.999)
    assert (maze.idaac_value_every, maze.idaac_order_hidden, maze.gamma) == (1, 4, 0.99)
    assert configs["drac-flip/maze/seed0"].steps == 1_000_000


def test_the_example_of_the_page() -> None:
    page = (ROOT / "docs" / "suites.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    configs = {spec.name: config for spec, config in suites.read(write(text)).runs()}
    assert len(configs) == 2 * 2 * 5
    assert configs["idaac/bigfish/seed4"].idaac_value_every == 32
    assert configs["ppo/coinrun/seed0"].eval_every == 1_000_000


BAD = {
    "no TOML": ("methods = [\n'ppo'\nsteps = 1", r"mine\.toml is no TOML: .*\(line 3, column 1\)"),
    "nested": (f"methods = {'[' * 5000}", "no TOML"),
    "unknown key": ("methods = 'ppo'\nsteped = 1", r"line 2: unknown key 'steped' \(did you mean"),
    "an option at the top": (
        "methods = 'ppo'\n\nnum_envs = 8",
        r"line 3: unknown key 'num_envs'.*put it under \[options\]",
    ),
    "unknown key of a part": (
        "methods = 'ppo'\n[[part]]\n[[part]]\nseed = 1",
        r"line 4: unknown key 'seed' \(did you mean 'seeds'\?\)",
    ),
    "unknown option": (
        "methods = 'ppo'\n[options]\ngamma = 0.9\nnum_evns = 8",
        r"line 4: unknown option 'num_evns' \(did you mean 'num_envs'\?\)",
    ),
    "unknown option inline": (
        "methods = 'ppo'\noptions = { num_evns = 8 }",
        r"line 2: unknown option 'num_evns'",
    ),
    "unknown option dotted": ("methods = 'ppo'\noptions.num_evns = 8", "line 2: unknown option"),
    "option in quotes": ("methods = 'ppo'\n[options]\n'num_evns' = 8", "line 3: unknown option"),
    "the seed as an option": ("methods = 'ppo'\n[options]\nseed = 8", "line 3: unknown option"),
    "an option that the method lacks": (
        "methods = ['ppo', 'ucb-drac']\n\n[method.ppo]\nucb_window = 5",
        "line 4: method 'ppo' has no option ucb_window; it belongs to ucb-drac",
    ),
    "an option that no method has": (
        "methods = ['ppo', 'mixreg']\n[options]\nmix_alhpa = 1\n",
        "line 3: unknown option 'mix_alhpa'",
    ),
    "a known option that no method has": (
        "methods = ['ppo', 'mixreg']\n[game.maze]\nucb_window = 5",
        "line 3: no method of the suite has the option ucb_window",
    ),
    "an option of a part that its methods lack": (
        "methods = ['ucb-drac']\n[[part]]\nmethods = ['ppo']\n[part.options]\nucb_window = 5",
        "line 5: method 'ppo' has no option ucb_window",
    ),
    "one of an option's default value": (
        f"methods = ['ppo']\n[method.ppo]\nucb_window = {TrainConfig().ucb_window}",
        "line 3: method 'ppo' has no option ucb_window",
    ),
    "a method twice": ("methods = ['ppo',\n'ppo']", "line 1: methods have 'ppo' twice"),
    "two spellings of a method": ("methods = ['drac-crop', 'crop-drac']", "'drac-crop' twice"),
    "two more spellings": (
        "methods = ['drac-crop', 'drac']\noptions.augmentation = 'crop'",
        "line 1: methods have 'drac-crop' twice",
    ),
    "a game twice": ("methods = 'ppo'\ngames = ['all', 'maze']", "line 2: games have 'maze' twice"),
    "a seed twice": ("methods = 'ppo'\nseeds = ['0-3', 2]", "line 2: seeds have 2 twice"),
    "a run in two parts": (
        "methods = ['ppo']\ngames = ['maze']\n[[part]]\nseeds = '0-1'\n[[part]]\nseeds = '1-2'",
        "line 5: the run ppo/maze/seed1 is there twice: also in the part of line 3",
    ),
    "unknown method": ("\nmethods = ['ppo', 'pppo']", "line 2: unknown method 'pppo'.*'ppo'"),
    "unknown game": ("methods = 'ppo'\ngames = ['Maze']", r"line 2: unknown game 'Maze' \(did you"),
    "bad seeds": ("methods = 'ppo'\nseeds = '3-1'", "line 2: seeds '3-1' must be a range"),
    "seed that is true": ("methods = 'ppo'\nseeds = true", "line 2: seeds True must be a number"),
    "seed with a fraction": ("methods = 'ppo'\nseeds = [0.5]", r"line 2: seeds \[0.5\] must be"),
    "negative seed": ("methods = 'ppo'\nseeds = -1", "line 2: seeds '-1' must be"),
    "seed too large": ("methods = 'ppo'\nseeds = 2147483648", "seed 2147483648 is not possible"),
    "no methods": ("games = 'all'", "it names no methods"),
    "empty methods": ("methods = []", r"line 1: methods \[\] must be a list of names"),
    "methods of numbers": ("methods = [1]", r"line 1: methods \[1\] must be a list of names"),
    "no table": ("methods = 'ppo'\noptions = 3", "line 2: options must be a table, not 3"),
    "a part that is no list": ("methods = 'ppo'\n[part]\nseeds = 1", "line 2: part must be tables"),
    "parts that are none": ("methods = 'ppo'\npart = [3]", "line 2: .* must be a table, not 3"),
    "options of another method": (
        "methods = ['ppo']\n[method.pop]\ngamma = 0.9",
        "line 2: unknown method of the suite 'pop' .did you mean 'ppo'",
    ),
    "options of another game": (
        "methods = ['ppo']\ngames = ['maze']\n[game.heist]\ngamma = 0.9",
        "line 3: unknown game of the suite 'heist'; choose from maze",
    ),
    "bad value": ("methods = 'ppo'\nsteps = 'many'", "line 2: steps 'many' is not"),
    "bad value of a game": (
        "methods = 'ppo'\n[game.maze]\ngamma = 2",
        "line 3: gamma 2 is not possible",
    ),
    "infinite": ("methods = 'ppo'\n[options]\ngamma = inf", "line 3: gamma inf is not possible"),
    "a date": ("methods = 'ppo'\n[options]\ngamma = 2026-01-01", "line 3: gamma datetime.date"),
    "steps twice": (
        "methods = 'ppo'\nsteps = 1000000\n[options]\nsteps = 1",
        "line 4: steps is given twice",
    ),
    "bad fidelity": ("methods = 'ppo'\nfidelity = 'mine'", "line 2: fidelity 'mine' is not"),
    "a suffix outside": ("methods = 'ppo'\n[[part]]\nsuffix = '/../x'", "line 3: suffix '/../x'"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_with_a_file(name: str) -> None:
    text, message = BAD[name]
    with pytest.raises(ConfigError, match=message) as error:
        suites.read(write(text))
    assert str(error.value).startswith("mine.toml")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("command", ["run", "tables"])
def test_a_bad_file_is_one_line_and_nothing_is_written(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write("methods = 'ppo'\nsteped = 1")
    assert "mine.toml, line 2: unknown key" in refused(
        [command, "--suite", "mine.toml"], tmp_path, capsys
    )
    for name in ("absent.toml", "folder.toml"):
        Path("folder.toml").mkdir(exist_ok=True)
        said = refused([command, "--suite", name], tmp_path, capsys)
        assert f"{name} cannot be read as a suite" in said
    Path("odd.toml").write_bytes(b"\xff")
    assert "odd.toml cannot be read" in refused([command, "--suite=odd.toml"], tmp_path, capsys)
    with Path("large.toml").open("wb") as file:
        file.truncate(files.LIMIT + 1)
    assert "more than the" in refused([command, "--suite=large.toml"], tmp_path, capsys)


def test_a_suite_of_ones_own_is_run_and_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    caught: list[tuple[str, RunSpec, TrainConfig]] = []

    def keep(store: object, name: str, runs: list[tuple[RunSpec, TrainConfig]], *more: int) -> int:
        caught.extend((name, *run) for run in runs)
        return 0

    monkeypatch.setattr(run_command, "_run", keep)
    write(IDAAC)
    words = ["run", "--suite", "mine.toml", "--games", "bigfish", "--seeds", "7", "--steps", "2M"]
    assert cli.main([*words, "--methods", "idaac"]) == 0
    ((name, spec, config),) = caught
    assert (name, spec.id) == ("mine", "mine/idaac/bigfish/seed7")
    assert (config.steps, config.idaac_value_every) == (2_000_000, 32)
    caught.clear()
    assert cli.main([*words, "--idaac-value-every=5"]) == 0  # what is said counts, not its value
    assert [config.idaac_value_every for _, _, config in caught] == [5, 1]
    caught.clear()
    assert cli.main(["run", "--suite", "levels", "--games", "maze", "--experiment", "curve"]) == 0
    assert {spec.experiment for _, spec, _ in caught} >= {"curve-50", "curve-10000"}
    assert caught[0][0].startswith("curve-50 curve-100 ")


def test_show_wants_one_suite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "name one suite" in refused(["suites", "show"], tmp_path, capsys)
    assert "did you mean 'demo'" in refused(["suites", "show", "dmo"], tmp_path, capsys)
    assert "no options" in refused(["suites", "show", "demo", "--steps", "1M"], tmp_path, capsys)
