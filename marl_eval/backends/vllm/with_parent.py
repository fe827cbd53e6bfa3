"""Ending the engine's processes with the run that started them, however that ends.

An engine whose run was killed would wait for requests for ever, and keep the memory that the run needs
when it is continued. vLLM calls ``end_with_parent`` in each of its processes (entry point group
``vllm.general_plugins``); it does nothing in those that another program started.
"""

from __future__ import annotations

import os

from marl_eval import with_parent

VARIABLE = "MARL_EVAL_ENGINE_OF"
"""Set to the process of the run while it starts an engine, which inherits it."""


def end_with_parent() -> None:
    """End this process once the one that started it is gone, if it belongs to a run."""
    run = os.environ.get(VARIABLE)
    if run is not None and run != str(os.getpid()):
        with_parent.end_with_parent()
