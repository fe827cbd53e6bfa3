"""What tokens cost in money, from a table that the user gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from marl_eval.errors import UserError
from marl_eval.yaml_file import read_yaml


@dataclass(frozen=True, slots=True)
class Price:
    """Money for one million prompt tokens and one million generated tokens, in ``currency``."""

    prompt: float
    completion: float
    currency: str


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: float = Field(ge=0, allow_inf_nan=False)
    completion: float = Field(ge=0, allow_inf_nan=False)
    currency: str = "USD"


def read_price(path: Path, model: str) -> Price:
    """Read the price of a model's tokens from a YAML table.

    The table maps the name of a model, as a run was asked for it, to ``prompt`` and ``completion``:
    money for a million tokens; and to a ``currency``, USD if not given.

    Raises:
        UserError: if the file cannot be read, is not such a table, or lacks the model.
    """
    table = read_yaml(path, "price table")
    if not isinstance(table, dict) or model not in table:
        raise UserError(
            f"The price table {path} has no entry {model!r}; add one with 'prompt' and 'completion', "
            f"money for a million tokens."
        )
    try:
        entry = _Entry.model_validate(table[model])
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "entry"
        raise UserError(
            f"The price table {path}, model {model!r}: {name} cannot be {first['input']!r}: "
            f"{first['msg'].lower()}."
        ) from error
    return Price(entry.prompt, entry.completion, entry.currency)
