"""The vllm backend's own settings, and the engine's, which are passed through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from marl_eval.backends.arguments import read_arguments, typed
from marl_eval.backends.checkpoint import CheckpointArguments
from marl_eval.errors import UserError, unknown

_ELSEWHERE = {
    "model": "is named by --model",
    "max_num_seqs": "is set by --batch-size",
    "enable_lora": "follows from the argument 'adapter'",
    "hf_token": "is a secret, which the run would keep: give it in the environment, as HF_TOKEN",
    "data_parallel_size": "takes an engine for each replica: give --backend ray",
}
_SPEED = {
    "async_scheduling", "block_size", "cpu_offload_gb", "cudagraph_capture_sizes", "device_ids",
    "disable_custom_all_reduce", "disable_log_stats", "distributed_executor_backend", "download_dir",
    "enable_chunked_prefill", "enable_expert_parallel", "enable_prefix_caching", "enforce_eager",
    "fully_sharded_loras", "gpu_memory_utilization", "kv_cache_memory_bytes", "load_format",
    "log_level", "max_cpu_loras", "max_cudagraph_capture_size", "max_lora_rank", "max_loras",
    "max_model_len", "max_num_batched_tokens", "max_parallel_loading_workers", "nnodes", "node_rank",
    "num_gpu_blocks_override", "numa_bind", "optimization_level", "performance_mode",
    "pipeline_parallel_size", "safetensors_load_strategy", "scheduling_policy",
    "tensor_parallel_size", "use_tqdm_on_load",
}  # fmt: skip
"""Arguments of the engine that say where and how fast it answers, and not what."""


class Arguments(CheckpointArguments):
    """The settings of this backend that are not the engine's.

    ``thinking_budget``: tokens of reasoning after which the engine closes it, so that the answers
    still fit; None is no limit. For reasoning in other marks than ``<think>`` and ``</think>``, give
    the engine's ``reasoning_config``.
    """

    thinking_budget: int | None = Field(default=None, ge=0)


def read_settings(args: Mapping[str, Any]) -> tuple[Arguments, dict[str, Any]]:
    """Read the settings of ``--model-args``: this backend's, and those of the engine.

    Raises:
        UserError: if one of ours is wrong, or is set in another way.
    """
    own: dict[str, Any] = {}
    engine: dict[str, Any] = {}
    for name, value in args.items():
        table, dot, entry = name.partition(".")
        if table in _ELSEWHERE:
            raise UserError(f"The argument {table!r} of the backend 'vllm' {_ELSEWHERE[table]}.")
        if table in Arguments.model_fields:
            own[name] = value
        elif dot:
            engine.setdefault(table, {})[entry] = typed(value)
        else:
            engine[name] = typed(value)
    return read_arguments("vllm", Arguments, own), engine


def check_names(engine: Mapping[str, Any], known: Iterable[str]) -> None:
    """See that the engine has the arguments that it is given.

    Raises:
        UserError: naming the one that it does not have.
    """
    names = {*known, *Arguments.model_fields}
    for name in engine:
        if name not in names:
            raise unknown("argument of the backend 'vllm' named", name, names - _ELSEWHERE.keys())


def identifying(engine: Mapping[str, Any]) -> dict[str, Any]:
    """Give the arguments of the engine that may change an answer, those apart that are told anyway."""
    told = _SPEED | {"dtype", "quantization"}
    return {name: engine[name] for name in sorted(engine) if name not in told}
