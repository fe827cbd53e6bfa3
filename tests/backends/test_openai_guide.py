"""The commands of ``docs/engines.md``, followed with a server that is not on the page's port."""

from __future__ import annotations

from pathlib import Path

from tests.fault_server import MODEL, fault_server
from tests.pages import DOCS, blocks, shell


def test_the_guide_runs_a_model_of_a_server(tmp_path: Path) -> None:
    commands = [content for language, content in blocks(DOCS / "engines.md") if language == "bash"]
    with fault_server() as server:
        for command in commands:
            assert "http://127.0.0.1:8000/v1" in command
            here = command.replace("http://127.0.0.1:8000/v1", server.address)
            printed = shell(here.replace("NAME", MODEL), tmp_path)
        assert f"openai:{MODEL} on ddxsim (20 examples), multi, k = 3, n = 1" in printed
        assert len(server.bodies) == 20
