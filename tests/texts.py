"""Texts to be read: any at all, those that are as asked, and those that nearly are."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from hypothesis import strategies as st

from marl_eval.answers import AnswerFormat, render
from marl_eval.normalization import normalize

formats = st.builds(
    AnswerFormat,
    k=st.integers(1, 5),
    confidence=st.booleans(),
    reasoning=st.booleans(),
    analysis=st.booleans(),
    sum_to_one=st.booleans(),
    form=st.sampled_from(["short", "program", "text"]),
)

FRAGMENTS = [
    *("<", ">", "/", "</", "<answer", "answer", "<conf", "idence2>", " ", "\n", "\t", "_", "\x00"),
    *("<answer>", "</answer>", "<confidence>", "</confidence>", "<analysis>", "</analysis>"),
    *("<answer1>", "</answer1>", "<confidence1>", "</confidence1>", "<answer2>", "</answer2>"),
    *("<answer0>", "<answer01>", "<answer999999>", "<answer9999999>", "</confidence2>"),
    *("<an\u017fwer99>", "<answer99>"),
    *("<ANSWER 1>", "< answer1 >", "</ Answer_1>", "<an\u017fwer1>", "<conf\u0131dence1>"),
    *("<think>", "</think>", "```", "GERD", "the", "0.5", "85%", "-1", "1e999", "3/4", "1/0"),
    *("\ud800", "\udfff", "\u0130", "\u0663"),
]
any_text = st.one_of(
    st.text(),
    st.text(alphabet=st.characters()),
    st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join),
)


def spelled(q: float, form: int) -> str:
    return (repr(q), f"{q:.3e}", f"{q:.20f}", f" {q!r}\n")[form]


@st.composite
def written(draw: st.DrawFn) -> tuple[AnswerFormat, list[str], list[str], str]:
    """Draw a format, K distinct answers, K confidences as text, and the text that holds them."""
    fmt = draw(formats)
    answers = draw(
        st.lists(
            st.text(alphabet=st.characters(exclude_characters="<"), max_size=20)
            .map(str.strip)
            .filter(bool),
            min_size=fmt.k,
            max_size=fmt.k,
            unique_by=normalize,
        )
    )
    values = draw(st.lists(st.floats(0, 1), min_size=fmt.k, max_size=fmt.k))
    if fmt.sum_to_one:
        # Room for the rounding of the shorter spellings.
        scale = max(1.0, math.fsum(values) * 1.01)
        values = [q / scale for q in values]
    stated = [spelled(q, draw(st.integers(0, 3))) for q in values]
    thoughts = st.lists(
        st.sampled_from([f for f in FRAGMENTS if "think" not in f]), min_size=1, max_size=5
    )
    text = render(
        fmt,
        answers,
        stated,
        reasoning="I think " + "".join(draw(thoughts)),
        analysis=draw(st.text(alphabet=st.characters(exclude_characters="<"))),
    )
    return fmt, answers, stated, text


ANSWERS = ["GERD", "the gerd", "Asthma", "Flu.", "a < b", "<b>COPD</b>", "The", "", " ", "x\ny"]
DECIMALS = ["0.5", "0.3", "0.2", "0", "1", ".5", "1e-1", "+0.25", " 0.1\n", "0.", "5e-324"]
NO_DECIMALS = [
    "85%",
    "1.2",
    "nan",
    "inf",
    "-0",
    "",
    "0,5",
    "85",
    "-0.5",
    "3/4",
    "about 0.5",
    "1e999",
]
NO_DECIMALS += ["your confidence in this one", " " * 70 + "0.5", "1", "0.9"]
THOUGHTS = [
    *(["<think>", "r", "</think>"], ["<think>", "", "</think>"], ["<think>", " \n", "</think>"]),
    *(["<think>", "r"], ["r", "</think>"], ["</think>"], ["r", "<think>", "", "</think>"], []),
    ["<think>", "r", "</think>", "<think>", "</think>"],
]
ODD_TAGS: list[Callable[[str], str]] = [
    str.upper,
    str.title,
    lambda tag: tag.replace("<", "< "),
    lambda tag: tag.replace(">", " >"),
    lambda tag: re.sub(r"([0-9]*)>", r" \1>", tag, count=1),
    lambda tag: re.sub(r"([0-9]*)>", r"_\1>", tag, count=1),
    lambda tag: re.sub(r"([0-9]+)>", r"0\1>", tag, count=1),
    lambda tag: re.sub(r"[0-9]*>", ">", tag, count=1),
    lambda tag: re.sub(r"[0-9]*>", "2>", tag, count=1),
    lambda tag: tag.replace("s", "\u017f"),
    lambda tag: tag.replace("i", "\u0131"),
    lambda tag: tag.replace("</", "<"),
    lambda tag: tag.replace(">", ""),
]


@st.composite
def near_valid(
    draw: st.DrawFn, among: st.SearchStrategy[AnswerFormat] = formats
) -> tuple[AnswerFormat, str, str | None, bool]:
    """Draw a generation that is right or nearly so: format, text, reasoning, thinking opened."""
    fmt = draw(among)

    def often(usual: list[str], rare: list[str]) -> str:
        return draw(st.sampled_from(usual) if draw(st.integers(0, 9)) else st.sampled_from(rare))

    def element(name: str, content: str) -> list[str]:
        return [f"<{name}>", content, f"</{name}>", often(["", "\n"], [" so ", "1 < 2", "<b>"])]

    answers, confidences = [], []
    for i in range(fmt.k):
        n = str(i + 1) if fmt.k > 1 else ""
        answers.append(element(f"answer{n}", often([f"x{i}"], ANSWERS)))
        usual = DECIMALS if not fmt.sum_to_one or fmt.k == 1 else ["0.2", "0.1", "1e-1", "0"]
        confidences.append(element(f"confidence{n}", often(usual, NO_DECIMALS)))
    analysis = element("analysis", often(["unsure"], ["", "1 < 2"]))
    analyses = [analysis] if fmt.analysis or not draw(st.integers(0, 9)) else []
    if not fmt.confidence:
        body = answers + analyses
    elif draw(st.booleans()):
        body = [part for pair in zip(answers, confidences, strict=True) for part in pair] + analyses
    elif draw(st.booleans()):
        body = answers + analyses + confidences
    else:
        body = answers + confidences + analyses

    if not draw(st.integers(0, 4)):
        i, j = (draw(st.integers(0, len(body) - 1)) for _ in range(2))
        kind = draw(st.integers(0, 3))
        if kind == 0:
            body[i], body[j] = body[j], body[i]
        elif kind == 1:
            body.insert(j, body[i])
        elif kind == 2:
            body[i] = draw(st.sampled_from(answers + confidences + [analysis]))
        else:
            name = draw(st.sampled_from(["answer", "confidence", "analysis"]))
            number = draw(st.sampled_from(["", "0", "1", "2", "01", str(fmt.k + 1)]))
            body.insert(j, element(f"{name}{number}", "0.1"))

    reasoning = draw(st.sampled_from([None] * 8 + ["", " ", "r"]))
    opened = not draw(st.integers(0, 7))
    if draw(st.integers(0, 5)):
        think = ["r", "</think>"] if opened else ["<think>", "r", "</think>"]
    else:
        think = draw(st.sampled_from(THOUGHTS))
    tokens = think + [token for part in body for token in part]
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2]))):
        i = draw(st.integers(0, len(tokens) - 1))
        j = draw(st.integers(0, len(tokens) - 1))
        kind = draw(st.integers(0, 6))
        if kind == 0:
            del tokens[i]
        elif kind == 1:
            tokens.insert(j, tokens[i])
        elif kind == 2:
            tokens[i], tokens[j] = tokens[j], tokens[i]
        elif kind == 3 and tokens[i].startswith("<") and "think" not in tokens[i]:
            tokens[i] = draw(st.sampled_from(ODD_TAGS))(tokens[i])
        elif kind == 4:
            tokens.insert(i, draw(st.sampled_from([" and ", "<", "</", "<br>", "0.5", "<think>"])))
        elif kind == 5:
            tokens[i] = draw(st.sampled_from(ANSWERS + DECIMALS + NO_DECIMALS))
        elif kind == 6:
            i, j = min(i, j), max(i, j)
            tokens[j:j] = tokens[i:j]
    return fmt, "".join(tokens), reasoning, opened
