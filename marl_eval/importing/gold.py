"""Reading gold answers in the forms that others write them in."""

from __future__ import annotations

from typing import Any

import orjson

from marl_eval.errors import UserError
from marl_eval.importing.values import is_absent, read_name
from marl_eval.types import Gold


def read_gold(value: Any, place: str, *, aliases: bool = False) -> tuple[Gold, ...]:
    """Read a gold set.

    It is nothing; a text or a number; a list, of which each entry is a gold answer: a text, a list of
    texts that name the same answer, or an object with ``answer`` and, if it likes, ``aliases`` and
    ``weight``; or one such object. A text that is the JSON of objects counts as them. With
    ``aliases``, a list of texts is one answer under several names.

    Raises:
        UserError: for anything else.
    """
    if is_absent(value):
        return ()
    value = _objects(value)
    if not isinstance(value, list):
        return (_one(value, place),)
    entries = [entry for entry in value if not is_absent(entry)]
    if aliases and entries and not any(isinstance(entry, list | dict) for entry in entries):
        return (_one(entries, place),)
    return tuple(_one(entry, place) for entry in entries)


def _objects(value: Any) -> Any:
    """Give the objects that a text is the JSON of, and anything else as it is."""
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")) and '"answer"' in value:
        try:
            parsed = orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
        listed = parsed if isinstance(parsed, list) else [parsed]
        if all(isinstance(entry, dict) and "answer" in entry for entry in listed):
            return parsed
    return value


def _one(value: Any, place: str) -> Gold:
    if isinstance(value, dict):
        if "answer" not in value:
            raise UserError(f"{place} has a gold answer without the field 'answer'.")
        others = value.get("aliases")
        names = [value["answer"], *(others if isinstance(others, list) else [])]
        return Gold(*_names(names, place), weight=_weight(value.get("weight"), place))
    if isinstance(value, list):
        return Gold(*_names(value, place))
    return Gold(*_names([value], place))


def _names(values: list[Any], place: str) -> tuple[str, tuple[str, ...]]:
    """Give the name of an answer and its other names."""
    names = [_name(value, place) for value in values]
    if not names:
        raise UserError(f"{place} has a gold answer without a name.")
    return names[0], tuple(dict.fromkeys(name for name in names[1:] if name != names[0]))


def _name(value: Any, place: str) -> str:
    name = repr(value) if isinstance(value, float) else read_name(value, place)
    if name is None:
        raise UserError(f"{place} has a gold answer without a name.")
    return name


def _weight(value: Any, place: str) -> float | None:
    if is_absent(value):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e308:
        raise UserError(f"{place} has a gold answer of which the weight is {ascii(value)[:40]}.")
    return float(value)
