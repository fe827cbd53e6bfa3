"""Programs that write where they must not, or read what others wrote."""

from __future__ import annotations

from tests.sandbox.hostile.attack import Attack

ATTACKS = (
    Attack(
        "files anywhere but in its own folder",
        """
import sys, tempfile


def write(place):
    with open(place, "w") as file:
        file.write("hostile")
    return place


def gained():
    places = [
        "/hostile-mark",
        "/dev/hostile-mark",
        "/dev/shm/hostile-mark",
        "/empty/hostile-mark",
        "/usr/lib/hostile-mark",
        "/lib/hostile-mark",
        "/root/hostile-mark",
        "/var/tmp/hostile-mark",
        "/run/hostile-mark",
        "/proc/self/comm",
        "/sys/hostile-mark",
        "../hostile-mark",
        os.path.dirname(os.__file__) + "/hostile-mark.py",
        "/packages/hostile-mark",
        "/mnt/hostile-mark",
        "/etc/hostile-mark",
    ]
    places += [folder + "/hostile-mark" for folder in sys.path]
    return gains(
        (errno.ENOTDIR, errno.EFBIG),
        **{place: lambda place=place: write(place) for place in places},
    )
""",
        held_at="filtered",
    ),
    Attack(
        "files changed that are not its own",
        """
def gained():
    own = os.__file__
    held = os.stat(own)

    def same_mode(place):
        return lambda: os.chmod(place, os.stat(place).st_mode & 0o7777)

    return gains(
        (errno.EXDEV, errno.EBUSY),
        open=lambda: open(own, "r+"),
        append=lambda: open(own, "a"),
        truncate=lambda: os.truncate(own, held.st_size),
        chmod=same_mode(own),
        chown=lambda: os.chown(own, held.st_uid, held.st_gid),
        rename=lambda: os.rename(own, own),
        folder=lambda: os.rmdir(os.path.dirname(own)),
        times=lambda: os.utime(own, ns=(held.st_atime_ns, held.st_mtime_ns)),
        mode=same_mode("/"),
        library=same_mode("/usr/lib"),
        null=same_mode("/dev/null"),
        rename_null=lambda: os.rename("/dev/null", "/dev/null"),
        link=lambda: os.link(own, "/tmp/hostile-mark"),
        rmdir=lambda: os.rmdir("/dev"),
        move=lambda: os.rename("/usr", "/usr"),
        mkdir=lambda: os.mkdir("/hostile-mark"),
        attribute=lambda: os.setxattr(own, "user.x", b"1"),
        device=lambda: os.mknod("/tmp/hostile-mark-device", 0o20666, os.makedev(1, 1)),
        pipe=lambda: os.mkfifo("/tmp/hostile-mark-pipe"),
        compiled=lambda: os.mkdir(os.path.dirname(own) + "/__pycache__/hostile-mark"),
    )
""",
        held_at="filtered",
    ),
    Attack(
        "links out of its own folder",
        """
def gained():
    found = []
    for place in (
        "/etc/passwd",
        "/proc/self/root/etc/passwd",
        "/proc/1/root",
        "/old_root",
        "../../../../etc/passwd",
        "/root/.bashrc",
    ):
        link = "/tmp/hostile-mark-link"
        try:
            os.symlink(place, link)
        except OSError:
            continue
        try:
            with open(link) as file:
                found.append(f"{place}: {file.read(10)}")
        except OSError:
            pass
        os.unlink(link)
    return found
""",
        held_at="filtered",
    ),
    Attack(
        "a descriptor of a folder kept to climb out of",
        """
def gained():
    up = os.open("/", os.O_RDONLY | os.O_DIRECTORY)

    def climb():
        os.chdir(up)
        for _ in range(50):
            os.chdir("..")
        return os.stat("etc/passwd")

    return gains(
        climb=climb,
        mkdir=lambda: os.mkdir("hostile-mark", dir_fd=up),
        open=lambda: os.open("hostile-mark", os.O_CREAT | os.O_WRONLY, dir_fd=up),
        chroot=lambda: os.chroot("."),
    )
""",
        held_at="full",
    ),
    Attack(
        "a program of its own in its own folder",
        r"""
def gained():
    place = "/tmp/hostile-mark-program"

    def start():
        with open(place, "w") as file:
            file.write("#!/bin/sh\nexit 0\n")
        os.chmod(place, 0o4777)
        os.execv(place, [place])

    return gains(
        (errno.EAGAIN, errno.EFBIG),
        start=start,
        spawn=lambda: os.posix_spawn(place, [place], {}),
    )
""",
        held_at="filtered",
    ),
    Attack(
        "the next program's folder: files, modes, times and locks",
        """
import fcntl, signal


def f(x):
    for name in ("json.py", "math.py", "sitecustomize.py", ".hidden", "hostile-mark"):
        with open("/tmp/" + name, "w") as file:
            file.write("raise SystemExit")
        os.chmod("/tmp/" + name, 0)
    fcntl.flock(os.open("/tmp", os.O_RDONLY), fcntl.LOCK_EX)
    os.utime("/tmp", (0, 0))
    os.chmod("/tmp", 0)
    return 0
""",
        held_at="full",
    ),
    Attack(
        "its own folder taken away",
        """
def f(x):
    for name in ("own", "own/folder"):
        os.mkdir("/tmp/" + name)
    os.chdir("/tmp/own/folder")
    os.rmdir("/tmp/own/folder")
    os.chmod("/tmp", 0o000)
    return 0
""",
        held_at="full",
    ),
    Attack(
        "a writable map of a file that is read-only",
        """
import mmap


def gained():
    def write():
        with open(os.__file__, "rb") as file:
            mapped = mmap.mmap(
                file.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE
            )
            mapped[:1] = b"x"

    return gains(write=write, memory=lambda: os.open("/dev/mem", os.O_RDWR))
""",
        held_at="filtered",
    ),
)
