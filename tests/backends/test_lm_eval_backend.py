"""The lm-eval backend: lm-eval's own classes with a real, tiny model, and its client of servers."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from marl_eval import evaluate
from marl_eval.errors import BackendError, UserError
from tests.backends.tiny import save_tiny_model
from tests.runs import completions_file, read_lines

pytest.importorskip("torch")
pytest.importorskip("lm_eval")

SETTINGS: dict[str, Any] = {
    "task": "ddxsim",
    "task_args": {"examples": 10, "conditions": 4, "findings": 6},
    "max_tokens": 24,
    "resamples": 20,
}

Rows = dict[tuple[int, int, int], dict[str, Any]]


def completions(run: Path) -> Rows:
    rows = read_lines(completions_file(run))
    keyed = {(row["example"], row["sample"], row["stage"]): row for row in rows}
    assert len(keyed) == len(rows)
    return keyed


def run(model: str | Path, out: Path, **values: Any) -> Rows:
    name = model if isinstance(model, str) else f"lm-eval:hf,pretrained={model},dtype=float32"
    evaluate(model=name, out=out, **{**SETTINGS, **values})
    return completions(out)


def texts(rows: Rows) -> dict[tuple[int, int, int], str]:
    return {place: row["text"] for place, row in rows.items()}


@pytest.mark.parametrize("chat", [True, False])
def test_greedy_completions_are_those_of_the_hf_backend(tmp_path: Path, chat: bool) -> None:
    model = save_tiny_model(tmp_path / "model", chat=chat)
    theirs = texts(run(model, tmp_path / "lm-eval", temperature=0.0))
    ours = texts(
        run(f"hf:{model}", tmp_path / "hf", temperature=0.0, model_args={"dtype": "float32"})
    )
    assert theirs == ours
    assert len(set(ours.values())) > 5


def test_tokens_are_counted_by_the_models_tokenizer_and_no_end_is_guessed(
    tiny: Path, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny)
    ours = run(f"hf:{tiny}", tmp_path / "hf")
    for place, row in run(tiny, tmp_path / "run").items():
        assert row["prompt_tokens"] == ours[place]["prompt_tokens"]
        encoded = tokenizer(row["text"], add_special_tokens=False)["input_ids"]
        assert row["completion_tokens"] == len(encoded)
        assert row["reasoning_tokens"] <= row["completion_tokens"]
        assert row["finish_reason"] is None


def test_a_template_that_opens_the_reasoning_is_known_to_do_so(tmp_path: Path) -> None:
    model = save_tiny_model(tmp_path / "model")
    template = model / "chat_template.jinja"
    template.write_text(template.read_text() + "<think>\n")
    for row in run(model, tmp_path / "run").values():
        assert row["thinking_opened"]
        closed = "</think>" in row["text"]
        assert row["reasoning_tokens"] == row["completion_tokens"] or closed


def test_a_run_cut_at_any_byte_ends_with_the_same_completions(tiny: Path, tmp_path: Path) -> None:
    whole = run(tiny, tmp_path / "whole", batch_size=4, n=2)
    cut = tmp_path / "cut"
    run(tiny, cut, batch_size=4, n=2)
    stored = completions_file(cut)
    content = stored.read_bytes()
    rng = random.Random(0)
    for _ in range(3):
        stored.write_bytes(content[: rng.randrange(len(content))])
        assert run(tiny, cut, batch_size=4, n=2) == whole
        for name in ("results.json", "scores.parquet"):
            assert (cut / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_another_seed_and_another_sample_give_other_completions(tiny: Path, tmp_path: Path) -> None:
    first = texts(run(tiny, tmp_path / "a", n=2))
    second = texts(run(tiny, tmp_path / "b", seed=1))
    assert sum(first[e, 0, 0] != first[e, 1, 0] for e in range(10)) >= 7
    assert sum(first[e, 0, 0] != second[e, 0, 0] for e in range(10)) >= 7


def test_tokens_are_drawn_from_all_and_not_from_the_50_likeliest(tmp_path: Path) -> None:
    # The distribution of this model is nearly flat, over 275 tokens.
    flat = save_tiny_model(tmp_path / "flat", scale=0.01)
    rows = run(flat, tmp_path / "run", temperature=1.0, max_tokens=1, n=300, limit=1, overlap=False)
    assert len(set(texts(rows).values())) > 60


def test_its_bars_and_logs_stay_off_the_terminal(
    tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run(tiny, tmp_path / "run")
    told = "".join(capfd.readouterr())
    assert "it/s" not in told
    assert "generate_until" not in told
    assert "Using device" not in told


def test_the_fingerprint_tells_the_class_the_arguments_and_what_the_files_hold(
    tiny: Path, tmp_path: Path
) -> None:
    from marl_eval.backends.lm_eval import open_backend

    def of(folder: Path, more: str = "") -> dict[str, Any]:
        named = f"hf,pretrained={folder},tokenizer={folder}{more}"
        return dict(open_backend(named, {}, batch_size=None).fingerprint())

    first = of(tiny)
    assert (first["backend"], first["class"]) == ("lm-eval", "hf")
    assert str(tiny) not in json.dumps(first)
    assert of(save_tiny_model(tmp_path / "same")) == first
    assert of(tiny, ",device=cpu") == first
    assert of(tiny, ",dtype=float32") != first
    assert of(save_tiny_model(tmp_path / "other", seed=1)) != first


MISTAKES = {
    "hff,pretrained={tiny}": "no model class of lm-eval named 'hff'; did you mean 'hf'",
    "hf": "'hf' needs a checkpoint",
    "hf,pretrained=./nowhere": "There is no model at './nowhere'",
    "pretrained={tiny}": "named by its class",
    "hf,pretrained={tiny},dtpye=float32": "cannot make a model 'hf' .* 'dtpye'",
    "hf,pretrained={tiny},batch_size=4": "'batch_size' .* give --batch-size",
    "hf,pretrained={tiny},auth_token=abcdefgh": "'auth_token' .* holds a secret",
    "mamba_ssm,pretrained={tiny}": "'mamba_ssm' lacks a package: .*mamba",
    "anthropic-chat,model=any": "ANTHROPIC_API_KEY",
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_model_that_cannot_be_had_is_told_in_one_sentence(
    tiny: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(UserError, match=MISTAKES[name]) as told:
        run(f"lm-eval:{name.format(tiny=tiny)}", tmp_path / "run")
    assert "abcdefgh" not in str(told.value)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "run").exists()


def test_a_secret_in_a_wrong_name_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "planted-secret")
    with pytest.raises(UserError) as told:
        run("lm-eval:=planted-secret", tmp_path / "run")
    assert "planted-secret" not in str(told.value)


def test_prompts_that_do_not_fit_are_named_before_anything_is_written(
    tiny: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        UserError, match=r"4096 .* examples 'ddxsim-0-0'.* and 7 more .*--max-tokens"
    ):
        run(tiny, tmp_path / "run", max_tokens=4000)
    assert not (tmp_path / "run").exists()
    result = evaluate(
        model=f"lm-eval:hf,pretrained={tiny}",
        out=tmp_path / "run",
        **{**SETTINGS, "max_tokens": 4000, "model_args": {"long_prompts": "fail"}},
    )
    assert result.results.errors.failed == 10


def test_a_class_without_a_tokenizer_is_asked_in_plain_text_and_has_no_counts(
    tmp_path: Path,
) -> None:
    rows = run("lm-eval:dummy", tmp_path / "run", model_args={"chat": "no"})
    assert {row["text"] for row in rows.values()} == {"lol"}
    assert {row["completion_tokens"] for row in rows.values()} == {None}
    assert {row["prompt_tokens"] for row in rows.values()} == {None}


@contextmanager
def served(*, failing_after: int | None = None) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server of conversations that repeats the seed it is given; give its address and requests."""
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append({**body, "key": self.headers["Authorization"]})
            if failing_after is not None and len(asked) > failing_after:
                self.send_error(500, "planted-secret")
                return
            message = {"role": "assistant", "content": f"<answer1>{body['seed']}</answer1>"}
            content = json.dumps({"choices": [{"index": 0, "message": message}]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *told: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *told: Any) -> None:
            """Say nothing when the one who asked has gone."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/chat/completions", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def chat_model(address: str, more: str = "") -> str:
    return f"lm-eval:local-chat-completions,model=m,base_url={address},max_retries=1{more}"


@pytest.mark.parametrize("at_once", [1, 4])
def test_a_server_of_conversations_is_asked_in_messages_with_the_sampling_and_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    from marl_eval.run import read_template
    from marl_eval.store import RunDirectory

    monkeypatch.setenv("OPENAI_API_KEY", "planted-secret")
    with served() as (address, asked):
        rows = run(chat_model(address), tmp_path / "run", n=2, top_p=0.9, batch_size=at_once)
    directory = RunDirectory(tmp_path / "run")
    template = read_template(directory.read_run())
    examples = directory.read_examples(directory.example_offsets(), slice(0, 10))
    prompts = [
        [{"role": m.role, "content": m.content} for m in template.ask(example.question)]
        for example in examples
    ]
    assert sorted(map(str, (body["messages"] for body in asked))) == sorted(map(str, prompts * 2))
    for body in asked:
        assert (body["temperature"], body["top_p"], body["max_tokens"]) == (0.7, 0.9, 24)
        assert body["key"] == "Bearer planted-secret"
        assert body["stop"] == []
    written = [path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert not any(b"planted-secret" in content for content in written)
    # Asked in the same words with the same seed, a server would answer the same.
    assert all(rows[e, 0, 0]["text"] != rows[e, 1, 0]["text"] for e in range(10))


def test_a_server_that_fails_midway_loses_nothing_and_is_told_in_one_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marl_eval.backends.lm_eval._ROUNDS", 1)
    monkeypatch.setenv("OPENAI_API_KEY", "planted-secret")
    with (
        served(failing_after=6) as (address, _),
        pytest.raises(BackendError, match="the same command continues") as told,
    ):
        run(chat_model(address), tmp_path / "run", batch_size=4)
    assert "planted-secret" not in str(told.value) + "".join(capfd.readouterr())
    stored = read_lines(completions_file(tmp_path / "run"))
    assert len(stored) == 4
    lines = completions_file(tmp_path / "run").read_bytes().splitlines(keepends=True)
    completions_file(tmp_path / "run").write_bytes(b"".join(lines[:3]))
    with served() as (address, asked):
        rows = run(chat_model(address), tmp_path / "run", batch_size=4)
    assert len(rows) == 10
    assert len(asked) == 7
    for row in stored:
        assert rows[row["example"], row["sample"], row["stage"]] == row
