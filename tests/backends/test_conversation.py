"""Conversations as tokens: what the model sees, and which prompts leave no room for the answer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marl_eval.answers import AnswerFormat
from marl_eval.backends.checkpoint import CheckpointArguments
from marl_eval.backends.conversation import Asker, open_asker
from marl_eval.errors import UserError
from marl_eval.types import Example, Message, Request, Sampling
from tests.backends.tiny import save_tiny_model

contents = st.one_of(
    st.text(max_size=60),
    st.text(st.characters(), max_size=60),
    st.lists(
        st.sampled_from(["<answer1>", "</think>", "<|user|>", "word ", "\u65e5\u672c", "\ud800"]),
        max_size=12,
    ).map("".join),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def request(row: int, sample: int, messages: tuple[Message, ...], most: int) -> Request:
    return Request(
        id=f"{row}-{sample}",
        example=row,
        sample=sample,
        stage=0,
        member=0,
        members=1,
        seed=0,
        messages=messages,
        format=AnswerFormat(1),
        sampling=Sampling(0.0, 1.0, most),
        endings=(),
        source=Example(f"id-{row}", "", ()),
    )


@settings(deadline=None, max_examples=200)
@given(
    rules=contents,
    questions=st.lists(contents, min_size=1, max_size=6),
    context=st.integers(1, 160),
    most=st.integers(1, 40),
    samples=st.integers(1, 3),
    chat=st.booleans(),
)
def test_the_examples_that_are_named_are_those_whose_tokens_are_too_many(
    tokenizer: Any,
    rules: str,
    questions: list[str],
    context: int,
    most: int,
    samples: int,
    chat: bool,
) -> None:
    asker = Asker(tokenizer, context, chat, {})
    asked = [(Message("system", rules), Message("user", question)) for question in questions]
    plan: Any = [
        request(row, sample, messages, most)
        for row, messages in enumerate(asked)
        for sample in range(samples)
    ]
    prompts = asker.prompts(plan)
    for prompt in prompts:
        text = asker.text(prompt.request.messages)
        assert prompt.tokens == tokenizer(text, add_special_tokens=False)["input_ids"]
        assert (prompt.problem is not None) == (len(prompt.tokens) + most > context)

    # Two examples with the same text in a row are one conversation, told by the first.
    bad = [
        row
        for row, messages in enumerate(asked)
        if prompts[row * samples].problem and (row == 0 or messages != asked[row - 1])
    ]
    if not bad:
        asker.check_lengths(plan)
        return
    with pytest.raises(UserError) as caught:
        asker.check_lengths(plan)
    told = str(caught.value)
    assert re.findall(r"'id-(\d+)'", told) == [str(row) for row in bad[:3]]
    assert (f"and {len(bad) - 3} more" in told) == (len(bad) > 3)
    longest = max(len(prompts[row * samples].tokens) for row in bad)
    assert f"longest prompt has {longest} tokens" in told


def test_a_model_is_asked_through_its_template_and_a_base_model_by_plain_text(
    folder: Path, tokenizer: Any
) -> None:
    messages = (Message("system", "Rules."), Message("user", "Question?"))
    through = open_asker("m", tokenizer, 99, CheckpointArguments())
    assert through.text(messages) == (
        "<|system|>Rules.<|end|><|user|>Question?<|end|><|assistant|>"
    )
    plain = open_asker("m", tokenizer, 99, CheckpointArguments(chat="no"))
    assert plain.text(messages) == "Rules.\n\nQuestion?\n\n"


def test_arguments_of_the_template_reach_it_and_may_open_the_reasoning(folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template += "{% if enable_thinking %}<think>\n{% endif %}"
    asked = request(0, 0, (Message("user", "x"),), 1)
    for thinking in (True, False):
        arguments = CheckpointArguments(template={"enable_thinking": thinking})
        (prompt,) = open_asker("m", tokenizer, 99, arguments).prompts([asked])
        assert prompt.thinking_opened == thinking


def test_a_conversation_that_the_template_does_not_take_is_told(folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = "{{ raise_exception('no system turns here') }}"
    asker = open_asker("m", tokenizer, 99, CheckpointArguments())
    with pytest.raises(UserError, match=r"\(system, user\): no system turns here"):
        asker.text((Message("system", "a"), Message("user", "b")))
