"""Programs in the small language: read as Python reads them, and the same if they compute the same."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marl_eval.tasks.progsim_language import INPUTS, key, read, run
from tests.tasks import plain_programs

TOKENS = [
    "x", "y", "0", "1", "2", "17", "1000000000", "-", "+", "*", "%", "(", ")", "max", "min", ",",
    "if", "else", ">", ">=", "==", "!=", "<=", "<",
]  # fmt: skip

numbers = st.sampled_from([0, 1, 2, 3, 9, 50_000, 10**9, 10**9 + 1, 10**30])
leaves = st.builds(ast.Name, st.sampled_from(["x", "y"])) | st.builds(ast.Constant, numbers)


def compound(part: st.SearchStrategy[ast.expr]) -> st.SearchStrategy[ast.expr]:
    operator = st.sampled_from([ast.Add(), ast.Sub(), ast.Mult(), ast.Mod()])
    comparison = st.sampled_from([kind() for kind in plain_programs.COMPARISONS])
    condition = st.builds(lambda a, op, b: ast.Compare(a, [op], [b]), part, comparison, part)
    return st.one_of(
        st.builds(ast.BinOp, part, operator, part),
        st.builds(ast.UnaryOp, st.just(ast.USub()), part),
        st.builds(
            lambda name, args: ast.Call(ast.Name(name), args, []),
            st.sampled_from(["max", "min"]),
            st.lists(part, min_size=2, max_size=3),
        ),
        st.builds(ast.IfExp, condition, part, part),
    )


programs = st.recursive(leaves, compound, max_leaves=12).map(ast.unparse)


def values(text: str) -> list[int | None]:
    code = read(text)
    assert code is not None
    found = run(code, INPUTS[:, 0], INPUTS[:, 1]).tolist()
    return [None if value != value else int(value) for value in found]


def at(text: str, x: int, y: int = 0) -> int | None:
    return values(text)[10 * x + y]


@pytest.mark.parametrize(
    ("text", "x", "y", "value"),
    [
        ("x", 4, 7, 4),
        ("y", 4, 7, 7),
        ("17", 0, 0, 17),
        ("x - y - 1", 4, 7, -4),
        ("x - (y - 1)", 4, 7, -2),
        ("x + y * 2", 4, 7, 18),
        ("(x + y) * 2", 4, 7, 22),
        ("x * y % 5", 4, 7, 3),
        ("x * (y % 5)", 4, 7, 8),
        ("-x % 3", 4, 0, 2),
        ("-(x % 3)", 4, 0, -1),
        ("x % -3", 4, 0, -2),
        ("x - -y", 4, 7, 11),
        ("--x", 4, 0, 4),
        ("max(x, y)", 4, 7, 7),
        ("min(x, y, 3)", 4, 7, 3),
        ("max(min(x, y), 5) - 1", 4, 7, 4),
        ("x if x > y else y", 4, 7, 7),
        ("1 if x > 3 else 2 if x > 4 else 3", 4, 0, 1),
        ("(1 if x > 3 else 2) if x > 4 else 3", 4, 0, 3),
        ("(1 if x > 3 else 2) if y > 7 else 3", 4, 7, 3),
        ("2 * x if (y >= 7) else y", 4, 7, 8),
        ("1 if x <= y else 0", 4, 4, 1),
        ("1 if x < y else 0", 4, 4, 0),
        ("1 if x == y else 0", 4, 4, 1),
        ("1 if x != y else 0", 4, 4, 0),
        ("1 if x if x > 2 else 2 else 0", 4, 4, "no program"),
        ("x % y", 4, 0, None),
        ("x % y", 4, 3, 1),
        ("x if y > 0 else 1 % y", 4, 3, 4),
        ("x if y > 0 else 1 % y", 4, 0, None),
        ("x if 1 % y > 0 else 3", 4, 0, None),
        ("1000000000 + x", 0, 0, 10**9),
        ("1000000000 + x", 1, 0, None),
        ("0 * 1000000001", 0, 0, None),
        ("0001", 0, 0, 1),
        ("0 - 999999999 - 2", 0, 0, None),
        ("999999999 * 999999999 - 999999999 * 999999999", 0, 0, None),
    ],
)
def test_a_program_has_the_value_worked_out_by_hand(
    text: str, x: int, y: int, value: int | str | None
) -> None:
    if value == "no program":
        assert read(text) is None
    else:
        assert at(text, x, y) == value


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "()", "x +", "+ x", "* x", "x y", "2x", "x1", "xy", "x(y)", "(x", "x)", "((x)", "x,y",
        "(x, y)", "max", "max()", "max(x)", "max(x,)", "max(x, y", "max x, y", "max((x, y))", "abs(x)",
        "x > y", "(x > y) + 1", "-(x > y)", "max(x > y, 1)", "x if y else 1", "x if x > y", "if",
        "x else y", "x if x > y > 1 else 2", "x > y if x > y else 1", "1 if x > y else x > 1",
        "(1 if x > y) else 2", "1 if (x > y else 2)", "x = y", "x // y", "x ** y", "x / y", "x & y",
        "1.5", "1e3", "0x1", "x ⋅ y", "x + ٣", "x + \uff13", "x + ²", "f(y) = y", "f(x) == x",
        "print(x)", "__import__('os')", "x; y", "x\x00", "x + 1 # one",
    ],
)  # fmt: skip
def test_other_texts_are_no_programs(text: str) -> None:
    assert read(text) is None
    assert not key(text).startswith("\t")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x + 1", "1+x"),
        ("x + x", "2 * x"),
        ("x - y + y", "x"),
        ("max(x, y)", "y if y > x else x"),
        ("max(x, y, 0)", "max(x, y)"),
        ("min(x, y)", "x + y - max(x, y)"),
        ("x", "f(x) = x"),
        ("x + y", "f(x, y) = y + x"),
        ("x", "`x`"),
        ("x + 1", "  X\n+\t1 "),
        ("x * 100 % 100", "0"),
        ("x % (y - y)", "y % 0"),
    ],
)
def test_programs_that_compute_the_same_are_the_same(one: str, other: str) -> None:
    assert key(one) == key(other)
    assert key(one).startswith("\t")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x", "y"),
        ("x + 1", "x + 2"),
        ("x", "min(x, 8)"),
        ("x - y", "y - x"),
        ("1 % y", "1 % y if y > 0 else 1"),
        ("x", "x if x * y != 81 else 0"),
        ("x + * 1", "x - * 1"),
        ("no idea", "no clue"),
        ("", "0"),
    ],
)
def test_answers_that_differ_anywhere_differ(one: str, other: str) -> None:
    assert key(one) != key(other)


def test_the_key_of_a_program_is_its_values() -> None:
    assert key("x") == "\t" + ",".join(str(x) for x in range(10) for _ in range(10))
    assert key("1 % y") == "\t" + ",".join(["none", "0", *"11111111"] * 10)
    assert key("-0 * x") == key("0")


def test_a_text_that_is_no_program_is_the_same_in_any_case_and_spacing() -> None:
    assert key(" I do\tnot\nKNOW ") == key("i do not know") == "i do not know"
    assert key("") == key(" \n") == ""


@given(st.text() | st.text(alphabet=st.sampled_from("xy 012+-*%()<>=!,maxinfels\t\n`")))
def test_any_text_has_a_key_that_tells_programs_from_other_texts(text: str) -> None:
    assert key(text).startswith("\t") == ("\t" in key(text)) == (read(text) is not None)


def test_no_text_can_be_written_that_passes_for_the_key_of_a_program() -> None:
    for program in ("0", "x", "x % y"):
        own = key(program)
        for forged in (own, own.strip(), f"x{own}", own.replace(",", "\t")):
            assert key(forged) != own


@given(programs)
def test_a_program_means_what_it_means_in_python(text: str) -> None:
    if len(text) <= 1000:
        assert tuple(values(text)) == plain_programs.values(text)


@given(st.lists(st.sampled_from(TOKENS), max_size=12))
def test_what_python_would_not_read_is_no_program(tokens: list[str]) -> None:
    text = " ".join(tokens)
    assert (read(text) is None) == (plain_programs.read(text) is None)


@given(programs, st.data())
def test_a_program_with_one_token_changed_is_read_as_python_would(
    text: str, data: st.DataObject
) -> None:
    tokens = (
        text.replace("(", " ( ").replace(")", " ) ").replace(",", " , ").replace("-", " - ").split()
    )
    place = data.draw(st.integers(0, len(tokens)))
    width = data.draw(st.integers(0, 1))
    tokens[place : place + width] = data.draw(st.lists(st.sampled_from(TOKENS), max_size=1))
    changed = " ".join(tokens)
    expected = plain_programs.values(changed) if len(changed) <= 1000 else None
    if expected is None:
        assert read(changed) is None
    else:
        assert tuple(values(changed)) == expected


@pytest.mark.parametrize("size", [10**5, 10**6])
@pytest.mark.parametrize(
    ("before", "after"), [("(", ")"), ("-", ""), ("1+(", ")"), ("max(x,", ")"), ("", "+x"), ("9", ""),
     ("x if x > y else ", ""), ("(", ""), ("", ")"), (" ", " "), ("`", "`"), ("f(x) =", ""), ("f", "")],
)  # fmt: skip
def test_a_text_of_any_length_has_a_key(before: str, after: str, size: int) -> None:
    text = before * size + "x" + after * size
    assert read(text) is None
    assert key(text) == " ".join(text.split())


def test_a_text_of_1000_characters_may_be_a_program_however_deep() -> None:
    assert key("(" * 499 + "x" + ")" * 499) == key("x")
    assert key("-" * 998 + "x") == key("x")
    assert key("(1+" * 249 + "x" + ")" * 249) == key("x + 249")
    assert key("9" * 1000) == key("9" * 11) == key("1 % 0")
    assert key("9" * 998 + "*0") == key("1 % 0")
    assert key("x" + "*9" * 499) == key("0 if x == 0 else 1 % 0")
    assert read("x" + " " * 999) is not None
    assert read("x" + " " * 1000) is None
