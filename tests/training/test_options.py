"""The names that options of TRL have with one version of transformers and another."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from marl_eval.training.options import as_named_here


@dataclass
class Newer:
    activation_checkpointing: bool = False
    gradient_checkpointing: bool | None = None


@dataclass
class Older:
    gradient_checkpointing: bool = False


@pytest.mark.parametrize(
    "given",
    [
        {"activation_checkpointing": False},
        {"gradient_checkpointing": False},
        # What the user says goes before our default, by whichever name.
        {"activation_checkpointing": True, "gradient_checkpointing": False},
    ],
)
def test_an_option_that_was_renamed_is_given_by_the_name_that_there_is(
    given: dict[str, bool],
) -> None:
    assert as_named_here(Newer, given) == {"activation_checkpointing": False}
    assert as_named_here(Older, given) == {"gradient_checkpointing": False}
