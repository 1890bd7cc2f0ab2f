"""drac-best and rad-best: the augmentation that was found best for a game, and where it is from."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from checkout import ROOT
from synthetic_runs import write_run

from augmentations import PAPER_ARMS
from benchmark import suites
from benchmark.analysis.best_augmentation import BEST_FROM, sweep_choices
from benchmark.cli import main as bench
from benchmark.scores import published
from benchmark.store.store import Store, settings
from benchmark.suites import RunSpec
from benchmark.tables.augmentations import augmentations as best_augmentations
from drac import methods
from drac.arms.build import build_augmentations
from drac.config import TrainConfig, as_argv, build
from drac.errors import ConfigError
from drac.games import GAMES
from drac.methods import best_augmentations as best

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> Path:
        path = tmp_path / "best.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return written


# The published table


def test_the_published_table_has_one_of_the_papers_eight_for_each_of_the_16_games() -> None:
    """No game has several or none, so that there is nothing to choose."""
    with best.BEST_CSV.open(newline="", encoding="utf-8") as file:
        rows = [(row["game"], row["augmentation"]) for row in csv.DictReader(file)]
    assert sorted(game for game, _ in rows) == sorted(GAMES)
    assert {spec for _, spec in rows} <= {*PAPER_ARMS}
    assert best.table(best.BEST_CSV) == dict(rows) == published.best_augmentation()[0]


@pytest.mark.parametrize("name", ["drac-best", "rad-best"])
def test_a_game_gets_its_published_augmentation(name: str) -> None:
    for game, augmentation in published.best_augmentation()[0].items():
        config = TrainConfig(method=name, game=game)
        assert (config.method, config.augmentation) == (name, augmentation)
        assert config.augmentation_specs == (augmentation,)
        assert list(build_augmentations(config)) == [augmentation]


def test_looking_it_up_needs_no_torch() -> None:
    code = "import sys; from drac.config import TrainConfig; "
    code += (
        "print(TrainConfig(method='drac-best', game='ninja').augmentation, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "color-jitter False\n"


# A table of one's own


def test_a_table_of_ones_own(write: Write) -> None:
    text = "note,game,augmentation\nx,maze,\"flip( axis = 'vertical' )\"\ny,ninja,cutout\n"
    path = str(write(text))
    maze = TrainConfig(method="drac-best", game="maze", best_from=path)
    assert maze.augmentation == "flip(axis='vertical')"
    assert TrainConfig(method="rad-best", game="ninja", best_from=path).augmentation == "cutout"


def test_the_flags_of_a_run_give_it_again_and_its_file_needs_no_table(
    write: Write, tmp_path: Path
) -> None:
    path = write("game,augmentation\nmaze,rotate\n")
    config = TrainConfig(method="drac-best", game="maze", best_from=str(path))
    assert config.augmentation != TrainConfig(method="drac-best", game="maze").augmentation
    assert config.augmentation == "rotate"
    words = as_argv(config)
    given = dict(zip(words[::2], words[1::2], strict=True))
    assert given["--best-from"] == str(path)
    values = {word.removeprefix("--").replace("-", "_"): value for word, value in given.items()}
    assert build(values) == config
    (tmp_path / "config.json").write_text(config.to_json())
    path.unlink()
    assert TrainConfig.from_json(tmp_path / "config.json") == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("game,augmentation\nninja,crop\n", "best.csv has no augmentation for maze; it has ninja"),
        (
            "game,augmentation\nmaze,crp\n",
            "line 2: unknown augmentation 'crp' .did you mean 'crop'",
        ),
        ("game,augmentation\nmaze,flip(\n", "line 2: the augmentation 'flip.' is not a name or"),
        ("game,augmentation\nmaze,\n", "best.csv, line 2: maze has no augmentation"),
        ("game,augmentation\nmaze\n", "best.csv, line 2: maze has no augmentation"),
        ("game,augmentation\nmazes,crop\n", "best.csv, line 2: unknown game 'mazes'"),
        ("game,augmentation\nmaze,crop\nmaze,flip\n", "line 3: maze has an augmentation already"),
        ("game,augmentations\nmaze,crop\n", "best.csv has no column augmentation"),
        ("game,augmentation\n", "best.csv has no rows"),
        ("", "best.csv has no column game, augmentation"),
    ],
)
def test_a_table_that_is_of_no_use_is_one_sentence(write: Write, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        build({"method": "drac-best", "game": "maze", "best_from": str(write(text))})
    assert "\n" not in str(caught.value)


def test_what_is_no_table_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff\xfe")
    for name, message in (
        ("nowhere.csv", "there is no file .*nowhere.csv"),
        ("", "cannot be read"),
        ("picture.png", "cannot be read"),
    ):
        with pytest.raises(ConfigError, match=message):
            build({"method": "drac-best", "game": "maze", "best_from": str(tmp_path / name)})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"augmentation": "flip"}, "best augmentation for maze is crop according to .*, not flip"),
        ({"method": "drac-crop", "best_from": "x.csv"}, "'drac-crop' has no option best_from"),
        ({"method": "ppo", "best_from": "x.csv"}, "no option best_from; it belongs to drac-best"),
        ({"game": "mase"}, "unknown game 'mase'"),
        ({"augmentation": "flop"}, "unknown augmentation 'flop'"),
    ],
)
def test_what_contradicts_is_refused(values: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build({"method": "drac-best", "game": "maze", **values})


@pytest.mark.parametrize(("family", "name"), [("drac", "best"), ("rad", "rollout-crop")])
def test_an_augmentation_cannot_make_a_family_s_method_another_one(
    family: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from augmentations import registry

    monkeypatch.setattr(
        registry, "_TABLE", {**registry._TABLE, name: "augmentations.transforms.crop:Crop"}
    )
    with pytest.raises(
        ConfigError, match=f"would be called {family}-{name}, but that is another method"
    ):
        build({"method": family, "augmentation": name})


# The paper's spelling


def test_crop_drac_is_drac_crop() -> None:
    assert TrainConfig(method="crop-drac") == TrainConfig(method="drac-crop")
    assert methods.get("crop-drac") is methods.METHODS["drac"]
    with pytest.raises(ConfigError, match="contradict"):
        build({"method": "crop-drac", "augmentation": "flip"})
    expanded = suites.expand("e", ["crop-drac", "drac-crop"], ["maze"], [0], {})
    assert [spec.id for spec, _ in expanded] == ["e/drac-crop/maze/seed0"]


# The sweep's own table


def sweep(root: Path) -> None:
    """Cutout is best on maze; flip and crop, with an option, share the first place on ninja."""
    for spec, score in (("crop", 3.0), ("cutout", 5.0), ("flip", 4.0)):
        write_run(root, "drac", "maze", augmentation=spec, test=[score] * 3)
    for spec in ("flip", "crop", "blur"):
        write_run(root, "drac", "ninja", augmentation=spec, test=[2.0] * 3)
    write_run(root, "drac", "miner", augmentation="crop(padding=4)", test=[2.0] * 3)
    write_run(root, "drac", "miner", augmentation="crop", test=[1.0] * 3)
    write_run(root, "drac-best", "maze", test=[9.0] * 3)  # not a fixed augmentation
    write_run(root, "ucb-drac", "maze", test=[9.0] * 3, arms={"crop": 2})


def test_a_sweep_s_table_is_what_best_from_reads(tmp_path: Path) -> None:
    sweep(tmp_path)
    assert bench(["tables", "--experiment", "exp", "--results", str(tmp_path)]) == 0
    path = tmp_path / "tables/exp" / BEST_FROM
    expected = {"maze": "cutout", "miner": "crop(padding=4)", "ninja": "crop"}
    assert best.table(path) == expected
    for game, spec in expected.items():
        config = TrainConfig(method="drac-best", game=game, best_from=str(path))
        assert config.augmentation == spec
    with pytest.raises(ConfigError, match="has no augmentation for jumper"):
        build({"method": "drac-best", "game": "jumper", "best_from": str(path)})
    store = Store(tmp_path)
    text = best_augmentations(store.load(store.specs("exp"))).markdown()
    assert "cutout (5.00, best of 3)" in text  # drac-best is no augmentation of the tables


def test_games_whose_runs_differ_are_left_out(tmp_path: Path) -> None:
    write_run(tmp_path, "drac-crop", "maze")
    write_run(tmp_path, "drac-flip", "maze", clip=0.1)
    write_run(tmp_path, "drac-flip", "ninja")
    store = Store(tmp_path)
    choices = sweep_choices(store.load(store.specs("exp")))
    assert choices[["game", "augmentation", "compared", "runs"]].to_numpy().tolist() == [
        ["ninja", "flip", 1, 1]
    ]


def test_without_fixed_augmentations_there_is_no_table(tmp_path: Path) -> None:
    write_run(tmp_path, "drac-best", "maze")
    assert bench(["tables", "--results", str(tmp_path)]) == 0
    assert not (tmp_path / "tables/exp" / BEST_FROM).exists()


def test_runs_of_two_tables_are_not_averaged(write: Write) -> None:
    path = str(write("game,augmentation\nmaze,crop\n"))
    ours = settings(TrainConfig(method="drac-best", game="maze", best_from=path), {})
    theirs = settings(TrainConfig(method="drac-best", game="maze"), {})
    assert {key for key in ours if ours[key] != theirs[key]} == {"best_from"}
    ninja = settings(TrainConfig(method="drac-best", game="ninja"), {})
    assert ninja == theirs  # though their augmentations differ


# Sweeps


def test_all_is_every_method_once() -> None:
    words = suites.parse_methods(["all"])
    runs = list(suites.expand("e", words, ["coinrun"], [0], {}))
    found = {methods.get(spec.method).name for spec, _ in runs}
    assert found == methods.METHODS.keys()
    assert len(runs) == len(methods.METHODS)
    families = {config.augmentation for spec, config in runs if methods.get(spec.method).is_family}
    assert families == {"crop"}


def test_all_with_an_augmentation_gives_it_to_the_families() -> None:
    options = {"augmentation": "flip", "arms": ("crop", "rotate")}
    words = suites.parse_methods(["all"], "flip")
    runs = dict(suites.expand("e", words, ["coinrun"], [0], options))
    assert RunSpec("e", "drac-flip", "coinrun", 0) in runs
    by_method = {spec.method: config for spec, config in runs.items()}
    assert by_method["drac-best"].augmentation == "random-conv"
    assert by_method["ucb-drac"].arms == ("crop", "rotate")
    assert len(runs) == len(methods.METHODS)


def test_methods_by_name_stay_what_they_are() -> None:
    assert suites.parse_methods(["ppo", "drac"], "flip") == ("ppo", "drac")
    assert suites.parse_methods([]) == ()
