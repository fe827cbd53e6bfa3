"""A root directory that holds Python's own files, read-only, and nothing of the user's."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from glob import glob

from . import linux

SCRATCH = "/tmp"
"""Where each program has its own empty directory, the only place it can write to."""

PACKAGES = "/packages"
"""Where the packages lie that programs may import beside the standard library."""

_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")
_PLACES = ("/mnt", "/media", "/srv", "/opt", "/sys")


def enter(packages: Sequence[str]) -> None:
    """Make the new root and go there; nothing else of the file system can be reached afterwards.

    ``packages`` are folders to be found under ``PACKAGES``. Other installed packages are hidden:
    they may hold the very tests that a program is judged by.

    Raises:
        OSError: if the kernel refuses a step.
    """
    sources = _sources()
    new = next(place for place in _PLACES if _free(place, [*sources, *packages]))
    linux.mount("none", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("tmpfs", new, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=755,size=1m")
    empty = f"{new}/empty"
    os.mkdir(empty)
    os.mkdir(new + SCRATCH)
    for source in sources:
        if os.path.islink(source):
            os.makedirs(os.path.dirname(new + source), exist_ok=True)
            os.symlink(os.readlink(source), new + source)
        else:
            _bind(source, new + source)
            for hidden in _hidden(source):
                linux.mount(empty, new + hidden, flags=linux.MS_BIND)
    for package in packages:
        _bind(package, f"{new}{PACKAGES}/{os.path.basename(package)}")
    linux.protect_mounts(new, linux.MS_NOSUID | linux.MS_NODEV)
    for device in _DEVICES:
        _bind(device, new + device)
    linux.protect_mounts(new, linux.MS_RDONLY)
    linux.pivot_root(new)


def _sources() -> list[str]:
    """Give the folders to show: shared libraries, and where Python's own modules lie."""
    own = [path for path in sys.path if os.path.isdir(path)]
    prefix = os.path.join(sys.base_prefix, "lib")
    if not _within(prefix, "/usr") and os.path.isdir(prefix):
        own.append(prefix)
    found: list[str] = []
    for path in sorted({*_LIBRARIES, *own}):
        if os.path.exists(path) and not any(_within(path, known) for known in found):
            found.append(path)
    return found


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _free(place: str, sources: Sequence[str]) -> bool:
    return os.path.isdir(place) and not any(_within(source, place) for source in sources)


def _hidden(source: str) -> list[str]:
    """Give the folders of installed packages in a source."""
    kinds = ("site-packages", "dist-packages")
    folders = ("", "python3*/", "lib/python3*/")
    return [
        path
        for kind in kinds
        for folder in folders
        for path in glob(f"{source}/{folder}{kind}")
        if not os.path.islink(path)
    ]


def _bind(source: str, target: str) -> None:
    if os.path.isdir(source):
        os.makedirs(target)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o444))
    linux.mount(source, target, flags=linux.MS_BIND | linux.MS_REC)
