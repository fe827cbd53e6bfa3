"""The count of all programs: it agrees with a list of them, one by one."""

from __future__ import annotations

import numpy as np
import pytest

from marl_eval.errors import UserError
from marl_eval.tasks.progsim_language import INPUTS, key, read, run
from marl_eval.tasks.progsim_space import LIMIT, Space, build_space
from tests.tasks import plain_programs


def by_text(space: Space) -> dict[str, float]:
    return dict(zip(space.programs, space.prior.tolist(), strict=True))


def test_programs_of_two_parts_are_as_likely_as_counted_by_hand() -> None:
    # With x, 1 and two parts there are 6 x 4 programs. 8 are the same for every x (x - x, x % 1, and
    # the six of 1 and 1), and x % x and 1 % x take a remainder by 0. x is x * 1, 1 * x, max(x, x) and
    # min(x, x).
    counts = {
        "x": 4, "x + 1": 2, "max(x, 1)": 2, "min(x, 1)": 2, "x + x": 1, "x * x": 1, "x - 1": 1,
        "1 - x": 1,
    }  # fmt: skip
    found = by_text(build_space(1, 1, 2))
    assert found == pytest.approx({text: count / 14 for text, count in counts.items()})


@pytest.mark.parametrize(
    ("variables", "constants", "length"), [(1, 1, 3), (1, 2, 3), (2, 1, 2), (2, 1, 3), (1, 1, 4)]
)
def test_every_function_is_as_likely_as_in_a_list_of_all_programs(
    variables: int, constants: int, length: int
) -> None:
    space = build_space(variables, constants, length)
    listed = plain_programs.count(variables, constants, length)
    found = {
        tuple(row): prior
        for row, prior in zip(space.outputs.tolist(), space.prior.tolist(), strict=True)
    }
    assert found == pytest.approx({values: prior for values, (prior, _) in listed.items()})


@pytest.mark.parametrize(
    ("variables", "constants", "length"), [(1, 3, 3), (1, 2, 3), (2, 1, 3), (1, 1, 4)]
)
def test_a_function_is_named_by_a_shortest_program(
    variables: int, constants: int, length: int
) -> None:
    space = build_space(variables, constants, length)
    listed = plain_programs.count(variables, constants, length)
    for row, text in zip(space.outputs.tolist(), space.programs, strict=True):
        _, simplest = listed[tuple(row)]
        assert (leaves(text), len(text)) == (leaves(simplest), len(simplest))


def leaves(text: str) -> int:
    code = read(text)
    assert code is not None
    return sum(isinstance(step, float) or step in ("x", "y") for step in code)


@pytest.mark.parametrize(
    ("variables", "constants", "length"), [(1, 3, 3), (1, 3, 4), (2, 3, 3), (2, 3, 4), (1, 1, 5)]
)
def test_every_program_reads_back_as_its_function(
    variables: int, constants: int, length: int
) -> None:
    space = build_space(variables, constants, length)
    x, y = INPUTS.T if variables == 2 else INPUTS[INPUTS[:, 1] == 0].T
    for text, row in zip(space.programs, space.outputs, strict=True):
        code = read(text)
        assert code is not None
        assert (run(code, x, y) == row).all(), text
        assert leaves(text) <= length
    assert len(set(map(key, space.programs))) == len(space.programs)


def test_the_space_holds_programs_of_every_form() -> None:
    programs = " ; ".join(build_space(2, 3, 4).programs)
    for form in (" + ", " - ", " * ", " % ", "max(", "min(", " if ", " > ", " else ", "(x + y) *"):
        assert form in programs


def test_the_most_probable_function_is_first_and_all_are_possible() -> None:
    for space in (build_space(1, 2, 3), build_space(2, 3, 4)):
        prior = space.prior.tolist()
        assert prior == sorted(prior, reverse=True)
        assert prior[-1] > 0
        assert sum(prior) == pytest.approx(1, abs=1e-12)
        assert np.abs(space.outputs.astype(int)).max() == LIMIT


def test_the_posterior_is_the_prior_of_what_fits_as_a_share() -> None:
    space = build_space(1, 1, 2)
    shown, values = np.array([0, 3]), np.array([0, 3], dtype=np.int8)
    fitting, chances = space.posterior(shown, values)
    assert [space.programs[row] for row in fitting] == ["x"]
    assert chances.tolist() == [1]
    fitting, chances = space.posterior(np.array([1]), np.array([1], dtype=np.int8))
    found = {space.programs[row]: p for row, p in zip(fitting, chances.tolist(), strict=True)}
    # x 4, max(x, 1) 2, min(x, 1) 2, x * x 1.
    assert found == pytest.approx(
        {"x": 4 / 9, "max(x, 1)": 2 / 9, "min(x, 1)": 2 / 9, "x * x": 1 / 9}
    )


@pytest.mark.parametrize(("variables", "constants", "length"), [(2, 9, 4), (2, 5, 4), (1, 9, 5)])
def test_a_space_that_is_too_large_is_refused(variables: int, constants: int, length: int) -> None:
    with pytest.raises(UserError, match="too many programs to count exactly") as caught:
        build_space(variables, constants, length)
    for told in (f"{variables=}", f"{constants=}", f"{length=}"):
        assert told in str(caught.value)
