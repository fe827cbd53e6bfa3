"""Which answers are the same, as an embedding or a model says."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from marl_eval.backends import IsDone
from marl_eval.errors import UserError
from marl_eval.judging import Judge, Judged
from marl_eval.judging.embedding import check_model, load_embedder
from marl_eval.judging.partition import group_by_likeness, open_partition
from marl_eval.judging.same_answer import SameAnswer
from marl_eval.plan import Plan
from marl_eval.types import Completion, Failure, Request
from tests.backends.tiny import save_tiny_model
from tests.conftest import Cli
from tests.runs import change_completions, example, read_scores


def kinds(found: Sequence[Judged]) -> list[str | None]:
    return [judged.kind for judged in found]


def opened(*arguments: Any) -> AbstractContextManager[Judge]:
    partition = open_partition(*arguments)
    assert partition is not None
    return partition


# Embeddings in the plane, told by their angle in degrees.
def at_angle(texts: Sequence[str]) -> NDArray[np.float64]:
    angles = np.radians([float(text) for text in texts])
    return np.column_stack([np.cos(angles), np.sin(angles)])


def test_an_answer_joins_the_first_class_whose_first_member_is_like_it() -> None:
    # cos 30 = 0.866. 50 is like 25, but the first of that class is 0; 300 is like none.
    found = group_by_likeness(at_angle, ["0", "25", "50", "20", "70", "300"], 0.86)
    assert kinds(found) == ["0", "0", "1", "0", "1", "2"]
    assert found[0].reason == "the first of its class"
    assert found[1].reason == "like the first of its class: cosine 0.906"
    assert found[2].reason == "the first of its class: cosine 0.643 with the nearest before"
    assert found[5].reason == "the first of its class: cosine 0.500 with the nearest before"


def test_of_two_classes_the_earlier_is_joined_even_if_the_later_is_nearer() -> None:
    assert kinds(group_by_likeness(at_angle, ["0", "40", "29"], 0.86)) == ["0", "1", "0"]


def test_a_likeness_of_exactly_the_threshold_is_enough() -> None:
    assert kinds(group_by_likeness(at_angle, ["0", "60"], np.cos(np.radians(60)))) == ["0", "0"]
    above = np.nextafter(np.cos(np.radians(60)), 1)
    assert kinds(group_by_likeness(at_angle, ["0", "60"], above)) == ["0", "1"]


@dataclass
class FirstLetter:
    """A backend that says yes to two replies with the same first letter, and counts what it is asked."""

    yes: str = "Yes."
    no: str = "No, they differ."
    asked: list[list[Request]] = field(default_factory=list)

    def fingerprint(self) -> Mapping[str, Any]:
        return {"backend": "first letter"}

    def check(self, plan: Plan) -> None: ...

    def stream(self, plan: Plan, is_done: IsDone) -> Iterator[list[Completion | Failure]]:
        requests = list(plan)
        assert len(requests) == len(plan)
        self.asked.append(requests)
        for request in reversed(requests):
            one, other = replies(request)
            text = self.yes if one[0] == other[0] else self.no
            yield [Completion(request.id, request.example, 0, 0, text, 1, 1, "stop")]


def replies(request: Request) -> tuple[str, str]:
    content = request.messages[0].content
    one = content.partition("One reply was:\n\n")[2].partition("\n\nAnother")[0]
    return one, content.partition("Another reply was:\n\n")[2].partition("\n\nApart")[0]


def grouped(backend: Any, *answers: Sequence[str]) -> list[list[str | None]]:
    questions = [(example(f"e{place}", "x"), own) for place, own in enumerate(answers)]
    found = dict(SameAnswer(backend)(questions))
    return [kinds(found[place]) for place in range(len(answers))]


def test_a_model_is_asked_of_each_answer_against_the_first_of_each_class_until_it_says_yes() -> (
    None
):
    backend = FirstLetter()
    assert grouped(backend, ["ape", "bat", "ant", "bee", "cat"]) == [["0", "1", "0", "1", "2"]]
    pairs = [replies(request) for group in backend.asked for request in group]
    assert pairs == [
        ("ape", "bat"), ("ape", "ant"), ("ape", "bee"), ("bat", "bee"), ("ape", "cat"), ("bat", "cat"),
    ]  # fmt: skip


def test_the_comparisons_of_several_questions_are_asked_together() -> None:
    backend = FirstLetter()
    answers = [["ape"], ["ape", "ant"], [], ["bat", "ape", "bee"]]
    assert grouped(backend, *answers) == [["0"], ["0", "0"], [], ["0", "1", "0"]]
    assert [len(group) for group in backend.asked] == [2, 1]


words = st.lists(st.sampled_from(["ape", "ant", "bat", "bee", "cat", "cow"]), unique=True)


@given(st.lists(words, max_size=4))
def test_whatever_is_asked_classes_are_those_of_the_relation(answers: list[list[str]]) -> None:
    expected = []
    for own in answers:
        letters = list(dict.fromkeys(word[0] for word in own))
        expected.append([str(letters.index(word[0])) for word in own])
    assert grouped(FirstLetter(), *answers) == expected


@pytest.mark.parametrize(
    ("reply", "same"),
    [
        ("yes", True), ("YES!", True), ("**Yes**, no doubt.", True), ("no", False), ("No. Yes?", False),
        ("", False), ("I cannot say.", False), ("yesterday", False), ("nothing", False),
        ("<think>no, wait</think>yes", True), ("<think>yes</think>\nno", False),
    ],
)  # fmt: skip
def test_the_reply_of_a_model_is_its_first_yes_or_no(reply: str, same: bool) -> None:
    assert grouped(FirstLetter(yes=reply), ["ape", "ant"]) == [["0", "0" if same else "1"]]


def test_a_model_is_asked_in_full_at_temperature_0() -> None:
    backend = FirstLetter()
    grouped(backend, ["ape {one}", "bat {question}"])
    (request,) = backend.asked[0]
    assert replies(request) == ("ape {one}", "bat {question}")
    assert "e0?" in request.messages[0].content
    assert (request.sampling.temperature, request.format.k) == (0, 1)


class Failing(FirstLetter):
    def stream(self, plan: Plan, is_done: IsDone) -> Iterator[list[Completion | Failure]]:
        for request in plan:
            yield [Failure(request.id, request.example, 0, 0, "the server is gone")]


def test_a_model_that_fails_is_no_judgement() -> None:
    with pytest.raises(UserError, match="the server is gone"):
        grouped(Failing(), ["ape", "bat"])


def test_by_text_there_is_nothing_to_judge() -> None:
    assert open_partition("text", None, 0.5) is None


@pytest.mark.parametrize("partition", ["embedding", "judge"])
def test_a_partition_by_a_model_needs_one(partition: Any) -> None:
    with pytest.raises(UserError, match=f"partition={partition},partition_model=MODEL"):
        open_partition(partition, None, 0.5)


@pytest.mark.parametrize("partition", ["embedding", "judge"])
def test_a_model_that_is_not_there_is_told_when_the_judge_is_opened(
    partition: Any, tmp_path: Path
) -> None:
    with (
        pytest.raises(UserError, match=r"no checkpoint|no model"),
        opened(partition, str(tmp_path), 0.5),
    ):
        pass


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny_model(tmp_path_factory.mktemp("tiny")))


def test_an_embedding_is_the_mean_of_the_states_of_the_tokens_that_are_there(tiny: str) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    texts = ["a", "a much longer text than that", "\ud800"]
    found = load_embedder(tiny)(texts)
    tokenizer, model = AutoTokenizer.from_pretrained(tiny), AutoModel.from_pretrained(tiny)
    for row, text in enumerate(["a", "a much longer text than that", "?"]):
        ids = torch.tensor([tokenizer(text)["input_ids"]])
        with torch.inference_mode():
            mean = model(input_ids=ids).last_hidden_state[0].double().mean(dim=0).numpy()
        # Padding beside a longer text changes the rounding alone.
        assert found[row] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1)


def test_a_text_longer_than_the_model_takes_counts_up_to_there(tiny: str) -> None:
    embed = load_embedder(tiny)
    long = "x" * 5000
    assert embed([long, long[:4096]])[0] == pytest.approx(embed([long[:4096]])[0], abs=1e-5)


def test_more_texts_than_go_in_at_once_are_embedded_one_like_the_other(tiny: str) -> None:
    texts = [f"text {i}" for i in range(70)]
    found = load_embedder(tiny)(texts)
    assert found.shape == (70, 32)
    assert found[69] == pytest.approx(load_embedder(tiny)(texts[64:])[5], abs=1e-6)


def test_files_that_are_no_model_are_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "no such"}), encoding="utf-8")
    check_model(str(tmp_path))
    with pytest.raises(UserError, match="cannot be loaded"):
        load_embedder(str(tmp_path))


PROMPTS = [{"id": f"p{i}", "prompt": f"Write line {i}.", "category": "made"} for i in range(4)]


def runs(cli: Cli, *flags: object) -> tuple[int, str, str]:
    rows = "".join(json.dumps(row) + "\n" for row in PROMPTS)
    Path("curated.jsonl").write_text(rows, encoding="utf-8")
    return cli(
        "run", "--task", "noveltybench", "--data", "curated.jsonl", "-k", "2", "-n", "2",
        "--max-tokens", "24", "--no-reasoning", "--resamples", "0", *flags,
    )  # fmt: skip


RESPONSES = ["Blue.", "blue", "A red rose", "The sea"]


def responding(line: dict[str, Any]) -> dict[str, Any]:
    """Put the responses, two in a set, in place of those that were generated."""
    own = RESPONSES[line["sample"] * 2 :][:2]
    line["text"] = "".join(f"<answer{i}>{text}</answer{i}>" for i, text in enumerate(own, 1))
    return line


@pytest.mark.parametrize("partition", ["text", "embedding", "judge"])
def test_noveltybench_is_partitioned_as_was_asked(partition: str, tiny: str, cli: Cli) -> None:
    model = f"hf:{tiny}" if partition == "judge" else tiny
    arguments = f"partition={partition},partition_model={model},threshold=-1"
    code, _, err = runs(cli, "--model", f"hf:{tiny}", "--task-args", arguments, "--out", "run")
    assert code == 0, err
    change_completions(Path("run"), responding)
    Path("run/judgements.jsonl").unlink(missing_ok=True)
    code, out, _ = cli("score", "run", "--resamples", "0")
    assert code == 0
    classes = read_scores(Path("run"))["same_as"].to_numpy().reshape(4, 4).tolist()
    # Every cosine is above -1; a tiny model of random weights says neither yes nor no.
    expected = {"text": [0, 0, 2, 3], "embedding": [0, 0, 0, 0], "judge": [0, 1, 2, 3]}
    assert classes == [expected[partition]] * 4
    assert Path("run/judgements.jsonl").exists() == (partition != "text")
    assert "distinct_answers" in out
    told = cli("show", "run", "--example", "p1")[1]
    assert ("of its class" in told) == (partition != "text")


def test_a_model_for_the_partition_is_tried_before_anything_is_generated(cli: Cli) -> None:
    arguments = ["--task-args", "partition=embedding,partition_model=./nowhere"]
    code, _, err = runs(cli, "--model", "reference:echo-gold", *arguments, "--out", "run")
    assert code == 2
    assert "no model at './nowhere'" in err
    assert not Path("run").exists()


@pytest.mark.integration
def test_a_real_model_tells_apart_what_is_apart() -> None:
    model = os.environ["MARL_EVAL_SMOLLM2"]
    answers = ["The capital of France is Paris.", "Paris is the capital of France.", "7 * 6 = 42"]
    likeness = load_embedder(model)(answers)
    near, far = likeness[0] @ likeness[1], likeness[0] @ likeness[2]
    assert far < near < 1
    with opened("embedding", model, (near + far) / 2) as judge:
        assert [kinds(found) for _, found in judge([(example("e", "x"), answers)])] == [
            ["0", "0", "1"]
        ]
    with opened("judge", f"hf:{model}", 0) as judge:
        ((_, found),) = judge([(example("e", "x"), answers)])
        assert len(found) == 3
