"""Metrics of answers, once more: by loops over plain objects, straight from their definitions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations, pairwise

import numpy as np
from scipy.stats import entropy

from marl_eval.score_table import OVERLAPS, ScoreTable
from tests.metrics.plain import (
    Answer,
    AnswerSet,
    Question,
    mean,
    mean_over_sets,
    questions,
    ratio,
)

Direct = Callable[[ScoreTable], float]
Curve = Callable[[ScoreTable, float], float]
OfSet = Callable[[Question, AnswerSet], float]


def _over_sets(of: OfSet) -> Direct:
    return lambda table: mean_over_sets(questions(table), of)


def _over_weighted_sets(of: OfSet) -> Direct:
    def direct(table: ScoreTable) -> float:
        return mean_over_sets([q for q in questions(table) if q.weight_total], of)

    return direct


def _recall(question: Question, found: set[int]) -> float:
    return len(found) / question.gold_size if question.gold_size else 0


def _capped_recall(question: Question, answers: AnswerSet) -> float:
    return (
        ratio(len(answers.named), min(question.gold_size, answers.k)) if question.gold_size else 0
    )


def _f1(question: Question, answers: AnswerSet) -> float:
    if not answers.named:
        return 0
    precision = len(answers.named) / len(answers.answers)
    recall = len(answers.named) / question.gold_size
    return 2 / (1 / precision + 1 / recall)


def _weight(question: Question, found: Sequence[Answer]) -> float:
    assert question.weight_total is not None
    return sum({a.gold: a.weight for a in found if a.right}.values()) / question.weight_total


def _pass_at_1(table: ScoreTable) -> float:
    return mean_over_sets(questions(table), lambda q, s: mean(_first_is_right(s, s.generations)))


def _first_is_right(answers: AnswerSet, generations: list[list[Answer]]) -> list[bool]:
    firsts = [next((a for a in answers.ranked if a in own), None) for own in generations]
    return [first is not None and first.right for first in firsts]


def _hit_at(table: ScoreTable, k: float) -> float:
    """Look at the first k answers of a set; beyond one set, at all answers of several."""
    if k > table.shape.k:
        return _over_subsets(table, k, lambda q, found: bool(_gold(found)))
    among = questions(table)
    return mean_over_sets(among, lambda q, s: any(a.right for a in s.ranked[: round(k)]))


def _predicted(table: ScoreTable, answers: AnswerSet) -> list[Answer]:
    if table.shape.stated is None:
        return answers.distinct
    return [a for a in answers.distinct if a.confidence is not None and a.confidence >= 0.01]


def _differential(of: Callable[[Question, list[Answer]], float]) -> Direct:
    return lambda table: mean_over_sets(questions(table), lambda q, s: of(q, _predicted(table, s)))


def _ddf1(question: Question, predicted: list[Answer]) -> float:
    found = sum(a.right for a in predicted)
    return ratio(2 * found, len(predicted) + question.gold_size) if found else 0


def _pathology(of: Callable[[AnswerSet, list[Answer]], bool]) -> Direct:
    def direct(table: ScoreTable) -> float:
        known = [q for q in questions(table) if q.truth_known]
        return mean_over_sets(known, lambda q, s: of(s, _predicted(table, s)))

    return direct


def _given(among: Sequence[Question]) -> list[AnswerSet]:
    return [answers for question in among for answers in question.valid]


def _repeated_share(table: ScoreTable) -> float:
    sets = _given(questions(table))
    repeats = sum(len(s.answers) - len({a.label for a in s.answers}) for s in sets)
    return ratio(repeats, sum(len(s.answers) for s in sets))


def _pooled(of: Callable[[Counter[int]], float]) -> Direct:
    def direct(table: ScoreTable) -> float:
        whole = [q for q in questions(table) if q.whole]
        return mean(of(Counter(a.label for s in q.sets for a in s.answers)) for q in whole)

    return direct


def _shannon(counts: Counter[int]) -> float:
    return float(np.exp(entropy(list(counts.values())))) if counts else 0


def _simpson(counts: Counter[int]) -> float:
    total = sum(counts.values())
    return 1 / sum((count / total) ** 2 for count in counts.values()) if counts else 0


def _overlap(name: str) -> Direct:
    def direct(table: ScoreTable) -> float:
        found = []
        for question in questions(table):
            made = [
                not s.failed and place < len(s.generations)
                for s in question.sets
                for place in range(s.members)
            ]
            pairs = zip(question.overlaps[name], pairwise(made), strict=False)
            told = [value for value, both in pairs if value is not None and all(both)]
            if told:
                found.append(mean(told))
        return mean(found)

    return direct


def _programs(sense: int) -> Direct:
    return _over_sets(lambda q, s: len({a.programs[sense] for a in s.answers}))


def _programs_of_all(sense: int) -> Direct:
    def direct(table: ScoreTable) -> float:
        whole = [q for q in questions(table) if q.whole]
        return mean(len({a.programs[sense] for s in q.sets for a in s.answers}) for q in whole)

    return direct


def _error_rate(table: ScoreTable) -> float:
    return mean(float(s.failed) for q in questions(table) for s in q.sets)


Tokens = Callable[[AnswerSet], float | None]


def _money(table: ScoreTable) -> Tokens:
    price = table.shape.price
    assert price is not None

    def money(answers: AnswerSet) -> float | None:
        if answers.prompt_tokens is None or answers.completion_tokens is None:
            return None
        return (
            answers.prompt_tokens * price.prompt + answers.completion_tokens * price.completion
        ) / 1e6

    return money


def _answer_tokens(answers: AnswerSet) -> float | None:
    if answers.completion_tokens is None or answers.reasoning_tokens is None:
        return None
    return answers.completion_tokens - answers.reasoning_tokens


def _spent(among: Sequence[Question], of: Tokens) -> list[tuple[Question, float]]:
    """Give the questions of which no request failed and all tokens are known, and their tokens."""
    found = []
    for question in among:
        tokens = [of(answers) for answers in question.sets]
        known = [count for count in tokens if count is not None]
        if question.whole and len(known) == len(tokens):
            found.append((question, sum(known)))
    return found


def _mean_spent(table: ScoreTable, of: Tokens) -> float:
    return mean(tokens for _, tokens in _spent(questions(table), of))


def _per_answer(table: ScoreTable, of: Tokens, kind: Callable[[Answer], int]) -> float:
    spent = _spent(questions(table), of)
    things = [{kind(a) for s in q.sets for a in s.answers if kind(a) >= 0} for q, _ in spent]
    return ratio(sum(tokens for _, tokens in spent), sum(map(len, things)))


def _subsets(question: Question, size: int) -> list[list[Answer]]:
    """Give the answers of every choice of that many generations that did not fail."""
    made = [own for answers in question.valid for own in answers.generations]
    return [[a for own in chosen for a in own] for chosen in combinations(made, size)]


def _over_subsets(
    table: ScoreTable,
    at: float,
    of: Callable[[Question, list[Answer]], float],
    among: Callable[[Question], object] = lambda _: True,
) -> float:
    size = round(at) // (table.shape.k // table.shape.members)
    chosen = [(q, _subsets(q, size)) for q in questions(table) if among(q)]
    return mean(mean(of(q, found) for found in subsets) for q, subsets in chosen if subsets)


def _gold(found: Sequence[Answer]) -> set[int]:
    return {a.gold for a in found if a.right}


def recall_curve(table: ScoreTable) -> tuple[list[float], list[float]]:
    """Give the corners of the curve of recall against tokens; empty where nothing is known."""
    spent = [
        (question, tokens)
        for question, tokens in _spent(questions(table), lambda s: s.completion_tokens)
        if sum(len(s.generations) for s in question.sets) == table.shape.samples
    ]
    if not spent:
        return [], []
    tokens, recall = [0.0], [0.0]
    for drawn in range(1, table.shape.samples + 1):
        tokens.append(drawn * mean(t for _, t in spent) / table.shape.samples)
        recall.append(
            mean(mean(_recall(q, _gold(f)) for f in _subsets(q, drawn)) for q, _ in spent)
        )
    return tokens, recall


def _tokens_to_recall(table: ScoreTable, target: float) -> float:
    tokens, recall = recall_curve(table)
    for spent, corner in zip(tokens, recall, strict=True):
        if math.isclose(corner, target, rel_tol=1e-9):
            return spent
    if not recall or recall[-1] < target:
        return math.nan
    return float(np.interp(target, recall, tokens))


def _recall_token_area(table: ScoreTable) -> float:
    tokens, recall = recall_curve(table)
    return ratio(float(np.trapezoid(recall, tokens)), tokens[-1]) if tokens else math.nan


METRICS: dict[str, Direct] = {
    "recall": _over_sets(lambda q, s: _recall(q, s.named)),
    "capped_recall": _over_sets(_capped_recall),
    "precision": _over_sets(lambda q, s: len(s.named) / max(len(s.answers), 1)),
    "f1": _over_sets(_f1),
    "correct_answers": _over_sets(lambda q, s: len(s.named)),
    "mass_covered": _over_weighted_sets(lambda q, s: _weight(q, s.answers)),
    "pass@1": _pass_at_1,
    "DDR": _differential(lambda q, p: _recall(q, _gold(p))),
    "DDP": _differential(lambda q, p: len(_gold(p)) / max(len(p), 1)),
    "DDF1": _differential(_ddf1),
    "GTPA@1": _pathology(lambda s, p: any(a is s.ranked[0] and a.truth for a in p)),
    "GTPA": _pathology(lambda s, p: any(a.truth for a in p)),
    "distinct_answers": _over_sets(lambda q, s: len({a.label for a in s.answers})),
    "distinct_answers_of_all": _pooled(len),
    "repeated_share": _repeated_share,
    "effective_answers_1": _pooled(_shannon),
    "effective_answers_2": _pooled(_simpson),
    "compiles": _over_sets(lambda q, s: sum(a.compiles for a in s.answers) / s.k),
    **{
        f"distinct_programs_{sense}{which}": of(place)
        for place, sense in enumerate(["text", "syntax", "behaviour"])
        for which, of in (("", _programs), ("_of_all", _programs_of_all))
    },
    **{name: _overlap(name) for name in OVERLAPS},
    "format_ok": _over_sets(lambda q, s: s.strict),
    "answered": _over_sets(lambda q, s: len(s.answers) / s.k),
    "error_rate": _error_rate,
    "prompt_tokens": lambda t: _mean_spent(t, lambda s: s.prompt_tokens),
    "tokens_per_example": lambda t: _mean_spent(t, lambda s: s.completion_tokens),
    "reasoning_tokens": lambda t: _mean_spent(t, lambda s: s.reasoning_tokens),
    "answer_tokens": lambda t: _mean_spent(t, _answer_tokens),
    "tokens_per_distinct_answer": lambda t: _per_answer(
        t, lambda s: s.completion_tokens, lambda a: a.label
    ),
    "tokens_per_correct_answer": lambda t: _per_answer(
        t, lambda s: s.completion_tokens, lambda a: a.gold
    ),
    "money_per_example": lambda t: _mean_spent(t, _money(t)),
    "money_per_correct_answer": lambda t: _per_answer(t, _money(t), lambda a: a.gold),
    "recall_token_area": _recall_token_area,
}

CURVES: dict[str, Curve] = {
    "hit": _hit_at,
    "pass": lambda t, k: _over_subsets(t, k, lambda q, found: bool(_gold(found))),
    "recall": lambda t, k: _over_subsets(t, k, lambda q, found: _recall(q, _gold(found))),
    "correct": lambda t, k: _over_subsets(t, k, lambda q, found: len(_gold(found))),
    "distinct": lambda t, k: _over_subsets(t, k, lambda q, found: len({a.label for a in found})),
    "mass": lambda t, k: _over_subsets(t, k, _weight, among=lambda q: q.weight_total),
    "tokens_to_recall": _tokens_to_recall,
}
