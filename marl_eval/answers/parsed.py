"""What one generation was found to hold."""

from __future__ import annotations

from typing import NamedTuple

DEVIATIONS = {
    "unfinished-reasoning": "the text ends inside the reasoning, so it holds no answer",
    "missing-reasoning": "reasoning was asked for and there is none",
    "missing-answer": "fewer answers than asked for",
    "missing-confidence": "an answer has no readable confidence",
    "missing-analysis": "an analysis was asked for and there is none",
    "repeated-answer": "two answers of the set are the same",
    "extra-answer": "more answers than asked for; the first K are kept",
    "extra-confidence": "a confidence that was not asked for",
    "repeated-tag": "a tag occurs again; its last content counts",
    "order": "the tags are not in the order asked for",
    "unclosed-tag": "a tag is not closed",
    "no-tags": "no answer stands in a tag; programs were read from their fences",
    "stray-tag": "a closing tag closes nothing",
    "tag-spelling": "a tag is written with capitals or spaces",
    "numbering": "a tag has a number where none was asked for, or none where one was",
    "confidence-percent": "a confidence in (1, 100] or with a percent sign was divided by 100",
    "confidence-text": "a confidence was read from among other text or as a fraction",
    "confidence-range": "a confidence is outside [0, 1] and was not used",
    "sum-above-one": "the confidences sum to more than 1",
}
"""Every deviation the reader knows, with what it means."""


class ParsedAnswers(NamedTuple):
    """What one generation holds; a tuple, because millions of them are made.

    ``answers`` and ``confidences`` have one place for each of the K answers asked for, in order of
    their tags; None where one is missing. Confidences are in [0, 1]. ``deviations`` are keys of
    ``DEVIATIONS``, sorted. ``reasoning_end`` is the number of characters up to the end of the
    reasoning, 0 where the text has none. ``spans`` are the characters (first, end) of the text at
    which each answer stands, spaces around it included; None for a missing answer.
    """

    answers: tuple[str | None, ...]
    confidences: tuple[float | None, ...]
    deviations: tuple[str, ...]
    reasoning_end: int
    spans: tuple[tuple[int, int] | None, ...]

    @property
    def strict(self) -> bool:
        """Whether a training reward accepts the generation.

        That is: the reasoning is closed and not empty (if asked for); then the tags, exactly as
        asked for, each once, the confidences after each answer or after all answers, whatever
        text stands between the tags, with or without an analysis unless one was asked for; K
        answers, none empty, all distinct; every confidence a decimal number in [0, 1]; and, if asked
        for, their sum at most 1.
        """
        return not self.deviations
