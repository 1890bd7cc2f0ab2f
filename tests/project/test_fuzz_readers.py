"""Some thousands of the inputs of `make test-fuzz`, and that it can fail."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import fuzz_readers
import pytest


@pytest.mark.parametrize("inputs", [500, pytest.param(2000, marks=pytest.mark.full)])
def test_inputs_are_read_or_refused(inputs: int, tmp_path: Path) -> None:
    result = fuzz_readers.fuzz(inputs, 7, tmp_path, lambda text: None)
    assert result.failures == []
    for counts in result.counts.values():
        assert counts.total() == inputs / len(result.counts)
        assert counts["refused"] > counts.total() / 8
        assert counts["read"] > counts.total() / 160  # some are valid: the real parser is reached


@pytest.mark.parametrize("inputs", [64, pytest.param(640, marks=pytest.mark.full)])
def test_no_file_of_a_run_keeps_a_store_from_being_read(inputs: int, tmp_path: Path) -> None:
    make = fuzz_readers.store_targets
    result = fuzz_readers.fuzz(inputs, 7, tmp_path, lambda text: None, make=make)
    assert result.failures == []
    for counts in result.counts.values():
        assert counts.total() == inputs / len(result.counts)
    every = sum(result.counts.values(), Counter())
    assert min(every["refused"], every["read"]) > inputs / 8


def test_a_mutant_can_be_made_again(tmp_path: Path) -> None:
    target = fuzz_readers.Target("meta", tmp_path, b'{"format": 1}', fuzz_readers.mutate_json, len)
    one, other = (target.mutate(target.content, fuzz_readers.random.Random(5)) for _ in range(2))
    assert one == other


def test_a_traceback_and_a_changed_file_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Path] = []

    def careless(run_dir: Path) -> dict[str, object]:
        if calls:  # the first is that of the real file
            (tmp_path / "outside").touch()
        calls.append(run_dir)
        return {"format": len((run_dir / "meta.json").read_text())}

    monkeypatch.setattr(fuzz_readers, "read_meta", careless)
    result = fuzz_readers.fuzz(400, 0, tmp_path, lambda text: None)
    assert any("UnicodeDecodeError" in failure for failure in result.failures)
    assert "a file changed before input 399" in result.failures
