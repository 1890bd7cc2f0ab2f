"""Files of scores as people have them: what is understood, what is refused, and --show."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from refusals import refused
from synthetic_runs import tree

from benchmark import cli
from benchmark.scores import imported as imports
from benchmark.scores.progress import curves
from benchmark.scores.reading import Told, game_and_mode
from benchmark.scores.separated import split
from drac.errors import ConfigError
from drac.games import GAMES


def scores(path: Path, **told: object) -> list[tuple[str, ...]]:
    """The rows of a file as (method, game, split, run, score)."""
    rows = imports.read(path, "x", Told(**told)).rows  # type: ignore[arg-type]
    return [tuple(map(str, row)) for row in rows[list(imports.REQUIRED)].to_numpy().tolist()]


def text(folder: Path, content: str, name: str = "ours.csv") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "game", "mode"),
    [
        ("Bigfish", "bigfish", ""),
        ("BigFish", "bigfish", ""),
        ("big_fish", "bigfish", ""),
        (" Cave Flyer ", "caveflyer", ""),
        ("BigfishEasy-v0", "bigfish", "easy"),
        ("procgen:procgen-bigfish-v0", "bigfish", ""),
        ("procgen-starpilot-hard-v0", "starpilot", "hard"),
        ("HEIST_memory", "heist", "memory"),
        ("procgen_coinrun", "coinrun", ""),
    ],
)
def test_spellings_of_games(name: str, game: str, mode: str) -> None:
    assert game_and_mode(name) == (game, mode)


@pytest.mark.parametrize("name", ["", "easy", "procgen", "pong", "bigfish2", "bigfishbigfish"])
def test_what_is_no_game(name: str) -> None:
    assert game_and_mode(name) is None


def test_a_row_a_run_with_other_separators(tmp_path: Path) -> None:
    header = ("method", "game", "split", "run", "score")
    for separator in ";\t":
        line = ("ppo", "BigfishHard-v0", "test", "0", "1.5")
        path = text(tmp_path, separator.join(header) + "\n" + separator.join(line) + "\n")
        kept = imports.read(path, "x").rows
        assert kept[["game", "mode", "score"]].to_numpy().tolist() == [["bigfish", "hard", 1.5]]
    path = text(tmp_path, ";".join(header) + "\nppo;bigfish;test;0;1,5\n")
    with pytest.raises(ConfigError, match=r"score '1,5' is not a number \(decimals have a point"):
        scores(path)
    path = text(tmp_path, ",".join((*header, "mode")) + "\nppo,BigfishHard-v0,test,0,1,easy\n")
    with pytest.raises(ConfigError, match=r"line 2: game 'BigfishHard-v0' is hard, the mode easy"):
        scores(path)


def test_a_column_a_game(tmp_path: Path) -> None:
    path = text(
        tmp_path,
        ",Algo,Seed,BigFish,procgen-maze-v0,fps\n"
        "0,PPO,0,1.5,2,900\n"
        "1,PPO,1,nan,3,900\n"
        "2,DrAC,0,4,,900\n",
    )
    read = imports.read(path, "x", Told(split="train"))
    assert scores(path, split="train") == [
        ("PPO", "bigfish", "train", "0", "1.5"),
        ("PPO", "maze", "train", "0", "2.0"),
        ("PPO", "maze", "train", "1", "3.0"),
        ("DrAC", "bigfish", "train", "0", "4.0"),
    ]
    assert read.ignored == ("", "fps")
    assert read.reading.notes == (
        "not in the file: split 'train'",
        "2 empty cells are missing runs",
    )
    path = text(tmp_path, "bigfish;maze\n1;2\n3;4\n")
    assert scores(path) == [
        ("ours", "bigfish", "test", "0", "1.0"),
        ("ours", "maze", "test", "0", "2.0"),
        ("ours", "bigfish", "test", "1", "3.0"),
        ("ours", "maze", "test", "1", "4.0"),
    ]
    path = text(tmp_path, "bigfish;maze\n1,5;2\n")
    with pytest.raises(ConfigError, match="decimals have a point, not a comma"):
        scores(path)
    path = text(tmp_path, "bigfish,BigFish\n1,2\n")
    with pytest.raises(ConfigError, match="ours, bigfish, test, run 0 is on line 2 already"):
        scores(path)


@pytest.mark.parametrize("suffix", ["npy", "json", "npz"])
def test_arrays(suffix: str, tmp_path: Path) -> None:
    values = np.array([[1.5, 2.0], [3.0, np.nan]])
    path = tmp_path / f"mine.{suffix}"
    if suffix == "npy":
        np.save(path, values.astype(np.float32))
    elif suffix == "npz":
        np.savez(path, mine=values)
    else:
        path.write_text(json.dumps({"mine": [[1.5, 2], [3, None]]}))
    assert scores(path, games=("Maze", "bigfish")) == [
        ("mine", "maze", "test", "0", "1.5"),
        ("mine", "bigfish", "test", "0", "2.0"),
        ("mine", "maze", "test", "1", "3.0"),
    ]


def test_rliables_dict_and_all_games(tmp_path: Path) -> None:
    path = tmp_path / "rliable.json"
    values = np.arange(32.0).reshape(2, 16).tolist()
    path.write_text(json.dumps({"A": values, "B": values[:1]}))
    found = scores(path, games=("all",))
    assert len(found) == 48
    assert found[:2] == [
        ("A", "bigfish", "test", "0", "0.0"),
        ("A", "bossfight", "test", "0", "1.0"),
    ]
    assert [game for _, game, *_ in found[-16:]] == [*GAMES]


class Runs:
    """Leaves a trace if it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("ran"),)  # type: ignore[return-value]


def test_no_pickle_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", {"A": Runs()}, allow_pickle=True)  # type: ignore[arg-type]
    np.savez("b.npz", A=np.array([Runs()], dtype=object))
    Path("c.npy").write_bytes(pickle.dumps(Runs()))
    for name in ("a.npy", "b.npz", "c.npy"):
        with pytest.raises(ConfigError, match=r"holds Python objects, which can run code"):
            scores(Path(name), games=("maze",))
    Path("d.pkl").write_bytes(pickle.dumps(Runs()))
    with pytest.raises(ConfigError, match="is a pickle, which can run code"):
        scores(Path("d.pkl"))
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("content", "games", "said"),
    [
        ([[1, 2]], (), "add --games with their names"),
        ([[1, 2]], ("maze",), "has shape (1, 2): a row for each run, and --games names 1 columns"),
        ([[1], [2]], ("maze", "heist"), "has shape (2, 1)"),
        ([1, 2], ("maze", "heist"), "has shape (2,)"),
        ([[1, 2], [3]], ("maze", "heist"), "is no array of numbers"),
        ([["a", 2]], ("maze", "heist"), "is no array of numbers"),
        ([], ("maze",), "is no array of numbers"),
        (5, ("maze",), "has shape ()"),
        ([[1]], ("mase",), "unknown game 'mase' (did you mean 'maze'?)"),
        ([[1, 2]], ("maze", "Maze"), "games names maze more than once"),
        ({"A": [[1]], "B": [[1, 2]]}, ("maze",), "B has shape (1, 2)"),
    ],
)
def test_bad_arrays(content: object, games: tuple[str, ...], said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=re.escape(said)):
        scores(path, games=games)


OPENAI = (
    "eplenmean,eprewmean,eval_eplenmean,eval_eprewmean,fps,misc/nupdates,misc/total_timesteps\n"
    "nan,nan,nan,nan,900,1,16384\n"
    "100,2,100,1,900,2,500000\n"
    "100,4,100,2,900,3,1000000\n"
    "100,6,100,nan,900,4,1500000\n"
)


def test_openais_progress(tmp_path: Path) -> None:
    path = text(tmp_path, OPENAI, "progress.csv")
    kept = imports.read(
        path, "x", Told(game="bigfish", method="ppo", seed="2", final=1_000_000)
    ).rows
    assert kept[["split", "run", "score", "steps"]].to_numpy().tolist() == [
        ["train", "2", 5.0, 1.5e6],
        ["test", "2", 2.0, 1.5e6],
    ]
    found = curves(split(OPENAI))
    assert found is not None
    assert found.steps.tolist() == [16384, 5e5, 1e6, 1.5e6]
    assert {name: values[1:].tolist()[:2] for name, values in found.returns.items()} == {
        "train": [2, 4],
        "test": [1, 2],
    }
    assert curves(split("a,b\n1,2\n")) is None


CLEANRL = "global_step,charts/episodic_return,charts/SPS\n100,1,9\n200,3,9\n"
TENSORBOARD = "Wall time,Step,Value\n1600000000.1,100,1\n1600000001.2,200,3\n"


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("bigfish_ppo_seed3.csv", ("ppo", "bigfish", "3")),
        ("ppo-bigfish-s03.csv", ("ppo", "bigfish", "3")),
        ("PPO seed_3 BigFish.csv", ("PPO", "bigfish", "3")),
        ("starpilot__ppo_procgen__7__1650000000.csv", ("ppo_procgen", "starpilot", "7")),
        ("procgen-bigfish-v0__ppo__1__1650000000.csv", ("ppo", "bigfish", "1")),
        ("ppo/bigfish/seed3/progress.csv", ("ppo", "bigfish", "3")),
    ],
)
def test_names_of_runs(name: str, named: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    method, game, run = named
    found = scores(text(tmp_path, CLEANRL, name), final=100)
    assert found == [(method, game, "train", run, "3.0")]


def test_an_export_of_weights_and_biases(tmp_path: Path) -> None:
    one, two = ("bigfish__ppo__1 - charts/episodic_return", "x - charts/episodic_return")
    path = text(tmp_path, f'"Step","{one}","{one}__MIN"\n9,2,1\n', "bigfish_ppo_1.csv")
    assert scores(path, final=9) == [("ppo", "bigfish", "train", "1", "2.0")]
    path = text(tmp_path, f'"Step","{one}","{two}"\n9,2,1\n', "bigfish_ppo_1.csv")
    with pytest.raises(ConfigError, match="several columns charts/episodic_return: a file must be"):
        scores(path, final=9)


def test_names_that_say_too_little(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="add --game and --method and --seed"):
        scores(text(tmp_path, CLEANRL, "1650000000.csv"), final=9)
    path = text(tmp_path, TENSORBOARD, "maze_ppo_1.csv")
    with pytest.raises(ConfigError, match="of which levels 'Value' is: add --split"):
        scores(path, final=9)
    assert scores(path, final=1000, split="test") == [("ppo", "maze", "test", "1", "2.0")]
    with pytest.raises(ConfigError, match="is the progress of a training .*: add --final 1M"):
        scores(path)
    path = text(tmp_path, "Step,Value\n100,\nx,1\n", "maze_ppo_1.csv")
    with pytest.raises(ConfigError, match=r"line 3: 'x' is not a number; 'Value' has no number in"):
        scores(path, final=9, split="test")


def test_what_is_told_in_vain_is_refused(tmp_path: Path) -> None:
    path = text(tmp_path, "method,game,split,run,score\nppo,maze,test,0,1\n")
    with pytest.raises(ConfigError, match="--method, --final is of no use for a file with one row"):
        scores(path, method="x", final=3)
    with pytest.raises(ConfigError, match="--games is of no use for a file with a column for"):
        scores(text(tmp_path, "maze\n1\n"), games=("maze",))


def test_several_progress_files_are_one_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(text(tmp_path, CLEANRL, f"maze_ppo_{seed}.csv")) for seed in range(3)]
    words = ["import-scores", *paths, "--results", str(tmp_path), "--name", "theirs"]
    assert cli.main([*words, "--final", "1M"]) == 0
    assert "ppo: 1 game, 3 runs a game, train, easy" in capsys.readouterr().out
    kept = imports.load(tmp_path, "theirs")
    assert kept.source == "maze_ppo_0.csv and 2 more"
    assert kept.rows["run"].tolist() == ["0", "1", "2"]
    assert "several with --final only" in refused(words, tmp_path, capsys)
    assert "is there" not in refused([*words, "--final", "x"], tmp_path, capsys)


def test_show_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = text(tmp_path, "algo,BigFish,fps\nPPO,1.5,9\nDrAC,2,9\n")
    before = tree(tmp_path)
    assert cli.main(["import-scores", str(path), "--show", "--results", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(
        "ours.csv: a column for each game, commas between the columns\n"
        "  algo     method\n"
        "  BigFish  scores of bigfish\n"
        "  fps      not kept\n"
    )
    assert re.search(r"\n +DrAC +bigfish +test +0 +2.0 +easy +unknown\n", said)
    assert "2 scores of 2 methods" in said
    assert said.endswith("run: number of the row in its method\nnothing was written\n")
    assert tree(tmp_path) == before
