"""How often to save, as people write it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drac.config import TrainConfig, as_argv, build
from drac.config.quantities import interval_minutes, interval_steps, parse_interval
from drac.errors import ConfigError


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        (10, 10.0), (2.5, 2.5), (0, 0.0), ("10", 10.0), ("10m", 10.0), ("2.5 min", 2.5),
        ("1 minute", 1.0), (" 3 minutes ", 3.0), ("1e-3", 0.001), ("0", 0.0), ("10.0", 10.0),
        ("500k-steps", "500000steps"), ("500k steps", "500000steps"), ("65536steps", "65536steps"),
        ("1 step", "1steps"), ("1e6 - steps", "1000000steps"), ("1.5M-steps", "1500000steps"),
    ],
)  # fmt: skip
def test_what_people_write(given_: Any, expected: float | str) -> None:
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
def test_nonsense_is_one_sentence_that_says_what_is_allowed(nonsense: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        build({"checkpoint_every": nonsense})
    message = str(caught.value)
    assert message.startswith("checkpoint_every ")
    assert "must be minutes, such as 10 or 2.5m, or environment steps" in message
    assert len(message) < 250


@given(st.floats(0, 1e6) | st.integers(1, 2**53).map(lambda number: f"{number}steps"))
def test_it_survives_the_command_line_and_the_file(every: float | str) -> None:
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
