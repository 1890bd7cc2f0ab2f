"""Imported scores: what is accepted, kept and refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused

from benchmark import cli
from benchmark.scores import imported as imports
from benchmark.scores.published import FOLDER
from drac.errors import ConfigError
from drac.games import GAMES

PUBLIC = FOLDER / "run_scores.csv"
HEADER = "method,game,split,run,score"


def write(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "given.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def test_the_public_scores_load_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["import-scores", str(PUBLIC), "--results", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "1,120 scores of 7 methods" in said
    assert "PPO: 16 games, 10 runs a game, test, easy; caution: near-duplicate pairs" in said
    assert "PLR: 16 games, 10 runs a game, test, easy\n" in said
    kept = imports.load(tmp_path, "run_scores")
    original = pd.read_csv(PUBLIC, dtype={"run": str}, float_precision="round_trip")
    original = original.fillna({"caution": ""})
    assert len(kept.methods) == 7
    for column in ("method", "game", "split", "run", "score", "caution"):
        assert kept.rows[column].tolist() == original[column].tolist()
    assert set(kept.rows["mode"]) == {"easy"}
    assert kept.rows["steps"].isna().all()
    assert kept.source == "run_scores.csv"
    assert kept.sha256 == hashlib.sha256(PUBLIC.read_bytes()).hexdigest()
    assert pd.Timestamp(kept.imported).tzinfo is not None


def test_columns_in_any_order_and_further_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a b&c.csv"
    text = (
        "\ufeffrun,score,comment,game,split,method,steps,mode\r\n"
        'seed 3,-1e-3,"x, y",fruitbot,train,"a & b_{c}, [bold]",25000000,hard\r\n'
        "\r\n"
        ' seed 4 , 2 ,,fruitbot,train,"a & b_{c}, [bold]",,\r\n'
    )
    path.write_bytes(text.encode("utf-8"))
    assert cli.main(["import-scores", str(path), "--results", str(tmp_path)]) == 0
    assert "columns not kept: comment" in capsys.readouterr().out
    kept = imports.load(tmp_path, "a-b-c")
    assert kept.ignored == ("comment",)
    rows = kept.rows.fillna("unknown").to_dict("records")
    common = {"method": "a & b_{c}, [bold]", "game": "fruitbot", "split": "train", "caution": ""}
    assert rows == [
        {**common, "run": "seed 3", "score": -0.001, "steps": 25e6, "mode": "hard"},
        {**common, "run": "seed 4", "score": 2.0, "steps": "unknown", "mode": "easy"},
    ]


GOOD = "ppo,bigfish,test,0,1.5"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["ppo,bigfsh,test,0,1"], "line 2: unknown game 'bigfsh' (did you mean 'bigfish'?)"),
        (["ppo,Big Fishy,test,0,1"], "unknown game 'Big Fishy' (did you mean 'bigfish'?)"),
        (["ppo,BigfishHard-v0,test,0,1,easy"], "line 2 has 6 fields, the header 5"),
        (["ppo,xx,test,0,1"], "unknown game 'xx', choose from bigfish, bossfight"),
        (["ppo,bigfish,tset,0,1"], "unknown split 'tset' (did you mean 'test'?)"),
        ([GOOD, "", "ppo,bigfish,test,1,high"], "line 4: score 'high' is not a number"),
        (["ppo,bigfish,test,0,nan"], "score 'nan' is not a number (leave the line of a missing"),
        (["ppo,bigfish,test,0,"], "score '' is not a number (leave the line"),
        (["ppo,bigfish,test,0,inf"], "score 'inf' is not a number: it is infinite"),
        (["ppo,bigfish,test,0,-Infinity"], "score '-Infinity' is not a number: it is infinite"),
        (["ppo,bigfish,test,0,1e10"], "score '1e10' is beyond what any run can have"),
        (["ppo,bigfish,test,0,1_0"], "score '1_0' is not a number"),
        (["ppo,bigfish,test,0,1;5"], "score '1;5' is not a number"),
        (
            [GOOD, "ppo,bigfish,test,0,9"],
            "line 3: ppo, bigfish, test, run 0 is on line 2 already",
        ),
        ([" ,bigfish,test,0,1"], "line 2: method '' is not a name"),
        (["ppo,bigfish,test,,1"], "line 2: run '' is not a name"),
        (["p\tp,bigfish,test,0,1"], "is not a name"),
        ([GOOD, "ppo,bigfish,test,1"], "line 3 has 4 fields, the header 5"),
        ([GOOD, "ppo,bigfish,test,1,1,1"], "line 3 has 6 fields, the header 5"),
        (['"ppo,bigfish,test,1,1'], "unexpected end of data"),
        ([], "it has no row"),
        (
            [f"ppo,nogame,test,{i},1" for i in range(9)],
            "line 4: unknown game 'nogame'",
        ),
    ],
)
def test_bad_lines(
    lines: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, *lines)
    words = ["import-scores", str(path), "--results", str(tmp_path / "r")]
    error = refused(words, tmp_path, capsys)
    assert said in error
    assert ("and 6 more" in error) == (len(lines) == 9)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("method,gmae,split,run,score", "no column 'game' (did you mean 'gmae'?)"),
        ("method;game;split;run;score", "line 2 has 1 field, the header 5"),
        ("method|game|split|run|score", "its first line is 'method|game|split|run|score'"),
        ("", "it is empty"),
        (f"{HEADER},run", "has the column 'run' twice"),
        (",".join(["x"] * 10**6), "it has 1,000,000 columns, more than the 1,000 allowed"),
        (f"{HEADER},mode", "line 2: unknown mode '7', choose from easy, hard"),
        (f"{HEADER},steps", None),
    ],
)
def test_headers(header: str, said: str | None, tmp_path: Path) -> None:
    path = write(tmp_path, f"{GOOD},7", header=header)
    if said is None:
        assert imports.read(path, "x").rows["steps"].tolist() == [7.0]
        return
    with pytest.raises(ConfigError) as error:
        imports.read(path, "x")
    assert said in str(error.value)


@pytest.mark.parametrize("steps", ["-1", "0", "many", "nan", "5e-324", "1.5"])
def test_steps_are_a_positive_number(steps: str, tmp_path: Path) -> None:
    path = write(tmp_path, f"{GOOD},{steps}", header=f"{HEADER},steps")
    with pytest.raises(ConfigError, match=f"line 2: steps '{steps}' is not a positive whole"):
        imports.read(path, "x")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["absent.csv"], "absent.csv cannot be read: No such file"),
        (["."], "cannot be read: it is no regular file"),
        (["binary.csv"], "cannot be read: it is not UTF-8 text"),
        ([], "give one FILE.csv, not 0"),
        (["given.csv", "given.csv"], "give one FILE.csv, not 2"),
        (["given.csv", "--name", "../x"], "name '../x' must be letters"),
        (["given.csv", "--results", "binary.csv"], "binary.csv is a file"),
        (["given.csv", "--nme", "x"], "(did you mean '--name'?)"),
    ],
)
def test_bad_arguments(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, GOOD)
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    assert said in refused(["import-scores", *arguments], tmp_path, capsys)


def test_a_name_is_not_taken_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["import-scores", "--name", "theirs", "--results", str(tmp_path)]
    assert cli.main([*words, str(write(tmp_path, GOOD))]) == 0
    assert cli.main([*words, str(write(tmp_path, GOOD))]) == 0  # the same file again
    other = str(write(tmp_path, GOOD, "ppo,maze,test,0,2"))
    capsys.readouterr()
    assert cli.main([*words, other]) == 2
    assert "'theirs' holds scores of another file (given.csv" in capsys.readouterr().err
    assert len(imports.load(tmp_path, "theirs").rows) == 1
    assert cli.main([*words, other, "--replace"]) == 0
    assert len(imports.load(tmp_path, "theirs").rows) == 2
    assert imports.names(tmp_path) == ["theirs"]


def test_what_was_changed_after_the_import_is_refused(tmp_path: Path) -> None:
    stored = imports.save(imports.read(write(tmp_path, GOOD), "x"), tmp_path)
    origin = stored.with_suffix(".json")
    text, said = stored.read_text(), origin.read_text()
    stored.write_text(text.replace("1.5", "9.5"))
    with pytest.raises(ConfigError, match=r"is not what was imported from given\.csv"):
        imports.load(tmp_path, "x")
    stored.write_text(text)
    assert imports.load(tmp_path, "x").rows["score"].tolist() == [1.5]
    without = {key: value for key, value in json.loads(said).items() if key != "sha256"}
    for damaged in ("{", "[]", json.dumps(without)):
        origin.write_text(damaged)
        with pytest.raises(ConfigError, match=r"x\.json, which says where x\.csv is from"):
            imports.load(tmp_path, "x")
    origin.unlink()
    with pytest.raises(ConfigError, match=r"No such file.*import the file again"):
        imports.load(tmp_path, "x")


row = st.fixed_dictionaries(
    {
        "method": st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1),
        "game": st.sampled_from(GAMES),
        "split": st.sampled_from(["train", "test"]),
        "run": st.integers(0, 99).map(str),
        "score": st.floats(-1e9, 1e9),
        "mode": st.sampled_from(["easy", "hard"]),
        "steps": st.integers(1, 2**53),
        "caution": st.sampled_from(["", "a, b", 'say "x"', "é \\%"]),
    }
)


@settings(max_examples=25)
@given(
    st.lists(
        row,
        min_size=1,
        max_size=8,
        unique_by=lambda r: (r["method"], r["mode"], r["game"], r["split"], r["run"]),
    )
)
def test_every_value_survives(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("scores")
    path = folder / "any.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    imports.save(imports.read(path, "any"), folder)
    assert imports.load(folder, "any").rows.to_dict("records") == [
        {name: given[name] for name in (*imports.REQUIRED, *imports.OPTIONAL)} for given in rows
    ]


def test_one_of_each_and_a_column_without_a_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.csv"
    path.write_text("method,game,split,run,score,\nA,maze,test,0,1.0,z\n")
    assert cli.main(["import-scores", str(path), "--results", str(tmp_path / "r")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("x: 1 score of 1 method\n  A: 1 game, 1 run a game, test, easy\n")
    assert "columns not kept: one without a name\n" in said
    assert "next: " not in said
