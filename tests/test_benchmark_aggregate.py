"""Statistics over seeds, against slow loops."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.aggregate import Summary, summarize

scores = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12)


@given(scores)
def test_mean_and_sample_deviation(values: list[float]) -> None:
    mean = total = 0.0
    for value in values:
        mean += value / len(values)
    for value in values:
        total += (value - mean) ** 2
    summary = summarize(values)
    assert summary.n == len(values)
    assert summary.mean == pytest.approx(mean, abs=1e-9)
    assert summary.std == pytest.approx(math.sqrt(total / (len(values) - 1)), abs=1e-6)


def test_one_seed_has_no_spread_and_none_has_nothing() -> None:
    one, none = summarize([2.5]), summarize([])
    assert (one.mean, one.n) == (2.5, 1)
    assert math.isnan(one.std)
    assert (one.text(), one.text(show_n=True)) == ("2.50", "2.50 (n=1)")
    assert math.isnan(none.mean)
    assert (none.n, none.text(), none.text(show_n=True)) == (0, "", "")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_missing_score_is_never_dropped(bad: float) -> None:
    with pytest.raises(ValueError, match="1 of 3 scores"):
        summarize([1.0, bad, 2.0])


def test_text() -> None:
    assert Summary(1.234, 0.456, 3).text() == "1.23 ± 0.46"
    assert Summary(1.234, 0.456, 3).text(show_n=True) == "1.23 ± 0.46 (n=3)"
