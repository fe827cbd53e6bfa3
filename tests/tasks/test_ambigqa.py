"""AmbigQA: one gold answer for each reading, whoever wrote it, and the forms that are read."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marl_eval.errors import UserError
from marl_eval.normalization import name_key
from marl_eval.task import Dataset, read_options
from marl_eval.tasks.ambigqa import TASK, Options, example_of, load
from marl_eval.tasks.ambigqa_readings import Reading, merge
from marl_eval.types import Example


def single(*answers: str) -> dict[str, Any]:
    return {"type": "singleAnswer", "answer": list(answers)}


def multiple(*pairs: tuple[str, list[str]]) -> dict[str, Any]:
    return {
        "type": "multipleQAs",
        "qaPairs": [{"question": question, "answer": answers} for question, answers in pairs],
    }


def row(*annotations: Any, name: str = "7", question: str = "When did it air?") -> dict[str, Any]:
    return {"id": name, "question": question, "annotations": list(annotations)}


def gold(*annotations: Any, **options: Any) -> list[list[str]]:
    example = example_of(row(*annotations), **options)
    return [[answer.answer, *answer.aliases] for answer in example.gold]


def grade(example: Example, *answers: str) -> list[int]:
    return list(TASK.grader()(example, answers))


SHORT = ("When did the short air?", ["April 19, 1987", "1987"])
SERIES = ("When did the series air?", ["December 17, 1989"])


def test_there_is_a_gold_answer_for_each_reading() -> None:
    assert gold(multiple(SHORT, SERIES)) == [["April 19, 1987", "1987"], ["December 17, 1989"]]


def test_two_aliases_of_one_reading_are_one_answer() -> None:
    example = example_of(row(multiple(SHORT, SERIES)))
    assert grade(example, "1987", "april 19 1987", "December 17, 1989", "1990") == [0, 0, 1, -1]


def test_the_strings_of_a_single_answer_are_one_answer() -> None:
    assert gold(single("Tony Goldwyn", "Goldwyn")) == [["Tony Goldwyn", "Goldwyn"]]


def test_a_string_written_twice_is_one_name() -> None:
    assert gold(single("The Beatles", "beatles", " Beatles!")) == [["The Beatles"]]
    assert gold(single(" The Beatles ", "beatles")) == [["The Beatles"]]


def test_readings_of_one_annotator_with_a_string_in_common_have_one_answer() -> None:
    """Else two names that the second reading lists would count as two answers."""
    japan = ("When in Japan?", ["1985", "September 13, 1985"])
    us = ("When in the US?", ["Q4 1985", "1985"])
    example = example_of(row(multiple(japan, us)))
    assert len(example.gold) == 1
    assert grade(example, "1985", "Q4 1985", "September 13, 1985") == [0, 0, 0]


def test_a_third_reading_joins_two_that_it_shares_strings_with() -> None:
    one, two, three = ("a?", ["x"]), ("b?", ["y"]), ("c?", ["y", "x", "z"])
    other = ("d?", ["w"])
    assert gold(multiple(one, other, two, three)) == [["x", "y", "z"], ["w"]]


def test_annotators_who_write_the_same_answer_mean_the_same() -> None:
    again = ("In which year was the first short?", ["1987", "in 1987"])
    new = ("When was the film?", ["2007"])
    assert gold(multiple(SHORT, SERIES), multiple(again, new)) == [
        ["April 19, 1987", "1987", "in 1987"],
        ["December 17, 1989"],
        ["2007"],
    ]


def test_annotators_who_word_a_reading_alike_mean_the_same() -> None:
    assert gold(
        multiple(("When did Star Wars IV open?", ["1977"]), ("When did V open?", ["1980"])),
        multiple(("When did star wars IV open", ["May 25, 1977"]), ("And VI?", ["1983"])),
    ) == [["1977", "May 25, 1977"], ["1980"], ["1983"]]


def test_annotators_who_saw_no_ambiguity_give_one_answer_between_them() -> None:
    assert gold(single("26 November 1949"), single("November 26, 1949")) == [
        ["26 November 1949", "November 26, 1949"]
    ]


def test_a_single_answer_joins_the_reading_that_has_it() -> None:
    assert gold(
        single("Goldwyn", "Tony Goldwyn"), multiple(("a?", ["Hall"]), ("b?", ["goldwyn"]))
    ) == [
        ["Hall"],
        ["goldwyn", "Tony Goldwyn"],
    ]


def test_a_single_answer_that_no_reading_has_is_one_more() -> None:
    assert gold(single("1999", "99"), multiple(("a?", ["2000"]), ("b?", ["XXXIV"]))) == [
        ["2000"],
        ["XXXIV"],
        ["1999", "99"],
    ]


def test_a_single_answer_does_not_make_one_of_what_others_hold_apart() -> None:
    """A question seen as unambiguous often has the answers of all of its readings as one list."""
    apart = multiple(("a?", ["Giants"]), ("b?", ["Athletics", "A's"]))
    expected = [["Giants"], ["Athletics", "A's", "Oakland"]]
    assert gold(single("Athletics", "Giants", "Oakland"), apart) == expected
    assert gold(apart, single("Athletics", "Giants", "Oakland")) == expected


@pytest.mark.parametrize(
    "listed", ["1983 and 2011", "2011, 1983", "1983; 2011", "1983 & 2011", "1983, and 2011"]
)
def test_a_list_of_what_others_hold_apart_is_no_answer_of_its_own(listed: str) -> None:
    example = example_of(row(multiple(("a?", ["1983"]), ("b?", ["2011"])), single(listed)))
    assert grade(example, "1983", "2011") == [0, 1]
    assert len(example.gold) == 2
    assert grade(example, listed)[0] in (0, 1)


def test_a_list_with_a_part_that_nobody_names_is_an_answer_of_its_own() -> None:
    assert gold(multiple(("a?", ["1983"]), ("b?", ["2011"])), single("1983 and 1999")) == [
        ["1983"],
        ["2011"],
        ["1983 and 1999"],
    ]


@pytest.mark.parametrize(
    "answer", ["Seneca Falls, New York", "July 17, 2012", "Bhasker, Salibian, and Johnson"]
)
def test_a_list_in_one_string_stays_one_answer(answer: str) -> None:
    assert gold(single(answer)) == [[answer]]


@pytest.mark.parametrize(
    ("answer", "spaced"),
    [
        ("Savchenko,Massot", "Savchenko, Massot"),
        ("October 25,2003", "October 25, 2003"),
        ("1,2,3-trichloropropane", "1, 2, 3-trichloropropane"),
    ],
)
def test_a_space_may_follow_a_comma_that_lacks_one(answer: str, spaced: str) -> None:
    example = example_of(row(single(answer)))
    assert grade(example, answer, spaced) == [0, 0]


@pytest.mark.parametrize("answer", ["1,041,427", "US$13,100,000,000", "1,000,000 sales"])
def test_commas_that_set_off_thousands_stay(answer: str) -> None:
    assert gold(single(answer)) == [[answer]]


def test_an_article_can_be_the_answer() -> None:
    example = example_of(row(single("the"), question="What is the most common word?"))
    assert grade(example, "the", "The", "a", "") == [0, 0, -1, -1]


def test_the_first_annotator_alone_can_count() -> None:
    annotations = single("1987"), multiple(SERIES, ("c?", ["1990"]))
    assert gold(*annotations, annotators="first") == [["1987"]]
    assert len(gold(*annotations)) == 3


def test_every_annotation_is_checked_whoever_counts() -> None:
    with pytest.raises(ValueError, match="annotation 2: has no 'type'"):
        gold(single("1987"), {}, annotators="first")


def test_the_readings_are_kept_in_words_and_not_shown() -> None:
    example = example_of(row(multiple(SHORT, SERIES), single("2007")))
    assert example.meta == {"readings": [[SHORT[0]], [SERIES[0]], []], "annotators": 2}
    assert example.question.startswith("When did it air?\n\n")
    for told in (SHORT[0], SERIES[0], "1987", "1989", "2007"):
        assert told not in example.question


# As the Hub gives it: a list of objects is an object of lists, and what does not apply is empty.
HUB_ROW = {
    "id": "7",
    "question": "When did it air?",
    "annotations": {
        "type": ["multipleQAs", "singleAnswer"],
        "answer": [[], ["1987", "in 1987"]],
        "qaPairs": [
            {"question": [SHORT[0], SERIES[0]], "answer": [SHORT[1], SERIES[1]]},
            {"question": [], "answer": []},
        ],
    },
}


def test_a_row_of_the_hub_gives_the_same_example_as_one_of_the_files() -> None:
    of_file = example_of(row(multiple(SHORT, SERIES), single("1987", "in 1987")))
    assert example_of(HUB_ROW) == of_file
    assert [answer.answer for answer in of_file.gold] == ["April 19, 1987", "December 17, 1989"]


def test_a_row_of_the_hub_with_one_annotator_is_read() -> None:
    annotations = {
        "type": ["singleAnswer"],
        "answer": [["1950"]],
        "qaPairs": [{"question": [], "answer": []}],
    }
    example = example_of({"id": "7", "question": "When?", "annotations": annotations})
    assert [answer.answer for answer in example.gold] == ["1950"]


BAD = {
    "no id": ({"question": "q", "annotations": [single("a")]}, "has no 'id'"),
    "a number as id": (row(single("a"), name=3), "'id' is a number, not a text"),  # type: ignore[arg-type]
    "a blank question": (row(single("a"), question=" "), "'question' is empty"),
    "no annotations": ({"id": "a", "question": "q"}, "has no 'annotations'"),
    "empty annotations": (row(), "'annotations' has 0 entries, fewer than 1"),
    "an unknown type": (row({"type": "both"}), "annotation 1: 'type' is 'both'"),
    "an empty answer": (row(single()), "annotation 1: 'answer' has 0 entries"),
    "a text as answer": (
        row({"type": "singleAnswer", "answer": "a"}),
        "annotation 1: 'answer' is a text",
    ),
    "no pairs": (row(single("a"), multiple()), "annotation 2: 'qaPairs' has 0 entries"),
    "a blank answer": (
        row(multiple(SHORT, ("b?", ["x", " "]))),
        "annotation 1: reading 2: 'answer' holds an empty text",
    ),
    "a pair without a question": (
        row({"type": "multipleQAs", "qaPairs": [{"answer": ["x"]}]}),
        "annotation 1: reading 1: has no 'question'",
    ),
    "a hub row with lists of different lengths": (
        {"id": "a", "question": "q", "annotations": {"type": ["singleAnswer"], "answer": []}},
        "'annotations' holds lists of different lengths",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_wrong_row_is_told_with_the_part_that_is_wrong(what: str) -> None:
    wrong, told = BAD[what]
    with pytest.raises(ValueError, match=re.escape(told)):
        example_of(wrong)


def test_all_wrong_rows_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    good = row(single("a"))
    rows = [part for wrong, _ in BAD.values() for part in (good, wrong)]
    (tmp_path / "dev_light.json").write_text(json.dumps(rows), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load(tmp_path, Options())
    heading, *told = str(caught.value).split("\n")
    assert heading == f"{len(BAD)} rows cannot be read:"
    for number, (line, (_, part)) in enumerate(zip(told, BAD.values(), strict=True), start=1):
        assert line.startswith(f"dev_light.json, row {2 * number}: ")
        assert part in line


def write(path: Path, *names: str) -> Path:
    rows = [row(single("1987"), name=name) for name in names]
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def names(dataset: Dataset) -> list[str]:
    return [example.id for example in dataset.examples]


def test_a_folder_gives_dev_unless_train_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "dev_light.json", "a", "b")
    write(tmp_path / "train_light.json", "c")
    dev = load(tmp_path, Options())
    assert (names(dev), dev.split, dev.source) == (["a", "b"], "dev", "dev_light.json")
    assert (dev.licence, dev.exclusive) == ("CC-BY-SA-3.0", False)
    assert names(load(tmp_path, Options(split="train"))) == ["c"]


def test_the_zip_is_read_as_it_is_published(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "ambignq_light.zip", "w") as archive:
        for name in ("train_light.json", "dev_light.json"):
            archive.write(write(tmp_path / name, name), name)
    dataset = load(tmp_path / "ambignq_light.zip", Options())
    assert (names(dataset), dataset.source) == (["dev_light.json"], "dev_light.json")


def test_options_are_checked() -> None:
    with pytest.raises(UserError, match="'annotators'"):
        read_options(TASK, {"annotators": "some"})


TEXTS = st.sampled_from(
    ["x", "The x", "y", "z,w", "z, w", "x and y", "v", "a", "#", "1,000", " u "]
)
READINGS = st.lists(
    st.builds(
        Reading,
        st.none() | st.sampled_from(["p?", "P", "q?", "r?", "s?", "t?"]),
        st.lists(TEXTS, min_size=1, max_size=3).map(tuple),
    ),
    min_size=1,
    max_size=6,
)


@settings(deadline=None, max_examples=300)
@given(READINGS)
def test_no_two_gold_answers_share_a_name_and_every_string_is_right(
    readings: list[Reading],
) -> None:
    merged = merge(readings)
    keys = [name_key(t) for one in merged for t in (one.gold.answer, *one.gold.aliases)]
    assert len(set(keys)) == len(keys)
    assert all(keys)
    example = Example("a", "?", tuple(one.gold for one in merged))
    for reading in readings:
        found = set(grade(example, *reading.answers))
        assert -1 not in found
        if reading.question is not None:
            assert len(found) == 1, "two names of one reading are two answers"


@settings(deadline=None, max_examples=300)
@given(READINGS, st.randoms(use_true_random=False))
def test_what_is_one_answer_does_not_depend_on_the_order_of_annotators(
    readings: list[Reading], rng: Any
) -> None:
    def parts(given: list[Reading]) -> set[frozenset[str]]:
        worded = [r for r in given if r.question is not None]
        return {
            frozenset(map(name_key, (one.gold.answer, *one.gold.aliases))) for one in merge(worded)
        }

    shuffled = list(readings)
    rng.shuffle(shuffled)
    assert parts(shuffled) == parts(readings)
    assert len(merge(shuffled)) == len(merge(readings))
