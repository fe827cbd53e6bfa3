"""What the terminal shows of a run. Text from models is shown inert."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from marl_eval.answers import DEVIATIONS
from marl_eval.catalogue import catalogue
from marl_eval.errors import UserError
from marl_eval.inert import inert
from marl_eval.judging import Judged, Program
from marl_eval.judging.judgements import Judgement, answer_hash, read_findings
from marl_eval.line_index import index_lines
from marl_eval.lines import read_lines
from marl_eval.plugins import found, load_task
from marl_eval.results import MetricResult, Results
from marl_eval.run import read_template
from marl_eval.scoring.grading import grade_block
from marl_eval.scoring.stage import ScoringOptions, scorer_of
from marl_eval.store import RunDirectory
from marl_eval.types import Completion, Example, Failure, Message

_ROUNDING = 1e-12
_AT_ONCE = 4096


class _Screen(Console):
    """A console whose every string is inert, wherever it came from."""

    def render_str(self, text: str, **more: Any) -> Text:
        return super().render_str(inert(text), **more)


def console(width: int = 120) -> Console:
    """Give a console for plain text, made inert, of that width where it is no terminal."""
    screen = _Screen(highlight=False, markup=False, emoji=False)
    if not screen.is_terminal:
        screen.width = width
    return screen


def number(value: float | None) -> str:
    """Write a number for people: four digits, a dash for none, nothing of what rounding left."""
    if value is None:
        return "-"
    return "0" if abs(value) < _ROUNDING else f"{value:.4g}"


def print_table(path: Path, results: Results) -> None:
    """Print every metric of a run."""
    screen = console()
    record = RunDirectory(path).read_run()
    settings = record["settings"]
    screen.print(
        f"{settings['model']} on {settings['task']} ({results.examples} examples), "
        f"{settings['strategy']}, k = {settings['k']}, n = {settings['n']}"
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("metric", no_wrap=True)
    for heading in ("value", "95 % interval"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("rests on")
    for name, metric in results.metrics.items():
        if metric.curve is None:
            table.add_row(name, *_cells(metric))
    screen.print(table)
    for curve in dict.fromkeys(metric.curve for metric in results.metrics.values()):
        if curve is not None:
            screen.print(_curve_line(curve, results))
    for note in notes(results):
        screen.print(note, style="bold red" if note.startswith("ERRORS") else None)
    for line in (*_speed(path), *_programs(path)):
        screen.print(line)
    screen.print(f"{path}")


def _curve_line(curve: str, results: Results) -> str:
    """Tell a curve's points in one line."""
    points = [metric for metric in results.metrics.values() if metric.curve == curve]
    told = [f"{point.at:g}: {number(point.value)}" for point in points]
    return f"{curve}@  " + "   ".join(told)


def _speed(path: Path) -> list[str]:
    """Tell how long the run took, from the file of clocks, which is no part of the results."""
    sessions = RunDirectory(path).read_sessions()
    if not sessions:
        return []
    seconds = sum(session["seconds"] for session in sessions)
    tokens = sum(session["tokens"] for session in sessions)
    return [
        f"generated {tokens:,} tokens in {seconds:,.0f} s ({tokens / max(seconds, 1e-3):,.0f}/s)"
    ]


def _programs(path: Path) -> list[str]:
    """Tell what programs took, from the judgements: measurements are no part of the results."""
    run = RunDirectory(path)
    index = index_lines(run.judgements)
    seconds, memory = array("d"), array("d")
    for start in range(0, len(index), _AT_ONCE):
        for line in read_lines(run.judgements, index, slice(start, start + _AT_ONCE), Judgement):
            for judged in line.found:
                if judged.program is not None:
                    seconds.append(judged.program.cpu_seconds)
                    memory.append(judged.program.memory_mib)
    if not seconds:
        return []
    return [
        f"{len(seconds):,} programs: CPU time median {median(seconds):.3g} s, most "
        f"{max(seconds):.3g} s; peak memory median {median(memory):.3g} MiB, most {max(memory):.3g} MiB"
    ]


def notes(results: Results) -> list[str]:
    """Say what must be known to read the numbers: errors first, then deviations of format."""
    told = []
    if not results.complete:
        told.append(
            f"ERRORS: of {results.requests} requests {results.errors.failed} failed (errors.jsonl) "
            f"and {results.errors.missing} are missing; the numbers above leave them out."
        )
    if results.isolation:
        listed = ", ".join(f"{inert(level)} {n}" for level, n in results.isolation.items())
        told.append(f"answers that are programs, by the isolation that they ran in: {listed}")
    if results.deviations:
        listed = ", ".join(f"{name} {count}" for name, count in results.deviations.items())
        told.append(f"deviations from the format, in generations: {listed}")
    return told


def _cells(metric: MetricResult) -> tuple[str, str, str]:
    rests = f"{metric.denominator:g} {metric.counted}"
    if metric.share is not None and metric.share < 1:
        rests += f", {metric.share:.1%} of those asked for"
    if metric.value is None:
        return "-", "-", f"undefined: {metric.reason}"
    if metric.low is None or metric.high is None:
        return number(metric.value), "-", f"{rests}; no interval: {metric.no_interval}"
    return number(metric.value), f"[{number(metric.low)}, {number(metric.high)}]", rests


def print_example(path: Path, wanted: str, task: Path | None = None) -> None:
    """Explain one example from its prompt to its grades; ``task`` as for ``score``.

    Raises:
        UserError: if the run has no such example.
    """
    run = RunDirectory(path)
    record = run.read_run()
    row, example = _find(run, wanted)
    screen = console()
    screen.print(f"example {row}: {example.id}", style="bold")
    for message in _prompt(record, example):
        screen.print(f"\n[{message.role}]", style="bold")
        screen.print(message.content)
    if example.gold:
        screen.print("\ngold", style="bold")
    for place, gold in enumerate(example.gold):
        weight = "" if gold.weight is None else f"  (weight {gold.weight:.4g})"
        screen.print(f"  {place}: {gold.answer}{weight}")
    index = index_lines(run.completions)
    found = index.rows(row, row + 1)
    lines = read_lines(run.completions, index, found, Completion)
    scorer = scorer_of(record, ScoringOptions(overlap=False, task=task))
    places = index.places(found, row, scorer.layout.samples)
    judged = _findings(run, row) if scorer.judged else None
    # What is not judged yet has a grade by its key, which is not told.
    known = None if judged is None else [defaultdict(Judged, judged)]
    answers = grade_block(scorer, [example], places, lines, known).to_pylist()
    for sample in dict.fromkeys(line.sample for line in lines):
        for line in lines:
            if line.sample == sample:
                screen.print(_heading(line), style="bold")
                screen.print(line.text)
        own = [answer for answer in answers if answer["sample"] == sample and answer["asked"]]
        screen.print("\nanswers read", style="bold")
        for number_, answer in enumerate(own, start=1):
            for told in _told(answer, judged, graded=scorer.task.graded, number=number_):
                # As it is: neither wrapped nor with its tabs turned into spaces.
                screen.file.write(f"{told}\n")
        for deviation in (own[0]["deviations"] or "").split() if own else []:
            screen.print(f"  not as asked: {DEVIATIONS[deviation]}")
    failures = index_lines(run.errors)
    for failure in read_lines(run.errors, failures, failures.rows(row, row + 1), Failure):
        screen.print(f"\nERROR in generation {failure.sample}: {failure.reason}")


def _heading(line: Completion) -> str:
    """Say which generation a line is, and what it cost."""
    what = f"generation {line.sample}" + (f", follow-up {line.stage}" if line.stage else "")
    told = []
    if line.prompt_tokens is not None:
        told.append(f"{line.prompt_tokens} prompt tokens")
    if line.completion_tokens is not None:
        told.append(f"{line.completion_tokens} generated tokens")
    if line.finish_reason is not None:
        told.append(f"ended by {line.finish_reason}")
    return f"\n{what}" + (f": {', '.join(told)}" if told else "")


def _findings(run: RunDirectory, row: int) -> dict[str, Judged]:
    """Read what a judge found of the answers to one example."""
    return read_findings(run, index_lines(run.judgements), row, row + 1)[0]


def _told(
    answer: dict[str, Any], judged: dict[str, Judged] | None, *, graded: bool, number: int
) -> Iterator[str]:
    """Tell one answer with its confidence, its grade and what a judge found of it.

    A text of several lines comes after the rest.
    """
    if answer["gold"] is None:
        yield f"  {number}: missing"
        return
    confidence, text = answer["confidence"], answer["answer"]
    shown = "(not readable here)" if text is None else inert(text)
    found = None if judged is None or text is None else judged.get(answer_hash(text))
    parts = [] if "\n" in shown else [shown]
    parts += [] if confidence is None else [f"confidence {confidence:.4g}"]
    if judged is not None and found is None:
        parts.append("not judged yet")
    elif graded:
        parts.append(f"right: gold {answer['gold']}" if answer["gold"] >= 0 else "wrong")
    yield f"  {number}: {'  '.join(parts)}"
    if found is not None and found.reason:
        yield from (f"     {line}" for line in inert(found.reason).split("\n"))
    if found is not None and found.program is not None:
        yield f"     {measured(found.program)}"
    if "\n" in shown:
        yield from (f"     | {line}" for line in shown.split("\n"))


def measured(program: Program) -> str:
    """Tell what is known of a program besides its grade."""
    syntax = "compiles" if program.compiles else "does not compile"
    return (
        f"{syntax}; CPU time {program.cpu_seconds:.3g} s; peak memory {program.memory_mib:.3g} MiB; "
        f"isolation {inert(program.isolation)}"
    )


def _prompt(record: dict[str, Any], example: Example) -> Sequence[Message]:
    """Give the messages that were asked; an import knows the question alone."""
    template = read_template(record)
    return (
        template.ask(example.question) if template.messages else [Message("user", example.question)]
    )


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
    screen = console()
    for name in found("tasks"):
        task = load_task(name)
        screen.print(f"{name}: {task.description}", style="bold")
        for option, field in task.options.model_fields.items():
            about = f"  {field.description}" if field.description else ""
            screen.print(f"  {option}={field.default}{about}")


def print_metrics() -> None:
    """Print the installed metrics."""
    screen = console()
    for entry in catalogue():
        low, high = entry.metric.bounds
        better = entry.metric.better
        way = "" if better == "neither" else f", {better} is better"
        screen.print(f"{entry.name}  [{low:g}, {high:g}]{way}", style="bold")
        screen.print(Text("  " + entry.metric.doc.replace("\n", "\n  ") + "\n"))
