"""Text from elsewhere as one inert line, and values with their intervals for people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from marl_eval.results import MetricResult

_BREAKING = re.compile("[\t\n\u061c\u2028\u2029]")


def one_line(text: str) -> str:
    """Make a text one line: what breaks lines, controls or turns the text becomes a visible code."""
    from marl_eval.inert import inert

    return _BREAKING.sub(lambda match: f"\\x{ord(match.group()):02x}", inert(text))


def ends(metric: MetricResult) -> str:
    """Write the ends of an interval with a comma between; empty if there is none."""
    from marl_eval.show import number

    if metric.low is None or metric.high is None:
        return ""
    return f"{number(metric.low)}, {number(metric.high)}"


def rests_on(metric: MetricResult) -> str:
    """Write the share of the answers that a value rests on; empty if that is all of them."""
    if metric.value is None or metric.share is None or metric.share >= 1:
        return ""
    return f"{metric.share:.1%}".replace("%", " %")
