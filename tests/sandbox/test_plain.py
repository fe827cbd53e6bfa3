"""Plain data crosses the boundary as what it is, by type and value, and nothing else crosses."""

from __future__ import annotations

import json
import math
import tracemalloc
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import Enum, IntEnum, IntFlag
from fractions import Fraction
from typing import Any, NoReturn

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marl_eval.sandbox.inside import plain
from marl_eval.sandbox.inside.plain import NotPlainError, from_plain, to_plain


def keep(value: Any) -> list[Any]:
    return [7, type(value).__name__, True]


def refuse(value: Any) -> list[Any]:
    raise NotPlainError("no handles here")


def handle(number: int, name: str, truth: bool) -> Any:
    return ("handle", number, name, truth)


def cross(value: Any, keep: Callable[[Any], list[Any]] = refuse) -> Any:
    """Send a value through JSON as the two sides do."""
    return from_plain(orjson.loads(json.dumps(to_plain(value, keep))), handle)


def told(value: Any) -> Any:
    """Tell the type and the value of plain data so that ``==`` compares exactly those."""
    kind = type(value)
    name = kind.__name__
    if kind in (list, tuple):
        return name, [told(item) for item in value]
    if kind in (set, frozenset):
        return name, sorted((told(item) for item in value), key=repr)
    if kind is dict:
        return name, [(told(key), told(item)) for key, item in value.items()]
    if kind is int:
        return name, hex(value)
    if kind is Fraction:
        return name, hex(value.numerator), hex(value.denominator)
    if kind is complex:
        return name, repr(value.real), repr(value.imag)
    return name, repr(value)


def _kind(value: Any) -> str:
    return type(value).__name__


BIG = st.integers(1, 60_000).flatmap(lambda bits: st.sampled_from([1 << bits, 1 - (1 << bits)]))
TEXT = st.text(st.characters(exclude_categories=()), max_size=8)
DECIMALS = st.decimals() | st.sampled_from([Decimal("sNaN12"), Decimal("-0"), Decimal("1E+99999")])
RANGES = st.builds(
    range, st.integers(), st.integers(-1000, 1000), st.integers(1, 9) | st.integers(-9, -1)
).filter(lambda value: abs(value.start - value.stop) < 1_000_000)
TYPES = st.sampled_from([int, str, float, bool, list, dict, tuple, set, object])
HASHABLE = st.one_of(
    st.none(), st.booleans(), st.integers(), BIG, st.floats(), st.complex_numbers(), TEXT,
    st.binary(max_size=8), RANGES, st.fractions(), TYPES, DECIMALS.filter(lambda d: not d.is_snan()),
)  # fmt: skip
KEYS = st.recursive(
    HASHABLE,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)
PLAIN = st.recursive(
    HASHABLE | DECIMALS | st.binary(max_size=8).map(bytearray),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(KEYS, inner, max_size=4),
        st.sets(KEYS, max_size=4),
        st.frozensets(KEYS, max_size=4),
    ),
    max_leaves=20,
)


@given(PLAIN)
@settings(max_examples=300)
def test_every_plain_value_arrives_with_its_type_and_value(value: Any) -> None:
    assert told(cross(value)) == told(value)


@pytest.mark.parametrize(
    "value",
    [
        -0.0, math.nan, math.inf, -math.inf, 5e-324, 1e16, 1e22, 2.0**53, 1.7976931348623157e308,
        2**53, -(2**53), 2**53 - 1, 2**63, 2**64, 10**5000, -(10**20_000),
        complex(-0.0, -0.0), complex(math.nan, -math.inf), True, 1, 1.0,
        "\ud800", "a\udfffb", "\x00", "\u2028", "é", b"\x00\xff", bytearray(b"\xff"),
        {1: "a", "1": "b", 1.5: "c", None: "d", (1, (2,)): "e", frozenset({3}): "f", b"1": "g"},
        {(): [], frozenset(): {}}, {"t": [1], "d": 2}, {"n": "nan"}, [{"h": [1, "x", True]}],
        range(10, 0, -3), range(-5, 10**6 - 6), range(10**30, 10**30 + 5), range(0),
        Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity"), Decimal("1.10"), Decimal("-0E+7"),
        Fraction(-3, 7), int, object, [], (), {}, set(), frozenset(), "", b"",
    ],
    ids=_kind,
)  # fmt: skip
def test_values_at_the_edge_arrive_as_they_are(value: Any) -> None:
    assert told(cross(value)) == told(value)
    assert told(cross([value])) == told([value])


def test_a_true_a_one_and_a_one_point_nothing_stay_apart() -> None:
    assert told(cross([True, 1, 1.0, (1,), [1]])) != told(cross([1, 1.0, True, [1], (1,)]))


class Liar:
    """Methods of a program that lie about what it holds, and end the process if they are asked."""

    def lie(self, *arguments: Any) -> NoReturn:
        raise SystemExit("a program's method was asked")

    __iter__ = __len__ = __eq__ = __getitem__ = __contains__ = __bool__ = __repr__ = __str__ = lie
    __index__ = __int__ = __float__ = __add__ = __pos__ = keys = items = values = lie
    __class__ = property(lie)
    real = imag = property(lie)


class LyingMeta(type):
    def __eq__(cls, other: object) -> bool:
        return True

    def __instancecheck__(cls, instance: object) -> bool:
        return True

    def __hash__(cls) -> int:
        return hash(int)

    def mro(cls) -> list[type]:
        return super().mro()


class LiarInt(Liar, int):
    __hash__ = int.__hash__


class LiarFloat(Liar, float):
    __hash__ = float.__hash__


class LiarStr(Liar, str):
    __hash__ = str.__hash__


class LiarBytes(Liar, bytes):
    __hash__ = bytes.__hash__


class LiarComplex(Liar, complex):
    __hash__ = complex.__hash__


class LiarTuple(Liar, tuple):  # type: ignore[type-arg]
    __hash__ = tuple.__hash__


class LiarFrozen(Liar, frozenset):  # type: ignore[type-arg]
    __hash__ = frozenset.__hash__


class LiarList(Liar, list):  # type: ignore[type-arg]
    pass


class LiarDict(Liar, dict):  # type: ignore[type-arg]
    pass


class LiarSet(Liar, set):  # type: ignore[type-arg]
    pass


class LiarArray(Liar, bytearray):
    pass


Point = namedtuple("Point", "x y")


class Number(IntEnum):
    TWO = 2


class Flag(IntFlag):
    FOUR = 4


class Word(str, Enum):  # noqa: UP042
    YES = "yes"


class MetaInt(int, metaclass=LyingMeta):
    pass


@pytest.mark.parametrize(
    ("value", "base"),
    [
        (Counter("aab"), {"a": 2, "b": 1}),
        (defaultdict(list, {1: [2]}), {1: [2]}),
        (OrderedDict(a=1, b=2), {"a": 1, "b": 2}),
        (Point(1, [2]), (1, [2])),
        (Number.TWO, 2),
        (Flag.FOUR, 4),
        (Word.YES, "yes"),
        (MetaInt(5), 5),
        (LiarInt(3), 3),
        (LiarInt(2**80), 2**80),
        (LiarFloat(-0.0), -0.0),
        (LiarFloat("nan"), math.nan),
        (LiarComplex(-0.0, -0.0), complex(-0.0, -0.0)),
        (LiarStr("\ud800x"), "\ud800x"),
        (LiarBytes(b"ab"), b"ab"),
        (LiarArray(b"ab"), bytearray(b"ab")),
        (LiarTuple((1, 2)), (1, 2)),
        (LiarList([1, LiarInt(2)]), [1, 2]),
        (LiarDict({1: LiarList()}), {1: []}),
        (LiarSet({1, 2}), {1, 2}),
        (LiarFrozen({1}), frozenset({1})),
    ],
    ids=_kind,
)
def test_a_subclass_crosses_as_its_base_and_its_methods_are_not_asked(
    value: Any, base: Any
) -> None:
    assert told(cross(value)) == told(base)
    assert told(cross({"k": [value]})) == told({"k": [base]})


def test_an_ordered_dict_keeps_its_own_order() -> None:
    value = OrderedDict(a=1, b=2, c=3)
    value.move_to_end("a")
    assert list(cross(value)) == ["b", "c", "a"]


def test_a_dict_crosses_whatever_its_keys_hash_to_later() -> None:
    class Fickle(int):
        turn = 0

        def __hash__(self) -> int:
            Fickle.turn += 1
            return Fickle.turn

    assert cross({Fickle(1): "a", Fickle(2): "b"}) == {1: "a", 2: "b"}
    assert cross({Fickle(1), Fickle(2)}) == {1, 2}


def test_equal_sets_are_the_same_text_however_they_were_made() -> None:
    collide = [1, 9, 17, 25, 33]
    backwards = collide[::-1]
    made = set(collide), set(backwards)
    assert list(made[0]) != list(made[1])
    assert to_plain(made[0], refuse) == to_plain(made[1], refuse)
    mixed: list[Any] = [None, "a", (1, 2), 2.5, frozenset({1})]
    turned = mixed[::-1]
    assert to_plain(set(mixed), refuse) == to_plain(set(turned), refuse)


@pytest.mark.parametrize(
    "value",
    [
        object(), len, lambda: 1, math, Exception("x"), deque([1]), iter([1]), {}.keys(), NotPlainError,
        range(10**30), range(2_000_000), Fraction(1, 1 << 40_000), memoryview(b"x"), Ellipsis,
    ],
)  # fmt: skip
def test_what_is_not_plain_stays_and_a_handle_crosses(value: Any) -> None:
    assert cross([value], keep) == [("handle", 7, type(value).__name__, True)]
    with pytest.raises(NotPlainError, match="no handles here"):
        cross([value])


class Pretender:
    """It says that it is a list of the right answer."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return list

    def __iter__(self) -> Iterator[int]:
        return iter([1, 2])

    def __len__(self) -> int:
        return 2

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def test_what_says_it_is_a_list_is_a_handle() -> None:
    assert isinstance(Pretender(), list)
    assert cross(Pretender(), keep) == ("handle", 7, "Pretender", True)


def nested(depth: int, wrap: Callable[[Any], Any]) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = wrap(value)
    return value


@pytest.mark.parametrize(
    "wrap",
    [
        lambda value: [value],
        lambda value: (value,),
        lambda value: {1: value},
        lambda value: frozenset([value]),
    ],
    ids=["list", "tuple", "dict", "frozenset"],
)
def test_containers_cross_down_to_a_depth_and_no_deeper(wrap: Callable[[Any], Any]) -> None:
    deep = nested(plain.DEEPEST // 2, wrap)
    assert told(cross(deep)) == told(deep)
    with pytest.raises(NotPlainError, match="too deep"):
        to_plain(nested(plain.DEEPEST * 2 + 1, wrap), refuse)


def test_the_deepest_list_and_dict_cross() -> None:
    for wrap in (lambda value: [value], lambda value: {1: value}):
        deep = nested(plain.DEEPEST, wrap)
        assert told(cross(deep)) == told(deep)
        with pytest.raises(NotPlainError, match="too deep"):
            to_plain([deep], refuse)


def test_a_cycle_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(NotPlainError, match="too deep"):
        to_plain(value, refuse)
    pair: dict[Any, Any] = {}
    pair[1] = (pair,)
    with pytest.raises(NotPlainError, match="too deep"):
        to_plain(pair, refuse)


def test_too_many_values_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "MOST_VALUES", 10)
    assert cross([1] * 9) == [1] * 9
    with pytest.raises(NotPlainError, match="too many"):
        cross([1] * 10)
    with pytest.raises(NotPlainError, match="too many"):
        cross({1: (2, 3), 4: (5, 6), 7: (8,)})


def test_doubling_a_list_again_and_again_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "MOST_VALUES", 10_000)
    value: list[Any] = []
    for _ in range(60):
        value = [value, value]
    with pytest.raises(NotPlainError, match="too many"):
        to_plain(value, refuse)


TAGS = "tszdincbyurDFTh"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["nan", "inf", "0x10", "-0x1", "1_0", "sNaN", "1E+99999", "int", "QQ=="]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from([*TAGS, "q", ""]), inner, max_size=2),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
@settings(max_examples=1000)
def test_any_json_at_all_is_plain_data_or_is_refused(value: Any) -> None:
    try:
        found = from_plain(value, handle)
    except NotPlainError:
        return
    # What is let in is made of built-in types: it can be told, and crosses again.
    assert told(cross(found)) == told(found)


BAD: list[Any] = [
    {}, {"q": 1}, {"t": 1, "s": []}, {"t": "ab"}, {"t": {"a": 1}}, {"s": [[]]}, {"z": [{"d": []}]},
    {"d": [[1]]}, {"d": [[[], 1]]}, {"d": 5}, {"i": 5}, {"i": "x"}, {"i": ""}, {"i": None}, {"n": "1e9"},
    {"n": 1}, {"c": [1]}, {"c": []}, {"c": ["a", 1]}, {"c": [{"n": 5}, 1]}, {"b": "a"}, {"b": 5},
    {"y": []},
    {"u": "gICA"}, {"r": ["0x0", "0x5", "0x0"]}, {"r": []}, {"r": ["0x0", hex(10**30), "0x1"]},
    {"D": "x"},
    {"D": "1E+9999999999999999999999"}, {"F": ["0x1"]}, {"F": ["0x1", "0x0"]}, {"F": 1}, {"T": "type"},
    {"T": []}, {"T": "eval"}, {"h": 1}, {"h": [1, "a"]}, {"h": ["1", "a", True]}, {"h": [1, 5, True]},
    {"h": [1.5, "a", True]}, {"h": [[], "a", True]},
]  # fmt: skip


@pytest.mark.parametrize("value", BAD, ids=repr)
def test_what_nothing_writes_is_refused(value: Any) -> None:
    for held in (value, [value], {"t": [value]}, {"d": [[1, value]]}):
        with pytest.raises(NotPlainError):
            from_plain(held, handle)


def test_the_last_of_two_equal_keys_counts_and_nothing_more() -> None:
    assert from_plain(orjson.loads(b'{"t":[1],"t":[2]}'), handle) == (2,)


def test_a_handle_has_a_short_name_and_a_plain_truth() -> None:
    kept = from_plain({"h": [3, "x" * 1000, 1]}, handle)
    assert kept == ("handle", 3, "x" * 100, False)


@given(st.integers(0, 2000))
@settings(max_examples=30)
def test_json_of_any_depth_is_read_or_refused(depth: int) -> None:
    value = nested(depth, lambda inner: {"t": [inner]})
    try:
        from_plain(value, handle)
    except NotPlainError:
        assert depth > plain.DEEPEST


PERIOD = (1 << 61) - 1
"""Integers this far apart have the same hash."""

COSTLY: dict[str, Any] = {
    "a set whose items have the same hash": {"s": [{"i": hex(k * PERIOD)} for k in range(30_000)]},
    "half of a set": {"z": [k if k % 2 else {"i": hex(k * PERIOD)} for k in range(60_000)]},
    "a dict": {"d": [[{"i": hex(k * PERIOD)}, 0] for k in range(30_000)]},
    "a fraction to be reduced": {"F": ["0x" + "7" * 500_000, "0x" + "3" * 500_000]},
    "a range without end": {"r": ["0x0", hex(10**15), "0x1"]},
    "a decimal that is out of all bounds": {"D": "1E+" + "9" * 100_000},
    "a decimal that takes half a minute to be a whole number": {"D": "1E+999999"},
}  # fmt: skip


@pytest.mark.parametrize("name", COSTLY)
def test_what_would_take_minutes_to_take_at_its_word_is_refused(name: str) -> None:
    with pytest.raises(NotPlainError):
        from_plain(COSTLY[name], handle)


def test_small_texts_of_huge_numbers_stay_small() -> None:
    tracemalloc.start()
    try:
        long = {"r": ["0x0", hex(10**18), hex(10**15)]}
        found = from_plain([{"D": "1E+99999"}, long], handle)
        hash(found[0])
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(found[1]) == 1000
    assert most < 1 << 20


def test_scalars_of_numpy_cross_as_the_numbers_that_they_equal() -> None:
    numpy = pytest.importorskip("numpy")
    for scalar, own in (
        (numpy.int64(7), 7), (numpy.uint8(255), 255), (numpy.bool_(True), True),
        (numpy.float64(0.1), 0.1), (numpy.float32(0.5), 0.5), (numpy.complex64(1 + 2j), 1 + 2j),
        (numpy.str_("a"), "a"), ([numpy.int32(1), (numpy.int16(2),)], [1, (2,)]),
    ):  # fmt: skip
        crossed = cross(scalar)
        assert crossed == own
        assert type(crossed) is type(own)


def test_arrays_and_other_objects_of_numpy_stay_where_they_are() -> None:
    numpy = pytest.importorskip("numpy")
    for value in (numpy.array([1, 2]), numpy.longdouble(1), numpy.datetime64("2020-01-01")):
        assert list(to_plain(value, keep)) == ["h"]
