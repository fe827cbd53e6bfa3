"""A checkpoint and a cluster that several files of tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends.tiny import save_tiny_model


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint of random weights."""
    return save_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def local_cluster() -> Iterator[None]:
    """One Ray cluster for all tests of a file, which runs would else start and end one by one."""
    import ray

    from marl_eval.backends.ray.cluster import Arguments, connect

    connect(Arguments())
    yield
    ray.shutdown()
