"""ProtoQA: one gold answer for each cluster, weighted by people, and the forms that are read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marl_eval.errors import UserError
from marl_eval.normalization import name_key
from marl_eval.tasks.protoqa import TASK, Cluster, Options, example_of, gold_set, load
from marl_eval.types import Example

RAW = {"age": 22, "their age": 1, "birthday": 7, "name": 10, "last name": 2, "iq": 1, "weight": 1}
CLUSTERS: dict[str, Any] = {
    "r1q1.0": {"count": 2, "answers": ["weight", "iq"]},
    "r1q1.1": {"count": 30, "answers": ["their age", "age", "birthday"]},
    "r1q1.2": {"count": 12, "answers": ["last name", "name"]},
}
QUESTION = "Name something that is hard to guess."


def row(clusters: Any = CLUSTERS, raw: Any = RAW, **changes: Any) -> dict[str, Any]:
    return {
        "metadata": {"id": "r1q1", "source": "umass-crowdsource"},
        "question": {"original": QUESTION, "normalized": QUESTION.lower()},
        "answers": {"raw": raw, "clusters": clusters},
        "num": {"answers": 44, "clusters": 3},
        **changes,
    }


def older(name: str = "answers-cleaned", **changes: Any) -> dict[str, Any]:
    return {
        name: [{"clusterid": key, **cluster} for key, cluster in CLUSTERS.items()],
        "answerstrings": RAW,
        "question": {"question": QUESTION, "normalized-question": QUESTION.lower()},
        "metadata": {"totalcount": 44, "id": "r1q1", "source": "umass-crowdsource"},
        **changes,
    }


def hub(name: str = "answers-cleaned") -> dict[str, Any]:
    clusters = list(CLUSTERS.values())
    return {
        "normalized-question": QUESTION.lower(),
        "question": QUESTION,
        name: {
            "count": [cluster["count"] for cluster in clusters],
            "clusterid": list(CLUSTERS),
            "answers": [cluster["answers"] for cluster in clusters],
        },
        "answerstrings": list(RAW),
        "totalcount": 44,
        "id": "r1q1",
        "source": "umass-crowdsource",
    }


def gold(one: Example) -> list[tuple[str, set[str], float | None]]:
    return [(answer.answer, set(answer.aliases), answer.weight) for answer in one.gold]


def test_there_is_a_gold_answer_for_each_cluster_with_its_count() -> None:
    assert gold(example_of(row())) == [
        ("age", {"birthday", "their age"}, 30.0),
        ("name", {"last name"}, 12.0),
        ("iq", {"weight"}, 2.0),
    ]


def test_a_cluster_is_named_by_what_most_people_wrote_the_shorter_of_two() -> None:
    clusters = {"a": {"count": 3, "answers": ["weight", "iq", "my age"]}}
    assert gold(example_of(row(clusters, {"weight": 2, "iq": 1})))[0][0] == "weight"
    assert gold(example_of(row(clusters, {"weight": 1, "iq": 1})))[0][0] == "iq"
    assert gold(example_of(row(clusters, {})))[0][0] == "iq"


def test_any_string_of_a_cluster_is_its_answer() -> None:
    answers = ["The birthday!", "their age", "last name", "iq", "iq test", ""]
    assert list(TASK.grader()(example_of(row()), answers)) == [0, 0, 1, 2, -1, -1]


def test_a_string_of_two_clusters_belongs_to_the_heavier() -> None:
    light, heavy = Cluster(3, ("phone", "a car", "tv")), Cluster(9, ("car", "truck"))
    found = gold_set([light, heavy], {"a car": 3, "car": 5})
    assert [(g.answer, g.aliases, g.weight) for g in found] == [
        ("car", ("truck",), 9.0),
        ("tv", ("phone",), 3.0),
    ]


def test_a_string_of_two_clusters_that_weigh_the_same_belongs_to_the_first() -> None:
    found = gold_set([Cluster(3, ("car", "bus")), Cluster(3, ("car", "tv"))], {"car": 9})
    assert [(g.answer, g.aliases) for g in found] == [("car", ("bus",)), ("tv", ())]


def test_a_cluster_without_a_string_of_its_own_is_added_to_the_one_that_has_them() -> None:
    found = gold_set([Cluster(5, ("car",)), Cluster(7, ("tv",)), Cluster(4, ("A car!",))], {})
    assert [(g.answer, g.aliases, g.weight) for g in found] == [("car", (), 9.0), ("tv", (), 7.0)]


def test_strings_that_are_compared_alike_are_one_name() -> None:
    (found,) = gold_set([Cluster(5, ("a fight", "fight", "Fight!", "brawl"))], {"fight": 4})
    assert (found.answer, found.aliases) == ("fight", ("brawl",))


def test_a_cluster_that_nobody_gave_keeps_its_weight_of_nothing() -> None:
    """The scraped data has some, with the name alone."""
    found = gold_set([Cluster(0, ("director",)), Cluster(34, ("producer",))], {})
    assert [(g.answer, g.weight) for g in found] == [("producer", 34.0), ("director", 0.0)]


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.builds(
            Cluster,
            st.integers(0, 9),
            st.lists(
                st.sampled_from(["a", "A car", "car", "tv", "the", "bus ", "x y"]), min_size=1
            ).map(tuple),
        ),
        min_size=1,
        max_size=5,
    ),
    st.dictionaries(st.sampled_from(["car", "tv", "a"]), st.integers(1, 9)),
)
def test_no_people_are_lost_and_every_string_is_right(
    clusters: list[Cluster], counts: dict[str, int]
) -> None:
    found = gold_set(clusters, counts)
    weights = [g.weight or 0.0 for g in found]
    assert sum(weights) == sum(cluster.count for cluster in clusters)
    assert weights == sorted(weights, reverse=True)
    keys = [name_key(text) for g in found for text in (g.answer, *g.aliases)]
    assert len(set(keys)) == len(keys)
    every = [text for cluster in clusters for text in cluster.answers]
    assert -1 not in TASK.grader()(Example("a", "?", tuple(found)), every)


@pytest.mark.parametrize("name", ["answers-cleaned", "answer-clusters"])
def test_the_older_files_give_the_same_example(name: str) -> None:
    assert example_of(older(name)) == example_of(row())


@pytest.mark.parametrize("name", ["answers-cleaned", "answer-clusters"])
def test_the_hub_gives_the_same_clusters_without_telling_how_many_wrote_a_string(name: str) -> None:
    one, of_file = example_of(hub(name)), example_of(row())
    assert (one.id, one.question) == (of_file.id, of_file.question)
    assert one.gold == example_of(row(raw={})).gold


def test_the_question_is_shown_as_it_was_asked_and_nothing_of_the_answers() -> None:
    question = example_of(row()).question
    assert question.endswith(f"\n\n{QUESTION}")
    for told in ("birthday", "iq", "30", "44"):
        assert told not in question


def cluster(**changes: Any) -> dict[str, Any]:
    return row(
        {
            "r1q1.0": {"count": 2, "answers": ["iq"]},
            "r1q1.1": {"count": 1, "answers": ["x"], **changes},
        }
    )


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no metadata": ({k: v for k, v in row().items() if k != "metadata"}, "has no 'id'"),
    "no id": (row(metadata={}), "has no 'id'"),
    "no question": ({k: v for k, v in row().items() if k != "question"}, "has no 'question'"),
    "a blank question": (row(question={"original": ""}), "'question': 'original' is empty"),
    "no answers, as in the test file": (
        {k: v for k, v in row().items() if k != "answers"},
        "has no 'answers'",
    ),
    "no clusters": (row({}), "'clusters' is empty"),
    "a list of clusters": (row([]), "'clusters' is a list, not an object"),
    "a cluster that is a list": (row({"c": ["iq"]}), "cluster c: is a list, not an object"),
    "an empty cluster": (cluster(answers=[]), "cluster r1q1.1: 'answers' has 0 entries"),
    "a blank answer": (cluster(answers=["x", ""]), "cluster r1q1.1: 'answers' holds an empty text"),
    "a text as count": (
        cluster(count="3"),
        "cluster r1q1.1: 'count' is a text, not a whole number",
    ),
    "a part of a person": (cluster(count=0.5), "cluster r1q1.1: 'count' is a number, not a whole"),
    "a count below 0": (cluster(count=-1), "cluster r1q1.1: 'count' is -1, below 0"),
    "no cleaned answers": (older(**{"answers-cleaned": []}), "'answers-cleaned' has 0 entries"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_wrong_row_is_told_with_the_part_that_is_wrong(what: str) -> None:
    wrong, told = BAD[what]
    with pytest.raises(ValueError, match=re.escape(told)):
        example_of(wrong)


def test_all_wrong_rows_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    rows = [part for wrong, _ in BAD.values() for part in (row(), wrong)]
    text = "".join(json.dumps(part) + "\n" for part in rows)
    (tmp_path / "dev.crowdsourced.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load(tmp_path, Options())
    heading, *told = str(caught.value).split("\n")
    assert heading == f"{len(BAD)} rows cannot be read:"
    for number, (line, (_, part)) in enumerate(zip(told, BAD.values(), strict=True), start=1):
        assert line.startswith(f"dev.crowdsourced.jsonl, line {2 * number}: ")
        assert part in line


def test_a_copy_of_the_repository_gives_the_split_that_is_asked_for(tmp_path: Path) -> None:
    for name in ("dev/dev.crowdsourced.jsonl", "dev/dev.scraped.jsonl", "train/train.jsonl"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(row(metadata={"id": name})) + "\n", encoding="utf-8")
    found = {
        split: load(tmp_path, Options(split=split)) for split in ("auto", "dev", "scraped", "train")
    }  # type: ignore[arg-type]
    assert {split: one.source for split, one in found.items()} == {
        "auto": "dev.crowdsourced.jsonl",
        "dev": "dev.crowdsourced.jsonl",
        "scraped": "dev.scraped.jsonl",
        "train": "train.jsonl",
    }
    assert found["auto"].split == "dev"
    assert (found["auto"].licence, found["auto"].exclusive) == ("CC-BY-4.0", False)
