"""Starting a fork server, at the strongest level that this machine allows."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from marl_eval.errors import UserError
from marl_eval.sandbox.inside import linux
from marl_eval.sandbox.levels import LEVELS, at_least

_HERE = Path(__file__).parent
_START = f"import sys; sys.path.append({str(_HERE)!r}); from inside.server import main; main()"
# Hashing has to be the same in every server, so that a program does the same each time; libraries of
# arithmetic must not start threads, for a process with threads cannot be forked safely; symbols bound
# once at the start are not bound again by each child, in memory that it would have to copy.
_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "LD_BIND_NOW": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
_START_SECONDS = 60.0


class RefusedError(Exception):
    """This machine does not allow a level; the text says what was refused."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running fork server: its process, the socket to ask it on, and its level of isolation."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    level: str

    def close(self) -> None:
        """End the server, and with it whatever still runs."""
        self.control.close()
        self.process.kill()
        self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()


def start(
    min_level: str = LEVELS[0], packages: Sequence[str] = (), *, scratch_mib: int = 16
) -> Server:
    """Start a server at the strongest level that can be had, not below ``min_level``.

    ``packages`` are installed packages that programs may import beside the standard library;
    ``scratch_mib`` is the size of the directory that they may write to.

    Raises:
        UserError: if a package is not installed, or no such level can be had here; it says what was
            refused and how to go on.
    """
    folders = [folder for package in packages for folder in package_folders(package)]
    refused = []
    for level in at_least(min_level):
        try:
            server = start_at(level, folders, packages, scratch_mib=scratch_mib)
        except RefusedError as error:
            refused.append(f"{level}: {error}")
        else:
            hide_memory(level)
            return server
    lower = LEVELS[len(refused) :]
    remedy = (
        f"a weaker level has to be allowed by name (--sandbox-min-level {lower[0]}); "
        f"'marl-eval doctor' says what each level keeps programs from."
        if lower
        else "programs cannot be run here."
    )
    raise UserError(f"This machine does not allow the sandbox ({'; '.join(refused)}): {remedy}")


def hide_memory(level: str) -> None:
    """Keep programs of the same user from reading the expected values out of this process.

    Only ``full`` hides the processes; below it this one is marked as not to be traced or dumped.
    """
    if level != LEVELS[0]:
        linux.prctl(linux.PR_SET_DUMPABLE, 0)


def start_at(
    level: str,
    folders: Sequence[str] = (),
    modules: Sequence[str] = (),
    *,
    scratch_mib: int = 16,
) -> Server:
    """Start a server at one level.

    Raises:
        RefusedError: if the machine does not allow it.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-s", "-S", "-P", "-B", "-c", _START, str(theirs.fileno())],
            env=_ENVIRONMENT,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd="/",
            start_new_session=True,
        )
    ours.settimeout(_START_SECONDS)
    server = Server(process, ours, level)
    told = {
        "level": level,
        "packages": list(folders),
        "modules": list(modules),
        "scratch": scratch_mib << 20,
    }
    try:
        ours.send(json.dumps(told).encode())
        content = ours.recv(1 << 16)
        answer = json.loads(content) if content else {"error": _last_words(process)}
    except OSError as error:
        answer = {"error": f"the server did not start: {error}"}
    if "error" in answer:
        server.close()
        raise RefusedError(answer["error"])
    ours.settimeout(None)
    return server


def _last_words(process: subprocess.Popen[bytes]) -> str:
    assert process.stderr is not None
    lines = process.stderr.read().decode("utf-8", "replace").strip().splitlines()
    return f"the server ended: {lines[-1] if lines else 'it said nothing'}"


def package_folders(package: str) -> list[str]:
    """Give the folders of an installed package, with that of the libraries it brings.

    Raises:
        UserError: if it is not installed, or not a folder.
    """
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not folders:
        raise UserError(
            f"The package {package!r}, which programs are to import, is not installed here."
        )
    libraries = f"{folders[0]}.libs"
    return [folders[0], libraries] if os.path.isdir(libraries) else [folders[0]]
