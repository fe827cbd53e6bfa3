"""Finding the lines of a file that grows, whatever else has got into it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marl_eval import line_index
from marl_eval.errors import UserError
from marl_eval.line_index import Index, index_lines
from marl_eval.lines import Appender, json_line, read_lines
from marl_eval.types import Completion, Failure
from tests.runs import completion, failure

Entry = tuple[int, int, int, str, int, int]
"""Example, sample, stage, the first half of the id, offset and length of a line."""

KEY = re.compile(
    rb'\{"id":"([0-9a-f]{16})[0-9a-f]{16}","example":([0-9]{1,10}),"sample":([0-9]{1,10}),'
    rb'"stage":([0-9]{1,10}),.*\}\n',
    re.DOTALL,
)


def plain_index(content: bytes) -> list[Entry]:
    """Index a file line by line."""
    found: dict[tuple[int, int, int], Entry] = {}
    offset = 0
    *whole, _ = content.split(b"\n")
    for line in [line + b"\n" for line in whole]:
        match = KEY.fullmatch(line)
        if match is not None:
            half_id, *numbers = match.groups()
            example, sample, stage = map(int, numbers)
            entry = (example, sample, stage, half_id.decode(), offset, len(line))
            found.setdefault((example, sample, stage), entry)
        offset += len(line)
    return [found[key] for key in sorted(found)]


def entries(index: Index) -> list[Entry]:
    code = index.code.tolist()
    rows = zip(
        code, index.digest.tolist(), index.offset.tolist(), index.length.tolist(), strict=True
    )
    return [
        (own >> 26, own >> 2 & 0xFFFFFF, own & 3, f"{digest:016x}", offset, length)
        for own, digest, offset, length in rows
    ]


@st.composite
def whole_lines(draw: st.DrawFn) -> bytes:
    row, sample = draw(st.sampled_from([0, 1, 9, 10, 4_000_000_000])), draw(st.integers(0, 2))
    if draw(st.booleans()):
        return json_line(failure(row, sample=sample))
    text = draw(st.text(alphabet='a}{"\n\\é', max_size=40))
    line = completion(row, text, sample=sample, stage=draw(st.integers(0, 2)))
    return json_line(replace(line, id=draw(st.sampled_from(["0", "9", "a", "f"])) * 32))


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Draw a file: whole lines, torn ones, lines of another kind, and whatever else."""

    def part() -> bytes:
        kind = draw(st.integers(0, 7))
        line = draw(whole_lines())
        if kind <= 3:
            return line
        if kind == 4:
            cut = draw(st.integers(0, len(line)))
            return line[:cut] + draw(st.sampled_from([b"", b"\n", b"}\n"]))
        if kind == 5:
            place = draw(st.integers(0, min(len(line) - 1, 110)))
            other = draw(st.sampled_from([b"", b"0", b"A", b" ", b"\n", b'"', b"\x00"]))
            return line[:place] + other + line[place + 1 :]
        return draw(st.binary(max_size=20)) + draw(st.sampled_from([b"", b"\n", b"\n\n\n"]))

    return b"".join(part() for _ in range(draw(st.integers(0, 8))))


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(content=files(), chunk=st.sampled_from([1, 7, 150, 1 << 24]))
def test_the_index_is_that_of_reading_line_by_line(
    content: bytes, chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_index, "_CHUNK", chunk)
    (tmp_path / "lines").write_bytes(content)
    found = index_lines(tmp_path / "lines")
    assert entries(found) == plain_index(content)
    assert found.questions() == sum(stage == 0 for _, _, stage, *_ in plain_index(content))


def test_a_missing_file_and_an_empty_one_hold_nothing(tmp_path: Path) -> None:
    assert len(index_lines(tmp_path / "nowhere")) == 0
    (tmp_path / "empty").touch()
    assert len(index_lines(tmp_path / "empty")) == 0


def test_records_are_read_back_in_order_however_they_were_appended(tmp_path: Path) -> None:
    lines = [
        completion(row, f"{row}\n{sample}", sample=sample, stage=stage, reasoning="r" * row)
        for row in (3, 0, 2)
        for sample in (1, 0)
        for stage in (0, 2)
    ]
    appender = Appender(tmp_path / "lines")
    appender.append(lines)
    appender.append([replace(lines[0], text="asked twice")])
    appender.close()
    index = index_lines(tmp_path / "lines")
    ordered = sorted(lines, key=lambda line: (line.example, line.sample, line.stage))
    found = read_lines(tmp_path / "lines", index, index.rows(0, 9), Completion)
    assert found == ordered
    some = read_lines(tmp_path / "lines", index, index.rows(1, 3), Completion)
    assert some == [line for line in ordered if line.example == 2]
    assert read_lines(tmp_path / "lines", index, index.rows(1, 2), Completion) == []
    # Generations are counted from the first example of the block on.
    places = index.places(index.rows(2, 4), 2, samples=2)
    assert places == [(s, t) for s in (0, 1) for t in (0, 2)] + [
        (2 + s, t) for s in (0, 1) for t in (0, 2)
    ]


def test_a_line_that_is_no_record_is_told_with_its_place(tmp_path: Path) -> None:
    good = json_line(completion(0, "x"))
    bad = json_line(completion(1, "x")).replace(b'"text":"x"', b'"text":7')
    (tmp_path / "lines").write_bytes(good + bad)
    index = index_lines(tmp_path / "lines")
    assert len(index) == 2
    assert len(read_lines(tmp_path / "lines", index, index.rows(0, 1), Completion)) == 1
    with pytest.raises(UserError, match=f"damaged near byte {len(good)}"):
        read_lines(tmp_path / "lines", index, index.rows(1, 2), Completion)


def test_what_later_versions_add_to_a_line_is_passed_over(tmp_path: Path) -> None:
    line = json_line(failure(0))
    (tmp_path / "lines").write_bytes(line[:-2] + b',"new":{"a":[1]}}\n')
    index = index_lines(tmp_path / "lines")
    assert read_lines(tmp_path / "lines", index, index.rows(0, 1), Failure) == [failure(0)]


def test_any_text_survives_being_stored(tmp_path: Path) -> None:
    texts = ["", "\x00\x1f\x7f", "\u2028\u2029", "\U0001f600", '"}\n{"', "e\u0301", "\ufeff\uffff"]
    appender = Appender(tmp_path / "lines")
    appender.append([completion(row, text) for row, text in enumerate(texts)])
    appender.close()
    index = index_lines(tmp_path / "lines")
    found = read_lines(tmp_path / "lines", index, index.rows(0, len(texts)), Completion)
    assert [line.text for line in found] == texts
