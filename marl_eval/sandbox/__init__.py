"""Running programs that nobody has read, and testing them without trusting them.

    from marl_eval.sandbox import Sandbox, Suite, run_suite

    with Sandbox() as sandbox:
        report = run_suite(sandbox, "def f(x): return 2 * x", Suite("assert f(21) == 42", ("f",)))
    assert report.passed

The verdict and the expected values stay in the process that asks; the program runs behind namespaces,
a filter of system calls and limits (``inside.walls``), and only plain data comes back. ``Pool`` does
this for many programs on several cores.
"""

from marl_eval.sandbox.limits import Limits
from marl_eval.sandbox.pool import Pool
from marl_eval.sandbox.sandbox import Ended, Sandbox, ServerLostError
from marl_eval.sandbox.session import ProgramError, Remote, Session, SessionOverError
from marl_eval.sandbox.suite import Report, Suite, run_suite
from marl_eval.sandbox.worker import Job

__all__ = [
    "Ended",
    "Job",
    "Limits",
    "Pool",
    "ProgramError",
    "Remote",
    "Report",
    "Sandbox",
    "ServerLostError",
    "Session",
    "SessionOverError",
    "Suite",
    "run_suite",
]
