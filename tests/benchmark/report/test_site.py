"""The report: what it says, that it is whole, and that nothing else is ever overwritten."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_site import HOSTILE, Page, pages, target
from synthetic_runs import ARMS, tree, write_run

from augmentations.transforms.flip import RandomFlip
from benchmark import cli
from benchmark.report import build, folder, frames, grid, methods, results, site
from benchmark.report.content import gather
from benchmark.store.store import Store
from benchmark.suites import RunSpec
from drac import methods as drac_methods
from drac.games import score_range
from drac.methods.spellings import resolve


@pytest.fixture(scope="module")
def found(report: Path) -> dict[str, Page]:
    return pages(report)


# --- the site as a whole ------------------------------------------------------------------------


def test_there_is_a_page_for_everything(found: dict[str, Page]) -> None:
    assert {path for path in found if path.startswith("games/")} == {
        f"games/{game}.html" for game in ("coinrun", "heist", "maze")
    }
    named = {path: page.text for path, page in found.items() if path.startswith("methods/")}
    for method in ("ppo", "ucb-drac", "ucb-drac+plr", "drac-crop", "drac-flip"):
        assert any(re.search(rf"\n{re.escape(method)}\n", text) for text in named.values()), method
    assert len(named) == 5
    top = {"index", "tables", "configs", "provenance", "downloads"}
    assert {f"{name}.html" for name in top} <= set(found)


def test_html_is_well_formed_and_accessible(found: dict[str, Page]) -> None:
    for path, page in found.items():
        assert page.problems == [], path
        assert len(page.ids) == len(set(page.ids)), path
        assert page.all("html")[0]["lang"] == "en"
        assert "viewport" in {meta.get("name") for meta in page.all("meta")}
        for landmark in ("header", "main", "footer", "h1"):
            assert len(page.all(landmark)) == 1, (path, landmark)
        assert page.all("a")[0] == {"class": "skip", "href": "#content"}
        assert all("aria-label" in nav for nav in page.all("nav"))
        assert all("alt" in image for image in page.all("img")), path
        for _, attributes in page.tags:
            if "aria-labelledby" in attributes:
                assert attributes["aria-labelledby"] in page.ids
        levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert all(b - a <= 1 for a, b in itertools.pairwise(levels)), path


def test_every_table_has_caption_scopes_rows_and_a_file(found: dict[str, Page]) -> None:
    without = set()
    for path, page in found.items():
        downloads = [a["href"] for a in page.all("a") if "download" in a]
        assert len(page.tables) - (path == "downloads.html") <= len(downloads), path
        for table in page.tables:
            assert table.caption.strip(), path
            assert set(table.scopes) == {"col", "row"}, (path, table.caption)
            assert table.rows, (path, table.caption)
            assert {len(row) for row in table.rows} == {len(table.headings)}
            if not downloads:
                without.add(table.attributes["id"])
    assert without == {"files"}


def test_every_link_resolves_and_nothing_is_fetched_from_elsewhere(
    report: Path, found: dict[str, Page]
) -> None:
    ids = {page.path.resolve(): set(page.ids) for page in found.values()}
    linked: set[Path] = set()
    for path, page in found.items():
        for tag, address in page.links():
            if address == "data:,":  # the icon: none, and no request for one
                continue
            led = target(page.path, address)
            if led is None:
                assert tag == "a", (path, tag, address)
                assert address.startswith("https://"), address
                continue
            file, fragment = led
            assert file.is_file(), (path, address)
            assert file.is_relative_to(report.resolve())
            in_time = tag == "video" and fragment.startswith("t=")  # the frame that is shown first
            assert not fragment or in_time or fragment in ids[file], (path, address)
            linked.add(file)
    everything = {p.resolve() for p in report.rglob("*") if p.is_file()}
    assert everything - linked == {(report / "report.json").resolve()}
    for name in site.ASSETS:
        text = (report / "assets" / name).read_text()
        assert "http" not in text
        assert "url(" not in text
        assert "@import" not in text


def test_every_csv_can_be_read_and_is_listed(report: Path, found: dict[str, Page]) -> None:
    (table,) = found["downloads.html"].tables
    listed = {row[0]: int(row[2].replace(",", "")) for row in table.rows}
    there = {p.relative_to(report).as_posix(): p for p in report.rglob("*.csv")}
    assert set(listed) == set(there)
    for name, path in there.items():
        assert path.stat().st_size == listed[name]
        assert len(pd.read_csv(path).columns) > 1


def test_text_from_files_is_text(report: Path, found: dict[str, Page]) -> None:
    assert HOSTILE in found["provenance.html"].text
    for page in report.rglob("*.html"):
        assert "alert(" not in page.read_text().replace("alert(&#34;x&#34;)", "")
    for page in found.values():
        assert all(set(script) == {"src"} for script in page.all("script"))


@pytest.mark.full
def test_the_same_store_gives_the_same_files(root: Path, report: Path, tmp_path: Path) -> None:
    build.build(Store(root), ["exp"], tmp_path / "again")

    def stable(where: Path) -> dict[str, bytes]:
        made = rb"Made on [0-9: -]+ UTC"
        content = tree(where)
        return {name: re.sub(made, b"", data) for name, data in content.items() if data is not None}

    assert stable(tmp_path / "again") == stable(report)


# --- what it says -------------------------------------------------------------------------------


def test_numbers_are_those_of_the_episodes(root: Path, report: Path) -> None:
    data = pd.read_csv(report / "data/game-coinrun.csv").set_index("method")
    for method in ("ppo", "ucb-drac", "drac-crop"):
        means: dict[str, list[float]] = {"train": [], "test": []}
        for path in sorted(root.glob(f"runs/exp/{method}/coinrun/seed*/eval.csv")):
            lines = [line.split(",") for line in path.read_text().splitlines()[1:]]
            last = max(int(line[0]) for line in lines)
            for split, values in means.items():
                own = [float(x[3]) for x in lines if int(x[0]) == last and x[1] == split]
                values.append(sum(own) / len(own))
        for split, values in means.items():
            assert data.loc[method, f"{split}_mean"] == pytest.approx(np.mean(values))
            std = np.std(values, ddof=1) if len(values) > 1 else np.nan
            assert data.loc[method, f"{split}_std"] == pytest.approx(std, nan_ok=True)
        assert data.loc[method, "seeds"] == len(means["test"])


def test_missing_runs_are_named_and_shown_as_missing(found: dict[str, Page]) -> None:
    overview = found["index.html"]
    (lacking,) = [t for t in overview.tables if t.attributes["id"] == "lacking"]
    said = {row[0]: row[1] for row in lacking.rows}
    assert set(said) == {
        "exp/ppo/heist/seed0",
        "exp/drac-crop/maze/seed0",
        "exp/drac-flip/maze/seed0",
    }
    assert said["exp/ppo/heist/seed0"] == "not started"
    assert "final test episodes" in said["exp/drac-crop/maze/seed0"]
    assert "progress.csv" in said["exp/drac-flip/maze/seed0"]
    maze = {row[0]: row for row in found["games/maze.html"].tables[0].rows}
    assert maze["drac-crop"][1:5] == ["0", "missing", "missing", "missing"]
    assert "times shorter than the published ones" in overview.text


def test_headline_counts_the_games_that_all_have(root: Path) -> None:
    """By hand: coinrun is the one game on which ppo, ucb-drac and drac-crop have runs."""
    content = gather(Store(root), ["exp"])
    kept = content.runs["method"].isin(["ppo", "ucb-drac", "drac-crop"])
    content = type(content)(content.store, ("exp",), content.runs[kept])
    table = results.headline(content)
    data = table.data[table.data["split"] == "test"].set_index("method")
    low, high = score_range("coinrun")
    row = data.loc["ppo"]
    assert row["mean"] == pytest.approx((np.mean([5.0, 6.0, 7.0]) - low) / (high - low))
    assert row["ppo_normalized_mean"] == pytest.approx(1.0)
    better = data.loc["ucb-drac", "better_than_ppo"]
    won = [1.0 if u > p else 0.5 if u == p else 0.0 for u in (7, 8, 9) for p in (5, 6, 7)]
    assert better == pytest.approx(np.mean(won))
    assert "1 of 3 games" in table.title
    assert any("left out: heist, maze" in note for note in table.notes)
    assert "no interval" in table.cells.set_index("method").loc["drac-crop", "IQM, %"]


def test_a_variant_is_compared_with_ppo_of_its_own_protocol(tmp_path: Path) -> None:
    for steps, experiment, score in ((256, "short", 5.0), (512, "long", 8.0)):
        for method, more in (("ppo", 0.0), ("ucb-drac", 1.0)):
            options = {"steps": steps, "experiment": experiment, "test": (score + more,) * 3}
            write_run(tmp_path, method, "coinrun", **options)
    write_run(tmp_path, "rand-drac", "coinrun", steps=1024, experiment="long", test=(9, 9, 9))
    table = results.headline(gather(Store(tmp_path), ["short", "long"]))
    rows = table.data[table.data["split"] == "test"].set_index("method")["ppo_normalized_mean"]
    assert rows.dropna().to_dict() == {
        "ppo at 256 steps": 1.0,
        "ucb-drac at 256 steps": 6 / 5,
        "ppo at 512 steps": 1.0,
        "ucb-drac at 512 steps": 9 / 8,
    }
    assert rows.index[rows.isna()].tolist() == ["rand-drac at 1,024 steps"]


def test_a_game_where_ppo_loses_is_no_measure(tmp_path: Path) -> None:
    for method, score in (("ppo", 5.0), ("ucb-drac", 6.0)):
        write_run(tmp_path, method, "coinrun", test=(score,) * 3)
        write_run(tmp_path, method, "fruitbot", test=(-score,) * 3)
    data = results.headline(gather(Store(tmp_path), ["exp"])).data
    rows = data[data["split"] == "test"].set_index("method")
    assert rows["ppo_normalized_mean"].to_dict() == {"ppo": 1.0, "ucb-drac": 6 / 5}
    assert rows.loc["ucb-drac", "better_than_ppo"] == 0.5  # better on one, worse on the other


def test_clips_and_frames_are_there(report: Path, found: dict[str, Page]) -> None:
    page = found["games/coinrun.html"]
    (video,) = page.all("video")
    src, _, first = video["src"].partition("#")
    assert first == "t=0.001"  # a browser shows that frame, not a black box
    assert (report / "games" / src).read_bytes() == b"no film"
    assert video["aria-label"] == ("ppo, seed 0: test levels after 256 steps (level 7: return 3.5)")
    (moving,) = [image for image in page.all("img") if image["src"].endswith(".gif")]
    assert moving["alt"] == "ppo, seed 0: mine.gif"
    strips = [image["src"] for image in page.all("img") if image.get("class") == "pixels"]
    assert len(strips) == 2
    assert "30, 40" in page.text


def test_a_store_where_nothing_is_complete(tmp_path: Path) -> None:
    root = tmp_path / "results"
    Store(root).add_to_plan("new", [RunSpec("new", "ppo", "maze", s) for s in range(3)])
    begun = write_run(root, "ucb-drac", "maze", experiment="new", arms=ARMS)
    (begun / "eval.csv").unlink()
    build.build(Store(root), ["new"], tmp_path / "report", with_frames=False)
    made = pages(tmp_path / "report")
    assert all(page.problems == [] for page in made.values())
    assert "0 of 4" in made["index.html"].text
    assert "No run is complete yet" in made["games/maze.html"].text
    assert "No frames: they were not asked for" in made["games/maze.html"].text


@pytest.mark.usefixtures("without_figures")
def test_frames_that_cannot_be_drawn_stop_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path / "results")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    build.build(Store(tmp_path / "results"), ["exp"], tmp_path / "report")
    text = pages(tmp_path / "report")["games/coinrun.html"].text
    assert "No frames: " in text
    assert "/nowhere/python" in text


@pytest.mark.slow
def test_frames_are_drawn_by_procgen_once(tmp_path: Path) -> None:
    assert frames.draw_missing(tmp_path, ["maze"], "easy") == ""
    train, test = frames.strips(tmp_path, "maze", "easy")
    assert all(0 <= level < 200 for level in train.levels)
    assert len(set(train.levels)) == len(set(test.levels)) == 4
    before = tree(tmp_path)
    assert frames.draw_missing(tmp_path, ["maze"], "easy") == ""
    assert tree(tmp_path) == before
    assert "unknown" in frames.draw_missing(tmp_path, ["maize"], "easy")


# --- methods ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(drac_methods.METHODS))
def test_a_method_is_described_as_its_objective_is(name: str) -> None:
    import inspect
    from pkgutil import resolve_name

    method = drac_methods.METHODS[name]
    equation = methods.docstring(method.objective)
    assert equation
    assert equation == inspect.getdoc(resolve_name(method.objective))


def test_a_methods_page_leads_to_its_paper_and_shows_its_options(found: dict[str, Page]) -> None:
    page = found["methods/ucb-drac.html"]
    assert ("a", "https://arxiv.org/abs/2006.12862") in page.links()
    (options,) = [t for t in page.tables if t.attributes["id"] == "options"]
    rows = {row[0]: row[1:3] for row in options.rows}
    assert rows["steps"] == ["300", "by all"]
    assert rows["aug_coef"] == ["0.1", "by this method"]
    assert rows["plr_replay"][1] == "not by this method"


def test_what_cannot_be_read_is_not_described() -> None:
    assert methods.docstring("no_such_package.module:Name") == ""
    assert methods.docstring("drac.no_such_module:Name") == ""
    assert methods.docstring("drac.objectives.ppo:NoSuchName") == ""
    assert methods.docstring(methods.describe("no-such-method").objective) == ""


def test_a_method_of_ones_own_augmentation_has_its_docstring(small: Path) -> None:
    """The class lies in the working folder, which is not where the command lies; torch is none."""
    (small / "mylab").mkdir()  # a package without an __init__.py
    (small / "mylab/dark.py").write_text('class Dark:\n    """Darkens <corners>."""\n')
    (small / "alone.py").write_text('class Dim:\n    """Dims all."""\n\nraise SystemExit')
    own = {"mylab.dark:Dark(by=0.9)": "Darkens <corners>.", "alone:Dim": "Dims all."}
    absent = ("gone:Gone", "alone:NoSuchName", "kornia:RandomGaussianBlur((3, 3))")
    for spec in (*own, "flip", *absent):
        write_run(small / "results", "drac", augmentation=spec, experiment="demo")
    build.build(Store(small / "results"), ["demo"], small / "report", with_frames=False)
    found = pages(small / "report")
    texts = {
        s: found[site.method_page(resolve("drac", s)[0])].text for s in (*own, "flip", *absent)
    }
    for spec, said in own.items():
        assert f"Its augmentation {spec}\n{said}\n" in re.sub(r"\s*\n\s*", "\n", texts[spec])
    assert RandomFlip.__doc__.splitlines()[0] in texts["flip"]
    assert not any("Its augmentation" in texts[spec] for spec in absent)
    assert "Its augmentation" not in found[site.method_page("ppo")].text


# --- cells --------------------------------------------------------------------------------------


@given(st.floats(-1e9, 1e9), st.sampled_from([" ± 0.3", "", " (n=3)", " [0.1, 0.2]", "%", " = x"]))
def test_cells_are_sorted_by_the_number_they_begin_with(value: float, rest: str) -> None:
    text = f"{value:,.3f}"
    assert grid.number(text + rest) == pytest.approx(float(text.replace(",", "")))


@pytest.mark.parametrize(
    "text", ["crop", "b2a841d", "1e2x", "not available", "", "-", "2026-11-21", "0-199"]
)
def test_other_cells_are_text(text: str) -> None:
    assert grid.number(text) is None


def test_a_column_is_numeric_if_all_that_is_there_is_a_number() -> None:
    frame = pd.DataFrame(
        {
            "game": ["A", "b", "-"],
            "x": ["1.5 ± 1", "missing", "100 by definition"],
            "y": ["3", "three", "no runs"],
            "z": ["-", "", "-2 SE"],
            "none": ["-", "", "missing"],
        }
    )
    made = grid.grid("t", "T", frame)
    numeric = {"game": False, "x": True, "y": False, "z": True, "none": False}
    assert dict(made.columns) == numeric
    assert [[cell.sort for cell in row] for row in made.rows] == [
        ["a", 1.5, "3", None, None],
        ["b", None, "three", None, None],
        [None, None, None, -2.0, None],
    ]
    assert made.rows[1][1].lacking


@given(st.lists(st.text("aB1+-_. ()/=", min_size=1, max_size=8), min_size=2, unique=True))
def test_slugs_are_plain_and_start_with_no_dot(names: list[str]) -> None:
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", site.slug(name))


def test_colours_have_the_contrast_that_wcag_aa_asks_for() -> None:
    text = (site.FOLDER / "assets/style.css").read_text()
    themes = [
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", part)) for part in text.split(":root")
    ]
    themes = [theme for theme in themes if "page" in theme]
    assert len(themes) == 3  # light; dark by the system, dark by the button
    assert themes[1] == themes[2]
    for theme in themes:
        for front, backs in {
            "text": ("page", "card", "head", "stripe", "warn"),
            "soft": ("page", "card", "stripe"),
            "link": ("page", "card", "stripe"),
        }.items():
            for back in backs:
                assert contrast(theme[front], theme[back]) >= 4.5, (front, back)
        assert contrast(theme["focus"], theme["page"]) >= 3


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours by WCAG 2.2."""
    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


# --- the folder and the command -----------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_figures: None) -> Path:
    """A store of one run in the current folder; returns the folder."""
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "results", experiment="demo")
    return tmp_path


def test_the_command_writes_and_replaces_its_own_report(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["report", "--out", "site/report", "--no-frames"]) == 0
    assert "open site/report/index.html" in capsys.readouterr().out
    (small / "results/runs/demo/ppo/coinrun/seed0/eval.csv").unlink()
    assert cli.main(["report", "--out", "site/report", "--no-frames", "--experiment", "demo"]) == 0
    assert "0 of 1" in pages(small / "site/report")["index.html"].text
    assert [path.name for path in (small / "site").iterdir()] == ["report"]


BAD = {
    "unknown experiment": ("did you mean 'demo'", ["--experiment", "demoo"]),
    "unknown option": ("unknown option '--uot' (did you mean '--out'?)", ["--uot", "x"]),
    "no runs": ("there are no runs below nowhere/runs", ["--results", "nowhere"]),
    "a file": ("notes.txt is a file", ["--out", "notes.txt"]),
    "a folder of others": ("is no report", ["--out", "mine"]),
    "the store": ("is no report", ["--out", "results"]),
    "here": ("is no report", ["--out", "."]),
    "below a link to itself": ("loop is a link to nothing", ["--out", "loop/report"]),
    "below a file": ("notes.txt", ["--out", "notes.txt/report"]),
}


@pytest.mark.parametrize(("said", "words"), BAD.values(), ids=BAD)
def test_bad_input_writes_nothing(
    said: str, words: list[str], small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (small / "notes.txt").write_text("mine")
    (small / "loop").symlink_to("loop")
    (small / "mine").mkdir()
    (small / "mine/index.html").write_text("mine too")
    before = tree(small)
    assert cli.main(["report", *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert tree(small) == before


def test_what_others_put_into_a_report_is_not_deleted(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["report", "--out", "report", "--no-frames"]
    assert cli.main(words) == 0
    (small / "report/games/my-notes.txt").write_text("mine")
    before = tree(small)
    assert cli.main(words) == 2
    assert "report holds games/my-notes.txt, which no report wrote" in capsys.readouterr().err
    assert tree(small) == before


def test_a_report_that_fails_leaves_the_older_one(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(small / "results")
    build.build(store, ["demo"], small / "report", with_frames=False)
    before = tree(small / "report")

    def stop(what: str, done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build.build(store, ["demo"], small / "report", with_frames=False, say=stop)
    assert tree(small / "report") == before
    assert {path.name for path in small.iterdir()} == {"results", "report"}


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["report", "--help"])
    text = capsys.readouterr().out
    assert "example: drac-bench report" in text
    for flag in ("--out", "--experiment", "--results", "--no-frames"):
        assert flag in text


def test_torch_and_procgen_are_not_imported(small: Path) -> None:
    code = """
import sys
from benchmark.cli import main
assert main(["report", "--no-frames"]) == 0
for name in ("torch", "procgen", "matplotlib.pyplot"):
    assert name not in sys.modules, name
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=small, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_a_marker_of_something_else_is_no_report(tmp_path: Path) -> None:
    for text in ("", "[]", '{"made_by": "me", "files": []}', '{"files": []}'):
        (tmp_path / folder.MARKER).write_text(text)
        with pytest.raises(folder.ConfigError, match="is no report"):
            folder.require_replaceable(tmp_path)
