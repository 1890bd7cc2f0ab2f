"""`drac-bench speed`: what is measured and what is said of it. No test asserts a time."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import kornia.augmentation
import pytest
import torch
from checkout import ROOT

from augmentations import PAPER_ARMS
from benchmark.cli import main
from benchmark.speed import tables
from benchmark.speed.records import AugmentationReport, AugmentationSpeed, Machine
from benchmark.speed.worker import augmentations
from benchmark.speed.worker.augmentations import KORNIA, config_of, measure, num_parts, played
from drac.arms import catalogue
from drac.commands import output
from drac.networks import ActorCritic

MACHINE = Machine(cpu="a CPU", device="cpu", threads=2, torch="9.9", kornia="1.2")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Minibatches of a few images."""
    monkeypatch.setattr(augmentations, "UPDATE_IMAGES", 4)
    monkeypatch.setattr(measure, "__defaults__", ("cpu", 5, 8, lambda name: None))


def test_what_is_measured() -> None:
    parts: list[str] = []
    specs = ("crop", "random-conv", "flip(axis='vertical')")
    before = torch.get_rng_state()
    report = measure(catalogue.make(specs), repeats=2, batch=8, on_part=parts.append)
    assert torch.equal(torch.get_rng_state(), before)
    assert len(parts) == num_parts(specs, 2) == 3 * 5
    assert parts[1:5] == ["crop", "crop, kornia's own", "random-conv", "flip(axis='vertical')"]
    assert (report.batch, report.micro_batch, report.repeats) == (8, 8, 2)
    assert report.machine.torch == torch.__version__
    assert report.machine.threads == torch.get_num_threads()
    crop, random_conv, flip = report.rows
    assert (crop.kornia_class, crop.released_images_per_s) == ("RandomCrop", 7200)
    assert crop.kornia_images_per_s
    assert (random_conv.kornia_class, random_conv.kornia_images_per_s) == ("", None)
    assert (flip.kornia_class, flip.released_images_per_s) == ("", None)  # other options
    for row in report.rows:
        assert 0 < row.slowest <= row.images_per_s <= row.fastest
        share = (1 / row.images_per_s) / (1 / row.images_per_s + 1 / report.update_images_per_s)
        assert row.update_share == pytest.approx(share)


def test_images_are_handed_over_as_the_trainer_does(monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of("cpu", 8).model_copy(update={"micro_batch": 3})
    training, samples = played(config, 8)
    obs = samples.obs
    assert (obs.shape, obs.dtype) == ((8, 3, 64, 64), torch.float32)
    assert obs.is_contiguous(memory_format=torch.channels_last)
    assert 0 <= obs.min() < obs.max() <= 1
    crop = catalogue.make(["crop"])["crop"]
    calls: list[Any] = []
    sample, apply = crop.sample, crop.apply
    monkeypatch.setattr(crop, "sample", lambda *a: calls.append(tuple(a[0])) or sample(*a))
    monkeypatch.setattr(
        crop, "apply", lambda *a: calls.append((len(a[0]), len(a[1]["top"]))) or apply(*a)
    )
    run = augmentations.ours("crop", crop, obs, config)
    calls.clear()
    run()
    assert calls == [(8, 3, 64, 64), (3, 3), (3, 3), (2, 2)]
    passes: list[int] = []
    forward = ActorCritic.forward
    monkeypatch.setattr(ActorCritic, "forward", lambda *a: passes.append(len(a[1])) or forward(*a))
    augmentations.update(training, samples)()
    assert passes == [3, 3, 3, 3, 2, 2]  # the update is DrAC's: clean and augmented


@pytest.mark.parametrize("name", KORNIA)
def test_kornias_classes_can_be_made_and_keep_the_shape(name: str) -> None:
    class_name, options = KORNIA[name]
    obs = torch.rand(4, 3, 64, 64)
    with torch.random.fork_rng():
        assert getattr(kornia.augmentation, class_name)(**options)(obs).shape == obs.shape
    assert name in catalogue.make(())


def test_a_class_of_kornia_is_beside_itself() -> None:
    assert augmentations.kornia_beside("kornia:RandomInvert(p=1.0)") == (
        "RandomInvert",
        {"p": 1.0},
    )


def test_the_table_says_where_its_numbers_come_from() -> None:
    names = list(AugmentationSpeed.model_fields)
    given = (
        ("crop", 72_000, 70_000, 80_000, 0.0125, 7200, "RandomCrop", 36_000),
        ("mine", 5_000, 4_000, 6_000, 0.2, None, "", None),
    )
    report = AugmentationReport(
        machine=MACHINE,
        game="maze",
        batch=2048,
        micro_batch=128,
        repeats=5,
        update_images_per_s=900,
        rows=tuple(AugmentationSpeed(**dict(zip(names, row, strict=True))) for row in given),
    )
    table = tables.augmentations(report)
    text = table.markdown()
    lines = [" ".join(line.replace("|", " ").split()) for line in text.splitlines()]
    assert "crop 72,000 1.2% 7,200 10.0x RandomCrop 36,000 2.0x" in lines
    assert "mine 5,000 20.0%" + 5 * " not available" in lines
    assert "recorded elsewhere" in text
    assert "a CPU, 2 threads, torch 9.9, kornia 1.2" in text
    assert "2 AVX-512 cores" in text
    assert table.data.loc[0, "images_per_s"] == 72_000


@pytest.mark.usefixtures("small")
def test_the_command_prints_a_table_and_keeps_the_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "speed.json"
    words = ["--augmentations", "flip", "grayscale", "--repeats", "1", "--json", str(out)]
    assert main(["speed", "augmentations", *words]) == 0
    printed = capsys.readouterr().out
    assert "| flip " in printed
    assert "medians of 1 repeat\n" in printed
    assert "kornia" in printed
    found = json.loads(out.read_text())
    assert [row["spec"] for row in found["rows"]] == ["flip", "grayscale"]
    assert set(found["machine"]) == {"cpu", "device", "threads", "torch", "kornia"}
    assert found["machine"]["torch"] == torch.__version__
    assert found["rows"][0]["released_images_per_s"] == 11_000
    assert [path.name for path in out.parent.iterdir()] == ["speed.json"]


@pytest.mark.usefixtures("small")
def test_where_the_width_is_known_the_table_fits_it_and_piped_it_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(output, "FIRST_LINE_S", 0.001)
    words = ["--augmentations", "flip", "grayscale", "--repeats", "1"]
    assert main(["speed", "augmentations", *words]) == 0
    said = capsys.readouterr()
    assert max(map(len, said.out.splitlines())) <= 80
    assert "|" not in said.out
    assert said.out.count(" grayscale ") > 1
    assert re.search("^(measuring|the update without.*): [0-9]+ of 10$", said.err, re.MULTILINE)


@pytest.mark.usefixtures("small")
def test_by_default_every_augmentation_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def stop(made: Any, *args: Any, **kwargs: Any) -> None:
        asked.append(list(made))
        raise KeyboardInterrupt

    monkeypatch.setattr(augmentations, "measure", stop)
    assert main(["speed", "augmentations"]) == 130
    assert set(PAPER_ARMS) <= set(asked[0])


BAD = {
    "unknown augmentation": ("--augmentations crp", "unknown augmentation 'crp'"),
    "no repeats": ("--repeats 0", "repeats must be at least 1"),
    "unknown device": ("--device gpu", "unknown device 'gpu'"),
    "no CUDA": ("--device cuda --augmentations flip", "torch finds no CUDA device"),
    "a file as a folder": ("--json file/x.json", "file is a file"),
    "a folder": ("--json folder", "folder is a folder"),
    "unknown option": ("--repeat 3", "unknown option '--repeat'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence_and_writes_nothing(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    flags, message = BAD[name]
    assert main(["speed", "augmentations", *flags.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    (line,) = (line for line in err.splitlines() if line.strip())
    assert line.startswith("drac-bench speed augmentations: error: ")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]


def test_the_group_has_its_own_help_and_needs_no_torch() -> None:
    code = """
import sys
from benchmark.cli import main
for words in (["--help"], ["nothing"], ["augmentations", "--help"], ["compare", "--help"]):
    try:
        print("status", main(["speed", *words]))
    except SystemExit as stop:
        print("status", stop.code or 0)
assert not {"torch", "kornia", "procgen", "matplotlib"} & sys.modules.keys()
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("status")] == [
        f"status {status}" for status in (0, 2, 0, 0)
    ]
    assert "unknown command 'nothing'" in done.stderr
