"""Counts as people write them: what is read, what is refused, and how they are written."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drac.config.quantities import count_text, parse_count


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
        *(
            "-1",
            "0.3",
            "",
            " ",
            "M",
            "1e400",
            "1e999",
            "nan",
            "inf",
            "1e-3",
            "1.5",
            "0x10",
            "1 000",
        ),
        *(
            "1,000",
            "1__0",
            "1_",
            "_1",
            "25MM",
            "25m!",
            "one",
            "1e",
            "1.0001k",
            "+5",
            "١",
            "9" * 9999,
        ),
        *("9" * 30, "1e6\n1", "2" + "0" * 16),
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
