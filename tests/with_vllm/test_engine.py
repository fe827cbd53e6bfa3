"""The vllm backend on the real engine: what it answers, counts and promises."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from marl_eval import evaluate
from marl_eval.answers import AnswerFormat
from marl_eval.plan import Plan
from marl_eval.types import Completion, Example, Failure, Message, Request, Sampling
from tests.with_vllm.conftest import ENGINE, PLACES

CAPITALS = ["France", "Italy", "Spain", "Japan", "Kenya", "Peru", "Cuba", "Chad"]


def completions(run: Path) -> list[dict[str, Any]]:
    lines = (run / "completions" / "part-0.jsonl").read_bytes().splitlines()
    rows = [json.loads(line) for line in lines]
    assert len({row["id"] for row in rows}) == len(rows)
    return rows


def request(row: int, sample: int = 0, **more: Any) -> Request:
    """Ask for the capital of a country, in a sentence of its own."""
    country = CAPITALS[row % len(CAPITALS)]
    asked = f"Tell me three things about {country}, and then its capital."
    values: dict[str, Any] = {
        "id": f"{row}-{sample}",
        "example": row,
        "sample": sample,
        "stage": 0,
        "member": 0,
        "members": 1,
        "seed": (1 << 63) + 1_000_003 * row + 2 * sample,
        "messages": (Message("user", asked),),
        "format": AnswerFormat(1, confidence=False, reasoning=False),
        "sampling": Sampling(1.0, 0.95, 48),
        "endings": (),
        "source": Example(str(row), asked, ()),
    }
    return Request(**{**values, **more})


def ask(backend: Any, *requests: Request) -> list[Completion]:
    """Give the completions in the order of the requests."""
    plan = Plan(lambda: iter(requests), len(requests))
    given = [item for group in backend.stream(plan, lambda request: False) for item in group]
    found = {item.id: item for item in given if isinstance(item, Completion)}
    assert len(given) == len(found) == len(requests)
    return [found[request.id] for request in requests]


@pytest.mark.parametrize("strategy", ["multi", "best-of-k", "single"])
@pytest.mark.parametrize("task", ["ddxplus", "humaneval"])
@pytest.mark.usefixtures("shared_engine")
def test_the_strategies_run_on_published_tasks(
    task: str, strategy: str, smollm2: Path, ddxplus_data: Path, tmp_path: Path
) -> None:
    evaluate(
        model=f"vllm:{smollm2}", model_args=ENGINE, batch_size=PLACES, task=task,
        data=ddxplus_data if task == "ddxplus" else None, strategy=strategy,
        **({} if strategy == "single" else {"k": 3}),
        limit=6, max_tokens=64, reasoning=False, resamples=20, out=tmp_path / "run",
    )  # fmt: skip
    rows = completions(tmp_path / "run")
    assert len(rows) == 6 * (3 if strategy == "best-of-k" else 1)
    assert all(0 < row["completion_tokens"] <= 64 for row in rows)
    assert {row["finish_reason"] for row in rows} <= {"stop", "length"}
    results = json.loads((tmp_path / "run" / "results.json").read_bytes())
    assert results["errors"] == {"failed": 0, "missing": 0}
    assert {"recall", "distinct_answers"} <= set(results["metrics"])
    if strategy == "best-of-k":
        texts = {(row["example"], row["text"]) for row in rows}
        assert len(texts) > 12, "samples of one prompt must be drawn apart"


def test_a_request_is_answered_alike_alone_and_among_others(backend: Any) -> None:
    drawn = Sampling(1.0, 0.95, 24)
    requests = [request(row, n, sampling=drawn) for row in range(8) for n in range(4)]
    together = ask(backend, *requests)
    alone = [ask(backend, one)[0] for one in requests[::2]]
    assert [one.text for one in alone] == [one.text for one in together[::2]]
    assert len({one.text for one in together}) == len(requests)


def test_greedy_completions_are_those_of_transformers(backend: Any, smollm2: Path) -> None:
    from marl_eval.plugins import open_model

    greedy = [request(row, sampling=Sampling(0.0, 1.0, 48)) for row in range(8)]
    other = ask(open_model(f"hf:{smollm2}", {"dtype": "float32"}), *greedy)
    own = ask(backend, *greedy)
    assert [one.text for one in own] == [one.text for one in other]
    for mine, theirs in zip(own, other, strict=True):
        assert mine.prompt_tokens == theirs.prompt_tokens
        assert mine.completion_tokens == theirs.completion_tokens
        assert mine.finish_reason == theirs.finish_reason


def test_logprobs_are_those_of_the_model_before_temperature(backend: Any, smollm2: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    (one,) = ask(backend, request(0, sampling=Sampling(1.7, 0.9, 24, logprobs=True)))
    assert one.logprobs is not None
    assert one.token_ends is not None
    assert len(one.logprobs) == len(one.token_ends) == one.completion_tokens
    assert one.token_ends[-1] == len(one.text)
    asker = backend._asker
    (prompt,) = asker.prompts([request(0)])
    made = asker.tokenizer(one.text, add_special_tokens=False)["input_ids"]
    model = AutoModelForCausalLM.from_pretrained(smollm2, dtype=torch.float32)
    with torch.inference_mode():
        logits = model(torch.tensor([prompt.tokens + made])).logits[0, len(prompt.tokens) - 1 :]
    expected = torch.log_softmax(logits[: len(made)], -1)[range(len(made)), made].tolist()
    # Where the text is tokenized again as it was generated, the numbers are comparable.
    assert len(made) in (one.completion_tokens, one.completion_tokens - 1)
    assert list(one.logprobs[: len(made)]) == pytest.approx(expected, abs=2e-3)


def test_a_generation_ends_at_its_last_ending_which_stays_in_its_text(backend: Any) -> None:
    (free,) = ask(backend, request(0, sampling=Sampling(0.0, 1.0, 48)))
    words = free.text.split()
    ending = next(word for word in words[4:] if free.text.count(word) == 1)
    (one,) = ask(backend, request(0, sampling=Sampling(0.0, 1.0, 48), endings=(ending,)))
    assert one.finish_reason == "stop"
    assert one.completion_tokens is not None
    assert free.completion_tokens is not None
    assert one.completion_tokens < free.completion_tokens
    assert free.text.startswith(one.text)
    assert ending in one.text
    assert len(one.text) - one.text.index(ending) < len(ending) + 12


def test_an_ending_before_the_others_does_not_end_a_generation(backend: Any) -> None:
    greedy = Sampling(0.0, 1.0, 48)
    (free,) = ask(backend, request(0, sampling=greedy))
    words = [word for word in free.text.split() if free.text.count(word) == 1]
    first, second = words[3], words[8]
    (one,) = ask(backend, request(0, sampling=greedy, endings=(second, first)))
    # ``first`` stops the engine, which goes on from there without losing or repeating a token.
    assert one.text == free.text[: len(one.text)]
    assert second in one.text


def test_what_generations_of_one_prompt_share_is_computed_once(
    backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = (Message("user", "The capital of France is Paris. " * 60 + "What is it?"),)
    engine = backend._engine
    step, cached = engine.step, {}

    def watched() -> Any:
        outputs = step()
        cached.update({one.request_id: one.num_cached_tokens for one in outputs if one.finished})
        return outputs

    monkeypatch.setattr(engine, "step", watched)
    made = ask(
        backend, *(request(0, n, messages=long, sampling=Sampling(1.0, 1.0, 4)) for n in range(8))
    )
    assert made[0].prompt_tokens is not None
    shared = [known > made[0].prompt_tokens - 256 for known in cached.values()]
    assert sum(shared) >= 7


def test_each_answer_is_given_as_it_finishes_and_no_more_are_sent_than_there_is_room_for(
    backend: Any,
) -> None:
    sent: list[str] = []
    requests = [request(row, sampling=Sampling(1.0, 1.0, 8)) for row in range(3 * PLACES)]

    def is_done(one: Request) -> bool:
        sent.append(one.id)
        return False

    stream = backend.stream(Plan(lambda: iter(requests), len(requests)), is_done)
    first = next(stream)
    assert len(first) <= PLACES
    assert PLACES <= len(sent) <= PLACES * 5 // 4
    stream.close()
    (again,) = ask(backend, requests[-1])
    assert again.completion_tokens


def test_a_prompt_that_is_too_long_fails_alone(backend: Any) -> None:
    long = request(0, messages=(Message("user", "word " * 9000),))
    given = [
        item
        for group in backend.stream(Plan(lambda: iter([long, request(1)]), 2), lambda one: False)
        for item in group
    ]
    failed = [item for item in given if isinstance(item, Failure)]
    assert [item.id for item in failed] == [long.id]
    assert "8192" in failed[0].reason
    assert len(given) == 2


def test_a_thousand_seeds_reach_the_engine_apart() -> None:
    pytest.importorskip("vllm", reason="vLLM is not installed: run `nox -s vllm`")
    from marl_eval.backends.vllm.generation import seed_of

    seeds = {seed_of(seed, made) for seed in range(0, 2**64, 2**54) for made in range(4)}
    assert len(seeds) == 4 * 2**10
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_fingerprint_tells_what_the_engine_does(backend: Any) -> None:
    told = backend.fingerprint()
    assert told["dtype"] == "float32"
    assert told["device"] == "cpu"
    assert "model.safetensors" in told["files"]
    assert "enforce_eager" not in json.dumps(told)


@pytest.mark.usefixtures("shared_engine")
def test_nothing_is_said_of_the_model_that_has_a_chat_template(
    backend: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        backend.check(Plan(lambda: iter([request(0)]), 1))
    assert not caplog.records
