"""Testing the claims: each as a difference with its interval, over trainings where there are several.

With several seeds a difference is that of the mean over trainings, d, with the interval
d +- t(0.975, s - 1) sd / sqrt(s) over s seeds: a claim about training is about trainings, not examples.
With one seed the interval is that of resampled examples, and tells nothing of other trainings. Where the
metric leaves out more than half of a run's answers, such as those without a confidence, nothing is
shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import isfinite, nan, sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Literal

from scipy.stats import t as student

from marl_eval.comparison.differences import compare
from marl_eval.reproduction.recipe import Claim, Contrast
from marl_eval.reproduction.stages import Place
from marl_eval.results import read_results
from marl_eval.store import RESULTS

_ENOUGH = 0.5
Verdict = Literal["holds", "does not hold", "not shown"]


@dataclass(frozen=True, slots=True)
class Tested:
    """What came of a test: values are means over trainings; the interval is of 95 %.

    ``differences`` are second less first, one for each training. ``over`` is what the interval is over.
    """

    claim: str
    metric: str
    first: str
    second: str
    second_is: str
    first_value: float
    second_value: float
    difference: float
    low: float
    high: float
    over: str
    differences: tuple[float, ...]
    verdict: Verdict
    reason: str = ""


def examine_claims(claims: Sequence[Claim], places: Sequence[Place]) -> list[Tested]:
    """Test every claim about the task, over all seeds."""
    task = places[0].recipe.name
    return [
        _tested(claim, contrast, places)
        for claim in claims
        if claim.tasks is None or task in claim.tasks
        for contrast in claim.tests
    ]


def _tested(claim: Claim, contrast: Contrast, places: Sequence[Place]) -> Tested:
    pairs = [
        (place.run_folder(contrast.first), place.run_folder(contrast.second)) for place in places
    ]
    told = (claim.claim, contrast.metric, contrast.first, contrast.second, contrast.second_is)
    if not all((run / RESULTS).exists() for pair in pairs for run in pair):
        why = "these runs were not made"
        return Tested(*told, nan, nan, nan, nan, nan, "nothing", (), "not shown", why)
    found = [compare(*pair, metrics=[contrast.metric]).metrics[contrast.metric] for pair in pairs]
    reasons = [one.reason for one in found if one.difference is None]
    if reasons:
        return Tested(*told, nan, nan, nan, nan, nan, "nothing", (), "not shown", str(reasons[0]))
    differences = tuple(float(one.difference) for one in found if one.difference is not None)
    mean = fmean(differences)
    if len(differences) > 1:
        half = float(student.ppf(0.975, len(differences) - 1)) * stdev(differences)
        half /= sqrt(len(differences))
        low, high, over = mean - half, mean + half, f"{len(differences)} trainings"
    else:
        (one,) = found
        low, high = (nan if end is None else end for end in (one.low, one.high))
        over = "examples of one training"
    share = min(_share(run, contrast.metric) for pair in pairs for run in pair)
    return Tested(
        *told,
        fmean(one.first or 0.0 for one in found),
        fmean(one.second or 0.0 for one in found),
        mean,
        low,
        high,
        over,
        differences,
        verdict(low, high, contrast.second_is) if share >= _ENOUGH else "not shown",
        "" if share >= _ENOUGH else f"one rests on {share:.1%} of its answers",
    )


def _share(run: Path, metric: str) -> float:
    """Give the share of the answers asked for that a metric rests on."""
    found = read_results(run).metrics.get(metric)
    return 1.0 if found is None or found.share is None else found.share


def verdict(low: float, high: float, side: str) -> Verdict:
    """Say whether the interval of a difference lies on the side that is claimed."""
    if not (isfinite(low) and isfinite(high)) or low <= 0 <= high:
        return "not shown"
    return "holds" if (low > 0) == (side == "higher") else "does not hold"


def as_markdown(tested: Sequence[Tested]) -> Iterator[str]:
    """Write the table of claims, a line at a time."""
    headings = [
        "claim", "metric", "first run", "second run", "claimed", "first", "second", "difference",
        "95 % interval", "over", "",
    ]  # fmt: skip
    yield f"| {' | '.join(headings)} |"
    yield f"|{'---|' * len(headings)}"
    for one in tested:
        numbers = [f"{v:.4g}" if isfinite(v) else "-" for v in (
            one.first_value, one.second_value, one.difference, one.low, one.high)]  # fmt: skip
        cells = [
            one.claim,
            f"`{one.metric}`",
            one.first,
            one.second,
            f"second {one.second_is}",
            *numbers[:3],
            f"[{numbers[3]}, {numbers[4]}]",
            _over(one),
            f"**{one.verdict}**{f' ({one.reason})' if one.reason else ''}",
        ]
        yield f"| {' | '.join(cells)} |"


def _over(tested: Tested) -> str:
    """Tell what the interval is over, and the difference of each training where there are several."""
    if len(tested.differences) < 2:
        return tested.over
    return f"{tested.over}: {', '.join(f'{one:.3g}' for one in tested.differences)}"


def as_json(tested: Sequence[Tested]) -> list[dict[str, object]]:
    """Give the table of claims as plain JSON, NaN as null."""
    return [
        {
            name: None if isinstance(value, float) and not isfinite(value) else value
            for name, value in asdict(one).items()
        }
        for one in tested
    ]
