"""Which backend a model's name takes."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from marl_eval import plugins
from marl_eval.errors import UserError
from marl_eval.plugins import checkpoint_backend, open_model
from tests.conftest import Cli

Opened = tuple[str, str, Mapping[str, Any], int | None]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Opened]:
    """What is opened, in place of opening it."""
    calls: list[Opened] = []

    def load(backend: str) -> Any:
        def open_backend(name: str, args: Mapping[str, Any], *, batch_size: int | None) -> object:
            calls.append((backend, name, args, batch_size))
            return object()

        return open_backend

    monkeypatch.setattr(plugins, "load_backend", load)
    return calls


def machine(monkeypatch: pytest.MonkeyPatch, *, vllm: bool, gpu: bool) -> None:
    """Pretend that this machine has vLLM, and a GPU."""
    spec = importlib.util.find_spec

    def find_spec(name: str) -> Any:
        return (SimpleNamespace() if vllm else None) if name == "vllm" else spec(name)

    monkeypatch.setattr(plugins, "find_spec", find_spec)
    torch = pytest.importorskip("torch", reason="torch is not installed")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)


@pytest.mark.parametrize(
    ("vllm", "gpu", "backend", "why"),
    [
        (True, True, "vllm", "there is a GPU"),
        (True, False, "hf", "no GPU"),
        (False, True, "hf", "not installed"),
        (False, False, "hf", "not installed"),
    ],
)
def test_a_bare_name_takes_vllm_where_it_is_installed_and_sees_a_gpu(
    vllm: bool, gpu: bool, backend: str, why: str,
    opened: list[Opened], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    machine(monkeypatch, vllm=vllm, gpu=gpu)
    chosen, told = checkpoint_backend()
    assert chosen == backend
    assert why in told
    for name in ("Qwen/Qwen3-0.6B", "./folder", "/a/b:c", "gpt2", "C:\\models\\x"):
        open_model(name, {"a": 1}, batch_size=4)
        assert opened[-1] == (backend, name, {"a": 1}, 4)


@pytest.mark.parametrize(
    ("model", "backend", "name"),
    [
        ("hf:Qwen/Qwen3-0.6B", "hf", "Qwen/Qwen3-0.6B"),
        ("vllm:/a/b:c", "vllm", "/a/b:c"),
        ("openai:org/model:free", "openai", "org/model:free"),
        ("lm-eval:hf,pretrained=x", "lm-eval", "hf,pretrained=x"),
        ("ray:hf:x", "ray", "hf:x"),
        ("mine:x", "mine", "x"),
    ],
)
def test_a_backend_before_the_name_is_taken(
    model: str, backend: str, name: str, opened: list[Opened]
) -> None:
    open_model(model, {})
    assert opened == [(backend, name, {}, None)]


def test_the_option_backend_leaves_the_whole_name_to_it(opened: list[Opened]) -> None:
    open_model("hf:x", {}, backend="ray", batch_size=8)
    assert opened == [("ray", "hf:x", {}, 8)]


def test_a_backend_that_there_is_not_is_told_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"no backend 'vlm'; did you mean 'vllm'"):
        open_model("vlm:x", {})


def test_doctor_tells_which_backend_a_bare_name_takes(cli: Cli) -> None:
    code, told, _ = cli("doctor")
    assert code == 0
    backend, why = checkpoint_backend()
    assert f"is run by {backend}: {why}" in told
