"""The directory that a program can write to: a small file system of its own, empty at the start.

Making one for each program would cost as much as forking it does, and most programs never write. So
it is made anew only after a program that left any trace in it.
"""

from __future__ import annotations

import os

from . import linux, root

_INODES = 512
_State = tuple[int, ...]

_untouched: _State = ()


def renew(size: int) -> None:
    """Put a new, empty directory of at most ``size`` bytes in place of the old one. Raises OSError."""
    global _untouched
    if _untouched:
        linux.unmount(root.SCRATCH)
    options = f"mode=700,size={size},nr_inodes={_INODES}"
    linux.mount("tmpfs", root.SCRATCH, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, options)
    _untouched = _state()


def touched() -> bool:
    """Whether there is any trace of a program: a file, or a change of the directory itself."""
    return _state() != _untouched


def _state() -> _State:
    system, folder = os.statvfs(root.SCRATCH), os.stat(root.SCRATCH)
    return (
        system.f_bfree,
        system.f_ffree,
        folder.st_mode,
        folder.st_nlink,
        folder.st_size,
        folder.st_mtime_ns,
        folder.st_ctime_ns,
    )
