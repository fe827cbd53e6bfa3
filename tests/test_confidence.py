"""What number a stated confidence is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marl_eval.answers.confidence import read_confidence

PERCENT, TEXT, RANGE = "confidence-percent", "confidence-text", "confidence-range"


@pytest.mark.parametrize(
    ("text", "value", "deviation"),
    [
        ("0.85", 0.85, None),
        ("0", 0.0, None),
        ("1", 1.0, None),
        ("1.0", 1.0, None),
        ("1.", 1.0, None),
        (".5", 0.5, None),
        (" 0.5\n", 0.5, None),
        ("+0.5", 0.5, None),
        ("1e-1", 0.1, None),
        ("5E-324", 5e-324, None),
        ("0.3333333333333333", 0.3333333333333333, None),
        ("85%", 0.85, PERCENT),
        ("85 %", 0.85, PERCENT),
        ("85", 0.85, PERCENT),
        ("85.5", 0.855, PERCENT),
        ("100", 1.0, PERCENT),
        ("100%", 1.0, PERCENT),
        ("1%", 0.01, PERCENT),
        ("0.5%", 0.005, PERCENT),
        ("1.2", 0.012, PERCENT),
        ("85 percent", 0.85, PERCENT),
        ("~85%", 0.85, PERCENT),
        ("I am 85% sure", 0.85, PERCENT),
        ("3/4", 0.75, TEXT),
        ("3 / 4", 0.75, TEXT),
        ("8 out of 10", 0.8, TEXT),
        ("10/10", 1.0, TEXT),
        ("0/10", 0.0, TEXT),
        ("about 0.8", 0.8, TEXT),
        ("p = 0.8", 0.8, TEXT),
        ("0.85.", 0.85, TEXT),
        ("-0", 0.0, TEXT),
        ("101", None, RANGE),
        ("150%", None, RANGE),
        ("-0.5", None, RANGE),
        ("-5%", None, RANGE),
        ("5/4", None, RANGE),
        ("1/0", None, RANGE),
        ("0/0", None, RANGE),
        ("1e999", None, RANGE),
        ("", None, None),
        (" ", None, None),
        ("high", None, None),
        ("nan", None, None),
        ("inf", None, None),
        ("0,5", None, None),
        ("0.5-0.7", None, None),
        ("0.5 or 0.7", None, None),
        ("answer 1", None, None),
        ("confidence in answer 1", None, None),
        ("your confidence in this one", None, None),
        ("\u0663", None, None),
    ],
)
def test_a_stated_confidence_is_read(text: str, value: float | None, deviation: str | None) -> None:
    assert read_confidence(text) == (value, deviation)


@pytest.mark.parametrize(
    ("text", "value"),
    [("9.5/10", 0.95), ("7.5 out of 10", 0.75), ("0.8/1", 0.8), ("1/2.5", 0.4)],
)
def test_a_fraction_is_never_cut_out_of_decimals(text: str, value: float) -> None:
    assert read_confidence(text)[0] in (None, value)


def test_a_negative_fraction_is_no_confidence() -> None:
    assert read_confidence("-3/4")[0] is None


@pytest.mark.parametrize("before", range(50, 70))
@pytest.mark.parametrize("stated", ["0.95", "95%", "95/100"])
def test_a_number_late_in_a_long_text_is_read_whole_or_not_at_all(before: int, stated: str) -> None:
    assert read_confidence("x" * (before - 1) + " " + stated)[0] in (None, 0.95)


numberlike = st.text(alphabet="0123456789.,+-eE%/ \noutfpercn", max_size=80)


@given(st.one_of(st.text(), st.text(alphabet=st.characters()), numberlike))
def test_any_text_states_a_confidence_between_0_and_1_or_none(text: str) -> None:
    value, deviation = read_confidence(text)
    assert value is None or 0 <= value <= 1
    assert deviation in (None, PERCENT, TEXT, RANGE)
    assert (deviation == RANGE) <= (value is None)


@given(st.decimals(0, 1, places=6) | st.decimals(0, 1, places=40) | st.integers(0, 1))
def test_a_decimal_between_0_and_1_reads_as_itself(stated: object) -> None:
    assert read_confidence(str(stated)) == (float(str(stated)), None)


@given(st.floats(0, 1))
def test_a_float_between_0_and_1_reads_as_itself(stated: float) -> None:
    assert read_confidence(repr(stated)) == (stated, None)


@given(st.integers(2, 100), st.sampled_from(["", "%", " %", " percent"]))
def test_a_whole_number_above_1_is_a_percentage(stated: int, sign: str) -> None:
    assert read_confidence(f"{stated}{sign}") == (stated / 100, PERCENT)


@given(st.integers(1, 1000), st.data())
def test_a_fraction_is_divided_out(whole: int, data: st.DataObject) -> None:
    part = data.draw(st.integers(0, whole))
    assert read_confidence(f"{part}/{whole}") == (part / whole, TEXT)
    assert read_confidence(f"{part} out of {whole}") == (part / whole, TEXT)


@given(st.floats(100, 1e300, exclude_min=True))
def test_a_number_above_100_is_out_of_range(stated: float) -> None:
    assert read_confidence(repr(stated)) == (None, RANGE)
