"""Programs that want to talk to others."""

from __future__ import annotations

from tests.sandbox.hostile.attack import Attack

ATTACKS = (
    Attack(
        "sockets of every family",
        """
import socket


def gained():
    kinds = dict(
        inet=(2, 1),
        datagram=(2, 2),
        inet6=(10, 1),
        raw=(2, 3, 1),
        icmp=(2, 2, 1),
        unix=(1, 1),
        unix_datagram=(1, 2),
        netlink=(16, 3, 0),
        packet=(17, 3),
        alg=(38, 5),
        vsock=(40, 1),
        bluetooth=(31, 1),
        tipc=(30, 1),
        can=(29, 3),
        xdp=(44, 3),
        key=(15, 3),
    )
    return gains(
        **{name: lambda kind=kind: socket.socket(*kind) for name, kind in kinds.items()}
    )
""",
        held_at="filtered",
    ),
    Attack(
        "a connection by name",
        """
import socket, urllib.request


def web():
    try:
        return urllib.request.urlopen("http://127.0.0.1:80/", timeout=0.1)
    except urllib.error.URLError as error:
        raise error.reason


def gained():
    return gains(
        (-2, -3),
        connect=lambda: socket.create_connection(("127.0.0.1", 22), 0.1),
        web=web,
        server=lambda: socket.create_server(("127.0.0.1", 0)),
        pair=lambda: socket.socketpair(socket.AF_INET),
    )
""",
        held_at="filtered",
    ),
    Attack(
        "a name looked up",
        """
import socket


def gained():
    return gains((-2, -3), look=lambda: socket.getaddrinfo("example.org", 80))
""",
        held_at="filtered",
    ),
    Attack(
        "the pair of sockets that it may have, put to other uses",
        r"""
import socket


def gained():
    def pair(kind=1):
        return socket.socketpair(1, kind)

    return gains(
        (errno.EISCONN, errno.EINVAL, errno.EOPNOTSUPP),
        bind=lambda: pair()[0].bind("/tmp/socket"),
        abstract=lambda: pair()[0].bind("\0hostile"),
        connect=lambda: pair()[0].connect("\0hostile"),
        listen=lambda: pair()[0].listen(),
        accept=lambda: pair()[0].accept(),
        stream_to=lambda: pair()[0].sendto(b"x", "\0hostile-mark-socket"),
        datagram=lambda: pair(2),
        raw=lambda: pair(3),
        sequence=lambda: pair(5),
        name=lambda: pair()[0].getpeername(),
        inet=lambda: socket.socketpair(2, 1),
        netlink=lambda: socket.socketpair(16, 3),
    )
""",
        held_at="filtered",
    ),
    Attack(
        "a datagram to a socket that the harness listens on",
        r"""
import socket


def gained():
    def send(place):
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b"hello", place)

    return gains(
        abstract=lambda: send("\0hostile-mark-socket"),
        log=lambda: send("/dev/log"),
        bus=lambda: send("/run/systemd/notify"),
    )
""",
        held_at="filtered",
    ),
    Attack(
        "the channel, put to other uses",
        r"""
import socket


def gained():
    channel = socket.socket(fileno=os.dup(3))
    return gains(
        (errno.EISCONN, errno.EINVAL, errno.EOPNOTSUPP),
        bind=lambda: channel.bind("\0hostile"),
        connect=lambda: channel.connect("\0hostile"),
        listen=lambda: channel.listen(),
        peer=lambda: channel.getpeername(),
    )
""",
        held_at="filtered",
    ),
)
