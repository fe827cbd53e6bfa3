"""What several tests share: where the real data is, and a small score table."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def ddxplus_data() -> Path:
    """The folder of real DDXPlus patients, which is not part of the repository."""
    folder = SHARED / "data" / "ddxplus"
    if not folder.is_dir():
        pytest.skip(f"the DDXPlus sample is not at {folder}")
    return folder
