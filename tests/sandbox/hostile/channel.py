"""Programs that write to the descriptor that answers go over, or take it away."""

from __future__ import annotations

from tests.sandbox.hostile.attack import Attack


def _writes(name: str, content: str, then: str = "os._exit(0)") -> Attack:
    return Attack(name, f"import time\ndef f(x):\n    put({content})\n    {then}", dies=True)


ATTACKS = (
    _writes("garbage over the channel", "os.urandom(4096)"),
    _writes("letters over the channel", r"""b"passed\n" * 1000"""),
    _writes(
        "a header that announces four gigabytes",
        r"""b"\xff\xff\xff\xff" + b"x" * 1000""",
        "time.sleep(60)",
    ),
    _writes(
        "a header that announces the most there may be, and nothing after",
        """(1 << 25).to_bytes(4, "big")""",
    ),
    _writes("half a header", r"""b"\0\0" """),
    _writes("half a message", r"""b"\0\0\1\0" + b'{"value":4'"""),
    _writes("an empty message", """framed(b"")"""),
    _writes("a message that is no JSON", """framed(b'{"value": 42,}')"""),
    _writes(
        "messages of JSON that are no answers",
        """
b"".join(
    map(
        framed,
        (b"[]", b"42", b"null", b'"raised"', b'["raised"]', b"{}", b'{"raised":42}', b"true"),
    )
)
""",
        "return 0",
    ),
    _writes(
        "answers before those that are asked for",
        """
b"".join(
    map(
        framed,
        (
            b'{"value":null}',
            b'{"passed":true,"value":true}',
            b'{"raised":["StopIteration","","StopIteration"]}',
        ),
    )
) * 100
""",
        "return 0",
    ),
    _writes(
        "answers in place of those that are asked for",
        """
b"".join(
    map(
        framed,
        (
            b'{"value":null}',
            b'{"passed":true,"value":true}',
            b'{"raised":["StopIteration","","StopIteration"]}',
        ),
    )
) * 100
""",
    ),
    _writes(
        "a verdict", """framed(b'{"end":"told","status":0,"cpu":0,"memory":0,"passed":true}') * 9"""
    ),
    _writes(
        "the same key twice", """framed(b'{"value":41,"raised":["E","","Exception"],"value":42}')"""
    ),
    _writes("deep nesting", """framed(b'{"value":' + b"[" * 100_000 + b"]" * 100_000 + b"}")"""),
    _writes(
        "nesting as deep as JSON is read",
        """framed(b'{"value":' + b"[" * 1000 + b"]" * 1000 + b"}")""",
    ),
    _writes(
        "an exception nested as deep as JSON is read",
        """framed(b'{"raised":["E",' + b"[" * 1000 + b"]" * 1000 + b"]}")""",
    ),
    _writes(
        "an exception that is a list of texts", """framed(b'{"raised":[["ValueError"],{"a":1}]}')"""
    ),
    _writes(
        "an exception with a name of ten megabytes",
        """framed(b'{"raised":["' + b"E" * (10 << 20) + b'",""]}')""",
    ),
    _writes("tags that do not exist", """framed(b'{"value":{"q":1}}') * 3"""),
    _writes(
        "tags with the wrong content",
        """
b"".join(
    framed(b'{"value":{"%s":%s}}' % (tag.encode(), held))
    for tag in "tszdincbyurDFTh"
    for held in (b"null", b'""', b"[1]", b"{}", b"[[[]]]", b"-1")
)
""",
        "return 0",
    ),
    _writes(
        "objects that are not there",
        """framed(b'{"value":{"h":[999,"list",true]}}') * 3""",
        "return 0",
    ),
    _writes("objects with names like lists", """framed(b'{"value":{"h":[-1,[[]],{}]}}') * 3"""),
    _writes(
        "an object for its own function", """framed(b'{"value":{"h":["f","int",true]}}') * 3"""
    ),
    _writes(
        "a fraction that takes for ever to reduce",
        """framed(b'{"value":{"F":["' + b"3" * 9_000_000 + b'","' + b"7" * 9_000_001 + b'"]}}')""",
    ),
    _writes("a fraction over nothing", """framed(b'{"value":{"F":["1","0"]}}')"""),
    _writes(
        "a range that goes on, made by hand",
        """framed(b'{"value":{"r":["0","' + b"f" * 100 + b'","1"]}}')""",
    ),
    _writes("a set of lists", """framed(b'{"value":{"s":[[1],[2]]}}')"""),
    _writes(
        "a set of numbers made to collide",
        """
framed(
    b'{"value":{"z":['
    + b",".join(b'{"i":"%x"}' % (i * (2**61 - 1)) for i in range(50_000))
    + b"]}}"
)
""",
    ),
    _writes("text that is no UTF-8", r"""framed(b'{"value":"\xff\xfe"}')"""),
    _writes("lone surrogates, escaped", r"""framed(b'{"value":"\\ud800"}')"""),
    _writes("numbers that no machine holds", """framed(b'{"value":' + b"9" * 100_000 + b"}")"""),
    _writes("numbers with monstrous exponents", """framed(b'{"value":1e999999999}')"""),
    _writes(
        "a decimal number with a monstrous exponent, made by hand",
        """framed(b'{"value":{"D":"1e999999999999"}}')""",
    ),
    Attack(
        "a stream without end",
        """
def f(x):
    while True:
        put(framed(b'{"value":0}') * 10_000)
""",
        dies=True,
    ),
    Attack(
        "a message that never comes to its end",
        """
import time


def f(x):
    put((1 << 20).to_bytes(4, "big"))
    while True:
        put(b"[")
        time.sleep(0.01)
""",
        ends="wall",
        dies=True,
    ),
    Attack(
        "answers from a thread of its own",
        """
import threading


def flood():
    while True:
        put(framed(b'{"value":true}'))


threading.Thread(target=flood, daemon=True).start()


def f(x):
    return 0
""",
        dies=True,
    ),
    Attack(
        "answers while it is imported",
        """
put(framed(b'{"value":null}') * 50)


def f(x):
    return 0
""",
    ),
    Attack(
        "an error of its own making while it is imported, nested as deep as JSON is read",
        """
put(framed(b'{"raised":["E",' + b"[" * 1000 + b"]" * 1000 + b"]}"))
os._exit(0)
""",
        dies=True,
    ),
    Attack(
        "an error of its own making while it is imported, ten megabytes long",
        """
put(framed(b'{"raised":["E","' + b"E" * (10 << 20) + b'"]}'))
os._exit(0)
""",
        dies=True,
    ),
    Attack(
        "words about itself before it is asked",
        """
put(framed(b'{"compiles":true,"syntax":"same"}') * 3)


def f(x):
    return 0
""",
    ),
    Attack(
        "requests read before the harness's own code reads them",
        """
import threading


def thief():
    while True:
        os.read(3, 1)


threading.Thread(target=thief, daemon=True).start()


def f(x):
    return 0
""",
        ends="wall or itself or told",
        dies=True,
    ),
    Attack(
        "the channel closed",
        """
def f(x):
    os.close(3)
""",
        dies=True,
    ),
    Attack(
        "every descriptor closed",
        """
def f(x):
    os.closerange(0, 10_000)
""",
        dies=True,
    ),
    Attack(
        "every descriptor closed when imported",
        """
os.closerange(0, 10_000)


def f(x):
    return 0
""",
        dies=True,
    ),
    Attack(
        "the channel shut down for writing",
        """
import socket


def f(x):
    socket.socket(fileno=os.dup(3)).shutdown(socket.SHUT_WR)
""",
        dies=True,
    ),
    Attack(
        "the channel shut down for reading",
        """
import socket


def f(x):
    socket.socket(fileno=os.dup(3)).shutdown(socket.SHUT_RD)
""",
        dies=True,
    ),
    Attack(
        "the channel replaced by a pipe",
        """
def f(x):
    ends = os.pipe()
    os.dup2(ends[1], 3)
    return 0
""",
        dies=True,
    ),
    Attack(
        "the channel replaced by a socket of its own",
        """
import socket

kept = socket.socketpair()


def f(x):
    os.dup2(kept[0].fileno(), 3)
    return 0
""",
        dies=True,
    ),
    Attack(
        "the channel made not to wait",
        """
def f(x):
    os.set_blocking(3, False)
    return "x" * (8 << 20)
""",
        dies=True,
    ),
    Attack(
        "the channel's timeouts and buffers changed",
        """
import socket, struct


def f(x):
    channel = socket.socket(fileno=os.dup(3))
    for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
        channel.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", 0, 1))
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    return "x" * (1 << 20)
""",
        dies=True,
    ),
    Attack(
        "descriptors sent along with an answer",
        """
import array, socket


def f(x):
    channel = socket.socket(fileno=os.dup(3))
    fds = array.array("i", [os.open("/dev/zero", os.O_RDONLY) for _ in range(20)])
    content = framed(b'{"value":0}')
    channel.sendmsg([content] * 5, [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    return 0


def gained():
    import socket

    channel = socket.socket(fileno=os.dup(3))
    held = channel.getsockopt(socket.SOL_SOCKET, 17, 12)
    return [] if len(held) == 12 else ["nobody"]
""",
    ),
    Attack(
        "bytes out of band, and credentials",
        """
import socket, struct


def gained():
    channel = socket.socket(fileno=os.dup(3))

    def pretend():
        told = struct.pack("3i", 1 if os.getpid() != 1 else 2, 0, 0)
        channel.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, told)])

    return gains((errno.ESRCH, errno.EINVAL, errno.EOPNOTSUPP), pretend=pretend)
""",
    ),
)
