"""Tables as Markdown, CSV, LaTeX and text: well formed whatever the names are."""

from __future__ import annotations

import io
import math
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from synthetic_runs import load, write_run

from benchmark.analysis.comparable import every_run
from benchmark.store.store import Store
from benchmark.suites import RunSpec
from benchmark.tables import formats as table_formats
from benchmark.tables.catalogue import TABLES
from benchmark.tables.table import Block, Table

NASTY = r"a\b_c&d%e$f#g{h}i~j^k<l>m|n[o]p\"q ± é π ü"


def cells_of(line: str) -> int:
    return len(re.findall(r"(?<!\\)\|", line)) - 1


def half_finished(root: Path) -> None:
    write_run(root, "ppo", "coinrun")
    write_run(root, "ucb-drac", "maze", arms={"a|b": 1, "flip": 1}, steps=512)
    Store(root).add_to_plan("exp", [RunSpec("exp", "drac-crop", "maze", 0)])


@pytest.mark.parametrize("name", TABLES)
def test_markdown_and_latex_are_well_formed_and_csv_reads_back(tmp_path: Path, name: str) -> None:
    half_finished(tmp_path)
    table = TABLES[name](load(tmp_path))
    text = table.markdown()
    assert text.startswith(f"## {table.title}\n\n### {table.heading}\n\n|")
    assert text.endswith("\n")
    found = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    assert len(found) == len(table.blocks)
    for drawn, block in zip(found, table.blocks, strict=True):
        lines = drawn.splitlines()
        assert len(lines) == len(block.cells) + 2
        assert {cells_of(line) for line in lines} == {len(block.cells.columns)}
        assert {len(line) for line in lines} == {len(lines[0])}
        assert set(lines[1]) == {"|", "-"}
        assert "nan" not in drawn
    back = pd.read_csv(io.StringIO(table_formats.csv(table)))
    assert list(back.columns) == list(table.data.columns)
    assert len(back) == len(table.data)
    numeric = table.data.select_dtypes("number")
    pd.testing.assert_frame_equal(back[numeric.columns], numeric, check_dtype=False)
    structure(table_formats.latex(table))


@pytest.mark.parametrize("name", TABLES)
def test_every_table_ends_with_what_is_missing(tmp_path: Path, name: str) -> None:
    half_finished(tmp_path)
    write_run(tmp_path, "ucb-drac", "maze", 1, arms={"crop": 2}, build="another", steps=512)
    write_run(tmp_path, "ucb-drac", "maze", 2, arms={"crop": 2}, precision="bf16", steps=512)
    said = "\n".join(TABLES[name](load(tmp_path)).notes[-8:])
    bandit = name == "bandit"
    assert ("Missing: 1 of" in said) is not bandit
    assert ("drac-crop/maze/seed0 (not started)" in said) is not bandit
    assert ("Mixed steps: " in said) is (name not in ("bandit", "augmentations"))
    assert "Mixed procgen_build: procgen 0.10.7 (" in said
    assert "Mixed precision: float32 (" in said
    assert "averaged" in said
    assert "Settings: steps " in said


@pytest.mark.parametrize("name", TABLES)
def test_no_complete_run_is_a_table_too(tmp_path: Path, name: str) -> None:
    planned = [RunSpec("exp", method, "maze", 0) for method in ("ppo", "ucb-drac", "drac-crop")]
    Store(tmp_path).add_to_plan("exp", planned)
    table = TABLES[name](load(tmp_path))
    assert len(table.cells)
    assert "Missing: " in "\n".join(table.notes)
    assert "nan" not in table.markdown(table_formats.MARKDOWN_WIDTH)
    structure(table_formats.latex(table))


def test_line_breaks_cannot_break_a_table() -> None:
    table = Table("t", "T", pd.DataFrame({"a": ["x\ny"]}), pd.DataFrame(), ("one\ntwo",))
    assert table.markdown() == "## T\n\n| a   |\n|-----|\n| x y |\n\n- one two\n"


def test_bold_cells(tmp_path: Path) -> None:
    cells = pd.DataFrame({"a": ["x", "y"], "b": ["1", "2"]})
    table = Table("t", "T", cells, pd.DataFrame(), (), bold=frozenset({(1, "b")}))
    assert "| y   | **2** |" in table.markdown()
    assert r"y & \textbf{2} \\" in table_formats.latex(table)
    drawn = Console(file=io.StringIO(), force_terminal=True, width=80)
    for part in table_formats.text(table, 80):
        drawn.print(part)
    assert "\x1b[1m2\x1b[0m" in drawn.file.getvalue()  # type: ignore[attr-defined]


@given(
    st.lists(st.integers(1, 40), min_size=2, max_size=9), st.integers(1, 2), st.integers(20, 120)
)
def test_a_wide_block_is_split_and_loses_nothing(widths: list[int], keys: int, width: int) -> None:
    keys = min(keys, len(widths) - 1)
    names = [f"{number}".ljust(wide, "x") for number, wide in enumerate(widths)]
    cells = pd.DataFrame({name: [f"{n}", f"{n}{n}"] for n, name in enumerate(names)})
    whole = Block(cells, "H", frozenset({(1, names[-1])}), keys)
    parts = list(whole.split(width))
    shown = [name for part in parts for name in part.cells.columns[keys:]]
    assert shown == names[keys:]
    for part in parts:
        assert list(part.cells.columns[:keys]) == names[:keys]
        assert part.bold == ({(1, names[-1])} if names[-1] in part.cells else frozenset())
        drawn = Table("t", "T", part.cells, part.cells, (), bold=part.bold, keys=keys).markdown()
        longest = max(len(line) for line in drawn.splitlines())
        assert longest <= width or len(part.cells.columns) == keys + 1
    assert [part.heading for part in parts] == ["H", *["H (continued)"] * (len(parts) - 1)]
    assert list(whole.split(None)) == [whole]


def test_every_run_has_a_row(tmp_path: Path) -> None:
    write_run(tmp_path)
    Store(tmp_path).add_to_plan("exp", [RunSpec("exp", "ucb-drac", "maze", 0)])
    done, planned = every_run(load(tmp_path)).to_dict("records")
    assert (done["method"], done["test"], done["problems"], done["steps"]) == ("ppo", 2.0, "", 300)
    assert (planned["method"], planned["problems"]) == ("ucb-drac", "not started")
    assert math.isnan(planned["test"])


# --- LaTeX --------------------------------------------------------------------------------------


def structure(text: str) -> None:
    """Environments close in order, rows have their columns, specials are escaped."""
    open_ones: list[str] = []
    columns = 0
    for line in text.splitlines():
        for what, name in re.findall(r"\\(begin|end)\{([a-z]+)\}", line):
            if what == "begin":
                open_ones.append(name)
            else:
                assert open_ones.pop() == name
        if begun := re.match(r"\\begin\{tabular\}\{([lr]+)\}", line):
            columns = len(begun[1])
        if line.endswith(r"\\"):
            assert len(re.findall(r"(?<!\\)&", line)) == columns - 1
            assert not line.startswith(("[", "*"))  # an option of the \\ before
        if not line.startswith("%"):
            plain = re.sub(r"\\[&%$#_{}]", "", line)
            assert not re.search(r"[%#~^<>|\"]", plain)
            assert "_" not in re.sub(r"\\label\{.*\}", "", plain)
            assert plain.count("$") % 2 == 0
            assert plain.count("{") == plain.count("}") or line in ("{\\footnotesize", "}")
    assert open_ones == []
    assert {"toprule", "midrule", "bottomrule"} <= set(re.findall("[a-z]+", text))


def nasty_table() -> Table:
    cells = pd.DataFrame({"game": [NASTY, "[maze]"], NASTY: ["1.0 ± 0.1", "missing"]})
    return Table("n_1", NASTY, cells, cells, (NASTY, "[a] source"), bold=frozenset({(0, NASTY)}))


def test_specials_are_escaped() -> None:
    assert table_formats.escape("a_b & 5 % of $1 #2 {x} [y]") == (
        r"a\_b \& 5 \% of \$1 \#2 \{x\} {[}y{]}"
    )
    assert table_formats.escape("\\~^<>|") == (
        r"\textbackslash{}\textasciitilde{}\textasciicircum{}\textless{}\textgreater{}\textbar{}"
    )
    assert table_formats.escape("1 ± 2, café, π") == r"1 $\pm$ 2, café, {[}U+03C0{]}"


def test_latex_of_nasty_names_is_well_formed() -> None:
    text = table_formats.latex(nasty_table())
    structure(text)
    assert r"\label{tab:n-1}" in text


@given(st.text(max_size=60))
def test_latex_of_any_text_is_well_formed(word: str) -> None:
    cells = pd.DataFrame({"game": [word], "x": [word]})
    structure(table_formats.latex(Table("t", word, cells, cells, (word,))))


def test_numbers_are_on_the_right() -> None:
    cells = pd.DataFrame({"game": ["1"], "n": ["-1.5 ± 2"], "arm": ["crop (9%)"], "none": ["-"]})
    assert r"\begin{tabular}{lrll}" in table_formats.latex(Table("t", "T", cells, cells, ()))


ENGINES = [name for name in ("tectonic", "pdflatex", "lualatex", "xelatex") if shutil.which(name)]


@pytest.mark.skipif(not ENGINES, reason="no TeX engine is installed; the structure is checked")
def test_latex_compiles(tmp_path: Path) -> None:
    half_finished(tmp_path / "store")
    runs = load(tmp_path / "store")
    made = [nasty_table(), *(make(runs) for make in TABLES.values())]
    body = "\n".join(map(table_formats.latex, made))
    (tmp_path / "t.tex").write_text(
        "\\documentclass{article}\n\\usepackage[T1]{fontenc}\n\\usepackage{booktabs}\n"
        f"\\begin{{document}}\n{body}\n\\end{{document}}\n",
        encoding="utf-8",
    )
    words = ["t.tex"] if ENGINES[0] == "tectonic" else ["-interaction=nonstopmode", "t.tex"]
    done = subprocess.run([ENGINES[0], *words], cwd=tmp_path, capture_output=True, check=False)
    log = done.stdout.decode(errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert "Undefined control sequence" not in log


def test_latex_of_many_rows_goes_on_in_further_floats() -> None:
    cells = pd.DataFrame({"level": [f"l{i}" for i in range(100)], "x": ["1.0"] * 100})
    block = Block(cells, "Levels", frozenset({(0, "x"), (60, "x")}))
    pages = list(block.pages(48))
    assert [len(page.cells) for page in pages] == [48, 48, 4]
    assert [page.bold for page in pages] == [{(0, "x")}, {(12, "x")}, frozenset()]
    assert [page.heading for page in pages] == ["Levels", *["Levels (continued)"] * 2]
    text = table_formats.latex(Table("t", "T", cells, cells, ()))
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 3
    assert all(f"l{i} &" in text for i in range(100))
    assert Block(cells[:0], "none").pages(48).__next__().cells.empty
