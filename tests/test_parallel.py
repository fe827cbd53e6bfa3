"""Several processes do what one does, in the same order, and leave nothing behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from marl_eval import score
from marl_eval.errors import UserError
from marl_eval.parallel import in_order
from tests.runs import (
    change_completions,
    completions_file,
    read_scores,
    run,
    small_blocks,
    with_things_wrong,
)


def slow_first(block: int) -> tuple[int, int]:
    """Take longest over the first blocks, so that they are done last."""
    time.sleep(0.02 * max(4 - block, 0))
    return block, os.getpid()


@pytest.mark.parametrize("workers", [1, 2, 3, 20])
@pytest.mark.parametrize("count", [0, 1, 9])
def test_results_come_in_the_order_of_the_blocks(count: int, workers: int) -> None:
    with in_order(slow_first, count, workers) as results:
        found = list(results)
    assert [block for block, _ in found] == list(range(count))
    others = {process for _, process in found} - {os.getpid()}
    assert (len(others) > 0) == (workers > 1 and count > 1)
    assert len(others) <= min(workers, count)


def test_the_work_may_hold_what_cannot_be_pickled() -> None:
    held = [lambda block: block + 100]
    with in_order(lambda block: held[0](block), 3, 2) as results:
        assert list(results) == [100, 101, 102]


def test_workers_are_only_so_far_ahead_of_the_reader(tmp_path: Path) -> None:
    def work(block: int) -> int:
        (tmp_path / str(block)).touch()
        return block

    with in_order(work, 30, 2) as results:
        assert next(results) == 0
        time.sleep(0.3)
        assert len(list(tmp_path.iterdir())) <= 6
        assert list(results) == list(range(1, 30))


def fail_at(block: int) -> Callable[[int], int]:
    def work(own: int) -> int:
        if own == block:
            raise UserError(f"block {own} is damaged")
        return own

    return work


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("block", [0, 4, 8])
def test_an_error_in_a_worker_reaches_the_caller_in_its_place(block: int, workers: int) -> None:
    found: list[int] = []
    with (
        pytest.raises(UserError, match=f"block {block} is damaged"),
        in_order(fail_at(block), 9, workers) as results,
    ):
        found.extend(results)
    assert found == list(range(block))
    assert multiprocessing.active_children() == []


def test_no_process_is_left_where_the_reader_gives_up() -> None:
    with in_order(slow_first, 50, 3) as results:
        assert next(results)[0] == 0
    assert multiprocessing.active_children() == []


def test_two_runs_of_work_do_not_mix() -> None:
    with in_order(lambda block: block, 5, 2) as one, in_order(lambda b: -b, 5, 2) as other:
        assert list(one) == [0, 1, 2, 3, 4]
        assert list(other) == [0, -1, -2, -3, -4]


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a run in which much went wrong."""
    result = run(
        tmp_path_factory.mktemp("spoiled") / "run",
        model="reference:random",
        task_args={"examples": 1500},
        n=2,
        resamples=0,
    )
    change_completions(result.path, with_things_wrong)
    return result.path


def final_files(path: Path) -> dict[str, bytes]:
    return {name: (path / name).read_bytes() for name in ("results.json", "scores.parquet")}


def test_several_workers_write_the_bytes_that_one_writes(spoiled: Path) -> None:
    with small_blocks(2 * 220):
        files = []
        for workers in (1, 3):
            score(spoiled, resamples=30, workers=workers)
            files.append(final_files(spoiled))
    assert files[0] == files[1]
    assert len(read_scores(spoiled)) == 1500 * 2 * 3


def test_a_damaged_line_is_told_whichever_process_finds_it(spoiled: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.mkdir()
    for name in ("run.json", "examples.jsonl", "errors.jsonl"):
        (path / name).write_bytes((spoiled / name).read_bytes())
    content = completions_file(spoiled).read_bytes()
    half = content.index(b'"text":"', len(content) // 2)
    completions_file(path).parent.mkdir()
    completions_file(path).write_bytes(content[:half] + b'"text":' + content[half + 8 :])
    with small_blocks(100):
        for workers in (1, 3):
            with pytest.raises(UserError, match="is damaged near byte"):
                score(path, resamples=0, workers=workers)
    assert multiprocessing.active_children() == []


SLOW = """
import os, signal, sys, time
from pathlib import Path
from marl_eval.parallel import in_order
signal.signal(signal.SIGINT, signal.default_int_handler)

def work(block):
    Path(sys.argv[1], str(os.getpid())).touch()
    time.sleep(0.5)
    return block

with in_order(work, 1000, 2) as results:
    for _ in results:
        pass
"""


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    return state != "Z"


@pytest.mark.parametrize("everybody", [True, False], ids=["the group", "the parent"])
def test_an_interrupt_leaves_no_process(everybody: bool, tmp_path: Path) -> None:
    """A terminal interrupts the whole group of processes, another program the parent alone."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(tmp_path)],
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    workers = [int(file.name) for file in tmp_path.iterdir()]
    assert len(workers) == 2
    (os.killpg if everybody else os.kill)(process.pid, signal.SIGINT)
    assert process.wait(timeout=30) != 0
    assert not any(map(is_running, workers))
