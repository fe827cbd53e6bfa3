"""A comparison in one plain sentence."""

from __future__ import annotations

from marl_eval.comparison.differences import Comparison, Difference

SIGNIFICANT = 0.05
"""Largest p-value at which a difference is called real."""


def verdict(comparison: Comparison, first: str, second: str) -> str:
    """Say what the second run does better or worse than the first: right answers, then tokens.

    A difference that 5 % chance would explain (by its own p-value) is not called one; then the
    sentence says how large it would have had to be to be seen.
    """
    answers = comparison.metrics.get("correct_answers")
    if answers is None or answers.difference is None or answers.p is None:
        return _counted(comparison)
    parts = [_answers(answers, answers.difference, answers.p)]
    tokens = _tokens(comparison.metrics.get("tokens_per_example"))
    if tokens is not None:
        parts.append(tokens)
    return f"{second} {' with '.join(parts)} (against {first}, {comparison.examples} questions)."


def _counted(comparison: Comparison) -> str:
    """Say how many metrics differ, where right answers were not compared."""
    tested = [one for one in comparison.metrics.values() if one.p_holm is not None]
    real = [one for one in tested if one.p_holm is not None and one.p_holm <= SIGNIFICANT]
    return (
        f"{len(real)} of {len(tested)} metrics differ by more than chance "
        f"({comparison.examples} questions)."
    )


def _answers(found: Difference, value: float, p: float) -> str:
    span = f"[{_signed(found.low)}, {_signed(found.high)}]"
    if p > SIGNIFICANT:
        told = (
            f"gives no other number of right answers a set that could be told ({value:+.3g} {span}"
        )
        if found.detectable is not None:
            told += f"; a difference of {found.detectable:.2g} would be seen in four of five such trials"
        return f"{told})"
    if value > 0:
        return f"covers {value:.3g} more right answers a set {span}"
    return f"covers {-value:.3g} fewer right answers a set {span}"


def _tokens(found: Difference | None) -> str | None:
    if found is None or found.ratio is None or found.p is None:
        return None
    change = found.ratio - 1
    if found.p > SIGNIFICANT:
        return "no other number of tokens that could be told"
    return f"{abs(change):.0%} {'more' if change > 0 else 'fewer'} tokens a question"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3g}"
