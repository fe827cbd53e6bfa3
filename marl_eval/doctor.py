"""What is installed here, what is missing for what, and what machine this is."""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, requires, version

from marl_eval.plugins import checkpoint_backend, found
from marl_eval.provenance import machine, versions
from marl_eval.sandbox.levels import KEEPS, LEVELS
from marl_eval.sandbox.server_process import RefusedError, start_at

_EXTRA = re.compile(r"""extra\s*==\s*['"]([\w-]+)['"]""")
_PACKAGE = re.compile(r"[\w.-]+")


def print_report() -> None:
    """Print the report; it changes nothing and needs no network."""
    print(f"marl-eval {versions()['marl-eval']}, Python {sys.version.split()[0]}")
    facts = machine()
    print(
        f"machine: {facts['processor']}, {facts['cores']} cores, {facts['memory_gib']} GiB, "
        f"{facts['system']}"
    )
    print(f"GPU: {_gpu()}")
    for group in ("tasks", "metrics", "backends", "reports"):
        print(f"{group}: {', '.join(found(group))}")
    print(
        "a model without a backend before its name is run by {}: {}".format(*checkpoint_backend())
    )
    print("extras:")
    for extra, packages in _extras().items():
        lacking = [name for name in packages if _installed(name) is None]
        state = "ready" if not lacking else f"lacks {', '.join(lacking)}"
        have = ", ".join(f"{name} {v}" for name in packages if (v := _installed(name)))
        remedy = f"; pip install 'marl-eval[{extra}]'" if lacking else ""
        print(f"  {extra}: {state}{f' ({have})' if have else ''}{remedy}")
    print("sandbox, from the strongest level:")
    for level in LEVELS:
        print(f"  {level}: {_sandboxed(level)}")
        print(f"    {KEEPS[level]}")


def _extras() -> dict[str, list[str]]:
    extras: dict[str, list[str]] = {}
    for requirement in requires("marl-eval") or []:
        extra, name = _EXTRA.search(requirement), _PACKAGE.match(requirement)
        if extra and name:
            extras.setdefault(extra[1], []).append(name.group())
    return extras


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _sandboxed(level: str) -> str:
    try:
        start_at(level).close()
    except RefusedError as error:
        return f"refused by this machine ({error})"
    return "allowed"


def _gpu() -> str:
    if _installed("torch") is None:
        return "unknown (torch is not installed)"
    import torch

    if not torch.cuda.is_available():
        return "none that torch can use"
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return ", ".join(names)
