"""Scripted backends for faults of replicas, and a cluster whose processes find them by name.

``scripted:lost`` dies after some answers, unless it is told that it is well; ``scripted:refuses`` says
then that it cannot go on; ``scripted:once`` dies once, and whichever is started later never has its
model. What they know of each other stands in the folder that they are given.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from marl_eval.backends import IsDone
from marl_eval.errors import UserError
from marl_eval.plan import Plan
from marl_eval.plugins import found
from marl_eval.types import Completion, Failure

ANSWERS = 20
"""After so many answers something happens."""
WELL, DIED, STARTED = "well", "died", "started"
REFUSAL = "The model has gone home: ask another."
ROOT = Path(__file__).resolve().parents[2]


class Scripted:
    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._folder = folder

    def fingerprint(self) -> Mapping[str, Any]:
        return {"backend": "scripted"}

    def check(self, plan: Plan) -> None:
        pass

    def load(self) -> None:
        (self._folder / f"{STARTED}-{os.getpid()}").touch()
        if self._name == "once" and (self._folder / DIED).exists():
            threading.Event().wait()

    def stream(self, plan: Plan, is_done: IsDone) -> Iterator[list[Completion | Failure]]:
        for number, request in enumerate(plan):
            if number == ANSWERS and not (self._folder / WELL).exists():
                self._misbehave()
            text = f"{request.id} {request.seed}"
            place = (request.example, request.sample, request.stage)
            yield [Completion(request.id, *place, text, 1, 1, "stop")]

    def _misbehave(self) -> None:
        if self._name == "refuses":
            raise UserError(REFUSAL)
        try:
            (self._folder / DIED).touch(exist_ok=self._name != "once")
        except FileExistsError:
            return
        os._exit(1)


def open_backend(name: str, args: Mapping[str, Any], *, batch_size: int | None) -> Scripted:
    return Scripted(name, Path(args["folder"]))


@contextmanager
def scripted_cluster(site: Path) -> Iterator[None]:
    """A cluster of two processors; in ``site`` the backends are installed, as far as this goes."""
    import ray

    from marl_eval.backends.ray.cluster import Arguments, connect

    about = site / "scripted-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: scripted\nVersion: 1\n")
    (about / "entry_points.txt").write_text(
        f"[marl_eval.backends]\nscripted = {__name__}:open_backend\n"
    )
    paths = [str(site), str(ROOT), os.environ.get("PYTHONPATH", "")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
        patch.syspath_prepend(str(site))
        found.cache_clear()
        connect(Arguments())
        yield
        ray.shutdown()
    found.cache_clear()
