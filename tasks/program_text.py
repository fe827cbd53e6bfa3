"""Finding the program in an answer, without running or parsing it.

An answer is written by a model, so nothing here hands it to Python's parser, which can be made to
overflow: lines and indentation are all that is looked at, in time linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

_FENCE = re.compile(r"( {0,3})(`{3,}|~{3,})[ \t]*(.*)")
_LANGUAGE = re.compile(r"(?:python3?|py)\b[ \t]*", re.IGNORECASE)
_FENCE_ALONE = re.compile(r" {0,3}(?:`{3,}|~{3,})[ \t]*[^\s`~]*[ \t]*")
_FUTURE = re.compile(r"^from[ \t]+__future__[ \t]+import\b[^\n]*", re.MULTILINE)
_COMPOUND = re.compile(r"(?:async|class|def|for|if|match|try|while|with)\b")
_OPENS = re.compile(r":[ \t]*(?:#.*)?$")
_INDENT = 4


@dataclass(frozen=True, slots=True)
class _Parts:
    """The fenced blocks of an answer in order, and the rest of it."""

    blocks: list[str]
    outside: str


def read_program(answer: str, names: Sequence[str]) -> str:
    """Give the program that an answer holds: fenced or bare, with or without text around the fence.

    Of several fenced blocks it is the one that defines the most of ``names``, the last of equals. If
    none defines any, it is what stands outside them if that does, and else the longest block. A fence
    that is not closed goes to the end.
    """
    parts = _parts(answer)
    blocks = [_dedented(block) for block in parts.blocks if block.strip()]
    if not blocks:
        return _trimmed(parts.outside)
    counts = [_count(block, names) for block in blocks]
    if max(counts) > 0:
        return _trimmed(_last_largest(blocks, counts))
    if _count(parts.outside, names) > 0:
        return _trimmed(parts.outside)
    return _trimmed(_last_largest(blocks, [len(block) for block in blocks]))


def program_key(answer: str) -> str:
    """Give the text by which two answers are the same program.

    It is the answer without fences, space at the ends of lines and blank lines at its ends.
    """
    lines = _lines(answer)
    kept = [line.rstrip() for line in lines if not _FENCE_ALONE.fullmatch(line)]
    return _trimmed("\n".join(kept))


def complete(program: str, name: str, prompt: str) -> str:
    """Give the whole program for a prompt that ends in the unfinished definition of ``name``.

    A program that defines ``name`` gets what stands before the definition in the prompt. Any other is
    taken for the body of the definition, of which the first line may have lost its indentation.
    """
    if not defines(program, name):
        return f"{prompt.rstrip()}\n{_indented(program)}\n"
    found = _definition(name).search(prompt)
    before = prompt[: found.start()].strip() if found is not None else ""
    if not before:
        return f"{program}\n"
    future = "".join(f"{line}\n" for line in _FUTURE.findall(program))
    return f"{future}{before}\n\n{_FUTURE.sub('', program)}\n"


def defines(text: str, name: str) -> bool:
    """Say whether a line of the text begins a definition of ``name``: def, class or assignment."""
    return _definition(name).search(text) is not None


@lru_cache(maxsize=1024)
def _definition(name: str) -> re.Pattern[str]:
    own = re.escape(name)
    return re.compile(
        rf"^(?:(?:async[ \t]+)?def[ \t]+{own}\b|class[ \t]+{own}\b|{own}[ \t]*(?::[^=\n]*)?=(?!=))",
        re.MULTILINE,
    )


def _count(text: str, names: Sequence[str]) -> int:
    return sum(defines(text, name) for name in names)


def _last_largest(texts: Sequence[str], sizes: Sequence[int]) -> str:
    return texts[max(range(len(texts)), key=lambda place: (sizes[place], place))]


def _lines(text: str) -> list[str]:
    """Split into lines where Python does."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _trimmed(text: str) -> str:
    """Leave out blank lines at both ends, and space at the end; the first line stays indented."""
    text = text.rstrip()
    return text[text.rfind("\n", 0, len(text) - len(text.lstrip())) + 1 :]


def _parts(answer: str) -> _Parts:
    """Take an answer apart at its fences.

    As in CommonMark, a fence is indented by at most three spaces, so that one in a docstring is none.
    """
    lines = _lines(answer.rstrip())
    blocks: list[str] = []
    outside: list[str] = []
    block: list[str] = []
    opened: re.Match[str] | None = None
    for number, line in enumerate(lines):
        fence = _FENCE.fullmatch(line)
        if opened is None:
            if fence is None:
                outside.append(line)
            elif fence[3].endswith(fence[2]):
                blocks.append(_LANGUAGE.sub("", fence[3].removesuffix(fence[2]), count=1))
            else:
                opened, block = fence, []
        elif fence is not None and fence[2].startswith(opened[2]) and not fence[3].strip():
            blocks.append("\n".join(block))
            opened = None
        else:
            if number == len(lines) - 1:
                line = line.removesuffix(opened[2])
            margin = min(len(opened[1]), _width(line))
            block.append(line[margin:])
    if opened is not None:
        blocks.append("\n".join(block))
    return _Parts(blocks, "\n".join(outside))


def _dedented(block: str) -> str:
    lines = block.split("\n")
    margin = min(_width(line) for line in lines if line.strip())
    return "\n".join(line[margin:] if line.strip() else "" for line in lines) if margin else block


def _width(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _indented(body: str) -> str:
    """Indent the body of a function, of which the first line may have lost its indentation."""
    lines = [_spaced(line) for line in _lines(body) if line.strip()]
    widths = [_width(line) for line in lines]
    if len(lines) > 1 and widths[0] == 0:
        widths[0] = _lost(lines, widths)
        lines[0] = " " * widths[0] + lines[0]
    margin = min(widths, default=0)
    return "\n".join(" " * _INDENT + line[margin:] for line in lines)


def _spaced(line: str) -> str:
    """Put spaces for the tabs that indent a line."""
    content = line.lstrip(" \t")
    return line[: len(line) - len(content)].expandtabs(_INDENT) + content


def _lost(lines: Sequence[str], widths: Sequence[int]) -> int:
    """Tell the indentation that the first line lost, from the indentation of the lines after it.

    It is the least of those after its statement, unless they are all in the block that it opens: then
    they fit wherever it stands.
    """
    steps = (sum(map(line.count, "([{")) - sum(map(line.count, ")]}")) for line in lines)
    end = next((place for place, depth in enumerate(accumulate(steps)) if depth <= 0), len(lines))
    after = widths[end + 1 :]
    if not after:
        return 0
    opens = _COMPOUND.match(lines[0]) and _OPENS.search(lines[end])
    return 0 if opens and after[0] == min(after) else min(after)
