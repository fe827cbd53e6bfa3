"""Reading a YAML file that a user wrote, and putting tables of settings over each other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from marl_eval.errors import UserError


def read_yaml(path: Path, what: str) -> Any:
    """Read a file; ``what`` is what the user calls it.

    Raises:
        UserError: in one line, if it cannot be read or is not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"The {what} {path} cannot be read ({error.strerror}).") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        problem = " ".join(str(error).split())
        raise UserError(f"The {what} {path} is not YAML: {problem}.") from error


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Give settings with changes, table within table."""
    result = dict(values)
    for name, change in changes.items():
        before = result.get(name)
        both = isinstance(before, Mapping) and isinstance(change, Mapping)
        result[name] = merged(before, change) if both else change  # type: ignore[arg-type]
    return result
