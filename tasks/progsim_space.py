"""Every program up to some length, by what it computes, with how likely it is to be drawn.

The length of a program is the number of variables and constants in it. Programs are trees: x + 1 and
1 + x are two. What a program computes depends on what its parts compute and on nothing else of them,
so the programs of a length are counted function by function, from the counts of shorter lengths.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations, pairwise
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marl_eval.errors import UserError
from marl_eval.tasks.progsim_language import INPUTS, Array, apply

LIMIT = 99
"""No part of a program in the space has a value of a larger size for any input."""

SHORTEST = 2

_MOST_VALUES = 20_000_000
_CHOICE, _SUM, _PRODUCT, _ATOM = range(4)


@dataclass(frozen=True, slots=True)
class _Form:
    """A way to make a program of parts: its text, and how tightly each part and the whole bind."""

    text: str
    parts: tuple[int, ...]
    binds: int
    operator: str


_FORMS = (
    _Form("{} + {}", (_SUM, _PRODUCT), _SUM, "+"),
    _Form("{} - {}", (_SUM, _PRODUCT), _SUM, "-"),
    _Form("{} * {}", (_PRODUCT, _ATOM), _PRODUCT, "*"),
    _Form("{} % {}", (_PRODUCT, _ATOM), _PRODUCT, "%"),
    _Form("max({}, {})", (_CHOICE, _CHOICE), _ATOM, "max"),
    _Form("min({}, {})", (_CHOICE, _CHOICE), _ATOM, "min"),
    _Form("{} if {} > {} else {}", (_SUM, _SUM, _SUM, _CHOICE), _CHOICE, "else"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """The functions that programs compute, the most probable first.

    ``inputs`` int64[inputs, variables]; ``outputs`` int8[functions, inputs]; ``programs``: of each
    function its simplest program, that is the shortest, and of these one with the shortest text;
    ``prior`` float64[functions], which sums to 1.
    """

    inputs: NDArray[np.int64]
    outputs: NDArray[np.int8]
    programs: tuple[str, ...]
    prior: NDArray[np.float64]

    def posterior(
        self, shown: NDArray[np.int64], values: NDArray[np.int8]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Give the functions that have ``values`` at the inputs ``shown``, and their probabilities."""
        fitting = np.flatnonzero((self.outputs[:, shown] == values).all(axis=1))
        prior = self.prior[fitting]
        return fitting, prior / prior.sum()


@dataclass(frozen=True, slots=True, eq=False)
class _Programs:
    """The programs of one length, by what they compute, those of the shortest text first.

    ``outputs`` int8[functions, inputs]; ``counts`` float64[functions]: how many programs compute it;
    ``texts`` of the simplest; ``binds``: how tightly that binds.
    """

    outputs: NDArray[np.int8]
    counts: NDArray[np.float64]
    texts: list[str]
    binds: NDArray[np.int64]

    def sizes(self) -> NDArray[np.int64]:
        """Give the lengths of the texts, int64[functions]."""
        return np.array([len(text) for text in self.texts])


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """Programs of one form made of all choices of its parts, those left out that are not allowed.

    ``choice`` int64[programs] numbers the choices of parts; ``sizes`` are the lengths of the texts.
    """

    form: _Form
    parts: tuple[_Programs, ...]
    choice: NDArray[np.int64]
    outputs: NDArray[np.int8]
    counts: NDArray[np.float64]
    sizes: NDArray[np.int64]

    def text(self, row: int) -> str:
        place = np.unravel_index(self.choice[row], [len(part.texts) for part in self.parts])
        texts = [
            f"({part.texts[i]})" if part.binds[i] < least else part.texts[i]
            for part, least, i in zip(self.parts, self.form.parts, place, strict=True)
        ]
        return self.form.text.format(*texts)


@cache
def build_space(variables: int, constants: int, length: int) -> Space:
    """Count the programs over 1 or 2 variables and the constants from 1 to ``constants``.

    A program is drawn so: its length, from ``SHORTEST`` to ``length``, each as likely; then one of the
    programs of that length whose value depends on every variable, each as likely.

    Raises:
        UserError: if there are too many to count.
    """
    inputs = INPUTS if variables == 2 else INPUTS[INPUTS[:, 1] == 0]
    lengths = [_leaves(inputs, variables, constants)]
    for n in range(SHORTEST, length + 1):
        parts = [(form, _parts(lengths, sizes)) for form in _FORMS for sizes in _sizes(form, n)]
        values = len(inputs) * sum(prod(len(part.texts) for part in own) for _, own in parts)
        if values > _MOST_VALUES:
            raise UserError(
                f"progsim with variables={variables}, constants={constants} and length={length} has "
                f"too many programs to count exactly. Lower one of the three."
            )
        lengths.append(_merge([_make(form, own) for form, own in parts]))
    outputs = np.concatenate([programs.outputs for programs in lengths])
    drawn = [_shares(programs, variables) for programs in lengths[SHORTEST - 1 :]]
    too_short = np.zeros(len(outputs) - sum(map(len, drawn)))
    share = np.concatenate([too_short, *drawn]) / len(drawn)
    texts = [text for programs in lengths for text in programs.texts]
    _, first, function = _unique(outputs)
    prior = np.bincount(function, share).astype(np.float64)
    order = np.lexsort((first, -prior))
    order = order[prior[order] > 0]
    return Space(
        inputs=inputs[:, :variables].astype(np.int64),
        outputs=outputs[first[order]],
        programs=tuple(texts[row] for row in first[order]),
        prior=prior[order],
    )


def _leaves(inputs: Array, variables: int, constants: int) -> _Programs:
    numbers = range(1, constants + 1)
    columns = [inputs[:, i] for i in range(variables)]
    columns += [np.full(len(inputs), number) for number in numbers]
    return _Programs(
        outputs=np.array(columns, dtype=np.int8),
        counts=np.ones(len(columns)),
        texts=["x", "y"][:variables] + [str(number) for number in numbers],
        binds=np.full(len(columns), _ATOM),
    )


def _sizes(form: _Form, length: int) -> Iterator[tuple[int, ...]]:
    """Give every way to share a length among the parts of a form."""
    for cuts in combinations(range(1, length), len(form.parts) - 1):
        yield tuple(b - a for a, b in pairwise((0, *cuts, length)))


def _parts(lengths: list[_Programs], sizes: tuple[int, ...]) -> tuple[_Programs, ...]:
    return tuple(lengths[size - 1] for size in sizes)


def _make(form: _Form, parts: tuple[_Programs, ...]) -> _Made:
    def along(axis: int, own: NDArray[Any]) -> NDArray[Any]:
        """Lay the functions of the part ``axis`` along an axis of their own."""
        return own.reshape([-1 if i == axis else 1 for i in range(len(parts))] + [*own.shape[1:]])

    values = [along(i, part.outputs.astype(np.float64)) for i, part in enumerate(parts)]
    if form.operator == "else":
        first, left, right, second = values
        values = [first, apply(">", left, right), second]
    made = apply(form.operator, *values).reshape(-1, parts[0].outputs.shape[1])
    # NaN, which stands for no value, is not within the limit either.
    choice = np.flatnonzero((np.abs(made) <= LIMIT).all(axis=1))
    counts = prod((along(i, part.counts) for i, part in enumerate(parts)), start=np.ones(()))
    sizes = np.zeros((), dtype=np.int64)
    for i, (part, least) in enumerate(zip(parts, form.parts, strict=True)):
        sizes = sizes + along(i, part.sizes() + 2 * (part.binds < least))
    return _Made(
        form=form,
        parts=parts,
        choice=choice,
        outputs=made[choice].astype(np.int8),
        counts=counts.ravel()[choice],
        sizes=sizes.ravel()[choice] + len(form.text.replace("{}", "")),
    )


def _merge(made: list[_Made]) -> _Programs:
    """Put programs that compute the same together."""
    sizes = np.concatenate([batch.sizes for batch in made])
    looseness = np.concatenate([np.full(len(batch.sizes), -batch.form.binds) for batch in made])
    # Texts of different size differ by 2 at least, as much as brackets add: so the shortest text of
    # the whole is made of the shortest texts of its parts, of equal ones that which binds tightest.
    order = np.lexsort((looseness, sizes))
    outputs = np.concatenate([batch.outputs for batch in made])[order]
    counts = np.concatenate([batch.counts for batch in made])[order]
    _, first, function = _unique(outputs)
    shortest = np.argsort(first)
    ends = np.cumsum([len(batch.choice) for batch in made])
    texts, binds = [], []
    for row in order[first[shortest]]:
        batch = int(np.searchsorted(ends, row, side="right"))
        texts.append(made[batch].text(int(row - ends[batch])))
        binds.append(made[batch].form.binds)
    return _Programs(
        outputs=outputs[first[shortest]],
        counts=np.bincount(function, counts).astype(np.float64)[shortest],
        texts=texts,
        binds=np.array(binds),
    )


def _unique(rows: NDArray[np.int8]) -> tuple[Any, NDArray[np.int64], NDArray[np.int64]]:
    """Give the distinct rows, where each occurs first, and which of them each row is."""
    items = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1]))).ravel()
    return np.unique(items, return_index=True, return_inverse=True)


def _shares(programs: _Programs, variables: int) -> NDArray[np.float64]:
    """Give how likely each function is among programs of one length that depend on every variable."""
    grid = programs.outputs.reshape(-1, *([10] * variables))
    depends = np.ones(len(grid), dtype=np.bool_)
    for axis in range(1, variables + 1):
        same = grid == grid.take([0], axis=axis)
        depends &= ~same.reshape(len(grid), -1).all(axis=1)
    counts: NDArray[np.float64] = programs.counts * depends
    shares: NDArray[np.float64] = counts / counts.sum()
    return shares
