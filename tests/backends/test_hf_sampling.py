"""Drawing tokens and ending sequences, on made-up scores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest

from marl_eval.backends.endings import is_complete
from marl_eval.types import Sampling
from tests.backends.tiny import save_tiny_model

torch = pytest.importorskip("torch")

from marl_eval.backends.hf.sampling import (  # noqa: E402
    _HEAD,
    Sampler,
    StopAtEndings,
    _nucleus,
    exponentials,
    race,
    step_keys,
)

SCORES = torch.tensor([2.0, 1.0, 0.5, 0.0, -1.0, -20.0])


def draw(temperature: float, top_p: float, count: int) -> np.ndarray:
    sampler = Sampler([Sampling(temperature, top_p, 1)] * count, list(range(count)), 0)
    chosen = sampler(torch.zeros((count, 0), dtype=torch.long), SCORES.repeat(count, 1))
    assert ((chosen == 0).sum(1) == 1).all()
    return chosen.argmax(1).numpy()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_are_drawn_with_the_probabilities_of_the_softmax(temperature: float) -> None:
    drawn = draw(temperature, 1.0, 20_000)
    expected = torch.softmax(SCORES / temperature, 0).double().numpy()[:5]
    counts = np.bincount(drawn, minlength=6)
    assert counts[5] <= 2
    result = chisquare(counts[:5], expected / expected.sum() * counts[:5].sum())
    assert result.pvalue > 1e-4


def test_temperature_0_takes_the_likeliest_token() -> None:
    assert (draw(0.0, 1.0, 50) == 0).all()


def test_the_nucleus_keeps_tokens_until_their_sum_reaches_top_p() -> None:
    probability = torch.tensor([[0.1, 0.5, 0.15, 0.25]])
    kept = _nucleus(probability, torch.tensor([[0.7]]))
    assert kept.tolist() == [[0.0, 0.5, 0.0, 0.25]]
    assert _nucleus(probability, torch.tensor([[0.01]])).tolist() == [[0.0, 0.5, 0.0, 0.0]]
    assert torch.equal(_nucleus(probability, torch.tensor([[1.0]])), probability)


def test_improbable_tokens_are_drawn_as_often_as_they_should_be() -> None:
    vocabulary = 60_000
    probability = torch.full((1, vocabulary), 0.5 / (vocabulary - 1))
    probability[0, 7] = 0.5
    assert float(probability[0, 0]) < _HEAD
    count = 1500
    drawn = np.concatenate(
        [race(probability, step_keys(np.array([s], dtype=np.uint64), 3)) for s in range(count)]
    )
    improbable = drawn[drawn != 7]
    assert abs(len(improbable) / count - 0.5) < 4 * 0.5 / count**0.5
    spread = vocabulary / 12**0.5
    assert abs(improbable.mean() - vocabulary / 2) < 4 * spread / len(improbable) ** 0.5


def test_a_token_without_probability_is_never_drawn() -> None:
    probability = torch.tensor([[0.0, 0.7, 0.0, 0.3, 0.0]]).repeat(500, 1)
    drawn = race(probability, step_keys(np.arange(500, dtype=np.uint64), 0))
    assert set(drawn) == {1, 3}


def test_rounding_in_the_probabilities_changes_almost_no_draw() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn((200, 20_000), generator=generator) * 2
    noise = torch.randn(logits.shape, generator=generator) * 1e-5
    keys = step_keys(np.arange(200, dtype=np.uint64), 0)
    plain = race(torch.softmax(logits, 1), keys)
    rounded = race(torch.softmax(logits + noise, 1), keys)
    assert (plain != rounded).sum() <= 1


def test_the_numbers_of_the_race_are_exponential_and_independent_between_steps() -> None:
    tokens = np.arange(50_000)
    keys = step_keys(np.array([11, 12], dtype=np.uint64), 0)
    later = step_keys(np.array([11, 12], dtype=np.uint64), 1)
    drawn = [exponentials(key[None], tokens) for key in (*keys, *later)]
    for numbers in drawn:
        assert kstest(numbers, "expon").pvalue > 1e-4
    correlations = np.corrcoef(drawn)[np.triu_indices(4, 1)]
    assert np.abs(correlations).max() < 4 / len(tokens) ** 0.5


def test_a_draw_depends_on_its_own_seed_and_not_on_its_row() -> None:
    sampling = [Sampling(1.0, 1.0, 4)] * 3
    prompt = torch.zeros((3, 2), dtype=torch.long)
    scores = torch.randn((3, 40), generator=torch.Generator().manual_seed(0))
    forward = Sampler(sampling, [5, 6, 7], 2)(prompt, scores)
    backward = Sampler(sampling, [7, 6, 5], 2)(prompt, scores.flip(0))
    assert torch.equal(forward, backward.flip(0))


def ended_after(
    tokenizer: object, text: str | list[str], endings: tuple[str, ...], opened: bool
) -> int | None:
    """Give the number of tokens after which a text is ended, fed one token at a time."""
    tokens = tokenizer(text, add_special_tokens=False)["input_ids"]  # type: ignore[operator]
    stop = StopAtEndings(tokenizer, [endings], [opened], [1], 0)
    for length in range(1, len(tokens) + 1):
        if bool(stop(torch.tensor([tokens[:length]]), None)[0]):
            assert stop.lengths == [length]
            return length
    return None


@pytest.mark.parametrize(
    ("text", "opened", "ends"),
    [
        ("<think>x</think><answer1>a</answer1> more", False, "</answer1>"),
        ("<think>a draft: <answer1>a</answer1> and on", False, None),
        ("a draft: <answer1>a</answer1> and on", True, None),
        ("a draft: <answer1>a</answer1></think><answer1>b</answer1> more", True, "b</answer1>"),
        ("<answer1>a</answer1> more", False, "</answer1>"),
        ("<answer1>a</answer2> more", False, None),
    ],
)
def test_a_sequence_ends_at_its_closing_tag_after_its_reasoning(
    tmp_path_factory: pytest.TempPathFactory, text: str, opened: bool, ends: str | None
) -> None:
    from transformers import AutoTokenizer

    folder = save_tiny_model(Path(tmp_path_factory.mktemp("tiny")))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    length = ended_after(tokenizer, text, ("</answer1>",), opened)
    if ends is None:
        assert length is None
    else:
        tokens = tokenizer(text, add_special_tokens=False)["input_ids"][:length]
        assert tokenizer.decode(tokens).endswith(ends)
        assert not tokenizer.decode(tokens).endswith("more")


def test_a_sequence_with_two_endings_needs_both_in_either_order() -> None:
    class Characters:
        def __call__(self, text: str, **_: object) -> dict[str, list[int]]:
            return {"input_ids": [ord(c) for c in text]}

        def decode(self, tokens: object) -> str:
            return "".join(chr(int(t)) for t in tokens)  # type: ignore[attr-defined]

    endings = ("</c2>", "</analysis>")
    for text in ("x</analysis>y</c2>", "x</c2>y</analysis>"):
        assert ended_after(Characters(), text + "rest", endings, False) == len(text)
    assert ended_after(Characters(), "x</c2>rest", endings, False) is None


PIECES = ["<", "/c1", ">", "</c1>", "</c", "2>", "</c2>x", "<think>", "</thi", "nk>", "a"]


class Pieces:
    """A tokenizer whose tokens are these pieces, some of which end a tag in their middle."""

    def __init__(self) -> None:
        self.decoded = 0

    def __call__(self, text: list[str], **_: object) -> dict[str, list[int]]:
        return {"input_ids": [PIECES.index(piece) for piece in text]}

    def decode(self, tokens: Sequence[int]) -> str:
        self.decoded += 1
        return "".join(PIECES[int(token)] for token in tokens)


@given(
    st.lists(st.sampled_from(PIECES), max_size=20),
    st.sampled_from([("</c1>",), ("</c2>",), ("</c1>", "</c2>"), ()]),
    st.booleans(),
)
def test_a_sequence_ends_with_the_first_token_by_which_all_is_there(
    pieces: list[str], endings: tuple[str, ...], opened: bool
) -> None:
    lengths = [
        length
        for length in range(1, len(pieces) + 1)
        if endings and is_complete("".join(pieces[:length]), endings, thinking_opened=opened)
    ]
    # Token 1 of this vocabulary is taken for the end token by ended_after.
    end = pieces.index("/c1") + 1 if "/c1" in pieces else len(pieces) + 1
    expected = min([*lengths, end])
    ended = ended_after(Pieces(), pieces, endings, opened)
    assert ended == (expected if expected <= len(pieces) else None)


def test_without_endings_nothing_is_decoded() -> None:
    tokenizer = Pieces()
    assert ended_after(tokenizer, ["a", "</c1>", ">"], (), False) is None
    assert tokenizer.decoded == 0


def test_what_a_checkpoint_says_of_sampling_changes_no_answer(tmp_path: Path) -> None:
    from marl_eval import evaluate
    from tests.backends.tiny import save_tiny_model

    plain = save_tiny_model(tmp_path / "plain")
    with_habits = save_tiny_model(tmp_path / "habits")
    file = with_habits / "generation_config.json"
    habits = {"repetition_penalty": 1.8, "no_repeat_ngram_size": 2, "top_k": 3, "min_p": 0.3}
    file.write_text(json.dumps({**json.loads(file.read_text()), **habits}))
    texts = []
    for model in (plain, with_habits):
        out = tmp_path / f"{model.name}-run"
        evaluate(
            model=f"hf:{model}", task="ddxsim", task_args={"examples": 6}, max_tokens=24,
            resamples=0, out=out,
        )  # fmt: skip
        lines = (out / "completions" / "part-0.jsonl").read_bytes().splitlines()
        texts.append([json.loads(line)["text"] for line in lines])
    assert texts[0] == texts[1]
