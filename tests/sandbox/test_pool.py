"""Many programs on several cores: every report arrives and is right, whatever happens meanwhile."""

from __future__ import annotations

import io
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from marl_eval.errors import UserError
from marl_eval.sandbox import Job, Limits, Pool, Report, Suite
from marl_eval.sandbox.worker import Opening, receive, send
from tests.sandbox.processes import descendants, left_after, servers, workers

DOUBLE = "def f(x): return 2 * x"
WRONG = "def f(x): return x"
ENDLESS = "def f(x):\n    while True: pass"
TWICE = Suite("assert f(21) == 42", ("f",))
SHORT = Limits(cpu_seconds=0.3, wall_seconds=2.0)
LONG = Limits(cpu_seconds=600, wall_seconds=600)


@pytest.fixture(autouse=True)
def _nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test may leave a thread behind, nor a process, but for the shared pool's own."""
    threads = threading.active_count()
    before = set(descendants())
    yield
    assert threading.active_count() == threads
    if "pool" in request.fixturenames:
        assert len(workers()) <= 2
    else:
        assert left_after([pid for pid in descendants() if pid not in before]) == []


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(2, SHORT) as opened:
        yield opened
        running = descendants()
    assert left_after(running) == []


def reports(pool: Pool, jobs: list[Job]) -> list[Report]:
    found = dict(pool.run(jobs))
    assert sorted(found) == list(range(len(jobs)))
    return [found[number] for number in range(len(jobs))]


def steady(report: Report) -> Report:
    return replace(report, cpu_seconds=0.0, memory_mib=0.0)


PROGRAMS = [
    DOUBLE, WRONG, "def f(:", "1 / 0", "import os\ndef f(x): os._exit(0)", "def f(x): return object()",
    "import random\ndef f(x): return random.random()", "def f(x): return {str(n) for n in range(50)}",
    "",
]  # fmt: skip


def test_every_job_has_its_own_report(pool: Pool) -> None:
    jobs = [
        Job(PROGRAMS[n % len(PROGRAMS)], Suite(f"assert f({n}) == {2 * n}", ("f",)))
        for n in range(90)
    ]
    found = reports(pool, jobs)
    assert [report.passed for report in found] == [n % len(PROGRAMS) == 0 for n in range(90)]
    for n in range(1, 90, len(PROGRAMS)):
        assert found[n].reason == f"assert f({n}) == {2 * n}  # f({n}) gave {n}"


def test_one_worker_and_two_find_the_same(pool: Pool) -> None:
    jobs = [Job(program, TWICE) for program in PROGRAMS * 3]
    with Pool(1, SHORT) as single:
        alone = reports(single, jobs)
    assert list(map(steady, reports(pool, jobs))) == list(map(steady, alone))


def test_one_worker_gives_reports_in_order() -> None:
    with Pool(1, SHORT) as single:
        assert [number for number, _ in single.run([Job(DOUBLE, TWICE)] * 20)] == list(range(20))


def test_no_jobs_have_no_reports_and_few_need_few_workers(pool: Pool) -> None:
    assert list(pool.run([])) == []
    before = len(workers())
    with Pool(8, SHORT) as wide:
        assert [report.passed for report in reports(wide, [Job(DOUBLE, TWICE)] * 2)] == [True, True]
        assert len(workers()) - before in (1, 2)


def test_a_pool_runs_again_and_again_in_the_same_workers() -> None:
    with Pool(2, SHORT) as pool:
        reports(pool, [Job(DOUBLE, TWICE)] * 8)
        before = set(workers())
        reports(pool, [Job(WRONG, TWICE)] * 8)
        assert set(workers()) == before
        assert pool.level == "full"


def test_jobs_are_taken_as_they_are_needed(pool: Pool) -> None:
    taken = 0

    def endless() -> Iterator[Job]:
        nonlocal taken
        while True:
            taken += 1
            yield Job(DOUBLE, TWICE)

    found = pool.run(endless())
    for _ in range(5):
        assert next(found)[1].passed
    found.close()  # type: ignore[attr-defined]
    assert taken < 40


def test_programs_behave_the_same_in_every_worker() -> None:
    code = "import random\nfor x in {'a', 'b', 'c', random.random()}: assert f(x)\nassert f({'a', 'b'})"
    program = (
        "import random\n"
        "def f(x): return random.random(), hash('a'), list({f'w{n}' for n in range(30)}), x"
    )
    jobs = [Job(program, Suite(code, ("f",)))] * 6
    found = set()
    for _ in range(2):
        with Pool(2, SHORT) as pool:
            found |= {report.behaviour for report in reports(pool, jobs)}
    assert len(found) == 1


LOGGED = """
def log(what):
    with open({path!r}, "a") as file:
        file.write(what + "\\n")
log("begin {name}")
try:
    assert f(21) == 42
finally:
    log("end {name}")
"""


def test_what_took_too_long_is_tried_once_more_alone(pool: Pool, tmp_path: Path) -> None:
    path = tmp_path / "log"
    jobs = [
        Job(
            ENDLESS if n in (2, 5) else DOUBLE, Suite(LOGGED.format(path=str(path), name=n), ("f",))
        )
        for n in range(10)
    ]
    found = reports(pool, jobs)
    assert [report.timed_out for report in found] == [n in (2, 5) for n in range(10)]
    assert [report.passed for report in found] == [n not in (2, 5) for n in range(10)]
    lines = path.read_text().splitlines()
    assert [lines.count(f"begin {n}") for n in range(10)] == [
        2 if n in (2, 5) else 1 for n in range(10)
    ]
    pairs = [[f"begin {n}", f"end {n}"] for n in (2, 5)]
    assert lines[-4:] in (pairs[0] + pairs[1], pairs[1] + pairs[0])


ONCE = """
import os
def first():
    try:
        os.close(os.open({path!r}, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True
"""


def once(path: Path, then: str, suite: str = "assert f(21) == 42") -> Suite:
    """Make a suite that does something the first time it is run."""
    return Suite(
        f"{ONCE.format(path=str(path))}assert f(1) == 2\nif first():\n    {then}\n{suite}", ("f",)
    )


def test_a_program_that_is_quick_enough_the_second_time_passes(pool: Pool, tmp_path: Path) -> None:
    program = "def f(x):\n    while x == 7: pass\n    return 2 * x"
    report, other = reports(
        pool, [Job(program, once(tmp_path / "once", "f(7)")), Job(WRONG, TWICE)]
    )
    assert (report.passed, report.timed_out, other.passed) == (True, False, False)


CHILDREN = "from tests.sandbox.processes import servers; [os.kill(pid, 9) for pid in servers()]"


@pytest.mark.parametrize(
    "kill", [CHILDREN, "os.kill(os.getpid(), 9)", f"{CHILDREN}; os.kill(os.getpid(), 9)"],
    ids=["the server", "the worker", "both"],
)  # fmt: skip
def test_a_job_whose_process_was_killed_is_done_again(
    pool: Pool, tmp_path: Path, kill: str
) -> None:
    jobs = [
        Job(DOUBLE if n % 2 else WRONG, once(tmp_path / str(n), kill) if n in (3, 4, 8) else TWICE)
        for n in range(12)
    ]
    found = reports(pool, jobs)
    assert [report.passed for report in found] == [n % 2 == 1 for n in range(12)]
    assert [report.reason for report in found[:3]] == [
        "assert f(21) == 42  # f(21) gave 21", "", "assert f(21) == 42  # f(21) gave 21",
    ]  # fmt: skip
    assert not any(report.timed_out for report in found)
    assert (tmp_path / "3").exists()


def test_killing_from_outside_loses_nothing() -> None:
    slow = "import time\ndef f(x):\n    time.sleep(0.15)\n    return 2 * x"
    jobs = [Job(slow if n % 3 else f"{slow} + 1", TWICE) for n in range(24)]
    killed = 0
    with Pool(2) as pool:
        found = {}
        for number, report in pool.run(jobs):
            assert number not in found
            found[number] = report
            victims = {2: servers, 6: workers, 10: descendants}.get(len(found))
            for pid in victims() if victims is not None else []:
                try:
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
                except ProcessLookupError:
                    pass
    assert killed >= 6
    assert sorted(found) == list(range(24))
    assert [found[n].passed for n in range(24)] == [n % 3 != 0 for n in range(24)]
    assert not any(report.timed_out for report in found.values())


def test_a_job_that_is_lost_each_time_is_given_up_and_said_to_be(pool: Pool) -> None:
    fatal = Suite("import os\nassert f(1) == 2\nos.kill(os.getpid(), 9)", ("f",))
    found = reports(pool, [Job(DOUBLE, TWICE), Job(DOUBLE, fatal), Job(DOUBLE, TWICE)])
    assert [report.passed for report in found] == [True, False, True]
    assert found[1].reason == "the process of the tests was lost 5 times"
    assert not found[1].timed_out


def test_tests_that_cannot_be_interrupted_are_ended_with_their_worker(tmp_path: Path) -> None:
    path = tmp_path / "log"
    code = f"open({str(path)!r}, 'a').write('x')\nassert sum(range(f(1))) == 2"
    with Pool(1, Limits(cpu_seconds=0.2, wall_seconds=0.3)) as pool:
        found = reports(
            pool, [Job("def f(x): return 1 << 60", Suite(code, ("f",))), Job(DOUBLE, TWICE)]
        )
    assert [report.passed for report in found] == [False, True]
    assert found[0].timed_out
    assert found[0].reason == "the tests did not end with what the program gave them"
    assert path.read_text() == "xx"


def test_what_tests_print_and_read_is_nobodys(pool: Pool) -> None:
    code = "import sys\nprint('noise' * 1000)\nassert sys.stdin.read() == ''\nassert f(21) == 42"
    assert reports(pool, [Job(DOUBLE, Suite(code, ("f",)))] * 4)[3].passed


@pytest.mark.parametrize(
    "program",
    [
        "x = '\ud800'\ndef f(x): return 42", "def f(x): return 42\0", "def f(x): return '\\ud800'",
        "\x00", "é = 1", "x" * 1_000_000, "\ufffe", "def f(x): return '\u2028'",
    ],
    ids=ascii,
)  # fmt: skip
def test_any_text_is_a_program_or_not_valid_python(pool: Pool, program: str) -> None:
    report, after = reports(pool, [Job(program, TWICE), Job(DOUBLE, TWICE)])
    assert not report.passed
    assert report.compiles or report.reason.startswith("not valid Python")
    assert after.passed
    assert pickle.loads(pickle.dumps(report)) == report


def test_a_mistake_in_the_tests_is_raised_and_the_pool_goes_on(pool: Pool) -> None:
    broken = Job(DOUBLE, Suite("assert f(", ("f",)))
    with pytest.raises(SyntaxError):
        list(pool.run([Job(DOUBLE, TWICE), broken, *[Job(DOUBLE, TWICE)] * 20]))
    assert reports(pool, [Job(DOUBLE, TWICE)])[0].passed


def test_an_error_in_the_jobs_themselves_is_raised(pool: Pool) -> None:
    def jobs() -> Iterator[Job]:
        yield Job(DOUBLE, TWICE)
        yield Job(ENDLESS, TWICE)
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        list(pool.run(jobs()))


def test_what_this_machine_does_not_have_is_told_when_it_is_opened() -> None:
    with pytest.raises(UserError, match=r"'no_such_package'.*not installed"):
        Pool(packages=["no_such_package"]).__enter__()
    with pytest.raises(UserError, match="no level of isolation 'fulll'; did you mean 'full'"):
        Pool(min_level="fulll")
    with pytest.raises(ValueError, match="at least one worker"):
        Pool(0)


@pytest.fixture
def others() -> frozenset[int]:
    """What runs below this process already, such as of a module before this one."""
    return frozenset(descendants())


def test_leaving_early_ends_what_runs_at_once(others: frozenset[int]) -> None:
    with Pool(2, LONG) as pool:
        for number, report in pool.run([Job(DOUBLE, TWICE), *[Job(ENDLESS, TWICE)] * 9]):
            assert (number, report.passed) == (0, True)
            running = [pid for pid in descendants() if pid not in others]
            break
        # A worker that was between two jobs lives on; its two processes of a server are all it has.
        assert len(left_after(running)) in (0, 3)
        assert reports(pool, [Job(DOUBLE, TWICE)] * 4)[3].passed
    assert left_after(running) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, GeneratorExit])
def test_an_error_beside_the_reports_ends_what_runs(
    error: type[BaseException], others: frozenset[int]
) -> None:
    def look() -> None:
        with Pool(2, LONG) as pool:
            for _ in pool.run([Job(DOUBLE, TWICE), *[Job(ENDLESS, TWICE)] * 9]):
                raise error

    with pytest.raises(error):
        look()
    assert left_after([pid for pid in servers() if pid not in others]) == []


def test_a_pool_that_is_closed_while_it_runs_ends_what_runs(others: frozenset[int]) -> None:
    with Pool(2, LONG) as pool:
        found = pool.run([Job(DOUBLE, TWICE), *[Job(ENDLESS, TWICE)] * 9])
        assert next(found)[1].passed
        running = [pid for pid in descendants() if pid not in others]
        assert len(running) >= 3
    assert left_after(running) == []
    found.close()  # type: ignore[attr-defined]


def test_what_crosses_to_a_worker_can_be_pickled() -> None:
    for message in (
        Job("\ud800\0", Suite("a", ("f", "g"), "check", "b", True, 2.5)),
        Opening(Limits(1, 2, 3, 4), "full", ("numpy",)),
        Report(False, "\ud800", True, None, "x", True, "full", 0.5, 1.5),
        SyntaxError("bad", ("<tests>", 1, 2, "x")),
        UserError("told"),
    ):
        stream = io.BytesIO()
        send(stream, message)
        send(stream, 5)
        stream.seek(0)
        again = receive(stream)
        assert type(again) is type(message)
        assert again == message or str(again) == str(message)
        assert receive(stream) == 5
        whole = stream.getvalue()
        for cut in (0, 2, 4, 9):
            with pytest.raises((EOFError, pickle.UnpicklingError)):
                receive(io.BytesIO(whole[:cut]))


HARNESS = """
import sys
from marl_eval.sandbox import Job, Limits, Pool, Suite
ENDLESS = "import os\\ndef f(x):\\n    while True: {body}"
suite = Suite("assert f(21) == 42", ("f",))
jobs = [Job("def f(x): return 2 * x", suite), *[Job(ENDLESS, suite)] * 9]
with Pool(2, Limits(cpu_seconds=600, wall_seconds=600)) as pool:
    results = pool.run(jobs)
    print(next(results)[1].passed, flush=True)
    {then}
"""


@contextmanager
def harness(
    then: str, body: str = "pass", **environment: str
) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """Start a process that holds a pool in which programs run for ever; tell what runs below it."""
    started = subprocess.Popen(
        [sys.executable, "-c", HARNESS.replace("{then}", then).replace("{body}", body)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    with started:
        try:
            assert started.stdout is not None
            assert started.stdout.readline() == "True\n"
            yield started, descendants(started.pid)
        finally:
            started.kill()


def test_a_harness_that_is_killed_leaves_nothing() -> None:
    with harness("list(results)") as (started, running):
        assert len(running) >= 4
        started.kill()
        assert left_after(running) == []


def test_a_harness_that_is_interrupted_leaves_nothing() -> None:
    with harness("list(results)", body="import time; time.sleep(1)") as (started, running):
        started.send_signal(signal.SIGINT)
        _, told = started.communicate(timeout=30)
        assert "KeyboardInterrupt" in told
        assert left_after(running) == []


@pytest.mark.parametrize("then", ["sys.exit(3)", "raise LookupError", "pool = None"])
def test_a_harness_that_leaves_with_a_run_half_done_ends(then: str) -> None:
    with harness(then) as (started, running):
        started.communicate(timeout=30)
        assert left_after(running) == []


def test_a_fork_server_has_nothing_of_the_environment() -> None:
    with harness("list(results)", SECRET_TOKEN="hunter2") as (started, _):
        assert b"hunter2" in Path(f"/proc/{started.pid}/environ").read_bytes()
        running = servers(started.pid)
        assert len(running) >= 2
        for pid in running:
            held = Path(f"/proc/{pid}/environ").read_bytes()
            assert b"hunter2" not in held
            assert os.environb[b"PATH"] not in held
            names = {entry.partition(b"=")[0] for entry in held.split(b"\0") if entry}
            assert all(name.endswith((b"_THREADS", b"HASHSEED", b"BIND_NOW")) for name in names)
