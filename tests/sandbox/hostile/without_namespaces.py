"""Run a command where no user namespace can be made.

    python without_namespaces.py COMMAND...

The limit on them can be set by anybody, for a user namespace of his own: the command runs as the same
user in such a namespace, which is the last.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from marl_eval.sandbox.inside import linux


def main(command: list[str]) -> None:
    """Go into the namespace and become the command."""
    uid, gid = os.getuid(), os.getgid()
    linux.unshare(linux.CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    Path("/proc/sys/user/max_user_namespaces").write_text("0")
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
