"""Augmentations from outside: entry points of other packages, and modules named by the user."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checkout import ROOT

import augmentations
from augmentations import plugins, registry
from drac import methods
from drac.config import TrainConfig, build
from drac.errors import OTHERS_CODE_FAILED, ConfigError
from drac.methods import spellings
from drac.runs import meta, provenance
from drac.train import prepare

CLASS = """
    import torch
    from augmentations import Augmentation, as_float

    class Dim(Augmentation):
        '''Darken every image.'''

        name = "dim"

        def __init__(self, strength=0.5):
            super().__init__()
            self.strength = strength

        def sample(self, shape, generator):
            return {}

        def apply(self, obs, params):
            return as_float(obs) * self.strength
    """

Install = Callable[..., None]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path, as an environment's; what is imported from it is forgotten again."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    monkeypatch.setattr(registry, "_TABLE", dict(registry._TABLE))
    monkeypatch.setattr(registry, "_told", set())
    plugins.offered.cache_clear()
    yield folder
    plugins.offered.cache_clear()
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def install(site: Path) -> Install:
    """Install a package with one module and entry points, as pip would: files and metadata."""

    def installed(package: str, source: str = CLASS, **names: str) -> None:
        module = package.replace("-", "_")
        (site / f"{module}.py").write_text(textwrap.dedent(source))
        info = site / f"{module}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
        lines = [f"{name.replace('_', '-')} = {module}:{cls}" for name, cls in names.items()]
        (info / "entry_points.txt").write_text("\n".join([f"[{plugins.GROUP}]", *lines, ""]))
        plugins.offered.cache_clear()

    return installed


def test_a_plug_in_works_everywhere_at_once(install: Install, tmp_path: Path) -> None:
    install("dim-pack", my_dim="Dim")
    assert augmentations.names()[-1] == "my-dim"
    assert augmentations.check("my-dim( strength = 0.2 )") == "my-dim(strength=0.2)"
    assert "dim_pack" not in sys.modules  # not imported before it is made
    assert augmentations.make("my-dim(strength=0.25)").strength == 0.25
    assert spellings.resolve("drac-my-dim", None) == ("drac-my-dim", "my-dim")
    assert "drac-my-dim" in methods.method_ids()
    bandit = TrainConfig(method="ucb-drac", arms=("crop", "flip", "my-dim"))
    assert prepare(bandit, tmp_path / "run").arms == ("crop", "flip", "my-dim")
    with pytest.raises(ValueError, match="unknown argument of my-dim 'strenth' .did you mean"):
        augmentations.make("my-dim(strenth=0.2)")


def test_plug_ins_come_last_in_the_order_of_the_alphabet(install: Install) -> None:
    install("pack-a", my_z="Dim")
    install("pack-b", my_a="Dim", my_b="Dim")
    assert augmentations.names() == (*registry._TABLE, "my-a", "my-b", "my-z")


def test_the_same_package_found_twice_is_one(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("dim-pack", my_dim="Dim")
    (tmp_path / "again").symlink_to(tmp_path / "site")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "again")])
    plugins.offered.cache_clear()
    assert augmentations.names().count("my-dim") == 1


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("raise RuntimeError('no\\nlicence')", "RuntimeError: no licence"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("Dim = ", "SyntaxError: invalid syntax"),
        ("", "AttributeError: module 'bad_pack' has no attribute 'Dim'"),
    ],
)
def test_a_plug_in_that_fails_is_named_and_the_others_work(
    install: Install, source: str, error: str, tmp_path: Path
) -> None:
    install("bad-pack", source, broken="Dim")
    install("good-pack", whole="Dim")
    assert augmentations.names()[-2:] == ("broken", "whole")
    assert augmentations.make("whole").name == "dim"
    assert augmentations.make("crop").name == "crop"
    start = "the augmentation 'broken' cannot be used, as the plug-in bad-pack 1.2 could not be"
    with pytest.raises(ValueError, match=start) as caught:
        augmentations.make("broken")
    assert error in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match=start):
        prepare(TrainConfig(method="drac-broken"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_plug_in_cannot_take_a_name(install: Install) -> None:
    install("greedy", crop="Dim", my_dim="Dim")
    message = "greedy 1.2 names an augmentation 'crop', but that name is taken: 'crop' stays what"
    with pytest.warns(UserWarning, match=message):
        assert augmentations.names().count("crop") == 1
    assert isinstance(augmentations.make("crop"), augmentations.RandomCrop)  # said once
    assert augmentations.make("my-dim").name == "dim"
    registry._told.clear()
    with pytest.warns(UserWarning, match=f"{message} it was and the plug-in's is ignored"):
        assert isinstance(augmentations.make("crop"), augmentations.RandomCrop)


def test_a_name_that_two_plug_ins_want_is_nobodys(install: Install) -> None:
    install("pack-a", my_dim="Dim")
    install("pack-b", my_dim="Dim", other="Dim")
    message = "'my-dim' is offered by several plug-ins, pack-. 1.2 and pack-. 1.2: none is used"
    with pytest.warns(UserWarning, match=message):
        names = augmentations.names()
    assert "my-dim" not in names
    assert "other" in names
    for ask in (augmentations.make, augmentations.check):
        with pytest.raises(ValueError, match=message):
            ask("my-dim")
    with pytest.raises(ValueError, match=message):
        spellings.resolve("drac-my-dim", None)


def test_a_malformed_name_is_refused(install: Install) -> None:
    install("shouting", MyDim="Dim")
    message = "shouting 1.2 names an augmentation 'MyDim'; a name is lower-case words"
    with pytest.warns(UserWarning, match=message):
        assert "MyDim" not in augmentations.names()
    with pytest.raises(ValueError, match=message):
        augmentations.make("MyDim")


def test_what_is_no_augmentation_is_refused(install: Install) -> None:
    install("pack", "Dim = dict", my_dim="Dim")
    with pytest.raises(ValueError, match="'my-dim' must be a subclass of Augmentation"):
        augmentations.make("my-dim")


def test_register_does_not_shadow_a_plug_in(install: Install) -> None:
    install("dim-pack", my_dim="Dim")
    with pytest.raises(ValueError, match="'my-dim' exists already: the plug-in dim-pack 1.2"):
        augmentations.register("my-dim", augmentations.Identity)


def test_a_plug_in_may_register_itself_as_well(install: Install) -> None:
    source = f"{CLASS}\n    from augmentations import register\n    register('my-dim', Dim)\n"
    install("dim-pack", source, my_dim="Dim")
    assert augmentations.make("my-dim").name == "dim"
    assert augmentations.make("my-dim").name == "dim"
    assert augmentations.names().count("my-dim") == 1


def test_names_and_checks_need_neither_torch_nor_the_plug_in(install: Install, site: Path) -> None:
    install("dim-pack", "raise RuntimeError", my_dim="Dim")
    code = (
        "import sys, augmentations as a; assert 'my-dim' in a.names(); a.check('my-dim(x=1)');"
        "a.check('kornia:RandomInvert'); a.check('some.module:Class'); a.slug('some.module:Class');"
        "a.check('crop()'); a.canonical('crop()'); a.register('mine', 'my_package:Mine');"
        "assert not {'torch', 'kornia'} & set(sys.modules); a.make('crop');"
        "assert 'torch' in sys.modules"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    subprocess.run(command, env={"PYTHONPATH": f"{ROOT}:{site}"}, check=True)


@pytest.fixture
def here(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory that is not on the path, as for a console script."""
    folder = tmp_path / "work"
    (folder / "mine").mkdir(parents=True)
    (folder / "mine" / "__init__.py").write_text("")
    (folder / "mine" / "dark.py").write_text(textwrap.dedent(CLASS))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    return folder


@pytest.mark.parametrize("spec", ["mine.dark:Dim", "mine.dark:Dim(strength=0.25)"])
def test_a_module_of_the_working_directory(spec: str, here: Path, tmp_path: Path) -> None:
    assert augmentations.check(spec) == spec
    method, given = spellings.resolve("drac", spec)
    assert given == spec
    assert re.fullmatch(r"drac-dim-(strength-0\.25-)?[0-9a-f]{8}", method)
    assert spellings.resolve(method, spec) == (method, spec)
    config = prepare(build({"method": "drac", "augmentation": spec}), tmp_path / "run")
    assert config.method == method
    assert augmentations.make(spec).strength == (0.25 if "0.25" in spec else 0.5)
    assert sys.path[-1] == str(here)  # last: it hides nothing that is installed
    assert prepare(TrainConfig(method="ucb-drac", arms=("crop", spec)), tmp_path / "run")


def test_only_a_place_that_was_asked_for_looks_in_the_working_directory(here: Path) -> None:
    augmentations.register("dark", "mine.dark:Dim")
    with pytest.raises(ValueError, match="there is no module 'mine.dark'$"):
        augmentations.make("dark")
    assert str(here) not in sys.path


BAD_MODULES = {
    "bad": "import no_library",
    "exits": "raise SystemExit(0)",
    "closes": "raise GeneratorExit()",
    "odd": "raise type('E', (BaseException,), {})('odd')",
}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mine.drak:Dim", "there is no module 'mine.drak', neither installed nor in .*work"),
        ("yours.dark:Dim", "there is no module 'yours.dark', neither installed nor in .*work"),
        ("mine.dark:Dimm", ".*dark.py has no 'Dimm' .did you mean 'Dim'..; it has Dim$"),
        ("mine.dark:torch", "must be a subclass of Augmentation"),
        ("mine.bad:Dim", "'mine.bad' could not be imported: ModuleNotFoundError: .*'no_library'"),
        ("mine.exits:Dim", "'mine.exits' could not be imported: SystemExit"),
        ("mine.closes:Dim", "'mine.closes' could not be imported: GeneratorExit"),
        ("mine.odd:Dim", "'mine.odd' could not be imported: E: odd"),
        ("mine.dark:Dim(dark=1)", "unknown argument of mine.dark:Dim 'dark'; choose from strength"),
        ("mine.dark:", "'mine.dark:' is not of the form kornia:Class or package.module:Class"),
        ("mine..dark:Dim", "is not of the form kornia:Class or package.module:Class"),
        ("kornia:a.b", "is not of the form kornia:Class or package.module:Class"),
        ("a:b:c", "is not of the form kornia:Class or package.module:Class"),
    ],
)
def test_a_place_that_holds_nothing(spec: str, message: str, here: Path, tmp_path: Path) -> None:
    for name, code in BAD_MODULES.items():
        (here / "mine" / f"{name}.py").write_text(code)
    with pytest.raises(ValueError, match=message) as caught:
        augmentations.make(spec)
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match=message):
        prepare(build({"method": "drac", "augmentation": spec}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


TINY = (
    *("--game", "leaper", "--steps", "32", "--num-envs", "4", "--num-steps", "4"),
    *("--minibatches", "1", "--epochs", "1", "--hidden-size", "8", "--device", "cpu"),
    *("--eval-episodes", "1", "--eval-envs", "1"),
)


def test_drac_train_uses_both_as_arms(install: Install, here: Path) -> None:
    from drac.cli import main

    install("dim-pack", my_dim="Dim")
    own = "mine.dark:Dim(strength=0.9)"
    assert main(["train", *TINY, "--run-dir", "run", "--arms", "my-dim", own]) == 0
    arms = (here / "run" / "arms.csv").read_text()
    assert "my-dim" in arms
    assert own in arms


def test_one_that_fails_is_listed_with_its_error_and_refused_by_name(
    install: Install, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from drac.cli import main

    install("dim-pack", my_dim="Dim")
    install("shred-pack", "raise RuntimeError('the blades are missing')", shred="Dim")
    assert main(["augmentations", "list"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    lines = {line.split()[0]: " ".join(line.split()) for line in said.out.splitlines() if line}
    assert lines["my-dim"] == "my-dim dim-pack 1.2 Darken every image."
    assert lines["shred"].startswith("shred shred-pack 1.2 not available: ")
    assert "the blades are missing" in lines["shred"]
    assert lines["crop"].startswith("crop built-in ")
    assert main(["train", *TINY, "--method", "drac-shred", "--run-dir", "run"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "shred-pack 1.2" in error
    assert "the blades are missing" in error
    assert not (here / "run").exists()


BROKEN = """
    import torch
    from augmentations import Augmentation, as_float

    class Base(Augmentation):
        def sample(self, shape, generator):
            return {}

        def apply(self, obs, params):
            return as_float(obs)

    class Smaller(Base):
        def apply(self, obs, params):
            return as_float(obs)[..., 1:]

    class Nan(Base):
        def apply(self, obs, params):
            return as_float(obs) / 0 * 0

    class Bytes(Base):
        def apply(self, obs, params):
            return (as_float(obs) * 255).to(torch.uint8)

    class Raises(Base):
        def apply(self, obs, params):
            return obs + params["missing"]

    class Rows(Base):
        def sample(self, shape, generator):
            return {"shift": torch.zeros(3)}

    class Unmade(Base):
        def __init__(self):
            raise OSError("no data")

    class Exits(Base):
        def __init__(self):
            raise SystemExit(0)

    class NoSuper(Base):
        def __init__(self):
            pass

    class Silent(Base):
        def apply(self, obs, params):
            assert len(obs) == 0

    class Unwilling(Base):
        def __init__(self):
            raise ValueError

    class Dark(Base):
        def apply(self, obs, params):
            mean = as_float(obs).mean((1, 2, 3), keepdim=True)
            return as_float(obs) / mean * mean

    class Drawn(Base):
        def apply(self, obs, params):
            flat = (obs.diff(dim=3) == 0).float().mean()
            return as_float(obs) * (torch.nan if 0.1 < flat < 1 else 1)
    """


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Smaller", "changes the shape of images from (8, 3, 64, 64) to (8, 3, 64, 63)"),
        ("Dark", "returns values that are NaN or infinite (tried on black images)"),
        ("Drawn", "returns values that are NaN or infinite (tried on frames of coinrun)"),
        ("Silent", "(8, 3, 64, 64): AssertionError in Silent.apply, line 46 of "),
        ("Unwilling", "cannot be made: ValueError in Unwilling.__init__, line 50 of "),
        ("Nan", "returns values that are NaN or infinite"),
        ("Bytes", "returns torch.uint8 for images of torch.float32"),
        ("Raises", "on random images of the shape (8, 3, 64, 64): KeyError: 'missing' (in Raises."),
        ("Rows", "the parameter 'shift' must have one row for each of the 8 images"),
        ("Unmade", "cannot be made: OSError: no data (in Unmade.__init__, line "),
        ("Exits", "cannot be made: SystemExit"),
        ("NoSuper", "NoSuper.__init__ must call super().__init__()"),
    ],
)
def test_a_broken_augmentation_is_refused_before_anything_is_written(
    name: str, message: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from drac.cli import main

    (here / "mine" / "broken.py").write_text(textwrap.dedent(BROKEN))
    arms = ["crop", f"mine.broken:{name}"]
    assert main(["train", "--run-dir", "run", "--device", "cpu", "--arms", *arms]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"drac train: error: the augmentation 'mine.broken:{name}'")
    assert message in said
    assert said.count("\n") == 1
    assert not (here / "run").exists()


def test_a_sweep_is_refused_by_a_broken_augmentation_once_before_it_begins(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmark.cli import main as bench

    (here / "mine" / "broken.py").write_text(textwrap.dedent(BROKEN))
    words = ["run", "--methods", "ppo", "drac-mine.broken:Raises", "--games", "leaper", "maze"]
    for wanted in (False, True):
        monkeypatch.setenv("DRAC_TRACEBACK", "1" * wanted)
        assert bench(words) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("drac-bench run: error: ")) == ("", 1)
        said = err.splitlines()[-1]
        place = f"KeyError: 'missing' (in Raises.apply, line 26 of {here}/mine/broken.py)"
        assert f"{place}{'' if wanted else '; DRAC_TRACEBACK=1 prints the traceback'}" in said
        assert ("Traceback (most recent call last)" in err) == wanted
    assert not (here / "results").exists()


FAILS = """
    from pathlib import Path

    from augmentations import Identity

    class Fails(Identity):
        def apply(self, obs, params):
            logs = list(Path().rglob("progress.csv"))
            if any(log.read_text().count("\\n") > 1 for log in logs):  # after the first update
                assert len(obs) < 0, "too many"
            return obs + 0.5
    """


def test_a_sweep_does_not_try_again_what_a_plug_in_makes_fail(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmark.cli import main as bench

    source = here / "mine" / "fails.py"
    source.write_text(textwrap.dedent(FAILS))
    words = [*TINY]
    words[words.index("--game")] = "--games"
    assert bench(["run", *words, "--methods", "drac-mine.fails:Fails", "--retries", "5"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert f"(exit status {OTHERS_CODE_FAILED}, drac train: error: the run failed after step" in out
    assert f"(in Fails.apply, line 10 of {source})" in out
    assert "again in" not in out
    (log,) = here.rglob("train.log")
    assert log.read_text().count("Traceback (most recent call last)") == 1


@pytest.fixture
def trained(install: Install, site: Path, here: Path) -> Path:
    """A finished run whose augmentation came from a plug-in that has been uninstalled since."""
    from drac.cli import main

    install("dim-pack", my_dim="Dim")
    assert main(["train", *TINY, "--method", "drac-my-dim"]) == 0
    shutil.rmtree(site / "dim_pack-1.2.dist-info")
    plugins.offered.cache_clear()
    return here / "results/runs/default/drac-my-dim/leaper/seed0"


def test_a_run_of_a_plug_in_that_is_gone_is_data(
    trained: Path, capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    from benchmark.cli import main as bench
    from benchmark.store.run_record import validate
    from drac.cli import main

    relative = trained.relative_to(here)
    missing = "default/drac-my-dim/leaper/seed0 was trained with the augmentation 'my-dim' of the"
    missing += " plug-in dim-pack 1.2, which is not installed here"
    assert json.loads((trained / "meta.json").read_text())["plugins"] == {"my-dim": "dim-pack 1.2"}
    assert validate(trained) == []
    capsys.readouterr()
    for words in (["tables"], ["status"], ["plot", str(relative), "--out", "curve.png"]):
        assert bench(words) == 0
        assert "unknown" not in capsys.readouterr().out
    assert "drac-my-dim" in (here / "results/tables/default/per-game.md").read_text()

    before = {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
    for words in (
        ["--method", "drac-my-dim"],
        ["--method", "drac", "--augmentation", "my-dim"],
        ["--method", "drac-my-dim", "--steps", "64"],
        ["--method", "drac-my-dim", "--run-dir", str(relative)],
    ):
        assert main(["train", *TINY, *words]) == 2
        err = capsys.readouterr().err
        assert err == f"drac train: error: results/runs/{missing}\n"
    assert before == {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}

    for game in ("maze", "leapr"):  # no such run was begun
        assert main(["train", *TINY, "--method", "drac-my-dim", "--game", game]) == 2
        assert "unknown method 'drac-my-dim'" in capsys.readouterr().err

    for split in ("test", "5-9"):
        words = [str(relative), "--split", split, "--episodes", "1"]
        assert main(["evaluate", *words]) == 0
        err = capsys.readouterr().err
        assert f"note: results/runs/{missing}; playing does not need it\n" in err


def test_a_saved_config_is_no_way_to_train_without_the_plug_in(trained: Path) -> None:
    config = TrainConfig.from_json(trained / "config.json")
    with pytest.raises(ConfigError, match="'my-dim' of the plug-in dim-pack 1.2, which is not"):
        prepare(config, trained)
    (trained / "meta.json").unlink()
    with pytest.raises(ConfigError, match="'my-dim' of a plug-in, which is not installed here"):
        prepare(config, trained)
    with pytest.raises(ConfigError, match="unknown augmentation 'my-dim'"):
        prepare(config, trained.parent / "elsewhere")


def test_a_bandit_may_miss_several_plug_ins(install: Install, site: Path, tmp_path: Path) -> None:
    install("dim-pack", my_dim="Dim")
    install("other", my_other="Dim", my_third="Dim")
    config = TrainConfig(arms=("crop", "my-dim(strength=0.5)", "my-other", "my-dim(strength=0.1)"))
    assert provenance.providers(config) == {"my-dim": "dim-pack 1.2", "my-other": "other 1.2"}
    assert provenance.missing(config, tmp_path) == ""
    (tmp_path / "config.json").write_text(config.to_json())
    meta.write_meta(tmp_path, plugins=provenance.providers(config))
    for module in ("dim_pack", "other"):
        shutil.rmtree(site / f"{module}-1.2.dist-info")
    plugins.offered.cache_clear()
    assert TrainConfig.from_json(tmp_path / "config.json") == config
    said = "'my-dim' of the plug-in dim-pack 1.2 and 'my-other' of the plug-in other 1.2, which are"
    assert f"the augmentations {said} not installed here" in provenance.missing(config, tmp_path)
    install("again", my_dim="Dim", my_other="Dim")
    install("twice", my_dim="Dim")  # here, if of no use: that is told when it is made
    assert provenance.missing(config, tmp_path) == ""


LATE = """
    from augmentations import Identity

    class Late(Identity):
        name = "not-what-the-user-wrote"

        def __init__(self, calls):
            super().__init__()
            self.calls = calls

        def apply(self, obs, params):
            self.calls -= 1
            return super().apply(obs, params) * (1 if self.calls >= 0 else float("nan"))
    """


@pytest.mark.parametrize("fidelity", ["paper", "released"])
def test_one_that_breaks_later_ends_the_run_in_one_sentence(
    fidelity: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from drac.cli import main

    (here / "mine" / "late.py").write_text(textwrap.dedent(LATE))
    # The run has its own copy: 6 gradient steps an update, the 14th fails.
    spec = "mine.late:Late(calls=13)"
    words = "--game leaper --steps 64 --num-envs 4 --num-steps 4 --minibatches 2 --epochs 3"
    words += f" --fidelity {fidelity} --checkpoint-every 0 --hidden-size 8 --device cpu"
    words += " --method drac --run-dir run"
    assert main(["train", *words.split(), "--augmentation", spec]) == 1
    out, err = capsys.readouterr()
    assert "done" not in out
    assert err == (
        "drac train: error: update 3, begun at step 32, failed and is neither logged nor saved:"
        " aug_policy_loss, aug_value_loss, grad_norm are NaN or infinite with the augmentation"
        f" '{spec}', in gradient step 2 of 6; its minibatch is in run/nan_report.npz; the log is"
        " run/progress.csv, the newest checkpoint run/checkpoint/step_000000000032.pt\n"
    )
    for log in ("progress.csv", "arms.csv"):
        assert len((here / "run" / log).read_text().splitlines()) == 3
    assert (here / "run" / "eval.csv").read_text().count("\n") == 1
