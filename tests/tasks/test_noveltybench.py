"""NoveltyBench: open prompts without gold answers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from marl_eval.errors import UserError
from marl_eval.tasks.noveltybench import TASK, Options, example_of, load

CURATED = {
    "id": "curated-0",
    "category": "Creativity",
    "prompt": "Tell me a story. ",
    "prompt_paraphrases": ["Write a story."],
}
WILDCHAT = {
    "id": "WildChat-d6",
    "prompt": "Name a city.",
    "chosen": True,
    "original_prompt": "city?",
}


def test_a_prompt_is_asked_as_it_is_and_has_no_gold_answer() -> None:
    one = example_of(CURATED)
    assert (one.id, one.question, one.gold) == ("curated-0", "Tell me a story.", ())
    assert one.meta == {"category": "Creativity"}


def test_prompts_of_users_are_read_too() -> None:
    one = example_of(WILDCHAT)
    assert (one.id, one.question, one.gold, one.meta) == ("WildChat-d6", "Name a city.", (), {})


def test_no_response_is_graded_and_any_length_is_asked_for() -> None:
    assert (TASK.graded, TASK.form, TASK.noun) == (False, "text", "response")


def test_responses_are_the_same_by_their_normalised_text() -> None:
    assert TASK.key("The Red  fox!") == TASK.key("a red fox")
    assert TASK.key("A red fox") != TASK.key("A red cat")


BAD: dict[str, tuple[Any, str]] = {
    "no id": ({"prompt": "x"}, "has no 'id'"),
    "no prompt": ({"id": "x"}, "has no 'prompt'"),
    "a blank prompt": (CURATED | {"prompt": " \n"}, "'prompt' is empty"),
    "a list as prompt": (CURATED | {"prompt": ["x"]}, "'prompt' is a list, not a text"),
    "a number as category": (CURATED | {"category": 3}, "'category' is a number, not a text"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_wrong_row_is_told(what: str) -> None:
    wrong, told = BAD[what]
    with pytest.raises(ValueError, match=re.escape(told)):
        example_of(wrong)


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_all_wrong_rows_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "curated.jsonl", CURATED, *(wrong for wrong, _ in BAD.values()))
    with pytest.raises(UserError) as caught:
        load(path, Options())
    assert str(caught.value).split("\n") == [
        f"{len(BAD)} rows cannot be read:",
        *(f"curated.jsonl, line {n}: {told}" for n, (_, told) in enumerate(BAD.values(), start=2)),
    ]


def test_each_file_has_its_licence(tmp_path: Path) -> None:
    write(tmp_path / "curated.jsonl", CURATED)
    write(tmp_path / "wildchat-1k.jsonl", WILDCHAT)
    curated, users = load(tmp_path, Options()), load(tmp_path, Options(split="wildchat"))
    assert (curated.split, curated.licence, curated.source) == ("curated", "MIT", "curated.jsonl")
    assert (users.split, users.licence) == ("wildchat", "MIT AND ODC-BY-1.0")
    assert [one.id for one in users.examples] == ["WildChat-d6"]
    assert not curated.exclusive
