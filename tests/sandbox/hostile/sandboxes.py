"""Sandboxes at exactly one level, for the tests of what each level holds."""

from __future__ import annotations

import pytest

from marl_eval.sandbox import Limits, Sandbox
from marl_eval.sandbox.server_process import RefusedError, hide_memory, start_at

SMALL = Limits(cpu_seconds=0.3, wall_seconds=10.0, memory_mib=256, scratch_mib=16)


class Sandboxes:
    """One sandbox a level, started when it is first needed."""

    def __init__(self) -> None:
        self._open: dict[str, Sandbox] = {}

    def at(self, level: str) -> Sandbox:
        """Give the sandbox of one level; skip the test where this machine has no such level."""
        if level not in self._open:
            sandbox = Sandbox(SMALL, min_level=level)
            try:
                sandbox._server = start_at(level, scratch_mib=SMALL.scratch_mib)
            except RefusedError as error:
                pytest.skip(f"no level {level} here: {error}")
            hide_memory(level)
            self._open[level] = sandbox
        sandbox = self._open[level]
        assert sandbox.level == level
        sandbox.limits = SMALL
        return sandbox

    def close(self) -> None:
        """End them all."""
        for sandbox in self._open.values():
            sandbox.__exit__(None, None, None)
