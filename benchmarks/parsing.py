"""How the time to read a text grows with its length, on texts made to be slow to read.

Run alone: ``python benchmarks/parsing.py``. Prints the best of three times for 0.5, 1, 2 and 4 MB,
and the ratio of each doubling. Reading is meant to be linear, so each ratio should be about 2.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

from marl_eval.answers import AnswerFormat, parse

SIZES_MB = (0.5, 1, 2, 4)
REPEATS = 3
MEGABYTE = 1 << 20
FORMAT = AnswerFormat(3)

THOUGHT = "<think>r</think>"
CLEAN = "<answer1>x</answer1><confidence1>0.5</confidence1>"


def repeated(unit: str, before: str = "", after: str = "") -> Callable[[int], str]:
    """Give the function that makes a text of about n characters out of ``unit``."""
    return lambda n: before + unit * (n // len(unit)) + after


HOSTILE: dict[str, Callable[[int], str]] = {
    "'<'": repeated("<"),
    "'<answer1>'": repeated("<answer1>"),
    "'</answer1>'": repeated("</answer1>"),
    "'<answer' and spaces": repeated(" ", before="<answer"),
    "'<answer  ' again and again": repeated("<answer  "),
    "'< / answer' again and again": repeated("< / answer"),
    "'<answer111...'": repeated("1", before="<answer"),
    "'<think>'": repeated("<think>"),
    "'</think>'": repeated("</think>"),
    "'</think'": repeated("</think"),
    "spaces": repeated(" ", before=THOUGHT),
    "spaces after a clean start": repeated(" ", before=THOUGHT + CLEAN, after="x"),
    "spaces in an answer": repeated(" ", before=THOUGHT + "<answer1>", after="<"),
    "digits in a confidence": repeated("1", before=CLEAN[:-18], after="</confidence1>"),
    "articles in an answer": repeated("the ", before=THOUGHT + "<answer1>", after="</answer1>"),
    "nested answers": lambda n: "<answer1>" * (n // 19) + "</answer1>" * (n // 19),
    "clean answers again and again": repeated(CLEAN, before=THOUGHT),
}


def seconds(text: str) -> float:
    """Give the best of some times to read ``text``."""
    best = float("inf")
    for _ in range(REPEATS):
        start = time.perf_counter()
        parse(FORMAT, text)
        best = min(best, time.perf_counter() - start)
    return best


def main() -> None:
    sizes = "".join(f"{f'{size:g} MB':>10}" for size in SIZES_MB)
    print(f"{'text':32}{sizes}   ratio of each doubling (aim: about 2, linear)")
    for name, make in HOSTILE.items():
        times = [seconds(make(int(size * MEGABYTE))) for size in SIZES_MB]
        ratios = [after / before for before, after in pairwise(times)]
        shown = "".join(f"{f'{1000 * t:.2f} ms':>10}" for t in times)
        print(f"{name:32}{shown}   {'  '.join(f'{ratio:4.1f}' for ratio in ratios)}")


if __name__ == "__main__":
    main()
