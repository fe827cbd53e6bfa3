"""The settings of a run inside lm-eval, which its ``--metadata`` carries.

lm-eval mixes the arguments of the model into the metadata of a task, so ours are a table apart, under
``marl_eval``: ``--metadata '{"marl_eval": {"k": 5, "limit": 200}}'``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marl_eval.errors import UserError, unknown
from marl_eval.settings import RunSettings, make_settings
from marl_eval.strategies import Strategy

TABLE = "marl_eval"

TAKEN = [
    "data", "task_args", "k", "n", "confidence", "reasoning", "analysis", "sum_to_one",
    "temperature", "top_p", "max_tokens", "limit", "shots", "prompt", "strict", "overlap", "workers",
    "sandbox_min_level",
]  # fmt: skip
"""The settings of a run that mean something inside lm-eval, which has its own for others. It tells no
token counts, so there are no prices."""


def read_settings(metadata: Mapping[str, Any]) -> RunSettings:
    """Read the settings of one of our tasks from its metadata; the defaults are those of a run.

    The table holds for all tasks of a command, so the strategy ``single`` passes over its ``k``.

    Raises:
        UserError: naming the setting that is unknown or wrong.
    """
    table = metadata.get(TABLE, {})
    if not isinstance(table, Mapping):
        raise UserError(
            f"The metadata {TABLE!r} must be a table of settings, such as --metadata "
            f'\'{{"{TABLE}": {{"k": 5}}}}\', not {table!r}.'
        )
    for name in table:
        if name not in TAKEN:
            raise unknown("setting of marl-eval inside lm-eval named", str(name), TAKEN)
    values = dict(table)
    strategy = metadata["marl_eval_strategy"]
    if strategy == Strategy.SINGLE:
        values.pop("k", None)
    model = metadata.get("pretrained") or metadata.get("model") or "lm-eval"
    return make_settings(
        {
            **values,
            "model": str(model),
            "task": metadata["marl_eval_task"],
            "strategy": strategy,
            "resamples": 0,
        }
    )
