"""Counts and intervals as people write them: what is read and refused, and how it is written."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drac.config import TrainConfig, as_argv, build
from drac.config.quantities import (
    count_text,
    interval_minutes,
    interval_steps,
    number_of,
    parse_count,
    parse_interval,
)
from drac.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("25M", 25_000_000),
        ("500k", 500_000),
        ("1e6", 1_000_000),
        ("2_048", 2048),
        ("1.5M", 1_500_000),
        ("1.001k", 1001),  # in floating point this is 1000.9999999999999
        ("2.5e6", 2_500_000),
        ("1B", 10**9),
        ("3K", 3000),
        ("1E+3", 1000),
        (" 7 ", 7),
        ("0", 0),
        ("16384", 16384),
    ],
)
def test_counts_are_read_as_people_write_them(text: str, number: int) -> None:
    assert parse_count(text) == number


@given(st.one_of(st.integers(0, 2**53), st.integers(0, 10**6).map(lambda n: n * 1000)))
@example(25_000_000)
@example(2048)
def test_a_counts_text_is_read_as_that_count_and_never_longer_than_its_digits(number: int) -> None:
    assert parse_count(count_text(number)) == number
    assert len(count_text(number)) <= len(str(number))


def test_counts_are_written_as_people_write_them() -> None:
    texts = [count_text(number) for number in (25_000_000, 16_000, 1_500_000, 2048, 49_152)]
    assert texts == ["25M", "16k", "1.5M", "2048", "49152"]


@pytest.mark.parametrize(
    "text",
    [
        *("-1", "0.3", "", " ", "M", "1e400", "1e999", "nan", "inf", "1e-3", "1.5", "0x10", "one"),
        *("1,000", "1 000", "1__0", "1_", "_1", "25MM", "25m!", "1e", "1.0001k", "+5", "١"),
        *("9" * 30, "9" * 9999, "1e6\n1", "2" + "0" * 16),
    ],
)
def test_what_is_no_count_is_refused_in_one_short_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"a whole number from 0 to 2\^53; write 25M") as caught:
        parse_count(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@given(st.integers(0, 2**53))
def test_every_integer_is_a_count(number: int) -> None:
    assert parse_count(str(number)) == parse_count(f"{number:_}") == number


@given(st.text(max_size=12))
def test_any_text_is_a_count_or_a_value_error(text: str) -> None:
    try:
        number = parse_count(text)
    except ValueError:
        return
    assert 0 <= number <= 2**53


# How often to save


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        (10, 10.0), (2.5, 2.5), (0, 0.0), ("10", 10.0), ("10m", 10.0), ("2.5 min", 2.5),
        ("1 minute", 1.0), (" 3 minutes ", 3.0), ("1e-3", 0.001), ("0", 0.0), ("10.0", 10.0),
        ("500k-steps", "500000steps"), ("500k steps", "500000steps"), ("65536steps", "65536steps"),
        ("1 step", "1steps"), ("1e6 - steps", "1000000steps"), ("1.5M-steps", "1500000steps"),
    ],
)  # fmt: skip
def test_intervals_are_read_as_people_write_them(given_: Any, expected: float | str) -> None:
    found = parse_interval(given_)
    assert (found, type(found)) == (expected, type(expected))
    assert parse_interval(found) == found
    assert parse_interval(str(found)) == found


@pytest.mark.parametrize(
    "nonsense",
    [
        *("", "m", "steps", "10M", "10 m steps", "-1", "-1m", "ten", "1h", "0steps", "-5 steps"),
        *("1.5 steps", "nan", "inf", "1e999", "10 steps 5", "1" * 50, "٣", "0x10", "1__0steps"),
        *(-1, -0.5, math.nan, math.inf, 10**400, True, None, [], {}, b"10", (10,)),
    ],
)
def test_what_is_no_interval_is_one_sentence_that_says_what_is_allowed(nonsense: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        build({"checkpoint_every": nonsense})
    message = str(caught.value)
    assert message.startswith("checkpoint_every ")
    assert "must be minutes, such as 10 or 2.5m, or environment steps" in message
    assert len(message) < 250


@given(st.just(0.0) | st.floats(1e-12, 1e6) | st.integers(1, 2**53).map("{}steps".format))
def test_an_interval_survives_the_command_line_and_the_file(every: float | str) -> None:
    config = TrainConfig(checkpoint_every=every)
    words = as_argv(config)
    value = words[words.index("--checkpoint-every") + 1] if every != 10 else "10"
    assert build({"checkpoint_every": value}).checkpoint_every == every
    assert isinstance(every, float) == (interval_steps(every) == 0)
    assert interval_minutes(every) == (every if isinstance(every, float) else math.inf)


def test_the_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """It held a number of minutes, and none of the options that came later."""
    path = tmp_path / "config.json"
    path.write_text('{"format": 1, "method": "ppo", "checkpoint_every": 10.0}')
    config = TrainConfig.from_json(path)
    assert config.checkpoint_every == 10.0
    assert (config.disk_wait, config.on_nan) == (60.0, "stop")


def test_one_is_said_as_one() -> None:
    said = [number_of(count, "run") for count in (0, 1, 2, 1000)]
    assert said == ["0 runs", "1 run", "2 runs", "1,000 runs"]
