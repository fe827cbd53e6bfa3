"""Ending a process with the one that started it, however that ends."""

from __future__ import annotations

import os
import threading
import time

_LOOK_SECONDS = 1.0


def end_with_parent() -> None:
    """End this process once the one that started it is gone."""
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)
