from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from marl_eval.reports.page import build, site
from marl_eval.reports.page.serving import ADDRESS, Server
from marl_eval.reports.page.site import Site
from marl_eval.results import read_results
from marl_eval.store import RESULTS
from tests.conftest import Cli
from tests.reports.browser import launched, opened, until
from tests.runs import completions_file, run

FEW = {"examples": 20}


@pytest.fixture(autouse=True)
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes most of the time of a small page."""
    monkeypatch.setattr(build, "DRAWINGS", {})


@contextmanager
def served(runs: list[Path], folder: Path) -> Iterator[Server]:
    made = Site(runs, folder)
    with Server(made, 0) as server:
        threads = [
            threading.Thread(target=server.serve_forever, args=(0.01,)),
            threading.Thread(target=made.follow, args=(0.05, stop := threading.Event())),
        ]
        for thread in threads:
            thread.start()
        try:
            yield server
        finally:
            stop.set()
            server.shutdown()
            for thread in threads:
                thread.join()


def asked(server: Server, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(ADDRESS, server.server_port, timeout=10)
    connection.request(
        "GET", path, headers={name.replace("_", "-"): v for name, v in headers.items()}
    )
    response = connection.getresponse()
    found = response.status, dict(response.getheaders()), response.read()
    connection.close()
    return found


class GoingOn:
    """A run directory as it is while the run goes on: some of its completions, and no results."""

    def __init__(self, path: Path, stored: int) -> None:
        self.path = run(path, task_args=FEW).path
        self.whole = read_results(self.path)
        self._results = {name: (path / name).read_bytes() for name in (RESULTS, "scores.parquet")}
        for name in self._results:
            (path / name).unlink()
        self._lines = completions_file(path).read_bytes().splitlines(keepends=True)
        completions_file(path).write_bytes(b"")
        self.store(stored)

    def store(self, count: int, torn: bytes = b"") -> None:
        done = len(completions_file(self.path).read_bytes().splitlines())
        with completions_file(self.path).open("ab") as file:
            file.write(b"".join(self._lines[done : done + count]) + torn)

    def finish(self) -> None:
        self.store(len(self._lines))
        for name in ("scores.parquet", RESULTS):
            (self.path / name).write_bytes(self._results[name])

    def files(self) -> dict[str, bytes]:
        return {str(f): f.read_bytes() for f in self.path.rglob("*") if f.is_file()}


def page_of(server: Server) -> str:
    return asked(server, "/")[2].decode("utf-8")


def test_it_listens_on_loopback_alone(tmp_path: Path) -> None:
    path = run(tmp_path / "run", task_args=FEW).path
    (tmp_path / "site").mkdir()
    with served([path], tmp_path / "site") as server:
        assert server.server_address[0] == "127.0.0.1"
        assert server.url == f"http://127.0.0.1:{server.server_port}/"


def test_other_hosts_and_other_sites_are_refused(tmp_path: Path) -> None:
    path = run(tmp_path / "run", task_args=FEW).path
    (tmp_path / "site").mkdir()
    with served([path], tmp_path / "site") as server:
        port = server.server_port
        for host in (f"127.0.0.1:{port}", f"localhost:{port}"):
            assert asked(server, "/", Host=host)[0] == 200
        evil = ["evil.example", f"evil.example:{port}", f"127.0.0.1.evil.example:{port}"]
        for host in (*evil, "127.0.0.1", ""):
            status, _, content = asked(server, "/", Host=host)
            assert (status, b"run" in content) == (403, False), host
        assert asked(server, "/version", Sec_Fetch_Site="cross-site")[0] == 403
        status, headers, _ = asked(server, "/")
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in headers


def test_no_file_but_the_pages_own_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "SINGLE_FILE", 100)
    path = run(tmp_path / "run", task_args=FEW).path
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "secret.js").write_text("secret")
    (tmp_path / "secret.js").write_text("secret")
    with served([path], folder) as server:
        assert asked(server, "/v1_files/index-0.js")[0] == 200
        assert asked(server, "/v1_files/chunk-0-0.js?x")[0] == 200
        for wanted in (
            "/secret.js", "/v1_files/../secret.js", "/../secret.js", "//etc/passwd", "/v1.html",
            "/v1_files/%2e%2e/secret.js", "/v1_files/index-9.js", "/v9_files/index-0.js", "/v1_files/",
        ):  # fmt: skip
            status, _, content = asked(server, wanted)
            assert (status, b"secret" in content) == (404, False), wanted


def test_a_run_that_goes_on_is_shown_as_far_as_it_is_and_left_alone(tmp_path: Path) -> None:
    going = GoingOn(tmp_path / "going", stored=8)
    going.store(0, torn=b'{"id":"torn')
    before = going.files()
    (tmp_path / "site").mkdir()
    with served([going.path], tmp_path / "site") as server:
        page = page_of(server)
        assert "so far: 8 of 20 requests" in page
        assert "ERRORS" not in page
        assert going.files() == before


def test_the_page_follows_a_run_to_its_end(tmp_path: Path) -> None:
    going = GoingOn(tmp_path / "going", stored=0)
    (tmp_path / "site").mkdir()
    with served([going.path], tmp_path / "site") as server:
        assert "so far: 0 of 20 requests" in page_of(server)
        version = json.loads(asked(server, "/version")[2])["version"]
        going.store(5)
        until(lambda: "so far: 5 of 20 requests" in page_of(server), 60)
        assert json.loads(asked(server, "/version")[2])["version"] > version
        going.finish()
        until(lambda: "All runs are finished" in page_of(server), 60)
        shown = re.search(r'data-metric="recall"\s+data-value="([^"]*)"', page_of(server))
        assert shown is not None
        assert float(shown[1]) == going.whole.metrics["recall"].value
        assert "so far" not in page_of(server)


def test_an_open_page_refreshes_itself_and_keeps_its_example(tmp_path: Path) -> None:
    going = GoingOn(tmp_path / "going", stored=4)
    (tmp_path / "site").mkdir()
    with (
        launched() as chromium,
        served([going.path], tmp_path / "site") as server,
        opened(chromium, server.url, "#example=ddxsim-0-3") as tab,
    ):
        tab.settled()
        assert "4 of 20 requests" in tab.text("#live")
        going.finish()
        until(lambda: "All runs are finished" in tab.text("#live"), 60)
        tab.settled()
        assert tab.shown() == "ddxsim-0-3"


def test_what_goes_wrong_while_following_is_told_and_the_page_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    going = GoingOn(tmp_path / "going", stored=4)
    (tmp_path / "site").mkdir()
    with served([going.path], tmp_path / "site") as server:

        def full(*arguments: Any, **more: Any) -> None:
            raise site.StorageError("there is no room")

        monkeypatch.setattr(site, "write_page", full)
        going.store(1)
        until(lambda: b"there is no room" in asked(server, "/version")[2], 60)
        assert "so far: 4 of 20 requests" in page_of(server)


def test_ctrl_c_ends_it_with_0_and_leaves_nothing(tmp_path: Path) -> None:
    path = run(tmp_path / "run", task_args=FEW).path
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    command = [sys.executable, "-m", "marl_eval", "view", str(path), "--port", "0"]
    with subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    ) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        assert re.match(r"http://127\.0\.0\.1:\d+/", first), first
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 0
    assert "Traceback" not in rest
    assert [f.name for f in temporary.iterdir() if f.name.startswith("marl-eval-")] == []


def test_a_port_that_is_taken_is_told_in_a_sentence(cli: Cli, tmp_path: Path) -> None:
    path = run(tmp_path / "run", task_args=FEW).path
    (tmp_path / "site").mkdir()
    with served([path], tmp_path / "site") as server:
        code, _, err = cli("view", path, "--port", server.server_port)
    assert code == 2
    assert "--port" in err
    code, _, err = cli("view", tmp_path / "nothing")
    assert code == 2
    assert "not a run directory" in err
