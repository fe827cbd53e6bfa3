"""Ambiguous questions: the text tells all that the probability of each answer follows from."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import cache
from math import sqrt
from typing import Any

import pytest

from marl_eval.errors import UserError
from marl_eval.matching import match
from marl_eval.task import read_options
from marl_eval.tasks import qasim
from marl_eval.tasks.qasim_english import FIRST_NAMES, KINDS, LAST_NAMES, describe
from marl_eval.tasks.qasim_world import KINDS as KIND_COUNT
from marl_eval.tasks.qasim_world import NAMES, VALUES, Ambiguity, Options, Person
from marl_eval.types import Example

Chances = dict[str, Fraction]
Facts = dict[str, tuple[str, ...]]
"""Of a verb, the values it may have."""

QUESTION = """\
Of 10 people who say Beso, 3 mean Beso Jorat, 3 mean Beso Davor, 4 mean Beso Notas.
Fimu Cotel keeps a hen or a duck and plays the horn.
Beso Davor keeps a goat or a dog and plays the horn.
Luno Kesin keeps a fox and plays the lyre.
Beso Notas keeps a cat and plays the drum.
Beso Jorat keeps a fox and plays the horn.
Where it says or, both are as likely.
One of the 10 asks: what does the Beso who plays the drum keep?"""


@cache
def generate(**options: Any) -> tuple[Example, ...]:
    return tuple(qasim.load(None, Options(**options)).examples)


def read(example: Example) -> tuple[list[tuple[Fraction, Facts]], str, tuple[str, str] | None]:
    """Read from a question: the share and facts of each reading, the verb asked, and the hint."""
    shares, *lines, question = example.question.split("\n")
    people: dict[str, Facts] = {}
    for line in lines:
        if not line.startswith("Where"):
            name = " ".join(line.split()[:2])
            people[name] = dict(
                map(verb_and_values, line.removeprefix(name).strip(" .").split(" and "))
            )
    readings = [
        (Fraction(int(share), 10), people[name])
        for share, name in re.findall(r"(\d+) mean (\w+ \w+)", shares)
    ]
    asked = question.rstrip("?").split()[-1]
    hint = re.search(r"does the \w+ who (\w+ .*) \w+\?$", question)
    told = None
    if hint is not None:
        verb, (value,) = verb_and_values(hint[1])
        told = verb, value
    return readings, f"{asked}s", told


def verb_and_values(fact: str) -> tuple[str, tuple[str, ...]]:
    verb, rest = fact.split(" ", 1)
    return verb, tuple(value.split()[-1] for value in rest.split(" or "))


def weigh(example: Example) -> list[tuple[Fraction, dict[str, Fraction]]]:
    """Give the probability of each reading that may be meant, and its answers, from the text alone."""
    readings, asked, told = read(example)
    joint = [
        (share * (Fraction((told[1] in facts[told[0]]), len(facts[told[0]])) if told else 1), facts)
        for share, facts in readings
    ]
    total = sum(weight for weight, _ in joint)
    return [
        (weight / total, {value: Fraction(1, len(facts[asked])) for value in facts[asked]})
        for weight, facts in joint
        if weight
    ]


def solve_meant(example: Example) -> Chances:
    found: Chances = {}
    for weight, answers in weigh(example):
        for value, p in answers.items():
            found[value] = found.get(value, Fraction(0)) + weight * p
    return found


def solve_readings(example: Example) -> Chances:
    """Go through every way that the facts may be."""
    cases: list[tuple[Fraction, frozenset[str]]] = [(Fraction(1), frozenset())]
    for _, answers in weigh(example):
        cases = [(p * q, held | {v}) for p, held in cases for v, q in answers.items()]
    values = {value for _, held in cases for value in held}
    return {value: sum((p for p, held in cases if value in held), Fraction(0)) for value in values}


VARIANTS: list[dict[str, Any]] = [
    {},
    {"hints": 1, "uncertain": 0.5},
    {"attributes": 4, "max_readings": 10, "values": 3, "distractors": 11, "hints": 0.5},
    {"attributes": 1, "uncertain": 1, "values": 2, "distractors": 0},
    {"min_readings": 1, "max_readings": 1, "uncertain": 0},
]


@pytest.mark.parametrize("options", VARIANTS)
@pytest.mark.parametrize("gold", ["meant", "readings"])
def test_probabilities_follow_from_what_the_question_tells(
    options: dict[str, Any], gold: str
) -> None:
    solve = solve_meant if gold == "meant" else solve_readings
    for example in generate(gold=gold, examples=400, **options):
        found = {value: p for value, p in example.distribution or () if p > 0}
        assert found == pytest.approx(
            {value: float(p) for value, p in solve(example).items()}, abs=1e-15
        )


def test_a_question_reads_as_written() -> None:
    assert generate(examples=6)[5].question == QUESTION
    every = generate(examples=6, gold="readings")[5].question
    assert every == QUESTION.replace("One of the 10 asks", "All who may be meant count")


def ambiguity(told: tuple[int, int] | None) -> Ambiguity:
    """5 mean a keeper of a cat; 3 of a cat or a dog; 2 of a fox. The first two may play the drum."""
    readings = (
        Person(0, 0, ((0,), (0, 1))),
        Person(0, 1, ((0, 1), (0,))),
        Person(0, 2, ((2,), (1,))),
    )
    return Ambiguity(readings, (5, 3, 2), readings, 0, told)


@pytest.mark.parametrize(
    ("told", "meant", "any_of_them"),
    [
        # 5 + 3/2, 3/2 and 2 of 10.
        (None, (0.65, 0.15, 0.2, 0), (1, 0.5, 1, 0)),
        # The drum: 5/2 and 3 are left, so 2.5 + 1.5 and 1.5 of 5.5.
        ((1, 0), (8 / 11, 3 / 11, 0, 0), (1, 0.5, 0, 0)),
        # The flute: 5/2 and 2 are left.
        ((1, 1), (5 / 9, 0, 4 / 9, 0), (1, 0, 1, 0)),
    ],
)
def test_probabilities_are_those_worked_out_by_hand(
    told: tuple[int, int] | None, meant: tuple[float, ...], any_of_them: tuple[float, ...]
) -> None:
    asked = ambiguity(told)
    assert [asked.chance_if_one_is_meant(v) for v in range(4)] == pytest.approx(list(meant))
    assert [asked.chance_for_any(v) for v in range(4)] == pytest.approx(list(any_of_them))


def test_every_value_of_the_kind_asked_for_is_listed() -> None:
    for example in generate(examples=200, values=5):
        _, asked, _ = read(example)
        (kind,) = [kind for kind in KINDS if f"{kind.verb}s" == asked]
        assert {value for value, _ in example.distribution or ()} == set(kind.values[:5])


def test_all_readings_that_may_be_meant_have_a_gold_answer() -> None:
    for example in generate(gold="readings", uncertain=0, hints=0.5, examples=300):
        expected = solve_meant(example)
        assert {g.answer: g.weight for g in example.gold} == pytest.approx(
            {value: float(weight) for value, weight in expected.items()}
        )
        weights = [gold.weight or 0 for gold in example.gold]
        assert weights == sorted(weights, reverse=True)


def test_a_gold_answer_weighs_as_much_as_its_readings() -> None:
    options = {"uncertain": 0.5, "hints": 0.5, "values": 4, "examples": 3000}
    gaps: list[float] = []
    for example in generate(gold="readings", **options):
        held = {gold.answer: gold.weight or 0 for gold in example.gold}
        assert sum(held.values()) == pytest.approx(1)
        top, p = max(solve_meant(example).items(), key=lambda pair: pair[1])
        gaps.append(held.get(top, 0) - float(p))
        readings = weigh(example)
        assert all(held.keys() & answers.keys() for _, answers in readings)
        assert len(held) <= len(readings)
    assert abs(sum(gaps)) <= 4 * sqrt(sum(gap * gap for gap in gaps))


def test_the_data_set_says_whether_one_answer_is_right() -> None:
    assert qasim.load(None, Options(examples=1)).exclusive
    assert not qasim.load(None, Options(examples=1, gold="readings")).exclusive


def test_both_kinds_of_gold_ask_about_the_same_people() -> None:
    for one, every in zip(
        generate(examples=50), generate(examples=50, gold="readings"), strict=True
    ):
        assert one.question.split("\n")[:-1] == every.question.split("\n")[:-1]
        assert one.gold[0].answer in {gold.answer for gold in every.gold}


@pytest.mark.parametrize(("fewest", "most"), [(1, 1), (2, 4), (3, 3), (5, 10)])
def test_readings_are_as_many_as_asked_for(fewest: int, most: int) -> None:
    examples = generate(min_readings=fewest, max_readings=most, examples=300)
    counts = set()
    for example in examples:
        readings, _, _ = read(example)
        assert sum(share for share, _ in readings) == 1
        assert all(share > 0 for share, _ in readings)
        counts.add(len(readings))
    assert counts == set(range(fewest, most + 1))


@pytest.mark.parametrize("distractors", [0, 3, 11])
def test_distractors_have_other_names(distractors: int) -> None:
    for example in generate(distractors=distractors, examples=100):
        readings, _, _ = read(example)
        name = example.question.split()[5].rstrip(",")
        people = [line.split()[:2] for line in example.question.split("\n")[1:-1]]
        people = [person for person in people if person[0] != "Where"]
        assert len({tuple(person) for person in people}) == len(people)
        assert sum(first != name for first, _ in people) == distractors
        assert sum(first == name for first, _ in people) == len(readings)


def test_readings_often_share_an_answer() -> None:
    shared = 0
    for example in generate(examples=500, uncertain=0, hints=0):
        readings, asked, _ = read(example)
        shared += len({facts[asked] for _, facts in readings}) < len(readings)
    assert 100 < shared < 300


@pytest.mark.parametrize(("hints", "low", "high"), [(0, 0, 0), (0.25, 70, 130), (1, 400, 400)])
def test_hints_are_given_as_often_as_asked_for(hints: float, low: int, high: int) -> None:
    told = sum(read(example)[2] is not None for example in generate(hints=hints, examples=400))
    assert low <= told <= high


@pytest.mark.parametrize(("uncertain", "low", "high"), [(0, 0, 0), (0.25, 0.22, 0.28), (1, 1, 1)])
def test_facts_are_uncertain_as_often_as_asked_for(
    uncertain: float, low: float, high: float
) -> None:
    facts = [
        len(values)
        for example in generate(uncertain=uncertain, examples=400)
        for _, own in read(example)[0]
        for values in own.values()
    ]
    assert low <= facts.count(2) / len(facts) <= high
    for example in generate(uncertain=uncertain, examples=400):
        assert ("Where it says or" in example.question) == (
            " or a " in example.question or " or the " in example.question
        )


def test_neither_side_of_an_or_is_favoured() -> None:
    first = {"answer": 0, "hint": 0}
    for example in generate(min_readings=1, max_readings=1, uncertain=1, hints=1, examples=1000):
        ((_, facts),), asked, told = read(example)
        assert told is not None
        first["answer"] += example.gold[0].answer == facts[asked][0]
        first["hint"] += told[1] == facts[told[0]][0]
    assert all(abs(count - 500) <= 4 * sqrt(250) for count in first.values())


def test_with_one_attribute_there_are_no_hints() -> None:
    assert all(read(e)[2] is None for e in generate(attributes=1, hints=1, examples=50))


def test_the_vocabulary_is_closed_and_questions_are_short() -> None:
    every = {"attributes": 4, "values": 12, "examples": 2000}
    words = {
        word
        for gold in ("meant", "readings")
        for example in generate(gold=gold, **every)
        for word in re.findall(r"\w+", example.question)
    }
    known = {*FIRST_NAMES, *LAST_NAMES, *(value for kind in KINDS for value in kind.values)}
    assert known <= words
    assert len(words - known) <= 45
    assert len(known) == 2 * NAMES + KIND_COUNT * VALUES
    assert all(len(names) == NAMES for names in (FIRST_NAMES, LAST_NAMES))
    assert [len(kind.values) for kind in KINDS] == [VALUES] * KIND_COUNT
    for gold in ("meant", "readings"):
        examples = generate(gold=gold, examples=3000)
        assert max(len(e.question.split()) for e in examples) <= 120


def test_an_answer_may_be_given_with_its_article() -> None:
    for example in generate(examples=50):
        right = example.gold[0].answer
        assert match(example, [right, f"a {right}", f"The {right}.", "nothing"]) == [0, 0, 0, -1]


def test_people_are_told_in_the_order_given() -> None:
    lines = describe(ambiguity(None), one_is_meant=True).split("\n")
    assert [line.split()[1] for line in lines[1:4]] == LAST_NAMES[:3]
    assert lines[0] == (
        "Of 10 people who say Rolo, 5 mean Rolo Barin, 3 mean Rolo Cotel, 2 mean Rolo Davor."
    )
    assert lines[-1] == "One of the 10 asks: what does Rolo keep?"


def test_fewer_readings_at_most_than_at_least_are_refused() -> None:
    with pytest.raises(UserError, match="min_readings must not be above max_readings"):
        qasim.load(None, Options(min_readings=5, max_readings=4))


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("examples", 0), ("gold", "all"), ("min_readings", 0), ("max_readings", 11),
        ("attributes", 0), ("attributes", 5), ("values", 1), ("values", 13), ("distractors", -1),
        ("distractors", 12), ("uncertain", 1.1), ("uncertain", float("nan")), ("hints", -0.1),
        ("seed", -1),
    ],
)  # fmt: skip
def test_an_option_outside_its_range_is_refused(name: str, given: object) -> None:
    with pytest.raises(UserError, match=f"'{name}' of task 'qasim' cannot be"):
        read_options(qasim.TASK, {name: given})
