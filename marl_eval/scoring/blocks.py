"""The examples of a run with their stored generations, a block at a time, so that memory is flat."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from marl_eval.line_index import index_lines
from marl_eval.lines import read_lines
from marl_eval.score_table import block_size
from marl_eval.store import RunDirectory
from marl_eval.types import Completion, Example


@dataclass(frozen=True, slots=True)
class Block:
    """Some examples, those from row ``start`` on, and the lines of their generations.

    ``places`` says of each line which generation of the block it is (from 0) and its stage.
    """

    start: int
    examples: Sequence[Example]
    places: Sequence[tuple[int, int]]
    lines: Sequence[Completion]

    @property
    def stop(self) -> int:
        """The row after the last example."""
        return self.start + len(self.examples)


class Blocks:
    """The examples of a run, ``block_size`` at a time; ``samples`` generations of each."""

    def __init__(self, run: RunDirectory, samples: int) -> None:
        self._run = run
        self._samples = samples
        self.index = index_lines(run.completions)
        self._offsets = run.example_offsets()
        self.examples = len(self._offsets) - 1
        self._size = block_size(samples)
        self.count = -(-self.examples // self._size)

    def read(self, number: int) -> Block:
        """Read one block."""
        start, stop = number * self._size, min((number + 1) * self._size, self.examples)
        examples = self._run.read_examples(self._offsets, slice(start, stop))
        found = self.index.rows(start, stop)
        places = self.index.places(found, start, self._samples)
        lines = read_lines(self._run.completions, self.index, found, Completion)
        return Block(start, examples, places, lines)


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Stop the search for reference cycles: a block makes millions of objects and no cycle."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
