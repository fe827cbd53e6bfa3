from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from marl_eval.estimators.diversity import distinct_k, hill_number, vendi_score

Array = NDArray[np.float64]
ORDERS = [0, 0.5, 1, 2, 10, 1000]
counts_of_classes = st.lists(st.integers(0, 30), min_size=1, max_size=8)


def hill(counts: list[float] | list[int], order: float) -> float:
    return float(hill_number(np.array(counts, dtype=np.float64), order=order))


def test_hill_numbers_of_a_half_and_two_quarters() -> None:
    assert hill([2, 1, 1], 0) == pytest.approx(3)
    assert hill([2, 1, 1], 1) == pytest.approx(2**1.5)
    assert hill([2, 1, 1], 2) == pytest.approx(8 / 3)


@pytest.mark.parametrize("order", ORDERS)
def test_equal_classes_are_as_many_as_they_are(order: float) -> None:
    assert hill([5, 5, 5, 5, 0], order) == pytest.approx(4)
    assert hill([7], order) == pytest.approx(1)


@pytest.mark.parametrize("order", ORDERS)
def test_no_answers_have_no_hill_number(order: float) -> None:
    values = hill_number(np.array([[0.0, 0.0], [3.0, 0.0]]), order=order)
    assert math.isnan(values[0])
    assert values[1] == pytest.approx(1)
    assert np.isnan(hill_number(np.zeros((2, 0)), order=order)).all()


@pytest.mark.parametrize("order", [-1, math.inf, math.nan])
def test_orders_that_are_none_are_refused(order: float) -> None:
    with pytest.raises(ValueError, match="order"):
        hill([1, 2], order)


@pytest.mark.parametrize("count", [-1, math.nan, math.inf])
def test_counts_that_are_none_are_refused(count: float) -> None:
    with pytest.raises(ValueError, match="counts"):
        hill([1, count], 2)


@given(counts=counts_of_classes)
def test_hill_numbers_agree_with_their_plain_formulas(counts: list[int]) -> None:
    assume(any(counts))
    shares = [count / sum(counts) for count in counts if count]
    assert hill(counts, 0) == pytest.approx(len(shares))
    assert hill(counts, 1) == pytest.approx(math.exp(-sum(p * math.log(p) for p in shares)))
    assert hill(counts, 2) == pytest.approx(1 / sum(p * p for p in shares))
    assert hill(counts, 3.5) == pytest.approx(sum(p**3.5 for p in shares) ** (1 / (1 - 3.5)))
    assert hill(counts, 5000) == pytest.approx(1 / max(shares), rel=1e-3)


@given(counts=counts_of_classes, scale=st.floats(1e-6, 1e6))
def test_hill_numbers_ignore_unit_order_of_classes_and_padding(
    counts: list[int], scale: float
) -> None:
    assume(any(counts))
    other = [0.0, *(scale * count for count in reversed(counts)), 0.0]
    for order in ORDERS:
        assert hill(other, order) == pytest.approx(hill(counts, order))


@given(counts=counts_of_classes)
def test_hill_numbers_lie_between_one_and_the_classes_and_do_not_rise_with_the_order(
    counts: list[int],
) -> None:
    assume(any(counts))
    values = np.array([hill(counts, order) for order in ORDERS])
    assert (values >= 1 - 1e-12).all()
    assert (values <= np.count_nonzero(counts) + 1e-12).all()
    assert (np.diff(values) <= 1e-12).all()


@given(counts=counts_of_classes, parts=st.integers(2, 4))
def test_splitting_every_class_into_equal_parts_multiplies_hill_numbers(
    counts: list[int], parts: int
) -> None:
    assume(any(counts))
    for order in ORDERS:
        assert hill(counts * parts, order) == pytest.approx(parts * hill(counts, order))


def test_distinct_k_counts_classes_and_leaves_out_what_is_missing() -> None:
    partition = np.array([[4, 0, 4, 9], [2, -1, -2, 2], [-1, -1, -1, -1]])
    assert distinct_k(partition).tolist() == [3, 1, 0]


@given(labels=st.lists(st.integers(-2, 5), min_size=1, max_size=10))
def test_distinct_k_is_the_size_of_the_set_of_labels(labels: list[int]) -> None:
    assert distinct_k(np.array(labels)) == len({label for label in labels if label >= 0})


def same(labels: list[int]) -> Array:
    """Give the kernel of equality."""
    kernel: Array = np.equal.outer(labels, labels).astype(np.float64)
    return kernel


def cosines(rows: list[list[float]]) -> Array:
    vectors = np.array(rows)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    kernel: Array = vectors @ vectors.T
    return kernel


def test_vendi_score_of_two_items_half_alike() -> None:
    # The eigenvalues of the kernel over 2 are 3/4 and 1/4.
    expected = (4 / 3) ** 0.75 * 4**0.25
    assert vendi_score(np.array([[1, 0.5], [0.5, 1]])) == pytest.approx(expected)


def test_vendi_score_counts_items_that_are_not_alike_and_takes_alike_ones_for_one() -> None:
    assert vendi_score(np.eye(5)) == pytest.approx(5)
    assert vendi_score(np.ones((5, 5))) == pytest.approx(1)
    assert math.isnan(vendi_score(np.zeros((0, 0))))


@given(labels=st.lists(st.integers(0, 4), min_size=1, max_size=12))
def test_vendi_score_of_equality_is_the_hill_number_of_the_classes(labels: list[int]) -> None:
    counts = np.unique(labels, return_counts=True)[1].astype(np.float64)
    assert vendi_score(same(labels)) == pytest.approx(float(hill_number(counts, order=1)))


vectors_of_items = st.lists(
    st.lists(st.floats(0.1, 1), min_size=3, max_size=3), min_size=1, max_size=8
)


@given(rows=vectors_of_items, seed=st.integers(0, 2**32 - 1))
def test_vendi_score_ignores_the_order_of_items_and_their_repetition(
    rows: list[list[float]], seed: int
) -> None:
    score = vendi_score(cosines(rows))
    shuffled = np.random.default_rng(seed).permutation(np.array(rows)).tolist()
    assert 1 - 1e-9 <= score <= len(rows) + 1e-9
    assert vendi_score(cosines(shuffled)) == pytest.approx(score)
    assert vendi_score(cosines(rows + rows)) == pytest.approx(score)


def test_a_kernel_computed_in_single_precision_is_accepted() -> None:
    vectors = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    single = (vectors @ vectors.T).astype(np.float64)
    precise = cosines(vectors.astype(np.float64).tolist())
    assert vendi_score(single) == pytest.approx(vendi_score(precise), rel=1e-4)


@pytest.mark.parametrize(
    ("kernel", "why"),
    [
        ([[1.0, 0.0]], "shape"),
        ([1.0], "shape"),
        ([[1.0, 0.2], [0.3, 1.0]], "symmetric"),
        ([[1.0, math.nan], [math.nan, 1.0]], "symmetric"),
        ([[2.0, 0.0], [0.0, 1.0]], "diagonal"),
        ([[1.0, 2.0], [2.0, 1.0]], "semi-definite"),
    ],
)
def test_what_is_no_kernel_is_refused(kernel: list[list[float]], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        vendi_score(np.array(kernel))


@pytest.mark.filterwarnings("ignore:Please import `csr_matrix`:DeprecationWarning")
@pytest.mark.parametrize("items", [1, 2, 10, 50])
def test_vendi_score_agrees_with_the_package_of_its_authors(items: int) -> None:
    vendi = pytest.importorskip(
        "vendi_score.vendi", reason="vendi-score, the package of the authors, is not installed"
    )
    kernel = cosines(np.random.default_rng(items).normal(size=(items, 6)).tolist())
    assert vendi_score(kernel) == pytest.approx(vendi.score_K(kernel), rel=1e-9)
