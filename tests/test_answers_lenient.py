"""What a careful person would read from a text that is not quite as asked."""

from __future__ import annotations

import pytest

from marl_eval.answers import DEVIATIONS, AnswerFormat, instructions, parse, render

ONE = AnswerFormat(1, reasoning=False)
TWO = AnswerFormat(2, reasoning=False)
THREE_SHARED = AnswerFormat(3, reasoning=False, sum_to_one=True)
ONE_BARE = AnswerFormat(1, confidence=False, reasoning=False)
TWO_BARE = AnswerFormat(2, confidence=False, reasoning=False)
ONE_ANALYSED = AnswerFormat(1, reasoning=False, analysis=True)
TWO_ANALYSED = AnswerFormat(2, reasoning=False, analysis=True)
THINKING = AnswerFormat(1, confidence=False)

ONE_PROGRAM = AnswerFormat(1, confidence=False, reasoning=False, form="program")
TWO_PROGRAMS = AnswerFormat(2, reasoning=False, form="program")
ONE_TEXT = AnswerFormat(1, confidence=False, reasoning=False, form="text")

FENCED = "```python\ndef f(x):\n    return x < 2\n```"

Case = tuple[AnswerFormat, str, tuple[str | None, ...], tuple[float | None, ...], tuple[str, ...]]

CASES: dict[str, Case] = {
    "nothing to forgive": (
        TWO,
        "<answer1>GERD</answer1><confidence1>0.6</confidence1>\n"
        "<answer2>Asthma</answer2><confidence2>0.3</confidence2>",
        ("GERD", "Asthma"),
        (0.6, 0.3),
        (),
    ),
    "text around the tags": (
        TWO,
        "Well:\n1. <answer1> GERD </answer1> at <confidence1>0.6</confidence1>, or\n"
        "2. <answer2>Asthma</answer2> at <confidence2>0.3</confidence2>. I hope that helps.",
        ("GERD", "Asthma"),
        (0.6, 0.3),
        (),
    ),
    "confidences after all answers": (
        TWO,
        "<answer1>GERD</answer1><answer2>Asthma</answer2>\n"
        "<confidence1>0.6</confidence1><confidence2>0.3</confidence2>",
        ("GERD", "Asthma"),
        (0.6, 0.3),
        (),
    ),
    "no tags": (
        TWO,
        "It is GERD, I am 90% sure.",
        (None, None),
        (None, None),
        ("missing-answer", "missing-confidence"),
    ),
    "empty text": (ONE, "", (None,), (None,), ("missing-answer", "missing-confidence")),
    "percent signs": (
        TWO,
        "<answer1>GERD</answer1><confidence1>85%</confidence1>"
        "<answer2>Asthma</answer2><confidence2>15 percent</confidence2>",
        ("GERD", "Asthma"),
        (0.85, 0.15),
        ("confidence-percent",),
    ),
    "percents without a sign": (
        TWO,
        "<answer1>GERD</answer1><confidence1>85</confidence1>"
        "<answer2>Asthma</answer2><confidence2>15</confidence2>",
        ("GERD", "Asthma"),
        (0.85, 0.15),
        ("confidence-percent",),
    ),
    "a fraction and words": (
        TWO,
        "<answer1>GERD</answer1><confidence1>8 out of 10</confidence1>"
        "<answer2>Asthma</answer2><confidence2>about 0.15</confidence2>",
        ("GERD", "Asthma"),
        (0.8, 0.15),
        ("confidence-text",),
    ),
    "confidences out of range": (
        TWO,
        "<answer1>GERD</answer1><confidence1>150</confidence1>"
        "<answer2>Asthma</answer2><confidence2>-0.2</confidence2>",
        ("GERD", "Asthma"),
        (None, None),
        ("confidence-range", "missing-confidence"),
    ),
    "a placeholder copied": (
        TWO,
        "<answer1>GERD</answer1><confidence1>your confidence in this one</confidence1>"
        "<answer2>Asthma</answer2><confidence2>your confidence in this one</confidence2>",
        ("GERD", "Asthma"),
        (None, None),
        ("missing-confidence",),
    ),
    "a placeholder copied once": (
        TWO,
        "<answer1>GERD</answer1><confidence1>0.6</confidence1>"
        "<answer2>Asthma</answer2><confidence2>your confidence in this one</confidence2>",
        ("GERD", "Asthma"),
        (0.6, None),
        ("missing-confidence",),
    ),
    "an empty confidence": (
        ONE,
        "<answer>GERD</answer><confidence></confidence>",
        ("GERD",),
        (None,),
        ("missing-confidence",),
    ),
    "a confidence after many spaces": (
        ONE,
        f"<answer>GERD</answer><confidence>{' ' * 100}0.5</confidence>",
        ("GERD",),
        (0.5,),
        (),
    ),
    "no confidence tags": (
        TWO,
        "<answer1>GERD</answer1><answer2>Asthma</answer2>",
        ("GERD", "Asthma"),
        (None, None),
        ("missing-confidence",),
    ),
    "confidences not asked for": (
        TWO_BARE,
        "<answer1>GERD</answer1><confidence1>0.6</confidence1><answer2>Asthma</answer2>",
        ("GERD", "Asthma"),
        (None, None),
        ("extra-confidence",),
    ),
    "a sum above one": (
        THREE_SHARED,
        "<answer1>GERD</answer1><confidence1>0.6</confidence1>"
        "<answer2>Asthma</answer2><confidence2>0.3</confidence2>"
        "<answer3>Flu</answer3><confidence3>0.2</confidence3>",
        ("GERD", "Asthma", "Flu"),
        (0.6, 0.3, 0.2),
        ("sum-above-one",),
    ),
    "a sum of rounded decimals": (
        THREE_SHARED,
        "<answer1>GERD</answer1><confidence1>0.7</confidence1>"
        "<answer2>Asthma</answer2><confidence2>0.2</confidence2>"
        "<answer3>Flu</answer3><confidence3>0.1</confidence3>",
        ("GERD", "Asthma", "Flu"),
        (0.7, 0.2, 0.1),
        (),
    ),
    "percents that sum above one": (
        THREE_SHARED,
        "<answer1>GERD</answer1><confidence1>60%</confidence1>"
        "<answer2>Asthma</answer2><confidence2>30%</confidence2>"
        "<answer3>Flu</answer3><confidence3>20%</confidence3>",
        ("GERD", "Asthma", "Flu"),
        (0.6, 0.3, 0.2),
        ("confidence-percent", "sum-above-one"),
    ),
    "no close tags": (
        TWO,
        "<answer1>GERD\n<confidence1>0.6\n<answer2>Asthma\n<confidence2>0.3",
        ("GERD", "Asthma"),
        (0.6, 0.3),
        ("unclosed-tag",),
    ),
    "no close tag before the next tag": (
        TWO_BARE,
        "<answer1>GERD <answer2>Asthma</answer2>",
        ("GERD", "Asthma"),
        (None, None),
        ("unclosed-tag",),
    ),
    "an unclosed last tag and a new line": (
        ONE_BARE,
        "<answer>GERD\nIt burns after meals.",
        ("GERD",),
        (None,),
        ("unclosed-tag",),
    ),
    "cut off inside a closing tag": (
        TWO_BARE,
        "<answer1>GERD</answer1><answer2>Asthma</answ",
        ("GERD", "Asthma"),
        (None, None),
        ("unclosed-tag",),
    ),
    "closed by another tag": (
        TWO_BARE,
        "<answer1>GERD</answer2><answer2>Asthma</answer2>",
        ("GERD", "Asthma"),
        (None, None),
        ("stray-tag",),
    ),
    "a closing tag that closes nothing": (
        ONE_BARE,
        "</answer><answer>GERD</answer>",
        ("GERD",),
        (None,),
        ("stray-tag",),
    ),
    "answers out of order": (
        TWO,
        "<answer2>Asthma</answer2><confidence2>0.3</confidence2>"
        "<answer1>GERD</answer1><confidence1>0.6</confidence1>",
        ("GERD", "Asthma"),
        (0.6, 0.3),
        ("order",),
    ),
    "a confidence before its answer": (
        ONE,
        "<confidence>0.6</confidence><answer>GERD</answer>",
        ("GERD",),
        (0.6,),
        ("order",),
    ),
    "answers out of order with percents": (
        TWO,
        "<answer2>Asthma</answer2><confidence2>30%</confidence2>"
        "<answer1>GERD</answer1><confidence1>60%</confidence1>",
        ("GERD", "Asthma"),
        (0.6, 0.3),
        ("confidence-percent", "order"),
    ),
    "no numbers where some were asked for": (
        TWO,
        "<answer>GERD</answer><confidence>0.6</confidence>"
        "<answer>Asthma</answer><confidence>0.3</confidence>",
        ("GERD", "Asthma"),
        (0.6, 0.3),
        ("numbering",),
    ),
    "too many answers without numbers": (
        TWO_BARE,
        "<answer>GERD</answer><answer>Asthma</answer><answer>Flu</answer>",
        ("GERD", "Asthma"),
        (None, None),
        ("extra-answer", "numbering"),
    ),
    "numbers where none were asked for": (
        ONE,
        "<answer1>GERD</answer1><confidence1>0.6</confidence1>",
        ("GERD",),
        (0.6,),
        ("numbering",),
    ),
    "a set where one answer was asked for": (
        ONE_BARE,
        "<answer1>GERD</answer1><answer2>Asthma</answer2>",
        ("GERD",),
        (None,),
        ("extra-answer", "numbering"),
    ),
    "a number in the analysis": (
        ONE_ANALYSED,
        "<answer>GERD</answer><confidence>0.6</confidence><analysis1>Sure.</analysis1>",
        ("GERD",),
        (0.6,),
        ("numbering",),
    ),
    "capitals": (
        TWO,
        "<Answer1>GERD</Answer1><CONFIDENCE1>0.6</CONFIDENCE1>"
        "<ANSWER2>Asthma</answer2><confidence2>0.3</Confidence2>",
        ("GERD", "Asthma"),
        (0.6, 0.3),
        ("tag-spelling",),
    ),
    "spaces": (
        TWO,
        "<answer 1>GERD</answer 1>< confidence1 >0.6</ confidence1>"
        "<answer_2>Asthma</answer_2><confidence2>0.3< /confidence2>",
        ("GERD", "Asthma"),
        (0.6, 0.3),
        ("tag-spelling",),
    ),
    "a repeated tag": (
        TWO,
        "<answer1>Flu</answer1><confidence1>0.9</confidence1>"
        "<answer1>GERD</answer1><confidence1>0.6</confidence1>"
        "<answer2>Asthma</answer2><confidence2>0.3</confidence2>",
        ("GERD", "Asthma"),
        (0.6, 0.3),
        ("repeated-tag",),
    ),
    "second thoughts about one answer": (
        ONE,
        "<answer>Flu</answer> No, wait: <answer>GERD</answer><confidence>0.6</confidence>",
        ("GERD",),
        (0.6,),
        ("repeated-tag",),
    ),
    "several single answers with confidences": (
        ONE,
        "<answer>Flu</answer><confidence>0.9</confidence>"
        "<answer>GERD</answer><confidence>0.6</confidence>",
        ("GERD",),
        (0.6,),
        ("repeated-tag",),
    ),
    "a repeated answer": (
        TWO,
        "<answer1>The GERD.</answer1><confidence1>0.6</confidence1>"
        "<answer2>gerd</answer2><confidence2>0.3</confidence2>",
        ("The GERD.", "gerd"),
        (0.6, 0.3),
        ("repeated-answer",),
    ),
    "extra answers": (
        TWO,
        "<answer1>GERD</answer1><confidence1>0.6</confidence1>"
        "<answer2>Asthma</answer2><confidence2>0.3</confidence2>"
        "<answer3>Flu</answer3><confidence3>0.1</confidence3>",
        ("GERD", "Asthma"),
        (0.6, 0.3),
        ("extra-answer", "extra-confidence"),
    ),
    "an answer number zero": (
        ONE_BARE,
        "<answer0>Flu</answer0><answer>GERD</answer>",
        ("GERD",),
        (None,),
        ("extra-answer", "numbering"),
    ),
    "a missing answer": (
        TWO,
        "<answer2>Asthma</answer2><confidence2>0.3</confidence2>",
        (None, "Asthma"),
        (None, 0.3),
        ("missing-answer", "missing-confidence"),
    ),
    "an empty answer": (
        TWO_BARE,
        "<answer1> \n</answer1><answer2>Asthma</answer2>",
        (None, "Asthma"),
        (None, None),
        ("missing-answer",),
    ),
    "a fenced program": (ONE_BARE, f"<answer>\n{FENCED}\n</answer>", (FENCED,), (None,), ()),
    "fenced programs with confidences": (
        TWO,
        f"<answer1>\n{FENCED}\n</answer1><confidence1>0.6</confidence1>\n"
        "<answer2>\n```\ng = 1\n```\n</answer2><confidence2>0.3</confidence2>",
        (FENCED, "```\ng = 1\n```"),
        (0.6, 0.3),
        (),
    ),
    "an unclosed fenced program": (
        ONE_BARE,
        f"<answer>\n{FENCED}\n",
        (FENCED,),
        (None,),
        ("unclosed-tag",),
    ),
    "an unclosed program": (
        ONE_PROGRAM,
        "<answer>\ndef f(x):\n    return x < 2\n\nprint(f(1))\n",
        ("def f(x):\n    return x < 2\n\nprint(f(1))",),
        (None,),
        ("unclosed-tag",),
    ),
    "an unclosed fenced program with words after it": (
        ONE_PROGRAM,
        f"<answer>\n{FENCED}\nThis works.",
        (f"{FENCED}\nThis works.",),
        (None,),
        ("unclosed-tag",),
    ),
    "an unclosed program that ends in a comparison": (
        ONE_PROGRAM,
        "<answer>\ny = 1\nprint(x <y2",
        ("y = 1\nprint(x <y2",),
        (None,),
        ("unclosed-tag",),
    ),
    "a program of which the closing tag is cut off": (
        ONE_PROGRAM,
        "<answer>x = 1\ny = 2\n</answ",
        ("x = 1\ny = 2",),
        (None,),
        ("unclosed-tag",),
    ),
    "two programs, the last unclosed": (
        TWO_PROGRAMS,
        "<answer1>x = 1\ny = 2</answer1><confidence1>0.5</confidence1>\n<answer2>x = 3\ny = 4",
        ("x = 1\ny = 2", "x = 3\ny = 4"),
        (0.5, None),
        ("missing-confidence", "unclosed-tag"),
    ),
    "an unclosed confidence after a program": (
        AnswerFormat(1, reasoning=False, form="program"),
        "<answer>x = 1\ny = 2</answer><confidence>0.5\nI am done.",
        ("x = 1\ny = 2",),
        (0.5,),
        ("unclosed-tag",),
    ),
    "a program that compares with an answer": (
        ONE_PROGRAM,
        "<answer>ok = low < answer > high\nok = low < confidence</answer>",
        ("ok = low < answer > high\nok = low < confidence",),
        (None,),
        (),
    ),
    "capitals around a program": (
        ONE_PROGRAM,
        "<ANSWER>x = 1</ANSWER>",
        ("x = 1",),
        (None,),
        ("tag-spelling",),
    ),
    "an unclosed text": (
        ONE_TEXT,
        "<answer>One line.\n\nAnother one.",
        ("One line.\n\nAnother one.",),
        (None,),
        ("unclosed-tag",),
    ),
    "an unclosed short answer": (
        ONE_BARE,
        "<answer>GERD\nIt burns.",
        ("GERD",),
        (None,),
        ("unclosed-tag",),
    ),
    "an analysis last": (
        TWO_ANALYSED,
        "<answer1>GERD</answer1><confidence1>0.6</confidence1>"
        "<answer2>Asthma</answer2><confidence2>0.3</confidence2><analysis>It burns.</analysis>",
        ("GERD", "Asthma"),
        (0.6, 0.3),
        (),
    ),
    "an analysis between answers and confidences": (
        TWO_ANALYSED,
        "<answer1>GERD</answer1><answer2>Asthma</answer2><analysis>It burns.</analysis>"
        "<confidence1>0.6</confidence1><confidence2>0.3</confidence2>",
        ("GERD", "Asthma"),
        (0.6, 0.3),
        (),
    ),
    "an analysis first": (
        ONE_ANALYSED,
        "<analysis>It burns.</analysis><answer>GERD</answer><confidence>0.6</confidence>",
        ("GERD",),
        (0.6,),
        ("order",),
    ),
    "two analyses": (
        ONE_ANALYSED,
        "<answer>GERD</answer><confidence>0.6</confidence>"
        "<analysis>It burns.</analysis><analysis>It does.</analysis>",
        ("GERD",),
        (0.6,),
        ("repeated-tag",),
    ),
    "no analysis": (
        ONE_ANALYSED,
        "<answer>GERD</answer><confidence>0.6</confidence>",
        ("GERD",),
        (0.6,),
        ("missing-analysis",),
    ),
    "no reasoning": (
        THINKING,
        "<answer>GERD</answer>",
        ("GERD",),
        (None,),
        ("missing-reasoning",),
    ),
    "unfinished reasoning": (
        THINKING,
        "<think>It may be <answer>GERD</answer>",
        (None,),
        (None,),
        ("unfinished-reasoning",),
    ),
    "a program in a fence and no tag": (
        AnswerFormat(1, confidence=False, reasoning=False, form="program"),
        "Here it is:\n```python\nx < 1\n```\nDone.",
        ("Here it is:\n```python\nx < 1\n```\nDone.",),
        (None,),
        ("no-tags",),
    ),
    "programs in fences and no tag": (
        AnswerFormat(3, confidence=False, reasoning=False, form="program"),
        "First:\n```python\na\n```\nand\n  ```\nb\n  ```\nand cut off:\n```\nc",
        ("```python\na\n```", "```\nb\n  ```", "```\nc"),
        (None, None, None),
        ("no-tags",),
    ),
    "more fences than were asked for, with confidences": (
        AnswerFormat(2, reasoning=False, form="program"),
        "```\na\n```\n<confidence1>0.5</confidence1>\n```\nb\n```\n```\nc\n```",
        ("```\na\n```", "```\nb\n```"),
        (0.5, None),
        ("missing-confidence", "no-tags"),
    ),
    "a fence beside a tag": (
        AnswerFormat(1, confidence=False, reasoning=False, form="program"),
        "```\nb\n```\n<answer>a</answer>",
        ("a",),
        (None,),
        (),
    ),
    "a program with neither fence nor tag": (
        AnswerFormat(1, confidence=False, reasoning=False, form="program"),
        "def f(): pass",
        (None,),
        (None,),
        ("missing-answer",),
    ),
    "a fence where no program was asked for": (
        AnswerFormat(1, confidence=False, reasoning=False),
        "```\nFlu\n```",
        (None,),
        (None,),
        ("missing-answer",),
    ),
    "reasoning not asked for": (
        ONE_BARE,
        "<think>It may be <answer>Flu</answer></think><answer>GERD</answer>",
        ("GERD",),
        (None,),
        (),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_careful_person_would_read(name: str) -> None:
    fmt, text, answers, confidences, deviations = CASES[name]
    parsed = parse(fmt, text)
    assert parsed.answers == answers
    assert parsed.confidences == confidences
    assert parsed.deviations == deviations


def test_every_deviation_is_shown_by_a_case() -> None:
    assert {d for case in CASES.values() for d in case[4]} == set(DEVIATIONS)


PROGRAMS = [
    "def f(x):\n    return x < 2",
    "if a <= b << 3 and b <c>d:\n    pass",
    "print('<b>bold</b><br/><answers></answers ><think ></thin>')",
    'html = """<html><p class="answer">1 &lt; 2</p></html>"""',
    "from typing import Generic\n# List<int> <- a comment -> Map<answer, confidence>",
    "a = 1 <\\\n    2",
    "cin << x << '<' << \"</\" << '</answer'",
]


@pytest.mark.parametrize("fence", ["", "```python\n", "```\n"])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_programs_are_read_exactly_whatever_signs_they_hold(k: int, fence: str) -> None:
    fmt = AnswerFormat(k, form="program", noun="program")
    end = "\n```" if fence else ""
    for first in range(len(PROGRAMS)):
        chosen = [PROGRAMS[(first + i) % len(PROGRAMS)] for i in range(k)]
        programs = [f"{fence}{program}{end}" for program in chosen]
        parsed = parse(fmt, render(fmt, programs, ["0.25"] * k, reasoning="a < b"), key=str)
        assert parsed.answers == tuple(programs)
        assert parsed.confidences == (0.25,) * k
        assert parsed.strict


@pytest.mark.parametrize("k", [1, 2, 3, 10])
@pytest.mark.parametrize("analysis", [False, True])
@pytest.mark.parametrize("noun", ["answer", "diagnosis", "program"])
def test_a_copy_of_the_instructions_states_no_confidence(k: int, analysis: bool, noun: str) -> None:
    fmt = AnswerFormat(k, analysis=analysis, noun=noun)
    told = instructions(fmt)
    skeleton = told[told.index("<think>your reasoning") : told.rindex("\n")]
    for copy in (told, skeleton):
        parsed = parse(fmt, copy)
        assert None not in parsed.answers
        assert parsed.confidences == (None,) * k
        assert parsed.deviations == ("missing-confidence",)
