"""Finding a program in what a model wrote, in every form in which models write them."""

from __future__ import annotations

from textwrap import dedent, indent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marl_eval.tasks.program_text import complete, defines, program_key, read_program

PROGRAM = "import math\n\ndef area(r):\n    return math.pi * r * r"
OTHER = "def usage():\n    print(area(2))  # a long example of how it is used, longer than the rest"
PROMPT = 'from typing import List\n\n\ndef area(r: float) -> float:\n    """ Area of a disc. """\n'

FORMS = {
    "bare": PROGRAM,
    "bare, with blank lines around": f"\n\n{PROGRAM}\n  \n",
    "fenced": f"```python\n{PROGRAM}\n```",
    "fenced, no language": f"```\n{PROGRAM}\n```",
    "fenced, another name of the language": f"```py\n{PROGRAM}\n```",
    "fenced with tildes": f"~~~python\n{PROGRAM}\n~~~",
    "fenced with four backticks": f"````python\n{PROGRAM}\n````",
    "text around": f"Here it is:\n\n```python\n{PROGRAM}\n```\nIt is right.",
    "not closed": f"```python\n{PROGRAM}",
    "only closed": f"{PROGRAM}\n```",
    "closed at the end of the last line": f"```python\n{PROGRAM}```",
    "indented fence": indent(f"```python\n{PROGRAM}\n```", "   "),
    "indented inside the fence": f"```python\n{indent(PROGRAM, '    ')}\n```",
    "an example of its use after it": f"```python\n{PROGRAM}\n```\nUse:\n```python\n{OTHER}\n```",
    "an example of its use before it": f"```python\n{OTHER}\n```\nNow:\n```python\n{PROGRAM}\n```",
    "an example of its use outside a bare one": f"{PROGRAM}\n```\narea(2)\n```",
    "a draft before it": f"```python\ndef area(r):\n    pass\n```\n```python\n{PROGRAM}\n```",
    "lines that end as on Windows": f"```python\n{PROGRAM}\n```".replace("\n", "\r\n"),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_program_is_found(form: str) -> None:
    assert read_program(FORMS[form], ["area"]) == PROGRAM


def test_a_program_on_one_line_is_found() -> None:
    assert read_program("```python def area(r): return r```", ["area"]) == "def area(r): return r"


@pytest.mark.parametrize("margin", ["    ", "  "])
def test_a_fence_in_a_docstring_is_part_of_the_program(margin: str) -> None:
    lines = ['    """Area.', f"{margin}  ```", f"{margin}  area(2)", f"{margin}  ```", '    """']
    program = "\n".join(["def area(r):", *lines, "    return r"])
    assert read_program(f"```python\n{program}\n```", ["area"]) == program
    assert read_program(program, ["area"]) == program


def test_of_blocks_that_define_nothing_the_longest_is_taken() -> None:
    assert read_program("```\na\n```\n```\nbbb\n```\n```\ncc\n```", ["f"]) == "bbb"


def test_the_block_with_most_of_the_names_is_taken() -> None:
    both = "class Pair: ...\ndef chain(): ..."
    answer = f"```\n{both}\n```\n```\nclass Pair: ...\n```"
    assert read_program(answer, ["Pair", "chain"]) == both


@pytest.mark.parametrize("answer", ["", " \n ", "```", "```python\n```", "```\n\n```\n```\n```"])
def test_nothing_is_read_from_nothing(answer: str) -> None:
    assert read_program(answer, ["area"]) == ""
    assert program_key(answer) == ""


@pytest.mark.parametrize(
    ("line", "defined"),
    [
        ("def f(x): pass", True),
        ("def  f (x): pass", True),
        ("async def f(x): pass", True),
        ("class f: pass", True),
        ("f = abs", True),
        ("f: int = 3", True),
        ("f=abs", True),
        (" def f(x): pass", False),
        ("def ff(x): pass", False),
        ("def g(f): pass", False),
        ("f == 3", False),
        ("f(x)", False),
        ("# def f(x)", False),
        ("f.a = 3", False),
        ("redef f(x)", False),
    ],
)
def test_a_definition_is_told_by_how_its_line_begins(line: str, defined: bool) -> None:
    assert defines(f"x = 1\n{line}\ny = 2", "f") is defined


def test_a_name_is_no_pattern() -> None:
    assert not defines("def aXb(): pass", "a.b")


@given(st.text(alphabet="`~ \t\ndefarclsy=:([{#x\r\f\0é\ud800", max_size=80))
def test_reading_never_fails(answer: str) -> None:
    program = read_program(answer, ["area", "cls"])
    assert complete(program, "area", PROMPT)
    assert isinstance(program_key(answer), str)


LINES = st.lists(
    st.sampled_from(["x = 1", "def f():", "    return x", "", "  y", "\tz"]), max_size=8
)


@given(LINES, st.sampled_from(["```", "````", "~~~"]), st.sampled_from(["", "python", "py"]))
def test_fenced_or_bare_the_same_program_is_read(
    lines: list[str], mark: str, language: str
) -> None:
    program = read_program("\n".join(["def area(r):", "    pass", *lines]), ["area"])
    fenced = f"Text.\n{mark}{language}\n{program}\n{mark}\nMore."
    assert read_program(fenced, ["area"]) == program
    assert program_key(f"{mark}{language}\n{program}\n{mark}") == program_key(program)


@pytest.mark.parametrize(
    "piece",
    ["```\n", "``` a ```\n", "`", "~", " ", "(", "if x: #", "def area", "area :", "\n", "\r"],
)
def test_a_long_answer_is_read_to_its_end(piece: str) -> None:
    """Reading that is not linear in the text would take hours for these."""
    answer = piece * (400_000 // len(piece))
    assert complete(read_program(answer, ["area"]), "area", PROMPT)
    assert program_key(answer) == program_key(f"\n{answer} ")


def test_the_key_leaves_out_fences_and_space_at_ends() -> None:
    assert program_key(f"\n```python\n{PROGRAM}  \n\n```\n") == program_key(PROGRAM) == PROGRAM


def test_programs_that_differ_inside_have_different_keys() -> None:
    one, two = "def f():\n    return 1", "def f():\n  return 1"
    assert program_key(one) != program_key(two)
    assert program_key("```python x = 1```") != program_key("```python x = 2```")
    assert program_key("```x = 1\n```") != program_key("```x = 2\n```")


def test_a_whole_function_gets_what_stands_before_it_in_the_prompt() -> None:
    program = "def area(r: float) -> float:\n    return r"
    assert complete(program, "area", PROMPT) == f"from typing import List\n\n{program}\n"


def test_a_helper_function_of_the_prompt_is_there_for_a_whole_function() -> None:
    prompt = 'def half(x):\n    return x / 2\n\n\ndef area(r):\n    """ Area. """\n'
    space: dict[str, object] = {}
    exec(complete("def area(r):\n    return half(r)", "area", prompt), space)
    assert eval("area(4)", space) == 2


def test_imports_from_the_future_stay_first() -> None:
    program = (
        "from __future__ import annotations\nimport math\n\ndef area(r: X) -> Y:\n    return r"
    )
    space: dict[str, object] = {}
    exec(compile(complete(program, "area", PROMPT), "program", "exec", dont_inherit=True), space)
    assert eval("area(4)", space) == 4


BODIES = {
    "one line": "return r * 2",
    "two lines": "s = r\nreturn s * 2",
    "a block first": "if r:\n    return r * 2\nreturn 0",
    "only a block": "if r:\n    return r * 2",
    "a block in a block": "for _ in [1]:\n    if r:\n        return r * 2",
    "a block with an else": "if not r:\n    s = 0\nelse:\n    s = r * 2\nreturn s",
    "a comment that ends in a colon": "# as follows:\ns = r\nreturn s * 2",
    "a docstring that ends its line in a colon": '"""For:\nall."""\nreturn r * 2',
    "an open bracket": "return sum([\n    r,\n    r,\n])",
    "a bracket that hangs": "s = [r,\n     r]\nreturn sum(s)",
    "a condition over two lines": "if (r and\n        r):\n    return r * 2",
    "a function inside": "def twice(x):\n    return x * 2\nreturn twice(r)",
    "an import": "import math\nreturn math.floor(r * 2)",
    "blank lines": "s = r\n\n\nreturn s * 2",
    "a loop that ends in a comment": "while True:  # once\n    return r * 2",
}


@pytest.mark.parametrize("unit", ["    ", "  ", "\t"])
@pytest.mark.parametrize("margin", [0, 1])
@pytest.mark.parametrize("form", ["bare", "fenced", "fenced, first line at the margin"])
@pytest.mark.parametrize("what", BODIES)
def test_a_body_follows_the_prompt(what: str, form: str, margin: int, unit: str) -> None:
    """Stripped, as every answer is, so that the first line has lost its indentation."""
    body = indent(BODIES[what].replace("    ", unit), unit * margin)
    answer = body.strip() if form == "bare" else f"```python\n{body}\n```"
    if form == "fenced, first line at the margin":
        answer = f"```python\n{body.strip()}\n```"
    space: dict[str, object] = {}
    exec(complete(read_program(answer, ["area"]), "area", PROMPT), space)
    assert eval("area(21)", space) == 42


def test_a_body_keeps_its_text_when_it_is_indented_already() -> None:
    body = dedent("""
            x = r
            return x
    """)
    assert complete(read_program(f"```\n{body}\n```", ["area"]), "area", PROMPT) == (
        f"{PROMPT}    x = r\n    return x\n"
    )
