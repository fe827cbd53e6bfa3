"""``marl-eval check`` and ``marl-eval baseline``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer


def check_command(
    run: Annotated[Path, typer.Argument(help="A scored run directory.")],
    rules: Annotated[Path, typer.Option(help="File of rules, one a line.")],
    baseline: Annotated[
        Path | None,
        typer.Option(help="What rules call baseline: a run directory or a file of 'baseline'."),
    ] = None,
    common: Annotated[
        bool, typer.Option("--common", help="Use the examples that both have, where they differ.")
    ] = False,
    allow_errors: Annotated[
        bool, typer.Option("--allow-errors", help="Let a run pass of which requests failed.")
    ] = False,
    need_enough: Annotated[
        bool, typer.Option("--need-enough", help="Fail where the examples are too few to tell.")
    ] = False,
    resamples: Annotated[int, typer.Option(min=100, help="Bootstrap resamples.")] = 1000,
    junit: Annotated[Path | None, typer.Option(help="File for JUnit XML.")] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="File to add a Markdown table to, such as a CI summary.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="File for all of it as JSON.")] = None,
) -> None:
    """Check a run against rules; a drop fails only if it is more than chance (exit code 1)."""
    from marl_eval.gate.check import check
    from marl_eval.gate.outputs import as_junit, as_markdown
    from marl_eval.gate.rules import read_rules
    from marl_eval.store import dump_json, write_whole

    found = check(
        run,
        read_rules(rules),
        baseline,
        common=common,
        allow_errors=allow_errors,
        resamples=resamples,
    )
    _print(found)
    if junit is not None:
        write_whole(junit, as_junit(found))
    if json is not None:
        passed = {"passed": found.passed, "certain": found.certain}
        write_whole(json, dump_json(found.model_dump() | passed))
    if markdown is not None:
        _add(markdown, as_markdown(found))
    if not found.passed or (need_enough and not found.certain):
        raise typer.Exit(1)


def baseline_command(
    run: Annotated[Path, typer.Argument(help="A scored run directory.")],
    out: Annotated[Path, typer.Option(help="File to write.")],
    rules: Annotated[
        Path | None, typer.Option(help="File of rules: keep what they speak of, no more.")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(help="Metrics to keep, with commas.  [default: all but curves]")
    ] = None,
) -> None:
    """Store what a later run is checked against: statistics, no text; small enough to commit."""
    from marl_eval.errors import UserError
    from marl_eval.gate.baseline import write_baseline
    from marl_eval.gate.rules import read_rules

    if rules is not None and metrics is not None:
        raise UserError("Give --rules or --metrics, not both.")
    names = None
    if rules is not None:
        names = [rule.metric for rule in read_rules(rules)]
    elif metrics is not None:
        names = [name.strip() for name in metrics.split(",")]
    kept = write_baseline(run, out, names)
    size = out.stat().st_size
    print(f"{out}: {len(kept)} metrics, {size:,} bytes", file=sys.stderr)


def _add(file: Path, text: str) -> None:
    """Add to a file: a CI job's summary may hold other things."""
    from marl_eval.errors import storage_error

    try:
        with file.open("a", encoding="utf-8") as out:
            out.write(text)
    except OSError as error:
        raise storage_error(file, error) from error


def _print(found: Any) -> None:
    from rich.table import Table

    from marl_eval.gate.outputs import explained, headline
    from marl_eval.show import console, number

    screen = console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    # The rule alone may wrap: a number cut short would be another number.
    table.add_column("rule")
    table.add_column("outcome", no_wrap=True)
    for heading in ("value", "baseline", "limit"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in found.findings:
        table.add_row(
            one.rule,
            one.outcome,
            number(one.value),
            number(one.baseline),
            number(one.limit),
        )
    screen.print(table)
    for one in found.findings:
        screen.print(f"  {one.rule}: {explained(one)}")
    screen.print(headline(found), style="bold")
