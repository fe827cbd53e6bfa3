"""Metrics of confidences, once more: by loops over plain objects, or by scikit-learn and scipy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import foldnorm
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from marl_eval.score_table import ScoreTable
from tests.metrics.direct_answers import Curve, Direct
from tests.metrics.plain import (
    Answer,
    AnswerSet,
    Question,
    mean,
    mean_over_sets,
    pairs,
    questions,
    ratio,
)

Pairs = tuple[list[float], list[int]]
EDGES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


def _brier(confidences: Sequence[float], right: Sequence[int]) -> float:
    return float(brier_score_loss(right, confidences, pos_label=1))


def _worst_if_unread(answers: AnswerSet) -> Pairs:
    """Give the confidences of a set, and certainty of a wrong answer for each that is not there."""
    stated = [(a.confidence, int(a.right)) for a in answers.answers if a.confidence is not None]
    stated += [(1.0, 0)] * (answers.k - len(stated))
    return [q for q, _ in stated], [y for _, y in stated]


def _multi_brier(table: ScoreTable, source: str) -> float:
    return mean_over_sets(questions(table, source), lambda q, s: _brier(*_worst_if_unread(s)))


def _multi_brier_sum(table: ScoreTable) -> float:
    return mean_over_sets(questions(table), lambda q, s: s.k * _brier(*_worst_if_unread(s)))


def _among_stated(of: Callable[[list[float], list[int]], float]) -> Callable[..., float]:
    def direct(table: ScoreTable, source: str = "") -> float:
        confidences, right = pairs(questions(table, source))
        return of(confidences, right) if confidences else math.nan

    return direct


def bins(confidences: Sequence[float], right: Sequence[int]) -> list[Pairs]:
    """Sort answers into ten bins; one on an edge goes above it. Empty bins are left out."""
    cells: dict[int, Pairs] = {}
    for q, y in zip(confidences, right, strict=True):
        own = cells.setdefault(sum(q >= edge for edge in EDGES), ([], []))
        own[0].append(q)
        own[1].append(y)
    return list(cells.values())


def _gaps(confidences: Sequence[float], right: Sequence[int]) -> list[tuple[int, float]]:
    """Give the size and the gap between confidence and accuracy of each bin."""
    return [(len(q), mean(q) - mean(y)) for q, y in bins(confidences, right)]


def _ece(confidences: list[float], right: list[int]) -> float:
    return sum(size * abs(gap) for size, gap in _gaps(confidences, right)) / len(right)


def _ece_debiased(confidences: list[float], right: list[int]) -> float:
    total = 0.0
    for q, y in bins(confidences, right):
        gap, spread = abs(mean(q) - mean(y)), math.sqrt(mean(y) * (1 - mean(y)) / len(y))
        chance = float(foldnorm.mean(gap / spread, scale=spread)) if spread else gap
        total += len(y) * (gap - (chance - gap))
    return total / len(right)


def _reliability(confidences: list[float], right: list[int]) -> float:
    return sum(size * gap**2 for size, gap in _gaps(confidences, right)) / len(right)


def _resolution(confidences: list[float], right: list[int]) -> float:
    total = 0.0
    for q, y in bins(confidences, right):
        together = float(np.cov(q, y, bias=True)[0, 1])
        total += len(y) * ((mean(y) - mean(right)) ** 2 + 2 * together - float(np.var(q)))
    return total / len(right)


def _smooth_ece(confidences: list[float], right: list[int]) -> float:
    """Find the width at which the residuals, smoothed so far, add up to that same width."""
    x = np.linspace(0, 1, 2001)
    each = np.array(right) - np.array(confidences)
    q, which = np.unique(confidences, return_inverse=True)
    residual = np.bincount(which, each) / len(each)
    if np.abs(residual).max() < 1e-12:
        return 0.0

    def left_over(width: float) -> float:
        smoothed = np.zeros_like(x)
        # A mirror at 0 and at 1 gives every confidence its images at 2 i + q and 2 i - q.
        for image in (2 * i + sign * q for i in range(-4, 5) for sign in (1, -1)):
            away = (x[:, None] - image[np.abs(image - 0.5) < 0.5 + 6 * width]) / width
            near = residual[np.abs(image - 0.5) < 0.5 + 6 * width]
            smoothed += np.exp(-(away**2) / 2) @ near / (width * math.sqrt(2 * math.pi))
        return float(np.trapezoid(np.abs(smoothed), x)) - width

    return float(brentq(left_over, 1e-4, 1 + 1e-6, xtol=1e-6))


def _auroc(confidences: list[float], right: list[int]) -> float:
    return float(roc_auc_score(right, confidences)) if 0 < sum(right) < len(right) else math.nan


def _auprc(confidences: list[float], right: list[int]) -> float:
    return float(average_precision_score(right, confidences)) if sum(right) else math.nan


def _ece_equal_mass(confidences: list[float], right: list[int]) -> float:
    """Sort and cut into ten, putting ties where the middle one of them falls."""
    ordered = sorted(confidences)
    gaps = [0.0] * 10
    for q, y in zip(confidences, right, strict=True):
        middle = Fraction(2 * ordered.index(q) + ordered.count(q), 2)
        gaps[min(int(10 * middle / len(ordered)), 9)] += q - y
    return sum(map(abs, gaps)) / len(ordered)


def _set_confidence(question: Question, answers: AnswerSet) -> float:
    stated = [a.confidence for a in answers.distinct if a.confidence is not None]
    if question.exclusive:
        return min(sum(stated), 1)
    return 1 - math.prod(1 - q for q in stated)


def _set_brier(question: Question, answers: AnswerSet) -> float:
    if not answers.complete:
        return 1
    return _brier([_set_confidence(question, answers)], [bool(answers.named)])


def _of_sets(of: Callable[[list[float], list[int]], float]) -> Direct:
    def direct(table: ScoreTable) -> float:
        told = [(q, s) for q in questions(table) for s in q.valid if s.complete]
        # Sums that differ in the last digit alone are the same.
        confidences = [round(_set_confidence(q, s), 12) for q, s in told]
        return of(confidences, [int(bool(s.named)) for _, s in told]) if told else math.nan

    return direct


def _excess(answers: AnswerSet) -> float:
    return sum(a.confidence or 0 for a in answers.distinct) - len(answers.named)


def _over_complete_sets(of: Callable[[AnswerSet], float]) -> Direct:
    return lambda table: mean(of(s) for q in questions(table) for s in q.valid if s.complete)


def _against_true(loss: Callable[[float, float], float]) -> Direct:
    def of_set(_: Question, answers: AnswerSet) -> float:
        losses = [_of_answer(answer, loss) for answer in answers.answers]
        return (sum(losses) + answers.k - len(losses)) / answers.k

    return lambda table: mean_over_sets(_of_known_probability(table), of_set)


def _of_answer(answer: Answer, loss: Callable[[float, float], float]) -> float:
    if answer.confidence is None:
        return 1
    assert answer.probability is not None
    return loss(answer.confidence, answer.probability)


def _of_known_probability(table: ScoreTable) -> list[Question]:
    return [q for q in questions(table) if q.best_probability is not None]


def _distance(_: Question, answers: AnswerSet) -> float:
    if not answers.complete:
        return 1
    stated = {a.label: a.confidence or 0 for a in answers.distinct}
    true = {a.label: a.probability or 0 for a in answers.distinct}
    stated[-1], true[-1] = max(0, 1 - sum(stated.values())), 1 - sum(true.values())
    return min(1, sum(abs(stated[label] - true[label]) for label in stated) / 2)


def _regret(question: Question, answers: AnswerSet) -> float:
    assert question.best_probability is not None
    return question.best_probability - sum(a.probability or 0 for a in answers.distinct)


def _steps(table: ScoreTable, source: str) -> list[tuple[Fraction, Fraction]]:
    """Give how many questions, and how many wrong ones, each confidence adds, the highest first."""
    steps: dict[float, tuple[Fraction, Fraction]] = {}
    for question in questions(table, source):
        for answers in question.valid:
            first = answers.ranked[0] if answers.answers else None
            stated = -1.0 if first is None or first.confidence is None else first.confidence
            wrong = first is None or not first.right
            part = Fraction(1, len(question.valid))
            size, lost = steps.get(stated, (Fraction(0), Fraction(0)))
            steps[stated] = size + part, lost + part * wrong
    return [steps[stated] for stated in sorted(steps, reverse=True)]


def _aurc(table: ScoreTable, source: str = "") -> float:
    """Integrate the risk numerically over every step of the curve."""
    area = before = lost_before = 0.0
    for size, lost in _steps(table, source):
        start, wrong, slope = before, lost_before, float(lost / size)
        before, lost_before = before + float(size), lost_before + float(lost)

        def risk(
            n: float, start: float = start, wrong: float = wrong, slope: float = slope
        ) -> float:
            return (wrong + slope * (n - start)) / n

        area += float(quad(risk, start, before)[0])
    return ratio(area, before)


def _risk(table: ScoreTable, coverage: float) -> float:
    steps = _steps(table, "")
    wanted = left = sum((size for size, _ in steps), Fraction(0)) * Fraction(str(coverage))
    wrong = Fraction(0)
    for size, lost in steps:
        taken = min(left, size)
        wrong, left = wrong + lost * taken / size, left - taken
    return float(wrong / wanted) if wanted else math.nan


def _score(answers: AnswerSet) -> float:
    """Give the highest confidence of a right answer, -1 if there is none."""
    return max((a.confidence for a in answers.answers if a.right and a.confidence is not None),
               default=-1)  # fmt: skip


def _conformal(table: ScoreTable, target: float, of: Callable[[AnswerSet, float], int]) -> float:
    """Set each half's threshold on the other one; ``of`` says what a set is worth above it."""
    halves: list[list[tuple[AnswerSet, Fraction]]] = [[], []]
    for question in questions(table):
        for answers in question.valid:
            halves[question.second_half].append((answers, Fraction(1, len(question.valid))))
    total = Fraction(0)
    for calibration, test in (halves, halves[::-1]):
        needed = Fraction(str(target)) * (sum(part for _, part in calibration) + 1)
        scores = {_score(answers) for answers, _ in calibration} - {-1}
        thresholds = [
            t for t in scores if sum(part for a, part in calibration if _score(a) >= t) >= needed
        ]
        if not thresholds:
            return math.nan
        total += sum(part * of(answers, max(thresholds)) for answers, part in test)
    return float(total / sum(part for half in halves for _, part in half))


def _kept(answers: AnswerSet, threshold: float) -> int:
    return sum(a.confidence is not None and a.confidence >= threshold for a in answers.distinct)


OF_SOURCE: dict[str, Callable[[ScoreTable, str], float]] = {
    "multi_brier": _multi_brier,
    "brier_answered": _among_stated(_brier),
    "log_score": _among_stated(lambda q, y: float(log_loss(y, q, labels=[0, 1]))),
    "ece": _among_stated(_ece),
    "smooth_ece": _among_stated(_smooth_ece),
    "auroc": _among_stated(_auroc),
    "aurc": _aurc,
}

METRICS: dict[str, Direct] = {
    "multi_brier_sum": _multi_brier_sum,
    "mce": _among_stated(lambda q, y: max(abs(gap) for _, gap in _gaps(q, y))),
    "ece_debiased": _among_stated(_ece_debiased),
    "ece_equal_mass": _among_stated(_ece_equal_mass),
    "auprc": _among_stated(_auprc),
    "brier_reliability": _among_stated(_reliability),
    "brier_resolution": _among_stated(_resolution),
    "brier_uncertainty": _among_stated(lambda q, y: float(np.var(y))),
    "sharpness": _among_stated(lambda q, y: float(np.var(q))),
    "set_brier": lambda t: mean_over_sets(questions(t), _set_brier),
    "set_ece": _of_sets(_ece),
    "set_auroc": _of_sets(_auroc),
    "correct_bias": _over_complete_sets(_excess),
    "correct_error": _over_complete_sets(lambda s: abs(_excess(s))),
    "sum_above_one": _over_complete_sets(
        lambda s: sum(a.confidence or 0 for a in s.answers) > 1 + 1e-9
    ),
    "probability_brier": _against_true(lambda q, p: (q - p) ** 2),
    "probability_error": _against_true(lambda q, p: abs(q - p)),
    "distribution_distance": lambda t: mean_over_sets(_of_known_probability(t), _distance),
    "regret": lambda t: mean_over_sets(_of_known_probability(t), _regret),
}

CURVES: dict[str, Curve] = {
    "risk": _risk,
    "conformal_coverage": lambda t, c: _conformal(t, c, lambda s, least: _score(s) >= least),
    "conformal_size": lambda t, c: _conformal(t, c, _kept),
}
