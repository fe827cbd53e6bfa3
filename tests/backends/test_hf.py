"""The hf backend on a real, tiny, random model."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from marl_eval import evaluate
from marl_eval.errors import UserError
from tests.backends.tiny import save_tiny_model

torch = pytest.importorskip("torch")

SETTINGS: dict[str, Any] = {
    "task": "ddxsim",
    "task_args": {"examples": 10, "conditions": 4, "findings": 6},
    "max_tokens": 24,
    "resamples": 20,
}


def completions(run: Path) -> dict[tuple[int, int, int], dict[str, Any]]:
    lines = (run / "completions" / "part-0.jsonl").read_bytes().splitlines()
    rows = [json.loads(line) for line in lines]
    keyed = {(row["example"], row["sample"], row["stage"]): row for row in rows}
    assert len(keyed) == len(rows)
    return keyed


def run(tiny: Path, out: Path, **values: Any) -> dict[tuple[int, int, int], dict[str, Any]]:
    evaluate(model=f"hf:{tiny}", out=out, **{**SETTINGS, **values})
    return completions(out)


def test_batches_of_any_size_give_the_same_completions_in_float32(
    tiny: Path, tmp_path: Path
) -> None:
    one = run(tiny, tmp_path / "1", batch_size=1, n=2)
    assert len({row["text"] for row in one.values()}) > 10
    for size in (4, 16):
        assert run(tiny, tmp_path / str(size), batch_size=size, n=2) == one
    results = [(tmp_path / name / "results.json").read_bytes() for name in ("1", "4", "16")]
    assert len(set(results)) == 1


def test_what_an_example_is_answered_does_not_depend_on_the_other_examples(
    tiny: Path, tmp_path: Path
) -> None:
    whole = run(tiny, tmp_path / "whole")
    few = run(tiny, tmp_path / "few", limit=3)
    texts = {row["id"]: row["text"] for row in whole.values()}
    assert [texts[row["id"]] for row in few.values()] == [row["text"] for row in few.values()]


def test_another_seed_and_another_sample_give_other_completions(tiny: Path, tmp_path: Path) -> None:
    first = run(tiny, tmp_path / "a", n=2)
    second = run(tiny, tmp_path / "b", seed=1)
    # A random model may end two generations at once, with the same empty text.
    assert sum(first[e, 0, 0]["text"] != first[e, 1, 0]["text"] for e in range(10)) >= 7
    assert sum(first[e, 0, 0]["text"] != second[e, 0, 0]["text"] for e in range(10)) >= 7


@pytest.mark.parametrize("stride", [1, 5, 1000])
def test_greedy_completions_are_those_of_generate_token_for_token(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stride: int
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from marl_eval.backends.hf import model as hf_model
    from marl_eval.run import read_template
    from marl_eval.store import RunDirectory

    monkeypatch.setattr(hf_model, "STRIDE", stride)
    made = run(tiny, tmp_path / "run", temperature=0.0, logprobs=True)
    model = AutoModelForCausalLM.from_pretrained(tiny).eval()
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    directory = RunDirectory(tmp_path / "run")
    template = read_template(directory.read_run())
    examples = directory.read_examples(directory.example_offsets(), slice(0, 10))
    for row, example in enumerate(examples):
        messages = [{"role": m.role, "content": m.content} for m in template.ask(example.question)]
        prompt = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )["input_ids"]
        with torch.inference_mode():
            output = model.generate(
                prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=24, do_sample=False
            )
            logits = model(output).logits.log_softmax(-1)
        generated = output[0, prompt.shape[1] :]
        line = made[row, 0, 0]
        assert line["prompt_tokens"] == prompt.shape[1]
        assert line["completion_tokens"] == len(generated)
        assert line["text"] == tokenizer.decode(generated, skip_special_tokens=True)
        ended = int(generated[-1]) == tokenizer.eos_token_id
        assert line["finish_reason"] == ("stop" if ended else "length")
        before = logits[0, prompt.shape[1] - 1 : -1]
        expected = before.gather(1, generated[:, None])[:, 0].tolist()
        assert line["logprobs"] == pytest.approx(expected, abs=1e-4)


def test_letting_go_of_ended_sequences_changes_no_other(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from marl_eval.backends.hf import model as hf_model

    made = []
    for stride in (1, 3, 1000):
        monkeypatch.setattr(hf_model, "STRIDE", stride)
        out = tmp_path / str(stride)
        made.append(run(tiny, out, n=2, max_tokens=60, logprobs=True))
    for row in (row for rows in made for row in rows.values()):
        assert len(row["logprobs"]) == row["completion_tokens"]
        row["logprobs"] = [round(value, 3) for value in row["logprobs"]]
    lengths = {row["completion_tokens"] for row in made[0].values()}
    assert len(lengths) > 5, "the sequences should end at different times"
    assert made[0] == made[1] == made[2]


def test_a_run_cut_at_any_byte_ends_with_the_same_bytes(tiny: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    run(tiny, whole, batch_size=4, n=2)
    cut = tmp_path / "cut"
    run(tiny, cut, batch_size=4, n=2)
    stored = cut / "completions" / "part-0.jsonl"
    content = stored.read_bytes()
    rng = random.Random(0)
    for _ in range(5):
        length = rng.randrange(len(content))
        stored.write_bytes(content[:length])
        kept = content[: content[:length].rfind(b"\n") + 1]
        assert run(tiny, cut, batch_size=4, n=2) == completions(whole)
        assert stored.read_bytes().startswith(kept)
        for name in ("results.json", "scores.parquet"):
            assert (cut / name).read_bytes() == (whole / name).read_bytes()


def test_a_prompt_that_does_not_fit_is_an_error_and_not_a_wrong_answer(
    tiny: Path, tmp_path: Path
) -> None:
    result = evaluate(
        model=f"hf:{tiny}",
        out=tmp_path / "run",
        **{**SETTINGS, "max_tokens": 4000, "model_args": {"long_prompts": "fail"}},
    )
    assert result.results.errors.failed == 10
    assert result.results.metrics["recall"].value is None
    reason = json.loads((tmp_path / "run" / "errors.jsonl").read_text().splitlines()[0])["reason"]
    assert "4096" in reason
    assert "--max-tokens" in reason


def test_prompts_that_do_not_fit_are_named_before_anything_is_written(
    tiny: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        UserError, match=r"4096 .* examples 'ddxsim-0-0'.* and 7 more .*--max-tokens"
    ):
        run(tiny, tmp_path / "run", max_tokens=4000)
    assert not (tmp_path / "run").exists()


def test_a_base_model_gets_a_plain_prompt_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    base = save_tiny_model(tmp_path / "base", chat=False)
    made = run(base, tmp_path / "run")
    assert len(made) == 10
    assert "no chat template" in caplog.text
    caplog.clear()
    assert run(base, tmp_path / "meant", model_args={"chat": "no"}).keys() == made.keys()
    assert not caplog.text
    with pytest.raises(UserError, match="no chat template"):
        run(base, tmp_path / "chat", model_args={"chat": "yes"})


def test_follow_ups_are_stored_apart_and_their_tokens_count(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    asked_once = run(tiny, tmp_path / "once")
    made = run(tiny, out, force_answer=True)
    follow_ups = [row for (_, _, stage), row in made.items() if stage > 0]
    assert follow_ups
    assert all(row["completion_tokens"] <= 3 * 50 for row in follow_ups)
    for (example, sample, stage), row in asked_once.items():
        assert made[example, sample, stage]["text"] == row["text"]
    metric = evaluate(model=f"hf:{tiny}", out=out, force_answer=True, **SETTINGS).results.metrics[
        "tokens_per_example"
    ]
    total = sum(row["completion_tokens"] for row in made.values())
    assert metric.value == pytest.approx(total / 10)
    assert completions(out) == made


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": "hf:./nowhere"}, "There is no model at './nowhere'"),
        ({"model": "hf:{empty}"}, "no config.json"),
        ({"model_args": {"dtype": "float8"}}, "'dtype'"),
        ({"model_args": {"dtpye": "float32"}}, "did you mean 'dtype'"),
        ({"model_args": {"device": "cuda:99"}}, "'cuda:99'"),
    ],
)
def test_a_model_that_cannot_be_had_is_told(
    tiny: Path, tmp_path: Path, values: dict[str, Any], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    model = values.get("model", f"hf:{tiny}").format(empty=tmp_path / "empty")
    with pytest.raises(UserError, match=message):
        evaluate(**{**SETTINGS, **values, "model": model, "out": tmp_path / "run"})
    assert not (tmp_path / "run").exists()


def test_a_run_continues_when_the_model_has_moved_and_not_when_it_is_another(
    tiny: Path, tmp_path: Path
) -> None:
    before = run(tiny, tmp_path / "run")
    moved = save_tiny_model(tmp_path / "moved")
    assert run(moved, tmp_path / "run", model_args={"dtype": "float32"}) == before
    with pytest.raises(UserError, match=r"model\.files\.model\.safetensors"):
        run(save_tiny_model(tmp_path / "other", seed=1), tmp_path / "run")


def test_the_fingerprint_changes_with_the_weights_and_not_with_the_folder(
    tiny: Path, tmp_path: Path
) -> None:
    from marl_eval.backends.hf import open_backend

    same = save_tiny_model(tmp_path / "same")
    other = save_tiny_model(tmp_path / "other", seed=1)
    prints = [open_backend(str(p), {}, batch_size=None).fingerprint() for p in (tiny, same, other)]
    assert prints[0] == prints[1]
    assert prints[0] != prints[2]
    assert str(tiny) not in json.dumps(prints[0])
