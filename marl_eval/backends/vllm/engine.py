"""The engine of vLLM: its configuration, its start, and what it says when it cannot go on.

vLLM is imported here and in what imports this module, which takes some seconds. Its many messages go
into a file, of which only the one that matters is told; where VLLM_LOGGING_LEVEL in the environment asks
for more than errors, they go where they always do.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from marl_eval.backends.vllm.arguments import Arguments, check_names
from marl_eval.backends.vllm.with_parent import VARIABLE
from marl_eval.errors import BackendError, UserError
from marl_eval.redaction import redact

_LEVEL = "VLLM_LOGGING_LEVEL"
_ERRORS_ONLY = ("ERROR", "CRITICAL")
"""Levels that ask for no more than what is told anyway; TRL sets one as soon as it is imported."""
_ERROR = re.compile(r"\b([A-Z]\w*(?:Error|Exception)): +(\S.*)")
_MEMORY = re.compile(
    r"memory|KV cache|allocat|killed|: -9\b|gpu_memory_utilization|No space left", re.IGNORECASE
)
_LOWER = (
    "lower --batch-size or the arguments max_model_len and gpu_memory_utilization (on a CPU, "
    "VLLM_CPU_KVCACHE_SPACE in the environment), or spread the model by tensor_parallel_size"
)
_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""Ranks of adapters that the engine can make room for."""


_READ = 1 << 16
"""Bytes at the end of what was written in which the last error is looked for."""


_WATCH_SECONDS = 1.0


class _Log:
    """What the engine and its processes write, from when they are started."""

    def __init__(self) -> None:
        # A number and not an object: processes of the engine write to it after this one is gone.
        self._file, name = tempfile.mkstemp(prefix="marl-eval-vllm-")
        os.unlink(name)

    @contextmanager
    def taking(self) -> Iterator[None]:
        """Take what this process and those that it starts write, for as long as they live."""
        level = os.environ.get(_LEVEL)
        if level is not None and level.upper() not in _ERRORS_ONLY:
            yield
            return
        os.environ[_LEVEL] = "ERROR"
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        saved = [os.dup(number) for number in (1, 2)]
        for number in (1, 2):
            os.dup2(self._file, number)
        try:
            yield
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            for number, copy in zip((1, 2), saved, strict=True):
                os.dup2(copy, number)
                os.close(copy)
            if level is None:
                del os.environ[_LEVEL]
            else:
                os.environ[_LEVEL] = level
            # This process only repeats what is raised as well.
            logging.getLogger("vllm").setLevel(logging.CRITICAL)

    def told(self, error: BaseException) -> str:
        """Give what was wrong: the last error that a process of the engine wrote, or ``error``."""
        size = os.fstat(self._file).st_size
        written = os.pread(self._file, _READ, max(0, size - _READ)).decode("utf-8", "replace")
        found = [*_ERROR.finditer(written)]
        causes = [m for m in found if "root cause" not in m[2] and "stack trace" not in m[2]]
        text = causes[-1][2] if causes else str(error)
        first = redact(text).strip().partition("\n")[0].rstrip(". ")
        return first[:300] or type(error).__name__


_LOG = _Log()


def configure(
    name: str, arguments: Arguments, engine: Mapping[str, Any], batch_size: int | None
) -> Any:
    """Make the engine's configuration, which reads that of the checkpoint.

    Raises:
        UserError: if there is no such checkpoint, or the engine does not take an argument.
    """
    with _LOG.taking():
        for variable in ("VLLM_NO_USAGE_STATS", "DO_NOT_TRACK"):
            os.environ.setdefault(variable, "1")
        from vllm import EngineArgs
        from vllm.platforms import current_platform
        from vllm.usage.usage_lib import UsageContext

        check_names(engine, (field.name for field in fields(EngineArgs)))
        given: dict[str, Any] = {
            "disable_log_stats": True,
            "use_tqdm_on_load": False,
            "revision": arguments.revision,
            "trust_remote_code": arguments.trust_remote_code,
        }
        if current_platform.is_cpu():
            # There, an engine dies of a request with a seed whose prompt it reads in parts.
            given["enable_chunked_prefill"] = False
        if batch_size is not None:
            given["max_num_seqs"] = batch_size
        if arguments.adapter is not None:
            given |= {"enable_lora": True, "max_lora_rank": _rank(arguments)}
        if arguments.thinking_budget is not None:
            given["reasoning_config"] = {
                "reasoning_start_str": "<think>",
                "reasoning_end_str": "</think>",
            }
        try:
            made = EngineArgs(**{**given, **engine, "model": name})
            return made.create_engine_config(UsageContext.LLM_CLASS)
        except (OSError, ValueError, TypeError, KeyError, RuntimeError, AssertionError) as error:
            raise UserError(
                f"vllm does not take the model {name!r} with these arguments: {_reason(error)}."
            ) from error


def start(config: Any) -> Any:
    """Start the engine and its processes, and load the weights.

    Raises:
        UserError: if it does not start, with what to lower where memory is short.
    """
    with _LOG.taking():
        from vllm import LLMEngine
        from vllm.usage.usage_lib import UsageContext

        os.environ[VARIABLE] = str(os.getpid())
        try:
            engine = LLMEngine.from_vllm_config(config, usage_context=UsageContext.LLM_CLASS)
        except Exception as error:
            # The engine passes on whatever its processes, drivers and kernels raise.
            remedy = f"set {_LEVEL}=INFO to see all that it says"
            told = _LOG.told(error)
            if _MEMORY.search(told):
                remedy = _LOWER
            raise UserError(f"The vllm engine did not start ({told}): {remedy}.") from error
        finally:
            del os.environ[VARIABLE]
        threading.Thread(target=_watch, args=(weakref.ref(engine),), daemon=True).start()
        return engine


def _watch(engine: Any) -> None:
    """Tell who waits for an engine's next output that its process is gone.

    vLLM notices, but leaves a caller of ``step`` waiting for ever.
    """
    from vllm.v1.engine.exceptions import EngineDeadError

    while (living := engine()) is not None:
        client = living.engine_core
        if not hasattr(client, "outputs_queue"):
            return
        if client.resources.engine_dead:
            client.outputs_queue.put_nowait(EngineDeadError())
            return
        del living, client
        time.sleep(_WATCH_SECONDS)


def lost(error: BaseException) -> BackendError:
    """Say that the engine died while it was generating."""
    told = _LOG.told(error)
    remedy = f"; {_LOWER}" if _MEMORY.search(told) else ""
    return BackendError(
        f"The vllm engine died ({told}); what is finished is stored, and the same command "
        f"continues{remedy}."
    )


def _rank(arguments: Arguments) -> int:
    from transformers.utils import cached_file

    adapter = str(arguments.adapter)
    try:
        file = cached_file(adapter, "adapter_config.json")
        rank = int(json.loads(Path(str(file)).read_bytes())["r"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"There is no LoRA adapter at {adapter!r}: its adapter_config.json cannot be read "
            f"({_reason(error)})."
        ) from error
    return next((known for known in _RANKS if known >= rank), rank)


def _reason(error: BaseException) -> str:
    """Give what an error says in one line; pydantic's first line only counts."""
    lines = [line.strip() for line in redact(str(error)).splitlines() if line.strip()]
    if len(lines) > 1 and "validation error" in lines[0]:
        lines = lines[1:]
    text = " ".join(lines[:2]).partition(" [type=")[0].removeprefix("Value error, ")
    return text.rstrip(". ")[:300] or type(error).__name__
