"""What CONTRIBUTING promises: each kind of thing is added from outside with one file."""

from __future__ import annotations

import csv
import html
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from synthetic_runs import write_run
from tiny_runs import play_numbers, tiny_config

from augmentations import plugins
from benchmark.cli import main
from benchmark.engines import catalogue as engine_catalogue
from benchmark.figures import catalogue as figure_catalogue
from benchmark.tables import catalogue as table_catalogue
from drac.errors import ConfigError
from drac.methods import METHODS
from drac.methods import plugins as method_plugins
from drac.objectives.objective import make as make_objective
from drac.train import train

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a package of one module, with an entry point if it has a group."""
    site = tmp_path / "site"
    caches = (
        *(plugins.offered, engine_catalogue.known),
        *(table_catalogue.known, figure_catalogue.known),
    )

    def write(module: str, source: str, group: str = "", point: str = "") -> None:
        info = site / f"{module}-1.0.dist-info"
        info.mkdir(parents=True)
        (site / f"{module}.py").write_text(source)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{point}\n" if group else "")
        for cache in caches:
            cache.cache_clear()

    monkeypatch.syspath_prepend(site)
    monkeypatch.setattr("drac.methods.registry.METHODS", dict(METHODS))
    monkeypatch.setattr(method_plugins, "_problems", None)
    yield write
    monkeypatch.undo()
    for cache in caches:
        cache.cache_clear()
    for name in [name for name in sys.modules if name.startswith("outside_")]:
        del sys.modules[name]


LOSS = """
from drac.methods import Method
from drac.objectives.ppo import PPO

METHOD = Method(name="half-ppo", summary="half of PPO's loss", source="me",
                objective="outside_loss:Half")


class Half(PPO):
    def __call__(self, network, inputs):
        loss, figures = super().__call__(network, inputs)
        return loss / 2, figures
"""


def test_a_method_and_its_objective(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("outside_loss", LOSS, "procgen_drac.methods", "half-ppo = outside_loss:METHOD")
    config = tiny_config(method="half-ppo")
    assert type(make_objective(config)).__name__ == "Half"
    play_numbers(monkeypatch)
    assert train(config, tmp_path / "run").steps == config.steps


SELECTOR = """
import numpy

from drac.methods import Method
from ucb import UniformArm

METHOD = Method(name="last-drac", summary="always the last arm", source="me",
                objective="drac.objectives.drac:DrAC", augmentations="several",
                selector="outside_selector:last_arm", options=("arms", "aug_coef"))


class LastArm(UniformArm):
    def _choose(self):
        return self.arms[-1]


def last_arm(config, arms):
    return LastArm(arms, numpy.random.default_rng(0))
"""


def test_a_selector(install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point = "last-drac = outside_selector:METHOD"
    install("outside_selector", SELECTOR, "procgen_drac.methods", point)
    play_numbers(monkeypatch)
    train(tiny_config(method="last-drac", arms=("crop", "flip")), tmp_path / "run")
    with (tmp_path / "run" / "arms.csv").open() as file:
        chosen = {row["arm"] for row in csv.DictReader(file) if row["selected"] == "1"}
    assert chosen == {"flip"}


def test_a_selector_that_raises_is_told_with_its_place(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SELECTOR.replace("default_rng(0)", "default_rng(config.nothing)")
    install(
        "outside_selector", source, "procgen_drac.methods", "last-drac = outside_selector:METHOD"
    )
    play_numbers(monkeypatch)
    place = r"AttributeError: .*'nothing' \(in last_arm, line 18 of .*outside_selector.py\)"
    with pytest.raises(ConfigError, match=f"method 'last-drac' cannot be made: {place}"):
        train(tiny_config(method="last-drac", arms=("crop", "flip")), tmp_path / "run")


AUGMENTATION = """
from augmentations import Augmentation, as_float


class Dim(Augmentation):
    name = "dim"

    def sample(self, shape, generator):
        return {}

    def apply(self, obs, params):
        return as_float(obs) / 2
"""


def test_an_augmentation(install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class in a module needs no entry point."""
    install("outside_dim", AUGMENTATION)
    play_numbers(monkeypatch)
    config = tiny_config(method="drac", augmentation="outside_dim:Dim")
    assert train(config, tmp_path / "run").steps == config.steps


ENGINE = """
from benchmark.engines.catalogue import Entry
from benchmark.engines.local import LocalEngine
from drac.commands.flags import option

ENTRY = Entry("ends every run at once", "outside_engine:make",
              (("colour", str, option("red", "of the cluster")),))


class Quick(LocalEngine):
    def submit(self, job):
        if self.colour == "black":
            raise RuntimeError("it is dark")
        self.ended = {**vars(self).get("ended", {}), job.id: 75}

    def poll(self):
        ended, self.ended = self.ended, {}
        return ended


def make(options, folder):
    engine = Quick()
    engine.colour = engine.where = options["colour"]
    return engine
"""


def test_an_engine(
    install: Install,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    install("outside_engine", ENGINE, "procgen_drac.engines", "my-cluster = outside_engine:ENTRY")
    words = ["run", "--suite", "smoke", "--engine", "my-cluster", "--colour"]
    assert main([*words, "blue"]) == 75
    assert "smoke: 4 runs, 0 complete, blue" in capsys.readouterr().out
    assert main([*words, "black"]) == 2
    said = "the engine 'my-cluster' of the plug-in outside_engine 1.0 failed: RuntimeError: it is"
    assert said in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    assert "my-cluster: of a plug-in" in capsys.readouterr().out


TABLE = """
from benchmark.tables.catalogue import Entry
from benchmark.tables.table import Table

ENTRY = Entry("how many runs there are", "outside_table:counted")


def counted(runs):
    cells = runs.groupby("method").size().rename("runs").reset_index()
    return Table("run-counts", "Runs", cells.astype(str), cells, ("Counted.",))
"""


def test_a_table(install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install("outside_table", TABLE, "procgen_drac.tables", "run-counts = outside_table:ENTRY")
    write_run(tmp_path / "results", experiment="a")
    words = ["tables", "--results", str(tmp_path / "results"), "--table", "run-counts"]
    assert main(words) == 0
    assert "Counted." in capsys.readouterr().out
    assert (tmp_path / "results/tables/a/run-counts.csv").read_text().startswith("method,runs")


FIGURE = """
from matplotlib.figure import Figure

from benchmark.figures.catalogue import Entry
from benchmark.figures.drawing import Drawing

ENTRY = Entry("how many runs there are", "outside_figure:counted")


def counted(histories, style):
    numbers = histories.runs.groupby("label").size().rename("runs").reset_index()
    figure = Figure()
    figure.subplots().bar(numbers["label"].astype(str), numbers["runs"])
    return [Drawing("run-counts", "Runs", figure, numbers, (), style)]
"""


def test_a_figure(install: Install, tmp_path: Path) -> None:
    install("outside_figure", FIGURE, "procgen_drac.figures", "run-counts = outside_figure:ENTRY")
    write_run(tmp_path / "results", experiment="a")
    words = ["figures", "--results", str(tmp_path / "results"), "--figure", "run-counts"]
    assert main(words) == 0
    assert (tmp_path / "results/figures/a/run-counts.png").stat().st_size > 1000


def test_a_table_that_fails_keeps_no_other_from_being_made(
    install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = TABLE.replace('runs.groupby("method")', 'runs.groupby("no such column")')
    install("outside_table", source, "procgen_drac.tables", "run-counts = outside_table:ENTRY")
    write_run(tmp_path / "results", experiment="a")
    assert main(["tables", "--results", str(tmp_path / "results")]) == 0
    said = capsys.readouterr().out
    assert (
        "no table run-counts: the table 'run-counts' of the plug-in outside_table 1.0 fail" in said
    )
    assert "(in counted, line 9 of " in said
    assert (tmp_path / "results/tables/a/runs.csv").exists()
    assert (tmp_path / "results/tables/a/per-game.csv").exists()


def test_a_method_whose_part_is_nowhere_is_one_sentence(install: Install, tmp_path: Path) -> None:
    source = LOSS.replace("outside_loss:Half", "outside_loss:Hallf")
    install("outside_loss", source, "procgen_drac.methods", "half-ppo = outside_loss:METHOD")
    with pytest.raises(ConfigError, match="'half-ppo' has no objective 'outside_loss:Hallf'"):
        train(tiny_config(method="half-ppo"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", ["tables", "figures"])
def test_an_entry_that_cannot_be_used_is_told(install: Install, kind: str) -> None:
    point = "mine = outside_entry:ENTRY"
    install("outside_entry", "ENTRY = 3\n", f"procgen_drac.{kind}", point)
    catalogue = {"tables": table_catalogue, "figures": figure_catalogue}[kind]
    message = f"the {kind[:-1]} 'mine' of the plug-in outside_entry 1.0 .*: it is no Entry but int"
    with pytest.warns(UserWarning, match=message):
        assert "mine" not in catalogue.known()


@pytest.mark.parametrize(
    "fault",
    ["drawn", "lacking", *(pytest.param(f, marks=pytest.mark.full) for f in ("made", "none"))],
)
def test_a_report_names_a_failing_table_or_figure_and_has_all_others(
    install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    source, kind = TABLE, "figure" if fault == "drawn" else "table"
    if fault == "made":
        source = TABLE.replace('runs.groupby("method")', 'runs.groupby("no such column")')
    elif fault == "lacking":
        source = TABLE.replace(
            'outside_table:counted"', 'outside_table:counted", "outside_table:no"'
        )
    elif fault == "none":
        source = TABLE.replace("return Table(", "return tuple(")
    elif fault == "drawn":
        source = FIGURE.replace('groupby("label")', 'groupby("no such column")')
    source = source.replace(f"outside_{kind}", "outside_plug")
    install("outside_plug", source, f"procgen_drac.{kind}s", "mine = outside_plug:ENTRY")
    write_run(tmp_path / "results", experiment="a")
    words = ["report", "--results", str(tmp_path / "results"), "--out", str(tmp_path / "report")]
    assert main([*words, "--no-frames"]) == 1
    said = f"the {kind} 'mine' of the plug-in outside_plug 1.0 failed: "
    assert f"drac-bench report: {said}" in capsys.readouterr().err
    for page in ("index", f"{kind}s"):
        assert said in html.unescape((tmp_path / "report" / f"{page}.html").read_text())
    assert (tmp_path / "report/data/per-game.csv").exists()
    assert (tmp_path / "report/figures/gap.svg").exists()
