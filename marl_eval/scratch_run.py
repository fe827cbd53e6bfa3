"""Scoring completions by way of a run directory that is thrown away.

So every value comes about exactly as that of ``marl-eval score``, programs in the sandbox included.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from marl_eval.lines import Appender
from marl_eval.preparation import Posed
from marl_eval.run import score
from marl_eval.settings import RunSettings
from marl_eval.store import RUN, RunDirectory, dump_json, write_whole
from marl_eval.types import Completion

_AT_ONCE = 4096


def score_completions(
    posed: Posed, settings: RunSettings, completions: Iterable[Completion]
) -> dict[str, float]:
    """Give the value of every metric of the completions to what was posed, NaN if undefined.

    Raises:
        UserError: if answers cannot be judged here.
        StorageError: if there is no room for temporary files.
    """
    rest = iter(completions)
    with TemporaryDirectory(prefix="marl-eval-") as folder:
        run = RunDirectory(Path(folder))
        with run.locked():
            write_whole(run.path / RUN, dump_json(posed.record))
            run.write_examples(posed.asking.examples)
            appender = Appender(run.completions)
            while some := list(islice(rest, _AT_ONCE)):
                appender.append(some)
            appender.close()
        result = score(
            run.path,
            strict=settings.strict,
            resamples=0,
            overlap=settings.overlap,
            workers=settings.workers,
            sandbox_min_level=settings.sandbox_min_level,
            task=posed.task,
        )
    return {
        name: float("nan") if metric.value is None else metric.value
        for name, metric in result.results.metrics.items()
    }
