"""The warm-up: its loss falls, its rows are those of evaluation, its card says what it can."""

from __future__ import annotations

from pathlib import Path

from marl_eval.training.card import read_card
from marl_eval.training.checkpoints import read_curve
from marl_eval.training.settings import SftSettings, make_training_settings
from marl_eval.training.sft import sft
from tests.training.tiny_models import SHORT, TASK_ARGS, common, same_weights, untrained


def losses(out: Path) -> list[float]:
    return [line["loss"] for line in read_curve(out) if "loss" in line]


def test_the_loss_falls(base: Path) -> None:
    told = losses(base)
    assert sum(told[-10:]) < 0.5 * sum(told[:10])


def test_the_card_of_all_formats_names_none(base: Path) -> None:
    card = read_card(base)
    assert card is not None
    assert (card.made_by, card.method) == ("sft", None)
    assert not {"strategy", "k", "confidence"} & card.asks.keys()
    assert (base / "marl_eval_prompt.txt").exists()


def test_the_card_of_one_format_asks_in_it_and_the_same_seed_gives_the_same_weights(
    tmp_path: Path,
) -> None:
    raw = untrained(tmp_path / "tiny")
    made = []
    for name in ("one", "two"):
        values = {
            **common(raw.parent, raw),
            "methods": ["rlcr-multi"],
            "k": 2,
            "out": tmp_path / name,
            "trl": {**SHORT, "max_steps": 3},
        }
        made.append(sft(make_training_settings(SftSettings, values)).path)
    card = read_card(made[0])
    assert card is not None
    assert (card.asks["strategy"], card.asks["k"], card.asks["confidence"]) == ("multi", 2, True)
    assert same_weights(*made)
    assert card.task["args"] == {k: v for k, v in TASK_ARGS.items() if k != "examples"}
