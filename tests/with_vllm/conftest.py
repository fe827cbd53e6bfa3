"""The real engine on SmolLM2, started once for all tests of a process that can share it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")

ENGINE: dict[str, Any] = {"dtype": "float32", "enforce_eager": True}
PLACES = 32


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The folder of the checkpoint."""
    pytest.importorskip("vllm", reason="vLLM is not installed: run `nox -s vllm`")
    if "MARL_EVAL_SMOLLM2" not in os.environ:
        pytest.skip("MARL_EVAL_SMOLLM2 does not name a folder with the SmolLM2 checkpoint")
    return Path(os.environ["MARL_EVAL_SMOLLM2"])


@pytest.fixture(scope="session")
def backend(smollm2: Path) -> Any:
    """The opened backend; its engine is started by the first test that asks it."""
    from marl_eval.plugins import open_model

    return open_model(f"vllm:{smollm2}", ENGINE, batch_size=PLACES)


@pytest.fixture
def shared_engine(backend: Any, smollm2: Path) -> Iterator[None]:
    """Let runs of the checkpoint with ``ENGINE`` and ``PLACES`` use the engine that is running."""
    from marl_eval import preparation
    from marl_eval.plugins import open_model

    def opened(model: str, args: Mapping[str, Any], **options: Any) -> Any:
        if not model.startswith("vllm:"):
            return open_model(model, args, **options)
        assert (model, dict(args), options["batch_size"]) == (f"vllm:{smollm2}", ENGINE, PLACES)
        return backend

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparation, "open_model", opened)
        yield
