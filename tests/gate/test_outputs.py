"""What a check prints and writes: the same values everywhere, inert, and the right exit code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from marl_eval import show
from marl_eval.gate.check import check
from marl_eval.gate.outputs import ERRORS, as_junit, as_markdown
from marl_eval.gate.rules import parse_rules
from marl_eval.show import number
from tests.conftest import Cli
from tests.runs import run

RULES = """\
# what must hold
recall >= 0.95 * baseline
ece <= 0.9
recall >= baseline - 0.0001
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    return {
        name: run(folder / name, model=f"reference:{model}", seed=seed).path
        for name, model, seed in (
            ("good", "oracle", 0),
            ("bad", "random", 0),
            ("again", "prior", 1),
        )
    }


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    file = tmp_path / "gate.rules"
    file.write_text(RULES)
    return file


def test_a_check_that_passes_exits_with_0_and_prints_each_rule(
    cli: Cli, runs: dict[str, Path], rules: Path
) -> None:
    code, out, err = cli("check", runs["good"], "--baseline", runs["good"], "--rules", rules)
    assert (code, err) == (0, "")
    assert "recall >= 0.95 * baseline pass" in " ".join(out.split())
    assert out.splitlines()[-1] == "PASSED: 3 pass"


def test_a_narrow_terminal_cuts_no_number_and_leaves_no_reason_out(
    cli: Cli, runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = "tokens_per_correct_answer <= baseline * 1.10 + 0.00001"
    (tmp_path / "rules").write_text(rule)
    screen = show.console(width=80)
    monkeypatch.setattr(show, "console", lambda: screen)
    flags = ["--baseline", runs["good"], "--rules", tmp_path / "rules"]
    _, out, _ = cli("check", runs["bad"], *flags)
    (one,) = check(runs["bad"], parse_rules(rule, "rules"), runs["good"]).findings
    assert "…" not in out
    assert {number(value) for value in (one.value, one.baseline, one.limit)} <= set(out.split())
    assert f"{rule}: {one.reason}" in " ".join(out.split())


def test_a_check_that_fails_exits_with_1_and_says_by_how_much(
    cli: Cli, runs: dict[str, Path], rules: Path
) -> None:
    code, out, _ = cli("check", runs["bad"], "--baseline", runs["good"], "--rules", rules)
    assert code == 1
    assert "beyond the limit by more than chance; gap -" in " ".join(out.split())
    assert out.splitlines()[-1].startswith("FAILED: 1 pass, 2 fail")


def test_too_few_examples_exit_with_0_unless_enough_are_needed(
    cli: Cli, runs: dict[str, Path], tmp_path: Path
) -> None:
    value = check(runs["bad"], parse_rules("recall >= 0", "r")).findings[0].value
    (tmp_path / "rules").write_text(f"recall >= {value}\n")
    code, out, _ = cli("check", runs["bad"], "--rules", tmp_path / "rules")
    assert code == 0
    assert "too few examples" in out
    asked = ("check", runs["bad"], "--rules", tmp_path / "rules", "--need-enough")
    assert cli(*asked)[0] == 1


def test_a_mistake_in_the_rules_exits_with_2_and_names_the_line(
    cli: Cli, runs: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "rules").write_text("ece <= 0.5\n\nrecall is fine\n")
    code, out, err = cli("check", runs["good"], "--rules", tmp_path / "rules")
    assert (code, out) == (2, "")
    assert f"{tmp_path / 'rules'}, line 3: 'recall is fine' is no rule" in err


def test_every_form_holds_the_same_values(
    cli: Cli, runs: dict[str, Path], rules: Path, tmp_path: Path
) -> None:
    files = {form: tmp_path / f"check.{form}" for form in ("junit", "markdown", "json")}
    flags = [part for form, file in files.items() for part in (f"--{form}", file)]
    _, out, _ = cli("check", runs["bad"], "--baseline", runs["good"], "--rules", rules, *flags)
    found = check(runs["bad"], parse_rules(RULES, str(rules)), runs["good"])
    written = json.loads(files["json"].read_bytes())
    assert written["findings"] == [one.model_dump() for one in found.findings]
    assert (written["passed"], written["certain"]) == (found.passed, found.certain)
    suite = ElementTree.parse(files["junit"]).getroot()[0]
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert list(cases) == [ERRORS, *(one.rule for one in found.findings)]
    rows = files["markdown"].read_text().splitlines()
    for one in found.findings:
        values = {p.get("name"): p.get("value") for p in cases[one.rule].iter("property")}
        assert values["value"] == repr(one.value)
        assert values["low"] == repr(one.low)
        assert (cases[one.rule].find("failure") is not None) == (one.outcome == "fail")
        (row,) = [row for row in rows if row.startswith(f"| `{one.rule}` |")]
        for value in (one.value, one.limit, one.gap):
            assert f"| {number(value)} |" in row
        (line,) = [line for line in out.splitlines() if line.startswith(one.rule)]
        assert number(one.value) in line
    assert suite.get("tests") == "4"
    assert suite.get("failures") == "2"


def test_markdown_is_added_to_what_a_summary_holds(
    cli: Cli, runs: dict[str, Path], rules: Path, tmp_path: Path
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    cli("check", runs["good"], "--baseline", runs["good"], "--rules", rules, "--markdown", summary)
    assert summary.read_text().startswith("before\n### marl-eval check: PASSED")


def test_the_names_of_a_run_are_inert_in_every_form(runs: dict[str, Path], tmp_path: Path) -> None:
    hostile = tmp_path / "a|`<script>alert(1)</script>\x1b[31m\u202e"
    shutil.copytree(runs["good"], hostile)
    found = check(hostile, parse_rules("recall >= baseline", "r"), hostile)
    markdown = as_markdown(found)
    assert "\x1b" not in markdown
    assert "\u202e" not in markdown
    line = next(line for line in markdown.splitlines() if "script" in line)
    # All of it is between two pairs of backticks: code, not HTML.
    assert [part.count("<script>") for part in line.split("`")] == [0, 1, 0, 1, 0]
    ElementTree.fromstring(as_junit(found))


def test_a_baseline_is_stored_for_the_rules_alone_and_says_its_size(
    cli: Cli, runs: dict[str, Path], rules: Path, tmp_path: Path
) -> None:
    file = tmp_path / "small.baseline"
    code, _, err = cli("baseline", runs["good"], "--rules", rules, "--out", file)
    assert code == 0
    assert f"2 metrics, {file.stat().st_size:,} bytes" in err
    assert cli("check", runs["good"], "--baseline", file, "--rules", rules)[0] == 0


def test_a_baseline_is_of_rules_or_of_metrics_not_both(
    cli: Cli, runs: dict[str, Path], rules: Path, tmp_path: Path
) -> None:
    flags = ["--rules", rules, "--metrics", "recall", "--out", tmp_path / "x"]
    assert cli("baseline", runs["good"], *flags)[0] == 2
