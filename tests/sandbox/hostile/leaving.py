"""Programs that end early, or late, or want to decide how that looks."""

from __future__ import annotations

from tests.sandbox.hostile.attack import Attack

ATTACKS = (
    Attack(
        "sys.exit(0) when imported",
        """
import sys

sys.exit(0)
""",
        dies=True,
    ),
    Attack(
        "sys.exit(0) when called",
        """
import sys


def f(x):
    sys.exit(0)
""",
    ),
    Attack(
        "quit, KeyboardInterrupt and GeneratorExit",
        """
def f(x):
    raise (KeyboardInterrupt, GeneratorExit)[type(x) is int]
""",
    ),
    Attack(
        "os._exit(0) when imported",
        """
os._exit(0)
""",
        dies=True,
    ),
    Attack(
        "os._exit(0) when called",
        """
def f(x):
    os._exit(0)
""",
        dies=True,
    ),
    Attack(
        "os._exit(0) in a thread that waits for the call",
        """
import threading, time


def late():
    time.sleep(0.01)
    os._exit(0)


threading.Thread(target=late).start()


def f(x):
    time.sleep(1)
""",
        dies=True,
    ),
    Attack(
        "os.abort",
        """
def f(x):
    os.abort()
""",
        dies=True,
    ),
    Attack(
        "a crash",
        """
def f(x):
    return ctypes.string_at(0)
""",
        dies=True,
    ),
    Attack(
        "a crash that is caught by a handler of its own",
        """
import signal

signal.signal(signal.SIGSEGV, lambda *a: os._exit(0))


def f(x):
    return ctypes.string_at(0)
""",
        ends="cpu",
        dies=True,
    ),
    Attack(
        "a signal to itself that kills",
        """
import signal


def f(x):
    for number in (9, 15, 6, 19, 20, 1, 3, 24):
        os.kill(os.getpid(), number)
""",
        dies=True,
    ),
    Attack(
        "every signal ignored",
        """
import signal

for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass


def f(x):
    while True:
        pass
""",
        ends="cpu",
    ),
    Attack(
        "every signal blocked",
        """
import signal

signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))


def f(x):
    while True:
        pass
""",
        ends="cpu",
    ),
    Attack(
        "a handler that answers in the program's place",
        """
import signal


def answer(*a):
    put(framed(b'{"value":42}'))


signal.signal(signal.SIGALRM, answer)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)


def f(x):
    while True:
        pass
""",
        dies=True,
    ),
    Attack(
        "functions to be called at exit, which answer",
        """
import atexit

atexit.register(lambda: put(framed(b'{"value":42}')))


def f(x):
    raise SystemExit(0)
""",
    ),
    Attack(
        "a finaliser that answers",
        """
class Late:
    def __del__(self):
        put(framed(b'{"value":{}}'))


def f(x):
    Late()
    return 0
""",
        dies=True,
    ),
    Attack(
        "an exception of its own base",
        """
class E(BaseException):
    pass


def f(x):
    raise E(0)
""",
    ),
    Attack(
        "an exception when imported",
        """
raise SystemExit(0)
""",
        dies=True,
    ),
    Attack(
        "sleep for ever",
        """
import time


def f(x):
    time.sleep(10**6)
""",
        ends="wall",
    ),
    Attack(
        "a lock that is never given back",
        """
import threading

lock = threading.Lock()
lock.acquire()


def f(x):
    lock.acquire()
""",
        ends="wall",
    ),
    Attack(
        "sleep when imported",
        """
import signal

signal.pause()
""",
        ends="wall",
        dies=True,
    ),
)
