"""Programs to find: the question tells all that the probabilities follow from, and functions decide."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from math import sqrt
from typing import Any

import pytest

from marl_eval.answers import AnswerFormat, parse, render
from marl_eval.errors import UserError
from marl_eval.matching import WRONG
from marl_eval.task import read_options
from marl_eval.tasks import progsim
from marl_eval.tasks.progsim import Options
from marl_eval.tasks.progsim_language import key
from marl_eval.types import Example, Gold
from tests.tasks import plain_programs

QUESTION = """\
f is a Python expression of x, y, 1, 2 and 3, with + - * %, max(a, b), min(a, b), a if b > c else d, \
and brackets where needed. x and y are whole numbers from 0 to 9.
Its length, the count of variables and numbers in it, is 2, 3 or 4, each as likely. Of a length, every \
expression is as likely that depends on x and y and in which nothing is a remainder by 0, above 99 or \
below -99, for any x and y.
f(0, 0) = 0
f(3, 3) = 1
f(8, 1) = 1
Which program is f?"""

OF_ONE_VARIABLE = """\
f is a Python expression of x and 1, with + - * %, max(a, b), min(a, b), a if b > c else d, and \
brackets where needed. x is a whole number from 0 to 9.
Its length, the count of variables and numbers in it, is 2. Of a length, every expression is as likely \
that depends on x and in which nothing is a remainder by 0, above 99 or below -99, for any x.
f("""


@cache
def generate(**options: Any) -> tuple[Example, ...]:
    return tuple(progsim.load(None, Options(**options)).examples)


def told(example: Example) -> list[tuple[tuple[int, ...], int]]:
    """Read from the text of a question which value f has for which inputs."""
    lines = re.findall(r"^f\((\d+(?:, \d+)?)\) = (-?\d+)$", example.question, re.MULTILINE)
    return [(tuple(map(int, place.split(", "))), int(value)) for place, value in lines]


def fits(values: plain_programs.Values, variables: int, example: Example) -> bool:
    places = [tuple(place.values()) for place in plain_programs.inputs(variables)]
    return all(values[places.index(place)] == value for place, value in told(example))


def test_a_question_tells_the_language_and_how_programs_are_drawn() -> None:
    assert generate(examples=1)[0].question == QUESTION
    of_one = generate(examples=1, variables=1, constants=1, length=2, shown=1, fitting=1)
    assert of_one[0].question.startswith(OF_ONE_VARIABLE)


@pytest.mark.parametrize(
    ("variables", "constants", "length", "shown"),
    [(1, 2, 3, 1), (1, 2, 3, 3), (1, 1, 4, 2), (2, 1, 3, 2)],
)
def test_probabilities_follow_from_what_the_question_tells(
    variables: int, constants: int, length: int, shown: int
) -> None:
    listed = plain_programs.count(variables, constants, length)
    for example in generate(
        examples=25, variables=variables, constants=constants, length=length, shown=shown, fitting=2
    ):
        assert len(told(example)) == shown == len(dict(told(example)))
        fitting = {v: p for v, (p, _) in listed.items() if fits(v, variables, example)}
        total = sum(fitting.values())
        found = {
            plain_programs.values(text, variables): p for text, p in example.distribution or ()
        }
        assert found == pytest.approx({v: p / total for v, p in fitting.items()})


def test_every_program_listed_fits_what_is_shown() -> None:
    for example in generate(examples=5):
        for text, _ in example.distribution or ():
            values = plain_programs.values(text)
            assert values is not None
            assert fits(values, 2, example)


def test_programs_with_the_same_question_are_as_frequent_as_it_says() -> None:
    options = {"variables": 1, "constants": 1, "length": 2, "shown": 1, "fitting": 1}
    by_text: dict[str, list[Example]] = {}
    for example in generate(examples=20_000, **options):
        by_text.setdefault(example.question, []).append(example)
    assert len(by_text) > 40
    for same in by_text.values():
        assert len({e.distribution for e in same}) == 1
        counts = Counter(e.gold[0].answer for e in same)
        assert set(counts) <= set(dict(same[0].distribution or ()))
        for program, p in same[0].distribution or ():
            error = sqrt(p * (1 - p) / len(same))
            assert abs(counts[program] / len(same) - p) <= 4.5 * error + 1e-9


@pytest.mark.parametrize("fitting", [1, 5, 40])
def test_at_least_as_many_programs_fit_as_asked_for(fitting: int) -> None:
    fewest = min(len(e.distribution or ()) for e in generate(examples=500, fitting=fitting))
    assert fitting <= fewest < fitting + 5


def test_inputs_are_shown_once_each_in_order() -> None:
    for example in generate(examples=200, shown=10):
        places = [place for place, _ in told(example)]
        assert places == sorted(set(places))
        assert len(places) == 10


def test_questions_stay_short() -> None:
    assert max(len(e.question.split()) for e in generate(examples=500)) <= 120


GRADED = Example("e", "", (Gold("x + 1"),))


@pytest.mark.parametrize(
    ("answer", "grade"),
    [
        ("x + 1", 0),
        ("1+x", 0),
        ("f(x, y) = (x) - 1 + 2", 0),
        ("max(x + 1, x)", 0),
        ("x + 1 if y > 3 else 1 + x", 0),
        ("x + y", WRONG),
        ("x + 1 if x * y != 81 else 0", WRONG),
        ("x + 1 + 0 * (1 % y)", WRONG),
        ("x plus 1", WRONG),
        ("x + 1;", WRONG),
        ("", WRONG),
        ("()" * 100_000, WRONG),
    ],
)
def test_an_answer_is_right_if_it_computes_the_same_for_all_inputs(answer: str, grade: int) -> None:
    assert progsim.TASK.grader()(GRADED, [answer]) == [grade]


def test_two_programs_that_compute_the_same_are_one_answer_given_twice() -> None:
    fmt = AnswerFormat(2, reasoning=False)
    for other, deviations in (("1 + x", ("repeated-answer",)), ("x + 2", ())):
        text = render(fmt, ["x + 1", other], [0.5, 0.5])
        assert parse(fmt, text, key=key).deviations == deviations


@pytest.mark.parametrize(
    "options",
    [
        {"variables": 1, "shown": 10, "fitting": 2},
        {"variables": 1, "constants": 1, "length": 2, "shown": 1, "fitting": 9},
        {"shown": 10, "fitting": 1000},
    ],
)
def test_more_programs_than_ever_fit_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(UserError, match="hardly ever fit: lower shown or fitting") as caught:
        progsim.load(None, Options(**options))
    assert f"for {options['shown']} inputs, and {options['fitting']} different" in str(caught.value)


def test_a_language_that_is_too_large_is_refused() -> None:
    with pytest.raises(UserError, match="Lower one of the three"):
        progsim.load(None, Options(variables=2, constants=9, length=4))


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("examples", 0), ("variables", 0), ("variables", 3), ("constants", 0), ("constants", 10),
        ("length", 1), ("length", 6), ("shown", 0), ("shown", 11), ("fitting", 0), ("seed", -1),
        ("seed", "first"),
    ],
)  # fmt: skip
def test_an_option_outside_its_range_is_refused(name: str, given: object) -> None:
    with pytest.raises(UserError, match=f"'{name}' of task 'progsim' cannot be"):
        read_options(progsim.TASK, {name: given})
