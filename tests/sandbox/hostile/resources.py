"""Programs that use up memory, files or descriptors."""

from __future__ import annotations

from tests.sandbox.hostile.attack import Attack

ATTACKS = (
    Attack(
        "memory in one piece",
        """
def f(x):
    return len(bytearray(100 << 30))
""",
    ),
    Attack(
        "memory in many pieces",
        """
def f(x):
    kept = []
    for _ in range(2000):
        kept.append(bytearray(b"x") * (1 << 20))
""",
    ),
    Attack(
        "memory in a list that is multiplied",
        """
def f(x):
    return [0] * 10**10
""",
    ),
    Attack(
        "memory in a text",
        """
def f(x):
    return len("x" * 10**11)
""",
    ),
    Attack(
        "memory that is mapped and shared",
        """
import mmap


def f(x):
    kept = []
    for _ in range(100):
        kept.append(mmap.mmap(-1, 1 << 25))
        kept[-1].write(b"x" * (1 << 25))
""",
    ),
    Attack(
        "memory when imported",
        """
kept = [bytearray(1 << 30) for _ in range(1000)]
""",
        dies=True,
    ),
    Attack(
        "memory locked and in large pages",
        """
import mmap


def gained():
    return gains(
        (errno.ENOMEM, errno.EINVAL),
        all=lambda: raw(151, 3),
        one=lambda: raw(149, id(f) & ~4095, 4096),
        anonymous=lambda: os.memfd_create("x"),
        secret=lambda: raw(447, 0),
        swap=lambda: raw(167, b"/tmp/x", 0),
    )
""",
        held_at="filtered",
    ),
    Attack(
        "one large file",
        """
def f(x):
    with open("/tmp/large", "wb") as file:
        for _ in range(100):
            file.write(b"x" * (1 << 20))
""",
        held_at="filtered",
    ),
    Attack(
        "many large files",
        """
def gained():
    written = 0
    try:
        for number in range(100):
            with open(f"/tmp/large{number}", "wb", buffering=0) as file:
                written += file.write(b"x" * (1 << 20))
    except OSError as error:
        pass
    return [] if written <= 16 << 20 else [f"{written} bytes"]
""",
        held_at="filtered",
    ),
    Attack(
        "a file of holes",
        """
def gained():
    def sparse():
        with open("/tmp/holes", "wb") as file:
            file.truncate(1 << 40)

    def beyond():
        with open("/tmp/holes", "wb") as file:
            file.seek(1 << 40)
            file.write(b"x")

    return gains((errno.EFBIG, errno.ENOSPC), sparse=sparse, beyond=beyond)
""",
        held_at="filtered",
    ),
    Attack(
        "a million small files",
        """
def gained():
    made = 0
    try:
        for number in range(2000):
            os.close(os.open(f"/tmp/small{number}", os.O_CREAT | os.O_WRONLY))
            made += 1
    except OSError:
        pass
    return [] if made < 1000 else [f"{made} files"]
""",
        held_at="filtered",
    ),
    Attack(
        "folders in folders",
        """
def gained():
    made = 0
    try:
        while made < 2000:
            os.mkdir("deeper")
            os.chdir("deeper")
            made += 1
    except OSError:
        pass
    return [] if made < 1000 else [f"{made} folders"]
""",
        held_at="filtered",
    ),
    Attack(
        "every descriptor used up",
        """
def f(x):
    kept = []
    while True:
        kept.append(os.dup(0))
""",
        dies=True,
    ),
    Attack(
        "pipes filled",
        """
def gained():
    held, count = 0, 0
    try:
        while count < 1000:
            ends = os.pipe()
            os.set_blocking(ends[1], False)
            count += 1
            try:
                while True:
                    held += os.write(ends[1], b"x" * 65536)
            except BlockingIOError:
                pass
    except OSError:
        pass
    return [] if held <= 8 << 20 else [f"{held} bytes"]
""",
    ),
)
