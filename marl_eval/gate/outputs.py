"""What a check found, for a CI server (JUnit XML) and for people (Markdown)."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

from marl_eval.gate.check import Check, Finding
from marl_eval.inert import inert
from marl_eval.show import number

ERRORS = "no request failed"
"""The rule that every check has besides those of the file."""


def headline(check: Check) -> str:
    """Tell the outcome in one line."""
    counts = {
        outcome: sum(one.outcome == outcome for one in check.findings)
        for outcome in ("pass", "fail", "too few examples", "undefined")
    }
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    if check.errors:
        allowed = " (allowed)" if check.errors_allowed else ""
        told += f"; {check.errors} of {check.requests} requests failed or are missing{allowed}"
    if check.left_out:
        told += (
            f"; {check.left_out} examples left out against the baseline, for a request failed in one "
            f"of the two"
        )
    return f"{'PASSED' if check.passed else 'FAILED'}: {told}"


def explained(one: Finding) -> str:
    """Tell why a rule has its outcome."""
    told = one.reason
    if one.low is not None and one.high is not None:
        told += f"; gap {number(one.gap)} [{number(one.low)}, {number(one.high)}]"
    told += f", {one.examples} examples"
    if one.outcome == "too few examples":
        told += f", {one.enough} would suffice" if one.enough else ", no number would suffice"
    return told


def as_markdown(check: Check) -> str:
    """Write a table for the summary of a CI job."""
    return "\n".join(_markdown(check)) + "\n"


def _markdown(check: Check) -> Iterator[str]:
    yield f"### marl-eval check: {headline(check)}"
    yield ""
    yield f"Run `{_code(check.run)}`" + (
        "" if check.baseline is None else f" against `{_code(check.baseline)}`"
    )
    yield ""
    yield "| rule | outcome | value | baseline | limit | gap | interval of the gap | examples | enough |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|---:|"
    for one in check.findings:
        ends = "-" if one.low is None else f"[{number(one.low)}, {number(one.high)}]"
        numbers = [number(value) for value in (one.value, one.baseline, one.limit, one.gap)]
        cells = [
            f"`{_code(one.rule)}`",
            one.outcome if one.outcome == "pass" else f"**{one.outcome}**",
            *numbers,
            ends,
            str(one.examples),
            "-" if one.enough is None else str(one.enough),
        ]
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield (
        f"A gap below 0 is beyond the limit; intervals of {check.level:.4g}, so that all hold "
        f"together with 95 %."
    )


def _code(text: str) -> str:
    """Make text safe within backticks within a table."""
    return inert(text).replace("`", "'").replace("|", "\\|").replace("\n", " ")


def as_junit(check: Check) -> bytes:
    """Write JUnit XML: a test case for each rule, one that cannot be told yet as skipped."""
    suite = ElementTree.Element("testsuite", name="marl-eval check")
    cases = []
    errors = ElementTree.SubElement(suite, "testcase", classname="run", name=ERRORS)
    if check.errors and not check.errors_allowed:
        message = f"{check.errors} of {check.requests} requests failed or are missing"
        ElementTree.SubElement(errors, "failure", message=message)
    ElementTree.SubElement(errors, "system-out").text = headline(check)
    cases.append(errors)
    for one in check.findings:
        case = ElementTree.SubElement(suite, "testcase", classname="rules", name=inert(one.rule))
        properties = ElementTree.SubElement(case, "properties")
        for name in ("value", "baseline", "limit", "gap", "low", "high", "examples", "enough"):
            value = getattr(one, name)
            if value is not None:
                ElementTree.SubElement(properties, "property", name=name, value=repr(value))
        if one.outcome in ("fail", "undefined"):
            ElementTree.SubElement(case, "failure", message=f"{one.outcome}: {explained(one)}")
        elif one.outcome == "too few examples":
            ElementTree.SubElement(case, "skipped", message=f"{one.outcome}: {explained(one)}")
        cases.append(case)
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(case.find("failure") is not None for case in cases)))
    suite.set("skipped", str(sum(case.find("skipped") is not None for case in cases)))
    suite.set("errors", "0")
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"
