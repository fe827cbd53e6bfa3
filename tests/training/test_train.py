"""Training a tiny model: what it writes, that it goes on exactly, and that a run reads its card."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from marl_eval.errors import UserError
from marl_eval.run import evaluate
from marl_eval.settings import make_settings
from marl_eval.training.card import CARD, read_card
from marl_eval.training.checkpoints import last_whole, read_curve
from marl_eval.training.grpo import train
from marl_eval.training.rewards import PARTS
from tests.training.tiny_models import (
    TASK_ARGS,
    command,
    same_weights,
    started,
    train_settings,
    trained,
    weights,
)

TIMED = ("step_time",)


def untimed(out: Path) -> list[dict[str, float]]:
    return [
        {name: value for name, value in line.items() if name not in TIMED}
        for line in read_curve(out)
    ]


@pytest.fixture(scope="module")
def whole(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that was never stopped."""
    return trained(base, tmp_path_factory.mktemp("whole") / "out", evaluate_every=2)


def test_the_parts_of_the_reward_are_logged_apart(whole: Path) -> None:
    steps = [line for line in read_curve(whole) if "reward" in line]
    assert [line["step"] for line in steps] == [1, 2, 3, 4]
    for line in steps:
        parts = {name: line[f"rewards/{name}/mean"] for name in PARTS}
        assert line["reward"] == pytest.approx(
            parts["correctness"] + parts["calibration"], abs=1e-5
        )


def test_held_out_examples_are_evaluated_by_the_metrics_of_a_run(whole: Path) -> None:
    told = [line for line in read_curve(whole) if "held_out/recall" in line]
    assert [line["step"] for line in told] == [0, 2, 4]
    assert {"held_out/multi_brier", "held_out/distinct_answers", "held_out/format_ok"} <= set(
        told[0]
    )


def test_training_changes_the_weights_and_says_how_in_a_card(base: Path, whole: Path) -> None:
    assert not same_weights(base, whole)
    card = read_card(whole)
    assert card is not None
    assert (card.method, card.step, card.seed) == ("rlcr-multi", 4, 0)
    assert card.asks["k"] == 3
    assert card.reward_weights == {
        "format": 0, "distinctness": 0, "correctness": 1, "calibration": 1,
    }  # fmt: skip
    assert card.task["args"] == {"conditions": 6, "findings": 6}
    assert card.base["files"]["model.safetensors"]
    assert [point["step"] for point in card.curve if "reward" in point] == [1, 2, 3, 4]
    assert str(whole) not in (whole / CARD).read_text()


def test_the_same_seed_trains_the_same_weights(base: Path, whole: Path, tmp_path: Path) -> None:
    again = trained(base, tmp_path / "out", evaluate_every=2)
    assert same_weights(whole, again)
    assert untimed(again) == untimed(whole)


def test_another_seed_trains_other_weights(base: Path, whole: Path, tmp_path: Path) -> None:
    assert not same_weights(whole, trained(base, tmp_path / "out", seed=1))


def test_a_finished_training_is_not_done_again(whole: Path) -> None:
    before = (whole / CARD).stat().st_mtime_ns
    settings = json.loads((whole / "training.json").read_text())["settings"]
    base = Path(settings["model"])
    assert train(train_settings(base, whole, evaluate_every=2)).steps == 4
    assert (whole / CARD).stat().st_mtime_ns == before


def test_killed_and_resumed_it_ends_with_the_same_weights(
    base: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = command(train_settings(base, out, evaluate_every=2))
    process = started(arguments)
    deadline = time.monotonic() + 120
    while not (out / "checkpoint-2" / CARD).exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (out / CARD).exists()
    # As if it had been killed while it wrote the next one.
    (out / "checkpoint-3").mkdir(exist_ok=True)
    (out / "checkpoint-3" / "model.safetensors").write_bytes(b"torn")
    assert last_whole(out) == (out / "checkpoint-2", 2) or (out / "checkpoint-4").exists()
    told = started(arguments)
    output = told.communicate(timeout=120)[0]
    assert told.returncode == 0, output
    assert same_weights(whole, out)
    assert untimed(out) == untimed(whole)


def test_it_goes_on_exactly_in_its_second_epoch_and_within_accumulated_steps(
    base: Path, tmp_path: Path
) -> None:
    changes = {
        "limit": 6,
        "trl": {"max_steps": 6, "save_steps": 3, "gradient_accumulation_steps": 2},
    }
    whole = trained(base, tmp_path / "whole", **changes)
    part = tmp_path / "part"
    settings = train_settings(base, part, **changes)
    process = started(command(settings))
    while not (part / "checkpoint-3" / CARD).exists():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    train(settings)
    assert same_weights(whole, part)


def test_a_run_asks_as_the_checkpoint_was_trained(whole: Path, tmp_path: Path) -> None:
    result = evaluate(model=f"hf:{whole}", task="ddxsim", limit=6, out=tmp_path / "run")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    card = read_card(whole)
    assert card is not None
    assert record["format"] == card.format
    assert record["settings"]["temperature"] == 1.0
    assert record["settings"]["task_args"]["conditions"] == 6
    assert record["prompt"]["wording"] == "user"
    assert result.results.complete


def test_asking_in_another_format_is_possible_and_said(
    whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    evaluate(
        model=str(whole), backend="hf", task="ddxsim", limit=4, strategy="multi", k=2,
        confidence=False, out=tmp_path / "run",
    )  # fmt: skip
    (told,) = (record.message for record in caplog.records)
    assert "trained by rlcr-multi" in told
    assert "2 answers in a generation (trained: 3)" in told
    assert "confidence False (trained: True)" in told


def test_several_generations_of_a_single_checkpoint_are_not_another_format(
    base: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    single = trained(base, tmp_path / "single", method="rlcr-single")
    evaluate(model=f"hf:{single}", task="ddxsim", limit=4, out=tmp_path / "one")
    evaluate(
        model=f"hf:{single}", task="ddxsim", limit=4, strategy="best-of-k", out=tmp_path / "three"
    )
    assert not caplog.records
    asked = [
        json.loads((tmp_path / name / "run.json").read_text())["settings"]
        for name in ("one", "three")
    ]
    assert [(own["strategy"], own["k"]) for own in asked] == [("single", 1), ("best-of-k", 3)]


def test_an_adapter_is_trained_and_evaluated_by_its_folder_alone(
    base: Path, tmp_path: Path
) -> None:
    lora = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"]}
    out = trained(base, tmp_path / "adapter", lora=lora)
    assert (out / "adapter_model.safetensors").exists()
    assert not (out / "model.safetensors").exists()
    result = evaluate(model=f"hf:{out}", task="ddxsim", limit=4, out=tmp_path / "run")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert "adapter_model.safetensors" in record["model"]["adapter"]
    assert result.results.complete


def test_an_adapter_is_trained_on(base: Path, tmp_path: Path) -> None:
    lora = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"]}
    first = trained(base, tmp_path / "first", lora=lora, trl={"max_steps": 2})
    second = trained(base, tmp_path / "second", model=str(first), seed=3)
    one, other = (load_file(out / "adapter_model.safetensors") for out in (first, second))
    assert one.keys() == other.keys()
    assert any((one[name] != other[name]).any() for name in one)
    card = read_card(second)
    assert card is not None
    assert card.adapter
    assert "adapter_model.safetensors" in card.base["adapter"]
    result = evaluate(model=f"hf:{second}", task="ddxsim", limit=4, out=tmp_path / "run")
    assert result.results.complete
    with pytest.raises(UserError, match="leave out --lora"):
        trained(base, tmp_path / "third", model=str(first), lora=lora)


def test_the_task_options_of_the_training_split_are_not_asked_of_a_run(whole: Path) -> None:
    card = read_card(whole)
    assert card is not None
    assert TASK_ARGS["examples"] == 64
    assert "examples" not in card.task["args"]


def test_weights_are_finite(whole: Path) -> None:
    import numpy as np

    assert all(np.isfinite(value).all() for value in weights(whole).values())


def test_a_server_is_asked_as_trained_and_keeps_its_own_settings(whole: Path) -> None:
    settings = make_settings({"model": f"openai:{whole}", "task": "ddxsim"})
    assert (settings.strategy, settings.k, settings.confidence) == ("multi", 3, True)
    assert settings.model == f"openai:{whole}"
    assert settings.model_args == {}


def test_backends_before_a_checkpoint_are_looked_through(whole: Path) -> None:
    for values in (
        {"model": f"ray:hf:{whole}"},
        {"model": f"hf:{whole}", "backend": "ray"},
        {"model": str(whole)},
        {"model": str(whole), "backend": "hf"},
    ):
        settings = make_settings({**values, "task": "ddxsim"})
        assert settings.k == 3
        assert settings.model == values["model"]
        assert settings.model_args == {"chat": "no"}


def test_a_wrong_setting_beside_a_card_is_told_as_such(whole: Path) -> None:
    with pytest.raises(UserError, match="'strategy'"):
        make_settings({"model": str(whole), "task": "ddxsim", "strategy": "several"})
    with pytest.raises(UserError, match="'k'"):
        make_settings({"model": str(whole), "task": "ddxsim", "k": "several"})


def test_options_of_the_task_are_given_over_those_of_the_card(whole: Path) -> None:
    values = {"model": str(whole), "task": "ddxsim", "task_args": {"examples": "30"}}
    assert make_settings(values).task_args == {"conditions": 6, "findings": 6, "examples": "30"}
    other = make_settings({"model": str(whole), "task": "qasim"})
    assert other.task_args == {}
