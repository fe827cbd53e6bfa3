"""What several tests of the sandbox share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from marl_eval.sandbox import Limits, Sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A sandbox at the strongest level, with short limits."""
    with Sandbox(Limits(cpu_seconds=1.0, wall_seconds=5.0, memory_mib=256)) as opened:
        yield opened
