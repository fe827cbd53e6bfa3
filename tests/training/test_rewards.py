"""What generations earn: by hand, by the formulas written out again, and as evaluation grades them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from itertools import permutations, product

import numpy as np
import pytest

from marl_eval.answers import AnswerFormat, render
from marl_eval.judging import Judged, Program, Question
from marl_eval.matching import WRONG
from marl_eval.scoring.grading import Scorer, grade_block
from marl_eval.strategies import SetLayout
from marl_eval.task import Dataset, Task
from marl_eval.training.method import Method
from marl_eval.training.reading import Read, read_and_grade
from marl_eval.training.rewards import PARTS, RELEASED, Parts, RewardSettings, reward_parts
from marl_eval.types import Completion, Example, Gold

PAPER = RewardSettings()
CASE = Example("case", "?", (Gold("flu", ("influenza",)), Gold("asthma")))
MULTI, RANKED = Method.RLCR_MULTI, Method.RLVR_MULTI


def load(*_: object) -> Dataset:
    return Dataset([], "", "", "", "", exclusive=False)


TASK = Task("hand", "", "answer", load)


def said(answers: Sequence[str], q: Sequence[float | str] = (), **fmt: bool) -> Parts:
    own = AnswerFormat(len(answers), confidence=bool(q), reasoning=False, **fmt)
    return parts(own, render(own, answers, q))


def parts(fmt: AnswerFormat, text: str, settings: RewardSettings = PAPER) -> Parts:
    (read,) = read_and_grade(TASK, fmt, [(CASE, text)])
    return reward_parts(settings, read.parsed, read.grades, alike=read.alike)


def test_right_answers_are_counted_and_the_brier_score_is_taken_off() -> None:
    earned = said(["Flu", "gout", "the asthma"], [0.5, 0.5, 1.0])
    assert earned == Parts(1, 1, 2, -(0.25 + 0.25 + 0) / 3)
    assert PAPER.total(MULTI, earned) == pytest.approx(2 - 0.5 / 3)
    assert PAPER.total(RANKED, earned) == 2


def test_one_answer_earns_what_rlvr_and_rlcr_give() -> None:
    wrong, right = said(["gout"], [0.75]), said(["influenza"], [0.75])
    assert PAPER.total(Method.RLCR_SINGLE, wrong) == -0.5625
    assert PAPER.total(Method.RLCR_SINGLE, right) == 1 - 0.0625
    assert PAPER.total(Method.RLVR_SINGLE, said(["influenza"])) == 1


@pytest.mark.parametrize("answers", [["flu", "The Flu."], ["flu", "influenza"]])
def test_answers_that_are_the_same_or_match_the_same_gold_answer_earn_nothing(
    answers: list[str],
) -> None:
    assert said(answers, [0.5, 0.5]) == Parts(1, 0, 0, 0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "flu",
        "<answer1>flu</answer1><confidence1>0.5</confidence1>",
        "<answer1>flu</answer1><confidence1>50%</confidence1>"
        "<answer2>gout</answer2><confidence2>0.5</confidence2>",
        "<answer1>flu</answer1><confidence1>0.5</confidence1>"
        "<answer2>gout</answer2><confidence2>1.5</confidence2>",
    ],
)
def test_a_wrong_format_earns_nothing(text: str) -> None:
    assert parts(AnswerFormat(2, reasoning=False), text) == Parts(0, 0, 0, 0)


def test_where_confidences_may_sum_to_one_at_most_more_earns_nothing() -> None:
    assert said(["flu", "gout"], [0.6, 0.5], sum_to_one=True) == Parts(0, 0, 0, 0)
    assert said(["flu", "gout"], [0.6, 0.4], sum_to_one=True).correctness == 1


def test_reasoning_that_is_asked_for_and_not_closed_earns_nothing() -> None:
    fmt = AnswerFormat(1, confidence=False)
    assert parts(fmt, "<think>it is <answer>flu</answer>").format == 0
    assert parts(fmt, "<think>it is</think><answer>flu</answer>") == Parts(1, 1, 1, 0)


def test_the_released_codes_rewards_can_be_asked_for() -> None:
    fmt = AnswerFormat(2, reasoning=False)
    text = render(fmt, ["flu", "asthma"], [0.5, 0.5])
    assert parts(fmt, text, RELEASED) == Parts(1, 1, 1, 0.75)
    assert RELEASED.total(MULTI, parts(fmt, text, RELEASED)) == 0.5 + 0.5 + 0.375
    share = RELEASED.model_copy(update={"correctness": "fraction"})
    half = render(fmt, ["flu", "gout"], [0.5, 0.5])
    assert parts(fmt, half, share).correctness == 0.5
    assert parts(fmt, "nothing", RELEASED) == Parts(0, 0, 0, 0)


def test_weights_stand_in_the_order_of_the_parts() -> None:
    weights = RewardSettings(
        format_weight=1, distinctness_weight=2, correctness_weight=3, calibration_weight=4
    )
    assert dict(zip(PARTS, weights.weights(MULTI), strict=True)) == {
        "format": 1, "distinctness": 2, "correctness": 3, "calibration": 4,
    }  # fmt: skip
    assert weights.weights(RANKED)[3] == 0


def test_right_programs_are_as_different_as_their_texts() -> None:
    asked: list[tuple[str, tuple[str, ...]]] = []

    def judge(questions: Sequence[Question]) -> Iterator[tuple[int, list[Judged]]]:
        for row, (example, answers) in reversed(list(enumerate(questions))):
            asked.append((example.id, tuple(answers)))
            program = Program(True, None, None, "full", 0.0, 0.0)
            yield row, [Judged(0 if "x" in a else WRONG, program=program) for a in answers]

    fmt = AnswerFormat(2, confidence=False, reasoning=False, form="program")
    other = Example("other", "?", (Gold("any"),))
    texts = [
        (CASE, render(fmt, ["x+1", "1+x"])),
        (other, render(fmt, ["y", "x"])),
        (CASE, render(fmt, ["x+1", "2"])),
        (CASE, render(fmt, ["x+1", "x+1"])),
    ]
    read = read_and_grade(TASK, fmt, texts, judge=judge)
    earned = [reward_parts(PAPER, r.parsed, r.grades, alike=r.alike).correctness for r in read]
    assert earned == [2, 1, 1, 0]
    assert asked == [("other", ("y", "x")), ("case", ("x+1", "1+x", "2"))]


def test_what_a_judge_calls_the_same_answer_is_one() -> None:
    def judge(questions: Sequence[Question]) -> Iterator[tuple[int, list[Judged]]]:
        for row, (_, answers) in enumerate(questions):
            yield row, [Judged(kind=answer[0]) for answer in answers]

    fmt = AnswerFormat(2, confidence=False, reasoning=False)
    texts = [(CASE, render(fmt, ["cold", "chill"])), (CASE, render(fmt, ["cold", "gout"]))]
    assert [r.alike for r in read_and_grade(TASK, fmt, texts, judge=judge)] == [True, False]


WORDS = ["flu", "The flu", "influenza", "asthma", "gout", "cold", ""]
STATED = ["0", "0.1", "0.25", "0.5", "0.9", "1", "1.5", "80%", "high", ""]


def drawn(rng: random.Random, fmt: AnswerFormat) -> str:
    """Write a generation in which any of several things may be wrong."""
    answers = [rng.choice(WORDS) for _ in range(fmt.k)]
    if rng.random() < 0.6:
        answers = rng.sample(["flu", "asthma", "gout", "cold", "Measles"], fmt.k)
    sound = rng.random() < 0.7
    text = render(fmt, answers, [rng.choice(STATED[:6] if sound else STATED) for _ in answers])
    if rng.random() < 0.1:
        text = text.replace("</answer", "<answer", 1)
    if rng.random() < 0.1:
        text = text[: rng.randrange(len(text) + 1)]
    return text


def transcribed(fmt: AnswerFormat, text: str) -> float:
    """Compute the reward by its formulas, from the text, with nothing of the engine's."""
    pattern = r"\s*"
    for i in range(fmt.k):
        n = str(i + 1) if fmt.k > 1 else ""
        pattern += rf"<answer{n}>([^<]+)</answer{n}>\s*"
        if fmt.confidence:
            pattern += rf"<confidence{n}>(0|1|0?\.[0-9]+|1\.0)</confidence{n}>\s*"
    match = re.fullmatch(pattern, text)
    if match is None:
        return 0.0
    groups = list(match.groups())
    step = 2 if fmt.confidence else 1
    named = [re.sub(r"^(the) ", "", a.lower().strip()) for a in groups[::step]]
    named = ["flu" if a == "influenza" else a for a in named]
    if len(set(named)) < fmt.k:
        return 0.0
    right = [1.0 if a in ("flu", "asthma") else 0.0 for a in named]
    if not fmt.confidence:
        return sum(right)
    q = [float(text) for text in groups[1::2]]
    if fmt.sum_to_one and sum(q) > 1 + 1e-9:
        return 0.0
    return sum(right) - sum((a - b) ** 2 for a, b in zip(q, right, strict=True)) / fmt.k


def formats() -> Iterator[AnswerFormat]:
    for k, confidence, at_most_one in product([1, 2, 3], [True, False], [True, False]):
        yield AnswerFormat(k, confidence=confidence, reasoning=False, sum_to_one=at_most_one)


def test_rewards_are_the_formulas_on_ten_thousand_random_generations() -> None:
    rng = random.Random(6)
    earned = []
    for fmt in formats():
        texts = [drawn(rng, fmt) for _ in range(850)]
        method = MULTI if fmt.confidence else RANKED
        for text, read in zip(texts, graded(fmt, texts), strict=True):
            own = reward_parts(PAPER, read.parsed, read.grades, alike=read.alike)
            assert PAPER.total(method, own) == pytest.approx(transcribed(fmt, text)), text
            earned.append(own)
    assert len(earned) >= 10_000
    assert 0.2 < np.mean([own.distinctness for own in earned]) < 0.9


def graded(fmt: AnswerFormat, texts: Sequence[str]) -> list[Read]:
    return read_and_grade(TASK, fmt, [(CASE, text) for text in texts])


@pytest.mark.parametrize("fmt", list(formats()))
def test_evaluation_reads_and_grades_as_training_does(fmt: AnswerFormat) -> None:
    rng = random.Random(7)
    texts = [drawn(rng, fmt) for _ in range(200)]
    scorer = Scorer(
        TASK, SetLayout(fmt.k, len(texts), 1), fmt, exclusive=False, strict=True,
        stated="text" if fmt.confidence else None, overlap=False,
    )  # fmt: skip
    lines = [
        Completion(f"{n:032x}", 0, n, 0, text, None, None, None) for n, text in enumerate(texts)
    ]
    table = grade_block(scorer, [CASE], [(n, 0) for n in range(len(texts))], lines)
    for read, gold in zip(
        graded(fmt, texts),
        np.array(table["gold"].to_pylist(), dtype=object).reshape(-1, fmt.k).tolist(),
        strict=True,
    ):
        assert (read.grades or (None,) * fmt.k) == tuple(
            g if g is None or g >= 0 else WRONG for g in gold
        )


def worlds() -> Iterator[tuple[list[str], dict[tuple[str, ...], float]]]:
    """Give worlds as the probability of each gold set; the answers a, b, c, d by their chances."""
    names = ["a", "b", "c", "d"]
    yield names, {("a",): 0.4, ("b",): 0.3, ("c",): 0.2, ("d",): 0.1}
    yield names, {("a", "b"): 0.5, ("a",): 0.2, ("c",): 0.2, ("c", "d"): 0.1}


@pytest.mark.parametrize("world", list(worlds()))
def test_the_best_policy_states_the_k_most_probable_answers_with_their_true_probabilities(
    world: tuple[list[str], dict[tuple[str, ...], float]],
) -> None:
    names, chances = world
    truth = {a: sum(p for gold, p in chances.items() if a in gold) for a in names}
    grid = [n / 10 for n in range(11)]
    fmt = AnswerFormat(2, reasoning=False)
    policies = [
        (pair, q) for pair in permutations([*names, "none"], 2) for q in product(grid, repeat=2)
    ]
    expected = expected_rewards(fmt, MULTI, chances, [render(fmt, *policy) for policy in policies])
    most = max(expected)
    best = {
        tuple(sorted(zip(*policy, strict=True)))
        for policy, own in zip(policies, expected, strict=True)
        if own > most - 1e-9
    }
    likeliest = sorted(names, key=lambda a: -truth[a])[:2]
    assert best == {tuple(sorted((a, round(truth[a], 1)) for a in likeliest))}


def test_the_best_rlvr_policy_gives_the_k_most_probable_answers_and_any_correct_does_not() -> None:
    """Where the two likeliest are right together, counting any spreads the answers."""
    chances = {("a", "b"): 0.5, ("a",): 0.1, ("c",): 0.4}
    fmt = AnswerFormat(2, confidence=False, reasoning=False)
    pairs = list(permutations(["a", "b", "c"], 2))
    texts = [render(fmt, pair) for pair in pairs]
    for settings, best in [(PAPER, {"a", "b"}), (RELEASED, {"a", "c"})]:
        expected = expected_rewards(fmt, RANKED, chances, texts, settings)
        assert set(pairs[int(np.argmax(expected))]) == best


def expected_rewards(
    fmt: AnswerFormat,
    method: Method,
    chances: dict[tuple[str, ...], float],
    texts: Sequence[str],
    settings: RewardSettings = PAPER,
) -> list[float]:
    """Give the expected reward of always writing each of the texts."""
    total = np.zeros(len(texts))
    # "a" alone would be an article, of which nothing is left.
    task = Task("letters", "", "answer", load, key=str.strip)
    for gold, chance in chances.items():
        example = Example("-".join(gold), "?", tuple(Gold(name) for name in gold))
        read = read_and_grade(task, fmt, [(example, text) for text in texts])
        total += chance * np.array(
            [
                settings.total(method, reward_parts(settings, r.parsed, r.grades, alike=r.alike))
                for r in read
            ]
        )
    return [float(value) for value in total]
