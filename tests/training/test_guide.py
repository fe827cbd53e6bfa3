"""The files of settings in ``docs/training.md`` are such files."""

from __future__ import annotations

import yaml

from marl_eval.training.settings import SftSettings, TrainSettings, make_training_settings
from tests.pages import DOCS, blocks


def test_every_file_of_the_guide_is_accepted_as_it_stands() -> None:
    rewards, train, warm_up = (
        yaml.safe_load(content)
        for language, content in blocks(DOCS / "training.md")
        if language == "yaml"
    )
    assert make_training_settings(TrainSettings, {**train, **rewards}).k == 3
    assert make_training_settings(SftSettings, warm_up).methods == ["rlcr-multi"]
