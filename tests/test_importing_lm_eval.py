"""The samples files of lm-eval's harness, as its 0.4.13 writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from marl_eval.errors import UserError
from marl_eval.importing.generations import Choices
from tests.imports import completions, examples, import_all, import_rows, record

PROMPT = "Q: What is 2 + 2?\nA:"


def sample(doc: int, *texts: str, filtered: Any, target: str = "4", **more: Any) -> dict[str, Any]:
    generation = {"until": ["\n"], "max_gen_toks": 256}
    return {
        "doc_id": doc,
        "doc": {"question": "What is 2 + 2?"},
        "target": target,
        "arguments": {"gen_args_0": {"arg_0": PROMPT, "arg_1": generation}},
        "resps": [list(texts)],
        "filtered_resps": [filtered],
        "filter": "none",
        "metrics": ["exact_match"],
        "doc_hash": "0",
        "exact_match": 1.0,
        **more,
    }


def test_prompt_target_text_and_grade_are_taken_over(tmp_path: Path) -> None:
    run = import_rows(tmp_path, [sample(3, "It is 4.", filtered="4")])
    (example,) = examples(run)
    assert (example["id"], example["question"]) == ("3", PROMPT)
    assert [gold["answer"] for gold in example["gold"]] == ["4"]
    (line,) = completions(run)
    assert line["text"] == "It is 4.\n<answer>4</answer>"
    assert line["recorded"] == {"grades": [1], "confidences": None}


def test_a_text_with_answer_tags_is_left_as_it_is(tmp_path: Path) -> None:
    text = "<answer1>4</answer1><answer2>5</answer2>"
    (line,) = completions(import_rows(tmp_path, [sample(0, text, filtered=text)]))
    assert line["text"] == text


def test_a_filter_that_found_nothing_gives_no_answer(tmp_path: Path) -> None:
    row = sample(0, "Who knows.", filtered="[invalid]", exact_match=0.0)
    (line,) = completions(import_rows(tmp_path, [row]))
    assert line["text"] == "Who knows."
    assert line["recorded"]["grades"] == [0]


def test_repeats_are_samples_and_a_metric_of_all_of_them_is_no_grade(tmp_path: Path) -> None:
    run = import_rows(tmp_path, [sample(0, "4", "5", "four", filtered=["4", "5", "[invalid]"])])
    lines = completions(run)
    assert [line["text"] for line in lines] == [
        "<answer>4</answer>", "<answer>5</answer>", "four",
    ]  # fmt: skip
    assert all(line["recorded"] is None for line in lines)
    assert record(run)["layout"]["sets"] == 3


def test_an_answer_read_from_all_repeats_together_belongs_to_none(tmp_path: Path) -> None:
    lines = completions(import_rows(tmp_path, [sample(0, "4", "5", filtered="4")]))
    assert [line["text"] for line in lines] == ["4", "5"]


def test_each_filter_is_a_system_of_its_own(tmp_path: Path) -> None:
    rows = [
        sample(doc, "It is 4.", filtered=found, filter=name, exact_match=grade)
        for name, found, grade in (("strict", "[invalid]", 0.0), ("flexible", "4", 1.0))
        for doc in range(2)
    ]
    runs = import_all(tmp_path, rows)
    assert [run.path.name for run in runs] == ["strict", "flexible"]
    assert [completions(run.path)[0]["recorded"]["grades"] for run in runs] == [[0], [1]]
    chosen = tmp_path / "chosen"
    chosen.mkdir()
    run = import_rows(chosen, rows, choices=Choices(system="flexible"))
    assert len(completions(run)) == 2
    with pytest.raises(UserError, match="did you mean 'flexible'"):
        import_all(chosen, rows, choices=Choices(system="flexibel"))


def test_the_metric_that_grades_can_be_named_or_left_out(tmp_path: Path) -> None:
    rows = [sample(0, "4", filtered="4", exact_match=1.0, quasi=0.0)]
    named = import_rows(tmp_path, rows, choices=Choices({"grades": "quasi"}))
    assert completions(named)[0]["recorded"]["grades"] == [0]
    without = tmp_path / "without"
    without.mkdir()
    run = import_rows(without, rows, choices=Choices({"grades": ""}))
    assert completions(run)[0]["recorded"] is None


def test_a_list_of_targets_is_a_list_of_gold_answers(tmp_path: Path) -> None:
    rows = [
        sample(0, "4", filtered="4", target="['4', 'four']"),
        sample(1, "4", filtered="4", target="[4, 5]"),
        sample(2, "4", filtered="4", target="[R-loops]"),
    ]
    golds = [[g["answer"] for g in e["gold"]] for e in examples(import_rows(tmp_path, rows))]
    assert golds == [["4", "four"], ["[4, 5]"], ["[R-loops]"]]


def test_arguments_of_older_versions_and_chat_prompts_are_read(tmp_path: Path) -> None:
    rows = [
        sample(0, "4", filtered="4", arguments=[[PROMPT, {"until": []}]]),
        sample(1, "4", filtered="4", arguments=[[[PROMPT], {"until": []}]]),
    ]
    assert [e["question"] for e in examples(import_rows(tmp_path, rows))] == [PROMPT] * 2


MISTAKES: dict[str, tuple[dict[str, Any], Choices, str]] = {
    "likelihoods of choices": (
        sample(
            0,
            filtered=[["-1.5", "False"]],
            arguments={"gen_args_0": {"arg_0": PROMPT, "arg_1": " 4"}},
            resps=[[["-1.5", "False"]]],
        ),
        Choices(),
        "line 1 is no generation: lm-eval measured the likelihood",
    ),
    "a metric between 0 and 1": (
        sample(0, "4", filtered="4", exact_match=0.5),
        Choices(),
        "line 1: exact_match is not a grade (0 or 1) but 0.5",
    ),
    "another field": (
        sample(0, "4", filtered="4"),
        Choices({"text": "resps"}),
        "There is no field for --map of layout lm-eval named 'text'",
    ),
    "an unknown metric": (
        sample(0, "4", filtered="4"),
        Choices({"grades": "exakt_match"}),
        "did you mean 'exact_match'",
    ),
    "responses of no list": (
        sample(0, "4", filtered="4", resps="4"),
        Choices(),
        "line 1: resps is not a list of lists of texts",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_in_one_sentence(tmp_path: Path, name: str) -> None:
    row, choices, message = MISTAKES[name]
    with pytest.raises(UserError) as told:
        import_rows(tmp_path, [row], choices=choices)
    assert message in str(told.value)
