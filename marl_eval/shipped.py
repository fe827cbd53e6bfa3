"""The small trained checkpoints that come with the package."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "checkpoints"


def shipped_checkpoint(name: str) -> Path | None:
    """Give the folder of a shipped checkpoint, None if there is none of that name."""
    return FOLDER / name if name in shipped_names() else None


def shipped_names() -> list[str]:
    """Name the shipped checkpoints."""
    return sorted(path.parent.name for path in FOLDER.glob("*/config.json"))
