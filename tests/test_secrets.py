"""Secrets in the environment, in an address and in what a server says are written and shown nowhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fault_server import MODEL, Behaviour, FaultServer, fault_server

COMMAND = str(Path(sys.executable).with_name("marl-eval"))
KEY = "correct-horse-battery"
OTHER = "staple-of-the-environment"
USER, PASSWORD, QUERY = "lab-user", "pa55-of-the-lab", "query-tok3n"
SECRETS = [KEY, OTHER, PASSWORD, QUERY, "sk-abcdefgh12345678"]
SAID = (
    f"the key {KEY} may not; {OTHER} neither; see https://{USER}:{PASSWORD}@x.test/?token={QUERY} "
    f"or sk-abcdefgh12345678"
)


def address(server: FaultServer) -> str:
    return f"http://{USER}:{PASSWORD}@127.0.0.1:{server.server_address[1]}/v1?token={QUERY}"


def run(server: FaultServer, out: Path, *more: str) -> tuple[int, str]:
    env = {**os.environ, "OPENAI_API_KEY": KEY, "SOME_OTHER_TOKEN": OTHER}
    done = subprocess.run(
        [
            COMMAND, "run", "--model", f"openai:{MODEL}",
            "--model-args", f"base_url={address(server)},attempts=2,timeout=1",
            "--task", "ddxsim", "--task-args", "examples=30", "-k", "3", "--resamples", "20",
            "--out", str(out), *more,
        ],
        capture_output=True, text=True, env=env, cwd=out.parent, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def seen(folder: Path, told: str) -> list[str]:
    """List where a secret stands."""
    texts = {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    texts["terminal"] = told.encode()
    return [f"{s} in {name}" for name, text in texts.items() for s in SECRETS if s.encode() in text]


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (Behaviour(refused=0.3, error_text=SAID), 1),
        (Behaviour(refused=1.0, error_text=SAID), 2),
        (Behaviour(faulty=1.0, kinds=["500"], error_text=SAID), 1),
        (Behaviour(faulty=1.0, kinds=["429"], error_text=SAID), 1),
        (Behaviour(faulty=0.2, kinds=["reset", "truncated"]), 0),
        (Behaviour(key="another", error_text=SAID), 2),
        (Behaviour(models={"data": [{"id": "other"}]}), 2),
    ],
    ids=["some refused", "all refused", "broken", "busy", "well", "wrong key", "no model"],
)
def test_a_run_tells_no_secret(behaviour: Behaviour, code: int, tmp_path: Path) -> None:
    with fault_server(behaviour) as server:
        returned, told = run(server, tmp_path / "run")
        if server.headers:
            # A user and password in the address are what is sent, in place of the key.
            assert server.headers[0]["Authorization"].startswith("Basic ")
    assert "Traceback" not in told
    assert seen(tmp_path, told) == []
    assert returned == code
    assert told.strip()


def test_a_server_that_is_down_is_named_without_its_secrets(tmp_path: Path) -> None:
    with fault_server() as server:
        pass
    returned, told = run(server, tmp_path / "run")
    assert returned == 2
    assert f"127.0.0.1:{server.server_address[1]}" in told
    assert seen(tmp_path, told) == []


def test_the_query_of_an_address_reaches_the_server(tmp_path: Path) -> None:
    with fault_server() as server:
        returned, told = run(server, tmp_path / "run", "--limit", "3")
        assert returned == 0, told
        assert len(server.paths) > 3
        assert all(path.endswith(f"?token={QUERY}") for path in server.paths)
