from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("trl", reason="the extra 'train' is not installed")


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that often answers in the format, made once."""
    import torch

    from tests.training.tiny_models import warmed_up

    threads = torch.get_num_threads()
    # The same model whatever machine the tests run on, as far as rounding allows.
    torch.set_num_threads(1)
    try:
        return warmed_up(tmp_path_factory.mktemp("tiny"))
    finally:
        torch.set_num_threads(threads)
