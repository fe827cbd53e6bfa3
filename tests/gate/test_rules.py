"""Rules are read as they are written, and a malformed one is named by its line."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from marl_eval.errors import UserError
from marl_eval.gate.rules import parse_rules, read_rules

NUMBERS = st.floats(0.001, 1000).map(lambda value: round(value, 6))


@pytest.mark.parametrize(
    ("text", "slope", "offset"),
    [
        ("ece <= 0.05", 0, 0.05),
        ("recall >= baseline", 1, 0),
        ("recall >= 0.95 * baseline", 0.95, 0),
        ("recall>=baseline*0.95", 0.95, 0),
        ("recall >= baseline - 0.02", 1, -0.02),
        ("recall >= 0.9 * (baseline - 0.1) + 1e-3", 0.9, -0.089),
        ("correct_bias >= -0.5", 0, -0.5),
        ("recall >= baseline / 2", 0.5, 0),
        ("recall >= 2 * 3", 0, 6),
    ],
)
def test_a_limit_is_a_multiple_of_the_baseline_plus_a_number(
    text: str, slope: float, offset: float
) -> None:
    (rule,) = parse_rules(text, "rules")
    assert (rule.slope, rule.offset) == pytest.approx((slope, offset))


def test_comments_and_blank_lines_are_left_out_and_lines_are_counted_with_them() -> None:
    text = "# coverage\n\nrecall@3 >= 0.5  # at three\n\tece <= 0.1\n"
    assert [(rule.line, rule.metric, rule.relation) for rule in parse_rules(text, "r")] == [
        (3, "recall@3", ">="),
        (4, "ece", "<="),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "recall",
        "recall > 0.5",
        "recall == 0.5",
        ">= 0.5",
        "recall >=",
        "recall >= best",
        "recall >= 'a'",
        "recall >= True",
        "recall >= baseline * baseline",
        "recall >= 1 / baseline",
        "recall >= 1 / 0",
        "recall >= 1e999",
        "recall >= baseline(1)",
        "recall >= __import__('os')",
        "recall >= " + "(" * 500 + "1" + ")" * 500,
        "recall >= 0.5; ece <= 1",
        "recall >= 0.5 <= 1",
    ],
)
def test_a_malformed_rule_is_named_by_its_line(line: str) -> None:
    with pytest.raises(UserError, match=r"gate\.rules, line 2: "):
        parse_rules(f"ece <= 0.05\n{line}\n", "gate.rules")


@given(NUMBERS, NUMBERS, NUMBERS)
def test_a_limit_is_worth_what_python_says(slope: float, offset: float, baseline: float) -> None:
    limit = f"{slope} * baseline - {offset} / 2"
    (rule,) = parse_rules(f"recall >= {limit}", "r")
    expected = eval(limit, {"baseline": baseline})
    assert rule.slope * baseline + rule.offset == pytest.approx(expected)


@given(st.text())
@example("\x00 >= 1")
def test_any_text_is_read_or_refused_as_a_mistake_of_the_user(text: str) -> None:
    with suppress(UserError):
        parse_rules(text, "r")


def test_a_file_without_a_rule_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rules").write_text("# none\n")
    with pytest.raises(UserError, match="holds no rule"):
        read_rules(tmp_path / "rules")


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    for name in ("absent", "bytes"):
        with pytest.raises(UserError, match=f"{name} cannot be read"):
            read_rules(tmp_path / name)
