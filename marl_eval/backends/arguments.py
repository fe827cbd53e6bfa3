"""Reading a backend's own settings (``--model-args``), and seeing that what it needs is installed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from marl_eval.errors import UserError, unknown

Arguments = TypeVar("Arguments", bound=BaseModel)

_SCIENTIFIC = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")


def need(extra: str, *packages: str, what: str | None = None) -> None:
    """See that the packages of an extra are installed; ``what`` needs them, if not the backend so named.

    Raises:
        UserError: naming the one that is not, and the command that installs it.
    """
    for package in packages:
        if find_spec(package) is None:
            raise UserError(
                f"{what or f'The backend {extra!r}'} needs {package}, which is not installed: "
                f"pip install 'marl-eval[{extra}]'."
            )


def read_arguments(backend: str, kind: type[Arguments], args: Mapping[str, Any]) -> Arguments:
    """Check a backend's settings; ``a.b=c`` sets the entry ``b`` of the table ``a``.

    Raises:
        UserError: naming the setting that is unknown or wrong.
    """
    values: dict[str, Any] = {}
    for name, value in args.items():
        table, dot, entry = name.partition(".")
        if table not in kind.model_fields:
            raise unknown(f"argument of the backend {backend!r} named", name, kind.model_fields)
        if dot:
            values.setdefault(table, {})[entry] = typed(value)
        else:
            values[name] = value
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or "arguments"
        raise UserError(
            f"The argument {name!r} of the backend {backend!r} cannot be {first['input']!r}: "
            f"{first['msg'].lower()}."
        ) from error


def typed(value: Any) -> Any:
    """Give the number, truth value or text that a setting on the command line stands for.

    Also 1e-6, which is a text in YAML unless it is written 1.0e-6.
    """
    if not isinstance(value, str):
        return value
    if _SCIENTIFIC.fullmatch(value):
        return float(value)
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        return value
