"""The plain layout: which column holds what, and how gold sets, lists and samples are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from marl_eval.errors import UserError
from marl_eval.importing.generations import Choices
from marl_eval.importing.gold import read_gold
from marl_eval.types import Gold
from tests.imports import completions, examples, import_all, import_rows, record

ONE = "<think>It is so.</think><answer>Paris</answer><confidence>0.8</confidence>"
TWO = (
    "<think>One of two.</think><answer1>Paris</answer1><confidence1>0.8</confidence1>"
    "<answer2>Lyon</answer2><confidence2>0.1</confidence2>"
)


def test_rows_of_id_question_gold_and_text_need_no_mapping(tmp_path: Path) -> None:
    run = import_rows(
        tmp_path, [{"id": 7, "question": "Capital of France?", "gold": "Paris", "text": ONE}]
    )
    (example,) = examples(run)
    assert (example["id"], example["question"]) == ("7", "Capital of France?")
    assert example["gold"] == [{"answer": "Paris", "aliases": [], "weight": None}]
    (line,) = completions(run)
    assert (line["example"], line["sample"], line["stage"], line["text"]) == (0, 0, 0, ONE)
    assert line["recorded"] is None


def test_an_id_may_be_a_number(tmp_path: Path) -> None:
    rows = [{"id": number, "text": ONE} for number in (12345678901234567, 2.0, "x")]
    assert [e["id"] for e in examples(import_rows(tmp_path, rows))] == [
        "12345678901234567",
        "2",
        "x",
    ]


def test_what_was_not_recorded_is_null_and_never_a_count(tmp_path: Path) -> None:
    (line,) = completions(import_rows(tmp_path, [{"id": "a", "text": ONE}]))
    for name in ("prompt_tokens", "completion_tokens", "reasoning_tokens", "finish_reason"):
        assert line[name] is None


def test_what_was_recorded_of_a_generation_is_kept(tmp_path: Path) -> None:
    row = {
        "id": "a",
        "text": "<answer>Paris</answer>",
        "reasoning": "It is so.",
        "prompt_tokens": 20,
        "completion_tokens": 9.0,
        "finish_reason": "max_tokens",
        "confidence": 0.25,
        "grade": True,
    }
    run = import_rows(tmp_path, [row])
    (line,) = completions(run)
    assert line["reasoning"] == "It is so."
    assert (line["prompt_tokens"], line["completion_tokens"]) == (20, 9)
    assert line["finish_reason"] == "length"
    assert line["recorded"] == {"grades": [1], "confidences": [0.25]}
    assert record(run)["recorded"] == {"grades": True, "confidences": True}
    assert record(run)["format"]["reasoning"] is True


def test_samples_may_be_rows_or_a_list_in_one_row(tmp_path: Path) -> None:
    texts = [ONE, ONE.replace("Paris", "Lyon"), ONE.replace("0.8", "0.5")]
    for folder in ("rows", "list"):
        (tmp_path / folder).mkdir()
    by_row = import_rows(
        tmp_path / "rows", [{"id": "a", "gold": "Paris", "text": t} for t in texts]
    )
    in_list = import_rows(tmp_path / "list", [{"id": "a", "gold": "Paris", "text": texts}])
    assert completions(by_row) == completions(in_list)
    assert examples(by_row) == examples(in_list)
    assert record(in_list)["layout"] == {"k": 1, "sets": 3, "members": 1}


def test_samples_of_one_example_may_stand_far_apart(tmp_path: Path) -> None:
    rows = [{"id": i, "gold": "x", "text": f"<answer>{s}</answer>"} for s in "ab" for i in (1, 2)]
    lines = completions(import_rows(tmp_path, rows))
    assert [(line["example"], line["sample"]) for line in lines] == [(0, 0), (1, 0), (0, 1), (1, 1)]


def test_rows_without_ids_are_samples_of_one_example_if_they_ask_the_same(tmp_path: Path) -> None:
    rows = [{"question": q, "text": ONE} for q in ("What?", "Who?", "What?")]
    run = import_rows(tmp_path, rows)
    assert [example["question"] for example in examples(run)] == ["What?", "Who?"]
    assert [line["sample"] for line in completions(run)] == [0, 0, 1]


def test_a_missing_sample_keeps_its_place_and_is_told(tmp_path: Path) -> None:
    rows = [{"id": 1, "text": [ONE, None, ONE]}, {"id": 2, "text": [ONE]}]
    (run,) = import_all(tmp_path, rows)
    assert [(line["example"], line["sample"]) for line in completions(run.path)] == [
        (0, 0), (0, 2), (1, 0),
    ]  # fmt: skip
    assert run.notes == (
        "3 of 6 generations are not there (not every example has 3) and count as missing requests.",
    )


def test_lists_of_recorded_values_go_with_the_texts_of_the_row(tmp_path: Path) -> None:
    row = {
        "id": 1,
        "text": [TWO, TWO],
        "grades": [[1, 0], [0, None]],
        "confidences": [[0.7, 0.2], None],
        "completion_tokens": [30, 40],
    }
    first, second = completions(import_rows(tmp_path, [row]))
    assert first["recorded"] == {"grades": [1, 0], "confidences": [0.7, 0.2]}
    assert second["recorded"] == {"grades": [0, None], "confidences": None}
    assert (first["completion_tokens"], second["completion_tokens"]) == (30, 40)


def test_recorded_values_have_one_place_for_each_of_the_k_answers(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "text": TWO, "grades": [1, 0]},
        {"id": 2, "text": TWO, "grades": [1]},
        {"id": 3, "text": TWO, "grades": [0, 0, 1, 1]},
        {"id": 4, "text": TWO, "grades": [0, 1], "confidences": [float("nan"), 0.5]},
    ]
    (run,) = import_all(tmp_path, rows)
    recorded = [line["recorded"] for line in completions(run.path)]
    assert [own["grades"] for own in recorded] == [[1, 0], [1, None], [0, 0], [0, 1]]
    assert recorded[3]["confidences"] == [None, 0.5]
    assert record(run.path)["layout"]["k"] == 2
    assert run.notes == (
        "1 generations hold more than 2 answers, of which the first 2 count; -k raises K.",
    )


def test_k_is_what_most_generations_hold_unless_it_is_told(tmp_path: Path) -> None:
    three = TWO + "<answer3>Nice</answer3><confidence3>0</confidence3>"
    rows = [{"id": i, "text": text} for i, text in enumerate([TWO, three, TWO, "nothing"])]
    assert record(import_rows(tmp_path, rows))["format"]["k"] == 2
    told = tmp_path / "told"
    told.mkdir()
    assert record(import_rows(told, rows, k=3))["settings"]["k"] == 3


def test_a_column_k_tells_how_many_answers_were_asked_for(tmp_path: Path) -> None:
    rows = [{"id": 1, "text": TWO, "k": 2}, {"id": 2, "text": TWO, "k": 4}]
    run = import_rows(tmp_path, rows)
    assert [example["asked"] for example in examples(run)] == [2, 4]
    assert record(run)["layout"]["k"] == 4
    with pytest.raises(UserError, match="-k is 3, but 4 answers were asked for"):
        import_rows(tmp_path, rows, k=3)


def test_extracted_answers_stand_after_a_text_without_tags(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "text": "Surely Paris.", "extracted": "Paris"},
        {"id": 2, "text": ONE, "extracted": "Paris"},
        {"id": 3, "text": None, "extracted": "Paris"},
        {"id": 4, "text": "Paris", "extracted": "Paris"},
    ]
    texts = [line["text"] for line in completions(import_rows(tmp_path, rows))]
    tagged = "<answer>Paris</answer>"
    assert texts == [f"Surely Paris.\n{tagged}", ONE, tagged, tagged]


def test_several_extracted_answers_are_numbered(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"id": 1, "extracted": ["Paris", None, "Lyon"]}]
    (line,) = completions(import_rows(tmp_path, rows))
    assert line["text"] == "<answer1>Paris</answer1>\n<answer3>Lyon</answer3>"


def test_reasoning_that_the_prompt_opened_is_seen_from_its_end(tmp_path: Path) -> None:
    rows = [{"id": 1, "text": ONE.removeprefix("<think>")}, {"id": 2, "text": ONE}]
    opened = [line["thinking_opened"] for line in completions(import_rows(tmp_path, rows))]
    assert opened == [True, False]


def test_columns_of_other_names_are_mapped(tmp_path: Path) -> None:
    row = {"nr": "a", "ask": "What?", "truth": "Paris", "said": ONE, "text": 5}
    columns = {"id": "nr", "question": "ask", "gold": "truth", "text": "said"}
    run = import_rows(tmp_path, [row], choices=Choices(columns))
    assert completions(run)[0]["text"] == ONE
    assert examples(run)[0]["question"] == "What?"


def test_a_field_mapped_to_no_column_is_left_out(tmp_path: Path) -> None:
    row = {"id": 1, "text": ONE, "confidence": 80}
    with pytest.raises(UserError, match=r"line 1: a confidence is not a confidence in \[0, 1\]"):
        import_rows(tmp_path, [row])
    run = import_rows(tmp_path, [row], choices=Choices({"confidences": ""}))
    assert completions(run)[0]["recorded"] is None


GOLD = {
    "nothing": (None, []),
    "NaN": (float("nan"), []),
    "a text": ("Paris", [Gold("Paris")]),
    "a whole number": (42, [Gold("42")]),
    "a number": (2.5, [Gold("2.5")]),
    "several answers": (["Paris", "Lyon"], [Gold("Paris"), Gold("Lyon")]),
    "answers with aliases": (
        [["Paris", "Lutetia"], ["Lyon"]],
        [Gold("Paris", ("Lutetia",)), Gold("Lyon")],
    ),
    "an alias twice": ([["Paris", "Paris", "P", "P"]], [Gold("Paris", ("P",))]),
    "an object": ({"answer": "Paris", "weight": 0.5}, [Gold("Paris", (), 0.5)]),
    "objects": (
        [{"answer": "Paris", "aliases": ["P"], "weight": 1}, {"answer": "Lyon", "weight": None}],
        [Gold("Paris", ("P",), 1.0), Gold("Lyon")],
    ),
    "JSON of objects": ('[{"answer": "Paris", "weight": 0.25}]', [Gold("Paris", (), 0.25)]),
    "a text that only looks like JSON": ("{x : x > 0}", [Gold("{x : x > 0}")]),
    "a list that is a text": ('["answer" key]', [Gold('["answer" key]')]),
}


@pytest.mark.parametrize("name", GOLD)
def test_a_gold_set_is_read_in_each_of_its_forms(name: str) -> None:
    value, expected = GOLD[name]
    assert list(read_gold(value, "row 1")) == expected


def test_a_list_of_gold_texts_may_be_the_names_of_one_answer() -> None:
    assert read_gold(["Paris", "Lutetia"], "row 1", aliases=True) == (Gold("Paris", ("Lutetia",)),)


WRONG_GOLD: dict[str, Any] = {
    "an object without an answer": {"name": "Paris"},
    "an answer without a name": [["Paris"], []],
    "a name that is no text": [["Paris", {}]],
    "a truth value": True,
    "a negative weight": [{"answer": "Paris", "weight": -1}],
    "a weight that is no number": [{"answer": "Paris", "weight": "much"}],
}


@pytest.mark.parametrize("name", WRONG_GOLD)
def test_a_gold_set_of_another_form_is_told_with_its_place(name: str) -> None:
    with pytest.raises(UserError, match=r"^row 1"):
        read_gold(WRONG_GOLD[name], "row 1")


MISTAKES: dict[str, tuple[list[dict[str, Any]], Choices, str]] = {
    "unknown field": ([{"id": 1, "text": ONE}], Choices({"txet": "text"}), "did you mean 'text'"),
    "unknown column": (
        [{"id": 1, "text": ONE, "answer_text": ONE}],
        Choices({"text": "anwser_text"}),
        "did you mean 'answer_text'",
    ),
    "no text": ([{"id": 1, "said": ONE}], Choices(), "name it with --map text=COLUMN"),
    "neither id nor question": ([{"text": ONE}], Choices(), "has neither ids nor questions"),
    "an empty id": (
        [{"id": None, "text": ONE}],
        Choices(),
        "line 1 has neither an id nor a question",
    ),
    "a text that is a number": (
        [{"id": 1, "text": 5}],
        Choices(),
        "line 1: the text is not a text but 5",
    ),
    "an id that is half a number": (
        [{"id": 1.5, "text": ONE}],
        Choices(),
        "line 1: the id is not a text but 1.5",
    ),
    "an id that is a list": ([{"id": [1], "text": ONE}], Choices(), "line 1: the id is not a text"),
    "half a grade": (
        [{"id": 1, "text": ONE, "grade": 0.5}],
        Choices(),
        "is not a grade (0 or 1) but 0.5",
    ),
    "a word for a confidence": (
        [{"id": 1, "text": ONE, "confidence": "high"}],
        Choices(),
        "is not a confidence in [0, 1] but 'high'",
    ),
    "a negative count": (
        [{"id": 1, "text": ONE, "prompt_tokens": -1}],
        Choices(),
        "prompt_tokens is not a",
    ),
    "half a token": ([{"id": 1, "text": ONE, "prompt_tokens": 1.5}], Choices(), "but 1.5"),
    "lists of two lengths": (
        [{"id": 1, "text": [ONE, ONE], "grades": [1]}],
        Choices(),
        "line 1: grades must be a list of 2, as the texts are",
    ),
    "no answers asked for": ([{"id": 1, "text": ONE, "k": 0}], Choices(), "line 1: k is 0"),
    "one id, two questions": (
        [{"id": 1, "question": "What?", "text": ONE}, {"id": 1, "question": "Who?", "text": ONE}],
        Choices(),
        "line 2 has the id '1' of an earlier row, but another question",
    ),
    "one id, two gold sets": (
        [{"id": 1, "gold": "a", "text": ONE}, {"id": 1, "gold": "b", "text": ONE}],
        Choices(),
        "line 2 has the id '1'",
    ),
    "one id, two k": (
        [{"id": 1, "k": 1, "text": ONE}, {"id": 1, "k": 2, "text": ONE}],
        Choices(),
        "line 2 has the id '1'",
    ),
    "a system of a plain file": ([{"id": 1, "text": ONE}], Choices(system="A"), "--system chooses"),
    "no generation at all": ([{"id": 1, "text": None}], Choices(), "holds no generations"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_in_one_sentence_and_nothing_is_written(
    tmp_path: Path, name: str
) -> None:
    rows, choices, message = MISTAKES[name]
    with pytest.raises(UserError) as told:
        import_rows(tmp_path, rows, choices=choices)
    assert message in str(told.value)
    assert "\n" not in str(told.value)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_half_a_surrogate_pair_is_told_with_its_place(tmp_path: Path) -> None:
    from marl_eval.importing.runs import import_runs

    file = tmp_path / "rows.jsonl"
    for field in ("id", "question", "gold", "text", "reasoning"):
        row = {"id": "a", "question": "b", "gold": "c", "text": "d", "reasoning": "e", field: "@"}
        file.write_text(str(row).replace("'", '"').replace("@", "x\\ud800"))
        with pytest.raises(UserError, match=r"line 1: .* not valid text: character 2 is half"):
            import_runs([file], tmp_path / "run")
