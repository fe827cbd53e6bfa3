"""The commands of training: flags, files, and what they say of mistakes."""

from __future__ import annotations

from pathlib import Path

import yaml

from marl_eval.training.card import read_card
from tests.conftest import Cli
from tests.training.tiny_models import TRL, train_settings

FLAGS = ["--task", "ddxsim", "--temperature", "1", "--held-out", "4"]
SMALL = ",".join(f"{name}={value}" for name, value in {**TRL, "max_steps": 1}.items())


def test_flags_train_and_the_wording_of_the_base_is_kept(
    base: Path, tmp_path: Path, cli: Cli
) -> None:
    out = tmp_path / "out"
    code, _, err = cli(
        "train", "--method", "rlvr-multi", "--model", base, *FLAGS, "-k", "2", "--trl", SMALL,
        "--task-args", "examples=40", "--out", out,
    )  # fmt: skip
    assert code == 0, err
    assert f"marl-eval run --model {out} --task ddxsim" in err
    card = read_card(out)
    assert card is not None
    assert (card.method, card.asks["k"], card.asks["max_tokens"]) == ("rlvr-multi", 2, 80)
    # What the warm-up was asked of the task is asked again, but for its training split.
    assert card.task["args"] == {"conditions": 6, "findings": 6}
    assert (out / "marl_eval_prompt.txt").read_text() == (base / "marl_eval_prompt.txt").read_text()
    assert card.settings["trl"]["learning_rate"] == 1e-3


def test_flags_go_before_the_file_table_by_table(base: Path, tmp_path: Path, cli: Cli) -> None:
    settings = train_settings(base, tmp_path / "out").model_dump(mode="json", exclude_none=True)
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(settings))
    code, _, err = cli(
        "train", "--config", "own.yaml", "--seed", "5", "--trl", "max_steps=1,learning_rate=1e-5"
    )
    assert code == 0, err
    card = read_card(tmp_path / "out")
    assert card is not None
    assert (card.seed, card.step) == (5, 1)
    assert card.settings["trl"]["learning_rate"] == 1e-5
    assert card.settings["trl"]["num_generations"] == 4


def test_a_warm_up_in_one_format(base: Path, tmp_path: Path, cli: Cli) -> None:
    code, _, err = cli(
        "sft", "--model", base.parent / "raw", "--task", "ddxsim",
        "--methods", "rlcr-single,rlvr-single", "--prompt", base.parent / "wording.txt",
        "--task-args", "examples=40,conditions=6,findings=6", "--model-args", "chat=no",
        "--max-tokens", "80", "--trl", "max_steps=1", "--out", tmp_path / "out",
    )  # fmt: skip
    assert code == 0, err
    card = read_card(tmp_path / "out")
    assert card is not None
    assert card.settings["methods"] == ["rlcr-single", "rlvr-single"]


def test_what_is_missing_or_wrong_is_told_in_a_sentence(base: Path, cli: Cli) -> None:
    for arguments, told in (
        (["train"], "The setting 'model' (folder or hub id of the model to begin from) is needed."),
        (["train", "--model", "nowhere/", "--task", "ddxsim", "--method", "rlvr-single", "--out", "o"],
         "There is no model at 'nowhere/'"),
        (["train", "--model", base, *FLAGS, "--method", "ppo", "--out", "o"], "cannot be 'ppo'"),
        (["train", "--model", base, "--task", "ddxsm", "--method", "rlvr-single", "--out", "o"],
         "did you mean 'ddxsim'"),
        (["train", "--config", "hotpot"], "did you mean 'hotpotqa'"),
        (["sft", "--model", base, "--task", "ddxsim", "--methods", "all", "--out", "o"], "'all'"),
        (["reproduce", "ddxsim"], "There is no file or recipe 'ddxsim'"),
    ):  # fmt: skip
        code, _, err = cli(*arguments)
        assert code == 2, (arguments, err)
        assert told in err
        assert "Traceback" not in err
