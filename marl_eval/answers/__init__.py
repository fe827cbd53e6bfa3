"""The answer format: asking for K answers in one generation, and reading them back."""

from marl_eval.answers.format import AnswerFormat, closing_tags, instructions, render
from marl_eval.answers.parsed import DEVIATIONS, ParsedAnswers
from marl_eval.answers.parsing import parse, reader

__all__ = [
    "DEVIATIONS",
    "AnswerFormat",
    "ParsedAnswers",
    "closing_tags",
    "instructions",
    "parse",
    "reader",
    "render",
]
