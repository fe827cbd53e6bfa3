"""The grades of a run as arrays, and their long form on disk (``scores.parquet``).

The file has one row for each answer asked for, in order of example, set and position, also where no
answer was given; so its rows reshape into arrays [examples, sets, positions]. It is written and read
in groups of ``block_size`` examples, which keeps memory flat however long the run is.

Columns of ``scores.parquet``:

    example            id of the example
    set, position      which answer set, which answer of it (both from 0)
    asked              false for a place that was not asked for (a recorded run may vary K)
    sample             which generation the answer came from
    answer             the answer as given, null if missing (or graded elsewhere and not readable here)
    confidence         in [0, 1], null if missing: as stated in the text, or as an import recorded it
    confidence_text    as stated in the text, where ``confidence`` is the recorded one
    confidence_logprob     exp of the summed log-probabilities of the answer's tokens
    confidence_frequency   share of the example's generations that give the answer
    rank               0 for the most confident answer of its set (ties by position)
    gold               index of the gold answer it matches, -1 for a wrong one, null if missing
    gold_weight        weight of that gold answer, null if it has none
    truth              whether it names what turned out to be the case (not if the answer is
                       missing), null if that is not known
    probability        true probability of being right, or share of the weight; null if not known
    same_as            place in the example (set * K + position) of the first answer that the task
                       takes for the same; null if missing
    compiles           whether a program is valid syntax, null for what is no judged program
    same_text, same_syntax, same_behaviour
                       like same_as, for programs: of the first one with the same text, syntax tree
                       or results on the task's inputs. One that does not compile is like those of its
                       text, one whose results cannot be had like those of its syntax
    isolation          level of the sandbox that a program ran in
    gold_size          number of gold answers of the example
    weight_total       sum of their weights, null if they have none
    best_probability   sum of the true probabilities of the best possible set, null if not known
    second_half        in which half of the examples it is, by a hash of its id
    failed             a request of this set failed: the set counts as an error, not as wrong
    set_confidence     confidence that the set holds a right answer; on the set's first row only
    strict, finish_reason, deviations, prompt_tokens, completion_tokens, reasoning_tokens
                       of the generation, on its first row only, so that sums over rows are right
    overlap_3gram, overlap_4gram, overlap_jaccard, overlap_rouge_l
                       of a generation's reasoning with that of the example's next generation
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from marl_eval.estimators.diversity import distinct_k
from marl_eval.money import Price

Array = NDArray[np.float64]

BLOCK = 1024
"""Examples that are resampled together; a constant, so that runs of any kind get the same weights."""

_DECIMALS = 12
_COMPLETIONS, _EXAMPLES = 16_384, 8_192


def block_size(samples: int) -> int:
    """Give how many examples of so many generations each are scored at once.

    Enough for arrays to pay, and few enough for memory to stay flat however long the run is.
    """
    return min(max(_COMPLETIONS // samples, 1), _EXAMPLES)


MISSING = -2
"""In place of a grade where no answer was given; a wrong one is ``matching.WRONG``."""

Source = Literal["recorded", "text", "logprob", "frequency"]
"""Where a confidence comes from."""

SET = "set"
"""The name of the set confidence among the ``levels`` of a ``Shape``."""

PROGRAMS = ["same_text", "same_syntax", "same_behaviour"]
"""In what programs may be the same, from the strictest sense to the widest."""

OVERLAPS = ["overlap_3gram", "overlap_4gram", "overlap_jaccard", "overlap_rouge_l"]

SCHEMA = pa.schema(
    [
        ("example", pa.string()),
        ("set", pa.int32()),
        ("position", pa.int32()),
        ("asked", pa.bool_()),
        ("sample", pa.int32()),
        ("answer", pa.string()),
        ("confidence", pa.float64()),
        ("confidence_text", pa.float64()),
        ("confidence_logprob", pa.float64()),
        ("confidence_frequency", pa.float64()),
        ("rank", pa.int32()),
        ("gold", pa.int32()),
        ("gold_weight", pa.float64()),
        ("truth", pa.bool_()),
        ("probability", pa.float64()),
        ("same_as", pa.int32()),
        ("compiles", pa.bool_()),
        *[(name, pa.int32()) for name in PROGRAMS],
        ("isolation", pa.string()),
        ("gold_size", pa.int32()),
        ("weight_total", pa.float64()),
        ("best_probability", pa.float64()),
        ("second_half", pa.bool_()),
        ("failed", pa.bool_()),
        ("set_confidence", pa.float64()),
        ("strict", pa.bool_()),
        ("finish_reason", pa.string()),
        ("deviations", pa.string()),
        ("prompt_tokens", pa.int64()),
        ("completion_tokens", pa.int64()),
        ("reasoning_tokens", pa.int64()),
        *[(name, pa.float64()) for name in OVERLAPS],
    ]
)


@dataclass(frozen=True, slots=True)
class Shape:
    """What is the same for every example of a run.

    ``k`` answers in a set, ``sets`` sets, ``members`` generations in a set. ``exclusive``: exactly
    one answer is right. ``levels`` has, for each source of confidences that the run knows, its
    distinct confidences in ascending order, float64[levels]; those of the whole sets under ``SET``.
    ``weighted``: gold answers have weights. ``reference``: the true probabilities of answers are
    known, and belong to one right answer (``exclusive``) or to each answer apart. ``truth``: what
    turned out to be the case is known. ``overlap``: texts were compared. ``price`` of tokens.
    ``graded``: answers are right or wrong; where they are neither, grades mean nothing. ``programs``:
    answers are programs that were run.
    """

    k: int
    sets: int
    members: int
    exclusive: bool
    levels: Mapping[str, Array] = field(default_factory=dict)
    weighted: bool = False
    reference: Literal["exclusive", "independent"] | None = None
    truth: bool = False
    overlap: bool = False
    price: Price | None = None
    graded: bool = True
    programs: bool = False

    @property
    def samples(self) -> int:
        """Generations of an example."""
        return self.sets * self.members

    @property
    def stated(self) -> Source | None:
        """The source of the stated confidences, by which answers rank; None if there are none."""
        return (
            "recorded" if "recorded" in self.levels else "text" if "text" in self.levels else None
        )

    @property
    def derived(self) -> list[Source]:
        """The other sources of confidences."""
        names: list[Source] = ["text", "logprob", "frequency"]
        return [name for name in names if name in self.levels and name != self.stated]


@dataclass(frozen=True)
class ScoreTable:
    """The grades of a block of examples.

    Axes: E examples, S sets, K positions, G generations.

    - ``asked`` int64[E]: number of answers asked for in a set, at most K
    - ``gold`` int64[E, S, K]: index of the matched gold answer, ``WRONG`` or ``MISSING``
    - ``same_as`` int64[E, S, K]: the place in the example, from 0 to S * K - 1, of the first answer
      that the task takes for the same; ``MISSING``
    - ``compiles`` bool[E, S, K]: the answer is a program of valid syntax
    - ``programs`` int64[E, S, K] for each of ``PROGRAMS``: like ``same_as``, for programs
    - ``rank`` int64[E, S, K]: 0 for the answer to be trusted most; a permutation in each set
    - ``confidence`` float64[E, S, K]: as stated, in [0, 1], NaN if missing
    - ``derived`` float64[E, S, K] for each other source of confidences
    - ``gold_size`` int64[E]: number of gold answers
    - ``weight`` float64[E, S, K]: weight of the matched gold answer, 0 if none
    - ``weight_total`` float64[E]: of all gold answers, NaN if they have none
    - ``truth`` float64[E, S, K]: 1 if the answer is what turned out to be the case, else 0; NaN if
      that is not known
    - ``probability`` float64[E, S, K]: of being right, NaN if not known or no answer
    - ``best_probability`` float64[E]: of the best possible set, NaN if not known
    - ``second_half`` bool[E]: the half of the examples it is in
    - ``failed`` bool[E, S]: a request failed, so that the set is an error
    - ``set_confidence`` float64[E, S]: that the set holds a right answer, NaN if it cannot be told
    - ``strict`` bool[E, S]: every generation of the set is strictly well formed
    - ``prompt_tokens``, ``completion_tokens``, ``reasoning_tokens`` float64[E, S]: NaN if unknown
    - ``overlaps`` float64[E, G] for each of ``OVERLAPS``: NaN where there is nothing to compare
    """

    shape: Shape
    asked: NDArray[np.int64]
    gold: NDArray[np.int64]
    same_as: NDArray[np.int64]
    compiles: NDArray[np.bool_]
    programs: Mapping[str, NDArray[np.int64]]
    rank: NDArray[np.int64]
    confidence: Array
    derived: Mapping[str, Array]
    gold_size: NDArray[np.int64]
    weight: Array
    weight_total: Array
    truth: Array
    probability: Array
    best_probability: Array
    second_half: NDArray[np.bool_]
    failed: NDArray[np.bool_]
    set_confidence: Array
    strict: NDArray[np.bool_]
    prompt_tokens: Array
    completion_tokens: Array
    reasoning_tokens: Array
    overlaps: Mapping[str, Array]

    @cached_property
    def valid(self) -> NDArray[np.bool_]:
        """bool[E, S]: the sets that no failed request spoiled."""
        return ~self.failed

    @cached_property
    def places(self) -> NDArray[np.bool_]:
        """bool[E, 1, K]: the places at which an answer was asked for."""
        result: NDArray[np.bool_] = np.arange(self.shape.k) < self.asked[:, None, None]
        return result

    @cached_property
    def given(self) -> NDArray[np.bool_]:
        """bool[E, S, K]: the places at which an answer was given."""
        given: NDArray[np.bool_] = self.gold != MISSING
        return given

    @cached_property
    def named(self) -> NDArray[np.int64]:
        """int64[E, S]: how many different gold answers the set names."""
        return distinct_k(self.gold)

    @cached_property
    def different(self) -> NDArray[np.int64]:
        """int64[E, S]: how many different answers the set gives, right or wrong."""
        return distinct_k(self.same_as)

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """bool[E, S, K]: the answers that are in the gold set, repetitions among them."""
        return self.gold >= 0

    @cached_property
    def fresh(self) -> NDArray[np.bool_]:
        """bool[E, S, K]: given answers, each different one once, where its rank is best."""
        return self.given & ~repeated(self.same_as, self.rank)

    @cached_property
    def truth_known(self) -> NDArray[np.bool_]:
        """bool[E, 1]: the examples of which it is known what turned out to be the case."""
        return ~every(every(np.isnan(self.truth)))[:, None]

    @cached_property
    def stated(self) -> NDArray[np.bool_]:
        """bool[E, S, K]: answers of valid sets that have a confidence."""
        return ~np.isnan(self.confidence) & self.valid[:, :, None]

    def trusting(self, source: Source) -> ScoreTable:
        """Give the table with the confidences, and so the ranks, of another source."""
        if source == self.shape.stated:
            return self
        known = self._trusting.get(source)
        if known is None:
            confidence = self.derived[source]
            known = replace(self, confidence=confidence, rank=ranks(self.gold, confidence))
            self._trusting[source] = known
        return known

    def level(self, source: str) -> NDArray[np.int64]:
        """Give the number of the level nearest to each confidence of a source, int64[E, S, K].

        Where there is no confidence it means nothing. ``SET`` gives that of each set, int64[E, S].
        """
        known = self._levels.get(source)
        if known is None:
            confidence = self.set_confidence if source == SET else self.confidence
            if source in self.derived:
                confidence = self.derived[source]
            known = self._levels[source] = nearest_level(self.shape.levels[source], confidence)
        return known

    @cached_property
    def _levels(self) -> dict[str, NDArray[np.int64]]:
        return {}

    @cached_property
    def _trusting(self) -> dict[str, ScoreTable]:
        return {}


def ranks(gold: NDArray[np.int64], confidence: Array) -> NDArray[np.int64]:
    """Rank the answers of each set by confidence, ties by position.

    Answers without a confidence come after those with one, missing answers last.
    """
    trust = np.where(np.isnan(confidence), -1, confidence)
    order = np.argsort(-np.where(gold == MISSING, -2, trust), axis=-1, kind="stable")
    result: NDArray[np.int64] = np.argsort(order, axis=-1)
    return result


def nearest_level(levels: Array, confidence: Array) -> NDArray[np.int64]:
    """Give the number of the level nearest to each confidence; 0 where there are no levels."""
    if len(levels) <= 1:
        return np.zeros(confidence.shape, dtype=np.int64)
    above = np.clip(np.searchsorted(levels, confidence), 1, len(levels) - 1)
    # Not by midpoints: between neighbouring floating-point numbers there is none.
    nearer_below = confidence - levels[above - 1] < levels[above] - confidence
    result: NDArray[np.int64] = above - nearer_below
    return result


def repeated(same_as: NDArray[np.int64], rank: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say which answers repeat one of better rank in their set, bool[E, S, K]."""
    result = np.zeros(same_as.shape, dtype=np.bool_)
    for other in range(same_as.shape[-1]):
        same = same_as == same_as[..., other, None]
        result |= same & (rank > rank[..., other, None])
    return result


def some(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether any is true along the last axis."""
    result: NDArray[np.bool_] = np.logical_or.reduce(mask, axis=-1)
    return result


def every(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether all are true along the last axis."""
    result: NDArray[np.bool_] = np.logical_and.reduce(mask, axis=-1)
    return result


def set_confidence(
    confidence: Array,
    same_as: NDArray[np.int64],
    rank: NDArray[np.int64],
    places: NDArray[np.bool_],
    *,
    exclusive: bool,
) -> Array:
    """Give the stated confidence that a set holds a right answer, float64[E, S].

    Each different answer counts once, with the confidence of its best rank: if one answer at most is
    right (``exclusive``), min(1, sum_i q_i); else the answers are taken for independent,
    1 - prod_i (1 - q_i). NaN if an answer asked for (``places``) is missing or has no confidence.
    """
    whole = every(~np.isnan(confidence) | ~places)
    once = np.where(repeated(same_as, rank) | np.isnan(confidence), 0, confidence)
    joint = np.minimum(once.sum(axis=-1), 1) if exclusive else 1 - (1 - once).prod(axis=-1)
    # 0.1 + 0.2 + 0.3 and 0.3 + 0.2 + 0.1 are the same confidence, but not the same number.
    return np.where(whole, np.round(joint, _DECIMALS), np.nan)
