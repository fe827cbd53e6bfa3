from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("trl", reason="the extra 'train' is not installed")


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that often answers in the format, made once."""
    from tests.training.tiny_models import warmed_up

    return warmed_up(tmp_path_factory.mktemp("tiny"))
