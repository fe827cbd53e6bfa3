"""The battery of hostile programs again, as an ordinary user, where the session is root's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.sandbox.hostile import as_user

ROOT = Path(__file__).parents[2]
USER = 1000
BATTERY = ("test_hostile.py", "test_hostile_secrets.py", "test_levels.py")


@pytest.mark.skipif(os.getuid() != 0, reason="the session is an ordinary user's already")
def test_the_battery_holds_as_an_ordinary_user(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Every level is there for such a user, so nothing of it may be skipped."""
    place = tmp_path / "user"
    place.mkdir()
    os.chown(place, USER, USER)
    report = place / "report.xml"
    pytest_arguments = [
        *(str(Path(__file__).parent / name) for name in BATTERY),
        "-q", "-p", "no:cacheprovider", f"--basetemp={place / 'tmp'}", f"--junitxml={report}",
    ]  # fmt: skip
    folders = [sys.base_prefix, sys.prefix, str(ROOT), str(place)]
    ended = subprocess.run(
        [
            sys.executable, as_user.__file__, str(USER), *folders, "--",
            sys.executable, "-B", "-m", "pytest", *pytest_arguments,
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(place), "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    if not report.exists() and "as_user.py" in ended.stderr:
        pytest.skip(f"root may not become a user here: {ended.stderr.splitlines()[-1]}")
    assert report.exists(), ended.stdout + ended.stderr
    suite = ElementTree.parse(report).getroot()[0]
    counts = {kind: int(suite.attrib[kind]) for kind in ("tests", "failures", "errors", "skipped")}
    record_property("as an ordinary user", counts)
    print(f"as an ordinary user: {counts}")
    assert counts["failures"] == counts["errors"] == 0, ended.stdout[-20_000:]
    assert counts["tests"] > 400
    assert counts["skipped"] == 0, ended.stdout[-20_000:]
