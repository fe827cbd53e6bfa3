"""The openai backend: what it sends, how it reads what comes back, and what it says of a server."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from marl_eval import evaluate
from marl_eval.errors import BackendError, UserError
from marl_eval.store import RunDirectory
from tests.conftest import Cli
from tests.fault_server import MODEL, Behaviour, Body, FaultServer, answer, fault_server

KEY = "key-that-opens-the-server"


@pytest.fixture(autouse=True)
def no_key_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with fault_server() as running:
        yield running


def ask(server: FaultServer, out: Path, args: Body | None = None, **values: Any) -> list[Body]:
    settings = {"task": "ddxsim", "task_args": {"examples": 6}, "k": 3, "resamples": 20}
    evaluate(
        model=f"openai:{MODEL}",
        model_args={"base_url": server.address, "attempts": 3, **(args or {})},
        out=out,
        **{**settings, **values},
    )
    lines = (out / "completions" / "part-0.jsonl").read_bytes().splitlines()
    return [json.loads(line) for line in lines]


def test_every_request_says_how_to_sample_and_has_a_seed_of_its_own(
    server: FaultServer, tmp_path: Path
) -> None:
    rows = ask(server, tmp_path / "run", n=2, temperature=0.7, top_p=0.9, max_tokens=99)
    assert [row["completion_tokens"] for row in rows] == [3] * 12
    assert {row["prompt_tokens"] for row in rows} == {7}
    for body in server.bodies:
        assert (body["model"], body["temperature"], body["top_p"]) == (MODEL, 0.7, 0.9)
        assert body["max_tokens"] == 99
        # What a checkpoint's own settings may say otherwise.
        assert (body["top_k"], body["min_p"], body["repetition_penalty"]) == (-1, 0.0, 1.0)
        assert body["include_stop_str_in_output"] is True
        assert len(body["stop"]) == 1
        assert "n" not in body
    assert len({body["seed"] for body in server.bodies}) == 12
    assert all(0 <= body["seed"] < 2**63 for body in server.bodies)


def test_another_server_is_asked_for_several_in_one_call_which_tells_what_each_has_cost(
    tmp_path: Path,
) -> None:
    def reply(body: Body) -> Body:
        count = body.get("n", 1)
        assert body["logprobs"] is True
        words = [["one"], ["two", " words"], ["and", " three", " words"]][:count]
        choices = [
            {
                "message": {"content": "".join(said)},
                "finish_reason": "stop",
                "logprobs": {"content": [{"token": t, "logprob": -0.5} for t in said]},
            }
            for said in words
        ]
        # The token that ends a generation is counted, and not told.
        used = sum(map(len, words)) + len(words)
        return {"choices": choices, "usage": {"prompt_tokens": 9, "completion_tokens": used}}

    with fault_server(Behaviour(owner="openai", reply=reply)) as server:
        rows = ask(server, tmp_path / "run", n=3)
        assert len(server.bodies) == 6
        assert {body["n"] for body in server.bodies} == {3}
        assert all(body["seed"] < 2**31 for body in server.bodies)
        assert "stop" not in server.bodies[0]
        assert "top_k" not in server.bodies[0]
    by_text = {row["text"]: row["completion_tokens"] for row in rows}
    assert by_text == {"one": 2, "two words": 3, "and three words": 4}
    assert len(rows) == 18


@pytest.mark.parametrize("refuses", ["refused", "one choice", "no logprobs", "hidden tokens"])
def test_a_server_that_does_not_tell_what_each_of_several_has_cost_is_asked_one_by_one(
    refuses: str, tmp_path: Path
) -> None:
    def status(body: Body) -> tuple[int, Body] | None:
        refused = refuses == "refused" and "n" in body
        return (400, {"error": {"message": "n must be 1"}}) if refused else None

    def reply(body: Body) -> Body:
        told = {"content": [{"token": "yes", "logprob": -0.1}]}
        choice = {
            "message": {"content": "yes"},
            "finish_reason": "stop",
            **({} if refuses == "no logprobs" else {"logprobs": told}),
        }
        count = 1 if refuses == "one choice" else body.get("n", 1)
        used = 50 if refuses == "hidden tokens" else count
        return {
            "choices": [choice] * count,
            "usage": {"prompt_tokens": 9, "completion_tokens": used},
        }

    behaviour = Behaviour(owner="somebody", reply=reply, status=status)
    with fault_server(behaviour) as server:
        rows = ask(server, tmp_path / "run", n=2, batch_size=1)
        assert len(server.bodies) == 1 + 12
        assert all("n" not in body for body in server.bodies[1:])
    assert len(rows) == 12
    assert {row["completion_tokens"] for row in rows} == {50 if refuses == "hidden tokens" else 1}


def test_a_server_that_wants_another_name_for_the_limit_is_given_it(tmp_path: Path) -> None:
    def status(body: Body) -> tuple[int, Body] | None:
        said = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
        return (400, {"error": {"message": said}}) if "max_tokens" in body else None

    with fault_server(Behaviour(status=status)) as server:
        rows = ask(server, tmp_path / "run", max_tokens=50, batch_size=1)
        assert len(rows) == 6
        assert [b.get("max_completion_tokens") for b in server.bodies] == [None] + [50] * 6


def test_reasoning_is_kept_apart_under_either_of_its_names(tmp_path: Path) -> None:
    for name in ("reasoning_content", "reasoning"):

        def reply(body: Body, name: str = name) -> Body:
            made = answer("Paris")
            made["choices"][0]["message"][name] = "where is it"
            made["usage"]["completion_tokens_details"] = {"reasoning_tokens": 2}
            return made

        with fault_server(Behaviour(reply=reply)) as server:
            rows = ask(server, tmp_path / name)
        assert {(r["text"], r["reasoning"], r["reasoning_tokens"]) for r in rows} == {
            ("Paris", "where is it", 2)
        }


def test_a_generation_that_stopped_within_its_reasoning_is_asked_for_without_a_stop(
    tmp_path: Path,
) -> None:
    def reply(body: Body) -> Body:
        if "stop" not in body:
            return answer("<think>x</think>whole")
        return answer(f"<think>x{body['stop'][0]}", stop_reason=body["stop"][0])

    with fault_server(Behaviour(reply=reply)) as server:
        rows = ask(server, tmp_path / "run")
        assert len(server.bodies) == 12
    assert {row["text"] for row in rows} == {"<think>x</think>whole"}


def test_logprobs_come_with_the_places_of_their_tokens(tmp_path: Path) -> None:
    def reply(body: Body) -> Body:
        pieces = ["Zü".encode()[:2], "Zü".encode()[2:], b"rich", b"<|end|>"]
        told = [
            {"token": p.decode("utf-8", "replace"), "bytes": list(p), "logprob": -i}
            for i, p in enumerate(pieces)
        ]
        made = answer("Zürich", logprobs={"content": told})
        made["usage"]["completion_tokens"] = 4
        return made

    with fault_server(Behaviour(reply=reply)) as server:
        rows = ask(server, tmp_path / "run", logprobs=True)
    assert rows[0]["logprobs"] == [0, -1, -2, -3]
    assert rows[0]["token_ends"] == [1, 2, 6, 6]


def test_a_base_model_is_asked_by_plain_text(tmp_path: Path) -> None:
    def reply(body: Body) -> Body:
        choice = {"text": "Paris", "finish_reason": "length"}
        return {"choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}

    with fault_server(Behaviour(reply=reply)) as server:
        rows = ask(server, tmp_path / "run", {"chat": "no"})
        assert all(isinstance(body["prompt"], str) for body in server.bodies)
    assert {(row["text"], row["finish_reason"]) for row in rows} == {("Paris", "length")}


def test_lone_surrogates_of_a_server_are_storable(tmp_path: Path) -> None:
    with fault_server(Behaviour(reply=lambda body: answer("a\ud800b \U0001f600"))) as server:
        rows = ask(server, tmp_path / "run")
    assert {row["text"] for row in rows} == {"a\ufffdb \U0001f600"}


def test_extra_settings_reach_the_server(server: FaultServer, tmp_path: Path) -> None:
    ask(server, tmp_path / "run", {"extra.reasoning_effort": "low", "extra.top_k": "5"})
    assert {(b["reasoning_effort"], b["top_k"]) for b in server.bodies} == {("low", 5)}


def test_a_run_may_be_continued_at_another_address(server: FaultServer, tmp_path: Path) -> None:
    ask(server, tmp_path / "run")
    with fault_server() as other:
        assert len(ask(other, tmp_path / "run", {"timeout": 5})) == 6
        assert other.bodies == []


@pytest.mark.parametrize("after", ["1", "Thu, 01 Jan 1970 00:00:00 GMT", "nonsense"])
def test_a_server_that_says_when_to_come_back_is_obeyed(after: str, tmp_path: Path) -> None:
    behaviour = Behaviour(faulty=0.5, kinds=["429"], retry_after=after)
    with fault_server(behaviour) as server:
        ask(server, tmp_path / "run", {"attempts": 9}, task_args={"examples": 8}, batch_size=1)
        assert server.faults["429"] >= 2
        waits = []
        seen: dict[str, float] = {}
        for body, at in zip(server.bodies, server.times, strict=True):
            key = json.dumps(body["messages"])
            if key in seen:
                waits.append(at - seen[key])
            seen[key] = at
    assert len(waits) == server.faults["429"]
    assert min(waits) >= (1.0 if after == "1" else 0.0)


def test_a_server_that_stays_busy_stops_the_run_and_no_request_counts_as_failed(
    tmp_path: Path,
) -> None:
    with (
        fault_server(Behaviour(faulty=1.0, kinds=["429"])) as server,
        pytest.raises(BackendError, match=r"too busy .* 3 times .*requests_per_minute"),
    ):
        ask(server, tmp_path / "run")
    assert RunDirectory(tmp_path / "run").errors.read_bytes() == b""


def test_an_account_that_is_used_up_stops_the_run_at_once(tmp_path: Path) -> None:
    told = {"error": {"message": "You exceeded", "code": "insufficient_quota"}}
    with fault_server(Behaviour(status=lambda body: (429, told))) as server:
        with pytest.raises(BackendError, match="quota is used up"):
            ask(server, tmp_path / "run", batch_size=1)
        assert len(server.bodies) == 1


def test_a_server_that_refuses_everything_stops_the_run_and_records_no_failure(
    tmp_path: Path,
) -> None:
    behaviour = Behaviour(refused=1.0, error_text="temperature must be 1")
    with (
        fault_server(behaviour) as server,
        pytest.raises(UserError, match=r"refuses every request \(status 400: temperature must"),
    ):
        ask(server, tmp_path / "run", task_args={"examples": 40})
    assert RunDirectory(tmp_path / "run").errors.read_bytes() == b""


def test_requests_a_minute_are_kept_to(server: FaultServer, tmp_path: Path) -> None:
    ask(server, tmp_path / "run", {"requests_per_minute": 600})
    gaps = [b - a for a, b in zip(server.times, server.times[1:], strict=False)]
    assert sum(gaps) >= 0.9 * 0.1 * len(gaps)


@pytest.mark.parametrize(
    ("behaviour", "args", "name", "told"),
    [
        (Behaviour(), {}, "plantain", r"no model at http://127.* 'plantain'; did you mean 'planted'"),
        (Behaviour(key=KEY), {}, MODEL, r"not accept the key \(status 401\).*OPENAI_API_KEY.*key_env"),
        (Behaviour(), {"base_url": "ADDRESS_WITHOUT_V1"}, MODEL, r"up to and with /v1.*/v1\."),
        (Behaviour(), {"base_url": "http://127.0.0.1:9/v1"}, MODEL, r"no server at .*:9/v1: start it"),
        (Behaviour(), {"base_url": "127.0.0.1:9"}, MODEL, r"http://"),
        (Behaviour(), {"api_key": KEY}, MODEL, r"never an argument.*environment"),
        (Behaviour(), {"key_env": "MINE"}, MODEL, r"'MINE' of key_env must have KEY"),
        (Behaviour(), {"concurency": 3}, MODEL, r"did you mean 'concurrency'"),
        (
            Behaviour(models={"data": [{"id": MODEL, "owned_by": "me", "max_model_len": 100}]}),
            {"attempts": "0"}, MODEL, r"'attempts' .* cannot be '0'",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_server_is_told_in_one_sentence_before_anything_is_written(
    behaviour: Behaviour, args: Body, name: str, told: str, cli: Cli, tmp_path: Path
) -> None:
    with fault_server(behaviour) as server:
        given = {"base_url": server.address, **args}
        if given["base_url"] == "ADDRESS_WITHOUT_V1":
            given["base_url"] = server.address.removesuffix("/v1")
        code, _, said = cli(
            "run", "--model", f"openai:{name}", "--task", "ddxsim", "--out", tmp_path / "run",
            "--model-args", ",".join(f"{name}={value}" for name, value in given.items()),
        )  # fmt: skip
    assert code == 2
    assert len(said.strip().splitlines()) == 1
    assert re.search(told, said), said
    assert KEY not in said
    assert not (tmp_path / "run").exists()


def test_a_server_is_asked_without_any_package_of_an_extra() -> None:
    heavy = ["torch", "transformers", "jinja2", "vllm", "ray", "lm_eval"]
    probe = (
        "import sys, marl_eval.backends.openai.asking, marl_eval.backends.openai.server; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_key_of_the_named_variable_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_KEY", KEY)
    with fault_server(Behaviour(key=KEY)) as server:
        assert len(ask(server, tmp_path / "run", {"key_env": "LAB_KEY"})) == 6
    assert KEY not in (tmp_path / "run" / "run.json").read_text()


def test_several_in_one_call_are_not_told_to_stop_and_begin_where_the_template_does(
    tmp_path: Path,
) -> None:
    from marl_eval.backends.openai.asking import _several
    from marl_eval.backends.openai.reply import read_reply
    from marl_eval.backends.openai.server import Server
    from tests.with_vllm.test_engine import request

    told = {"content": [{"token": "hm", "logprob": -0.1}]}

    def reply(body: Body) -> Body:
        choice = {"message": {"content": "hm"}, "finish_reason": "length", "logprobs": told}
        count = body.get("n", 1)
        return {
            "choices": [choice] * count,
            "usage": {"prompt_tokens": 5, "completion_tokens": count},
        }

    with fault_server(Behaviour(reply=reply)) as server:
        ask(server, tmp_path / "run", {"n": 2}, n=2)
        assert {body["n"] for body in server.bodies} == {2}
        assert all("stop" not in body for body in server.bodies)
    read = read_reply(json.dumps(reply({"n": 2})).encode(), "application/json")
    two = [request(0, 0), request(0, 1)]
    for opened in (True, False):
        made = _several(read, two, Server("vllm", thinking_opened=opened))
        assert made is not None
        assert [one.thinking_opened for one in made] == [opened, opened]
