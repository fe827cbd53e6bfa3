"""What the programs of a run are like, whether or not they are right.

Right ones are counted by ``coverage`` and ``over_samples``: any program that passes all tests is the
one gold answer, so ``hit@k`` and ``pass@k`` are the pass@k of the field. Two right programs are one
answer there; here they are told apart.
"""

from __future__ import annotations

from collections.abc import Sequence

from marl_eval.estimators.diversity import distinct_k
from marl_eval.estimators.division import Array
from marl_eval.metric import Metric, metric
from marl_eval.score_table import PROGRAMS, ScoreTable, Shape
from marl_eval.statistics import mean_over_sets, pooled_sets

_NO_EXAMPLE = "every request failed, or there is no example"

_SAME = {
    "same_text": ("text", "those of one text being the same"),
    "same_syntax": ("syntax", "those of one normalised syntax tree being the same"),
    "same_behaviour": (
        "behaviour",
        "those with the same results on the task's inputs being the same",
    ),
}


def metrics(shape: Shape) -> Sequence[Metric]:
    """Give the metrics of programs: none where answers are no programs."""
    if not shape.programs:
        return []
    each = [distinct_programs(sense, shape.k) for sense in PROGRAMS]
    if shape.sets > 1:
        each += [distinct_programs_of_all(sense, shape.k * shape.sets) for sense in PROGRAMS]
    return [compiles, *each]


@metric(better="higher", bounds=(0, 1), counted="examples", undefined=_NO_EXAMPLE)
def compiles(table: ScoreTable) -> Array:
    """Share of the answers asked for that are programs of valid syntax.

    compiles = mean over examples, and over the sets of each, of |answers that compile| / K.

    Range [0, 1]. A missing answer does not compile; one that is repeated counts each time. No failure
    can improve it.
    Source: the prevalence of syntax errors in APPS (Hendrycks et al. 2021, arXiv:2105.09938), turned
    round.
    Checked against: a plain loop over answers.
    """
    return mean_over_sets(table.compiles.sum(axis=2) / table.asked[:, None], table.valid)


def distinct_programs(sense: str, most: int) -> Metric:
    """Make ``distinct_programs_...`` of a set of at most ``most`` answers."""
    name, same = _SAME[sense]

    def statistics(table: ScoreTable) -> Array:
        return mean_over_sets(distinct_k(table.programs[sense]), table.valid)

    statistics.__doc__ = f"""Different programs in a set, by {name}, right or wrong.

    distinct_programs_{name} = mean over examples, and over the sets of each, of the number of
    different programs among the K, {same}.

    Range [0, K]. One that does not compile is like those of its text alone; one whose results cannot be
    had, like those of its syntax tree. Missing answers are none, so no failure can raise it.
    Source: distinct-k of NoveltyBench (Zhang et al. 2025, arXiv:2504.05228), the classes being those of
    programs.
    Checked against: a plain loop over sets of programs.
    """
    return metric(
        name=f"distinct_programs_{name}",
        better="higher",
        bounds=(0, most),
        counted="examples",
        undefined=_NO_EXAMPLE,
    )(statistics)


def distinct_programs_of_all(sense: str, most: int) -> Metric:
    """Make ``distinct_programs_..._of_all`` of at most ``most`` answers to a question."""
    name, same = _SAME[sense]

    def statistics(table: ScoreTable) -> Array:
        whole, pooled = pooled_sets(table.programs[sense], table.valid)
        return mean_over_sets(distinct_k(pooled)[:, None], whole)

    statistics.__doc__ = f"""Different programs for a question in all of its n sets, by {name}.

    distinct_programs_{name}_of_all = mean over examples of the number of different programs among all
    n * K, {same}.

    Range [0, n * K]. Examples of which a set failed are left out, having had fewer chances.
    Source: as for distinct_programs_{name}.
    Checked against: a plain loop over sets of programs.
    """
    return metric(
        name=f"distinct_programs_{name}_of_all",
        better="higher",
        bounds=(0, most),
        counted="examples",
        undefined=_NO_EXAMPLE,
    )(statistics)
