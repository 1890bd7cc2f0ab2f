"""Methods of one's own: registered in Python, or offered by another package's entry point."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checkout import ROOT

from augmentations import plugins
from benchmark import suites
from drac import methods
from drac.cli import main
from drac.config import TrainConfig, build
from drac.errors import OTHERS_CODE_FAILED, ConfigError
from drac.methods import METHODS, Method, register, registry
from drac.methods import plugins as method_plugins
from drac.methods.listing import WIDTH, listing
from drac.objectives.objective import make as make_objective

SOURCE = """
    from drac.methods import Method

    DOUBLE = Method(
        name="my-double",
        summary="PPO with twice its loss",
        source="me, 2026",
        objective="my_double_loss:Double",
        options=("aug_coef",),
    )

    def make():
        return Method(name="my-family", summary="DrAC again", source="me",
                      objective="drac.objectives.drac:DrAC", augmentations="fixed",
                      options=("augmentation",))
    """

LOSS = """
    from drac.objectives.ppo import PPO

    class Double(PPO):
        def __call__(self, network, inputs):
            loss, figures = super().__call__(network, inputs)
            return 2 * loss, figures
    """

TINY = (
    *("--game", "leaper", "--steps", "32", "--num-envs", "4", "--num-steps", "4"),
    *("--minibatches", "1", "--epochs", "1", "--hidden-size", "8", "--device", "cpu"),
    *("--eval-episodes", "1", "--eval-envs", "1"),
)

Install = Callable[..., None]


@pytest.fixture(autouse=True)
def afresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Plug-ins are looked for anew, and what a test registers or imports is forgotten after it."""
    (tmp_path / "site").mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "site")])
    monkeypatch.setattr(registry, "METHODS", dict(METHODS))
    monkeypatch.setattr(method_plugins, "_problems", None)
    plugins.offered.cache_clear()
    yield
    plugins.offered.cache_clear()
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Install a package with one module and entry points, as pip would: files and metadata."""

    def installed(package: str, source: str = SOURCE, **names: str) -> None:
        module, site = package.replace("-", "_"), tmp_path / "site"
        (site / f"{module}.py").write_text(textwrap.dedent(source))
        info = site / f"{module}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
        lines = [f"{name.replace('_', '-')} = {module}:{what}" for name, what in names.items()]
        text = "\n".join([f"[{method_plugins.KIND.group}]", *lines, ""])
        (info / "entry_points.txt").write_text(text)
        plugins.offered.cache_clear()

    return installed


# Registered in Python


def test_a_registered_method_is_one_like_any_other() -> None:
    mine = Method(name="mine", summary="my own", source="me", options=("aug_coef",))
    register(mine)
    assert methods.get("mine") is mine
    assert TrainConfig(method="mine", aug_coef=0.3).method == "mine"
    assert "mine" in methods.method_ids()
    assert "mine" in suites.parse_methods(["all"])
    assert "my own" in listing()
    with pytest.raises(ConfigError, match="no option aug_coef; it belongs to .*mine"):
        build({"method": "ppo", "aug_coef": 0.3})


def test_a_method_cannot_be_registered_twice_or_under_any_name() -> None:
    with pytest.raises(ValueError, match="there is a method 'ppo' already"):
        register(Method(name="ppo", summary="x", source="x"))
    for name in ("", "a b", "a/b", "../a"):
        with pytest.raises(ValueError, match="made of letters, digits"):
            register(Method(name=name, summary="x", source="x"))


def test_options_that_no_run_has_are_named_when_the_method_is_used() -> None:
    register(Method(name="mine", summary="my own", source="me", options=("my_option",)))
    assert TrainConfig(method="ppo").method == "ppo"
    with pytest.raises(ConfigError, match="'mine' lists options that no run has: .'my_option'"):
        build({"method": "mine"})


# Offered by a package


def test_a_plug_in_is_trained_by_name(
    install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install("pack", my_double="DOUBLE", my_family="make")
    (tmp_path / "site/my_double_loss.py").write_text(textwrap.dedent(LOSS))
    run_dir = tmp_path / "run"
    assert main(["train", *TINY, "--method", "my-double", "--run-dir", str(run_dir)]) == 0
    assert (run_dir / "progress.csv").is_file()
    assert TrainConfig(method="my-family-flip").augmentation == "flip"
    assert main(["train", "--method", "help"]) == 0
    out = capsys.readouterr().out
    assert re.search("^my-double +PPO with twice its loss$", out, re.MULTILINE)
    assert re.search("^my-family-<augmentation> +DrAC again$", out, re.MULTILINE)
    made = make_objective(TrainConfig(method="my-double"))
    assert type(made).__module__ == "my_double_loss"


def test_a_plug_in_that_fails_in_training_is_told_with_its_place(
    install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install("pack", my_double="DOUBLE")
    path = tmp_path / "site/my_double_loss.py"
    path.write_text(textwrap.dedent(LOSS).replace("2 * loss", "loss[1]"))
    run_dir = tmp_path / "run"
    assert (
        main(["train", *TINY, "--method", "my-double", "--run-dir", str(run_dir)])
        == OTHERS_CODE_FAILED
    )
    said = capsys.readouterr().err
    assert "drac train: error: the run failed after step 0: IndexError: " in said
    assert f"(in Double.__call__, line 7 of {path}); the log is {run_dir}/train.log" in said


def test_a_plug_in_may_look_methods_up_while_it_is_imported(install: Install) -> None:
    source = (
        textwrap.dedent(SOURCE)
        + "import drac.config; drac.config.train_config.TrainConfig(method='ppo')"
    )
    install("pack", source, my_double="DOUBLE")
    assert methods.get("my-double").summary == "PPO with twice its loss"


def test_whoever_imports_the_plug_in_first_gets_it_too(install: Install, tmp_path: Path) -> None:
    """Its module imports ours, which must not import it back before it is whole."""
    install("pack", my_double="DOUBLE")
    code = "import pack; from drac.methods import get; print(get('my-double') is pack.DOUBLE)"
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code],
        env={"PYTHONPATH": f"{ROOT}:{tmp_path / 'site'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


@pytest.mark.parametrize(
    ("source", "names", "message"),
    [
        ("import nowhere", {"mine": "X"}, "plug-in pack 1.2 could not be imported: ModuleNotFound"),
        ("", {"mine": "X"}, "could not be imported: AttributeError"),
        ("import sys; sys.exit(3)", {"mine": "X"}, "could not be imported: SystemExit: 3"),
        (
            "X = 3",
            {"mine": "X"},
            "the plug-in pack 1.2 cannot be used: it is no Meth",
        ),
        ("def X(): 1 / 0", {"mine": "X"}, "its function raised ZeroDivisionError"),
        ("def X(): return 3", {"mine": "X"}, "it is no Method but int"),
        (SOURCE, {"mine": "DOUBLE"}, "cannot be used: its Method is called 'my-double'"),
    ],
)
def test_a_broken_plug_in_is_noted_once_and_named_when_asked_for(
    install: Install, source: str, names: dict[str, str], message: str
) -> None:
    install("pack", source, **names)
    with pytest.warns(UserWarning, match=message):
        assert TrainConfig(method="ppo").method == "ppo"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConfigError, match=message) as caught:
            build({"method": "mine"})
        assert "\n" not in str(caught.value)
        (line,) = (line for line in listing().splitlines() if line.startswith("mine "))
        assert "not available" in line
        assert "pack 1.2" in listing()


def test_names_that_are_taken_stay_what_they_were(install: Install) -> None:
    install("pack", ppo="DOUBLE")
    with pytest.warns(UserWarning, match="pack 1.2 names a method 'ppo', but that name is taken"):
        assert methods.get("ppo") is METHODS["ppo"]


def test_a_name_that_two_packages_want_is_nobody_s(install: Install) -> None:
    install("pack-a", my_double="DOUBLE")
    install("pack-b", my_double="DOUBLE")
    with pytest.warns(UserWarning, match="the method 'my-double' is offered by several plug-ins"):
        methods.known()
    with pytest.raises(ConfigError, match=r"pack-a 1\.2 and pack-b 1\.2: none is used"):
        build({"method": "my-double"})


# The list


def test_the_list_has_every_method_what_it_is_and_where_from() -> None:
    lines = listing().splitlines()
    joined = " ".join(listing().split())
    for method in METHODS.values():
        assert any(line.startswith(f"{method.title} ") for line in lines), method.name
        assert method.summary in joined
        assert " ".join(method.source.split()) in joined
    assert max(map(len, lines)) <= WIDTH
    assert "crop-drac is drac-crop" in joined


def test_help_needs_no_torch_and_nothing_else_of_the_command_line() -> None:
    code = "import sys; from drac.cli import main; "
    code += "print(main(['train', '--game', 'maze', '--method', 'help'])); "
    code += "assert not {'torch', 'procgen', 'pandas'} & sys.modules.keys()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": str(WIDTH)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{listing()}\n0\n"
