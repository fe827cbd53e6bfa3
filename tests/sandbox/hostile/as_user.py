"""Run a command as an ordinary user, though Python may lie where only root can go.

    python as_user.py UID FOLDER... -- COMMAND...

Started by root. In a mount namespace of its own, each parent that only root may enter of the folders
is covered by an empty directory that everybody may enter, and the folders are put where they were.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from marl_eval.sandbox.inside import linux


def main(arguments: list[str]) -> None:
    """Make the folders reachable, become the user and the command."""
    end = arguments.index("--")
    uid, folders, command = int(arguments[0]), arguments[1:end], arguments[end + 1 :]
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount("none", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    uncover([Path(folder).resolve() for folder in folders])
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    os.execv(command[0], command)


def uncover(folders: list[Path]) -> None:
    """Make folders reachable for everybody, and nothing else."""
    aside = Path(tempfile.mkdtemp())
    linux.mount("tmpfs", str(aside), "tmpfs")
    shut = {closed for folder in folders if (closed := first_closed(folder)) is not None}
    inside = [folder for folder in folders if any(folder.is_relative_to(closed) for closed in shut)]
    for number, folder in enumerate(inside):
        place = aside / str(number)
        place.mkdir()
        linux.mount(str(folder), str(place), flags=linux.MS_BIND | linux.MS_REC)
    for closed in shut:
        linux.mount("tmpfs", str(closed), "tmpfs", 0, "mode=755")
    for number, folder in enumerate(inside):
        folder.mkdir(parents=True)
        linux.mount(str(aside / str(number)), str(folder), flags=linux.MS_BIND | linux.MS_REC)
    linux.unmount(str(aside))
    aside.rmdir()


def first_closed(folder: Path) -> Path | None:
    """Give the uppermost folder on the way that not everybody may enter."""
    for parent in reversed([folder, *folder.parents]):
        if not parent.stat().st_mode & 0o001:
            return parent
    return None


if __name__ == "__main__":
    main(sys.argv[1:])
