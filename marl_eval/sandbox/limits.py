"""What a program may use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use.

    ``cpu_seconds`` of all of its threads; ``wall_seconds``, generous, for one that waits; ``memory_mib``
    of address space; ``scratch_mib`` of files in its own directory.
    """

    cpu_seconds: float = 3.0
    wall_seconds: float = 20.0
    memory_mib: int = 512
    scratch_mib: int = 16
