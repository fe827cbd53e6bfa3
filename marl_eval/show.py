"""What the terminal shows of a run. Text from models is shown inert."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from marl_eval.answers import DEVIATIONS, AnswerFormat
from marl_eval.errors import UserError
from marl_eval.generation import generation_reader
from marl_eval.lines import index_lines, read_lines
from marl_eval.plugins import found, load_metric_families, load_task
from marl_eval.results import MetricResult, Results
from marl_eval.run import read_template
from marl_eval.score_table import Shape
from marl_eval.store import RunDirectory
from marl_eval.types import Example

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def inert(text: str) -> str:
    """Make text from elsewhere safe for a terminal: control characters become visible codes."""
    visible = _CONTROL.sub(lambda match: f"\\x{ord(match.group()):02x}", text)
    return visible.encode("utf-8", "backslashreplace").decode("utf-8")


def _console() -> Console:
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = 120
    return console


def print_table(path: Path, results: Results) -> None:
    """Print every metric of a run."""
    console = _console()
    record = RunDirectory(path).read_run()
    settings = record["settings"]
    console.print(
        f"{inert(settings['model'])} on {settings['task']} ({results.examples} examples), "
        f"{settings['strategy']}, k = {settings['k']}, n = {settings['n']}"
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("metric")
    for heading in ("value", "95 % interval", "rests on"):
        table.add_column(heading, justify="right" if heading != "rests on" else "left")
    for name, metric in results.metrics.items():
        table.add_row(name, *_cells(metric))
    console.print(table)
    for note in notes(results):
        console.print(note, style="bold red" if note.startswith("ERRORS") else None)
    console.print(f"{path}")


def notes(results: Results) -> list[str]:
    """Say what must be known to read the numbers: errors first, then deviations of format."""
    told = []
    if not results.complete:
        told.append(
            f"ERRORS: of {results.requests} requests {results.errors.failed} failed (errors.jsonl) "
            f"and {results.errors.missing} are missing; the numbers above leave them out."
        )
    if results.deviations:
        listed = ", ".join(f"{name} {count}" for name, count in results.deviations.items())
        told.append(f"deviations from the format, in generations: {listed}")
    return told


def _cells(metric: MetricResult) -> tuple[str, str, str]:
    rests = f"{metric.denominator:g} {metric.counted}"
    if metric.share is not None:
        rests += f", {metric.share:.1%} of the answers asked for"
    if metric.value is None:
        return "-", "-", f"undefined: {metric.reason}"
    if metric.low is None or metric.high is None:
        return f"{metric.value:.4g}", "-", rests
    return f"{metric.value:.4g}", f"[{metric.low:.4g}, {metric.high:.4g}]", rests


def print_example(path: Path, wanted: str) -> None:
    """Explain one example from its prompt to its grades.

    Raises:
        UserError: if the run has no such example.
    """
    run = RunDirectory(path)
    record = run.read_run()
    row, example = _find(run, wanted)
    task = load_task(record["task"]["name"])
    fmt = AnswerFormat(**record["format"])
    console = _console()
    console.print(f"example {row}: {inert(example.id)}", style="bold")
    for message in read_template(record).ask(example.question):
        console.print(f"\n[{message.role}]", style="bold")
        console.print(Text(inert(message.content)))
    console.print("\ngold", style="bold")
    for index, gold in enumerate(example.gold):
        weight = "" if gold.weight is None else f"  (weight {gold.weight:.4g})"
        console.print(f"  {index}: {inert(gold.answer)}{weight}")
    index_ = index_lines(run.completions)
    by_sample: dict[int, list[dict[str, Any]]] = {}
    for line in read_lines(run.completions, index_, index_.rows(row, row + 1)):
        by_sample.setdefault(line["sample"], []).append(line)
    read = generation_reader(fmt, task.key)
    for sample, lines in by_sample.items():
        for line in lines:
            what = f"generation {sample}" + (
                f", follow-up {line['stage']}" if line["stage"] else ""
            )
            console.print(
                f"\n{what}: {line['prompt_tokens']} prompt and {line['completion_tokens']} "
                f"generated tokens, ended by {line['finish_reason']}",
                style="bold",
            )
            console.print(Text(inert(line["text"])))
        parsed = read(lines)
        given = [answer for answer in parsed.answers if answer is not None]
        grades = iter(task.grader()(example, given))
        console.print("\nanswers read", style="bold")
        for position, (answer, confidence) in enumerate(
            zip(parsed.answers, parsed.confidences, strict=True)
        ):
            stated = "" if confidence is None else f"  confidence {confidence:.4g}"
            if answer is None:
                console.print(f"  {position + 1}: missing")
                continue
            grade = next(grades)
            verdict = f"right: gold {grade}" if grade >= 0 else "wrong"
            console.print(f"  {position + 1}: {inert(answer)}{stated}  {verdict}")
        for deviation in parsed.deviations:
            console.print(f"  not as asked: {DEVIATIONS[deviation]}")
    failures = index_lines(run.errors)
    for line in read_lines(run.errors, failures, failures.rows(row, row + 1)):
        console.print(f"\nERROR in generation {line['sample']}: {inert(line['reason'])}")


def _find(run: RunDirectory, wanted: str) -> tuple[int, Example]:
    offsets = run.example_offsets()
    count = len(offsets) - 1
    if wanted.isdigit() and int(wanted) < count:
        row = int(wanted)
        return row, run.read_examples(offsets, slice(row, row + 1))[0]
    for start in range(0, count, 1024):
        for row, example in enumerate(
            run.read_examples(offsets, slice(start, min(start + 1024, count))), start=start
        ):
            if example.id == wanted:
                return row, example
    raise UserError(
        f"{run.path} has no example {wanted!r}; give an id, or a number from 0 to {count - 1}."
    )


def print_tasks() -> None:
    """Print the installed tasks with their options."""
    console = _console()
    for name in found("tasks"):
        task = load_task(name)
        console.print(f"{name}: {task.description}", style="bold")
        for option, field in task.options.model_fields.items():
            about = f"  {field.description}" if field.description else ""
            console.print(f"  {option}={field.default}{about}")


def print_metrics() -> None:
    """Print the installed metrics."""
    console = _console()
    shape = Shape(k=3, sets=2, members=1, confidence=True, exclusive=False, levels=np.array([]))
    for family in load_metric_families():
        for metric in family(shape):
            low, high = metric.bounds
            better = "" if metric.better == "neither" else f", {metric.better} is better"
            console.print(f"{metric.name}  [{low:g}, {high:g}]{better}", style="bold")
            console.print(Text("  " + metric.doc.replace("\n", "\n  ") + "\n"))
