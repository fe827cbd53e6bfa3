"""Measure a training step against TRL's own, with the same model and batch, in one run.

TRL's step is that of its ``GRPOTrainer`` with a constant reward; ours has the project's questions,
generations and rewards. Both generate exactly as many tokens: the checkpoint is copied so
that it does not end before. Each runs in a process of its own, whose peak memory is told; they take
turns. Needs MARL_EVAL_SMOLLM2, the folder of its checkpoint.

    MARL_EVAL_SMOLLM2=DIR python benchmarks/training.py [--rounds 2] [--steps 4]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

STEP, REWARDS, MEMORY = 1.02, 0.01, 1.0
"""Aims: our step over TRL's, rewards over our step, our peak memory over TRL's."""

BATCH, GROUP, TOKENS = 4, 4, 24


def settings(model: str, out: Path, steps: int) -> Any:
    from marl_eval.training.settings import TrainSettings, make_training_settings

    return make_training_settings(
        TrainSettings,
        {
            "model": model,
            "task": "ddxsim",
            "task_args": {"examples": 200},
            "method": "rlcr-multi",
            "temperature": 1.0,
            "max_tokens": TOKENS,
            "held_out": 8,
            "out": out,
            "trl": {
                "max_steps": steps,
                "num_generations": GROUP,
                "per_device_train_batch_size": BATCH,
                "gradient_accumulation_steps": 1,
                "save_strategy": "no",
            },
        },
    )


def make(who: str, model: str, out: Path, steps: int) -> tuple[Any, list[float]]:
    """Make the trainer, and the list that the seconds of each call of a reward will be added to."""
    from transformers import PrinterCallback

    from marl_eval.judging import Judge
    from marl_eval.training import grpo, grpo_trainer, material, reward_functions
    from marl_eval.training.callbacks import WatchEqualRewards
    from marl_eval.training.rewards import PARTS
    from marl_eval.training.session import Session

    own = settings(model, out, steps)
    base = material.open_base(own)
    run = material.asked(own, own.method, own.generation_k, own.temperature)
    gathered = material.gather(own, base, run, own.held_out)
    weights = dict(zip(PARTS, own.rewards.weights(own.method), strict=True))
    session = Session("train", own, base, gathered, own.method, {}, grpo.grpo_options(own), weights)
    spent: list[float] = []
    graded = reward_functions.read_and_grade

    def timed(*arguments: Any, **named: Any) -> Any:
        began = time.perf_counter()
        result = graded(*arguments, **named)
        spent.append(time.perf_counter() - began)
        return result

    reward_functions.read_and_grade = timed
    judge: Judge | None = None
    trainer = grpo_trainer.make_trainer(session, own, judge)
    trainer.remove_callback(WatchEqualRewards)
    if who == "trl":
        from trl import GRPOTrainer

        def constant(completions: list[str], **_: Any) -> list[float]:
            return [1.0] * len(completions)

        trainer.args.reward_weights = None
        trainer = GRPOTrainer(
            model=base.source.place,
            reward_funcs=constant,
            args=trainer.args,
            train_dataset=trainer.train_dataset,
            processing_class=base.asker.tokenizer,
        )
    trainer.remove_callback(PrinterCallback)
    return trainer, spent


def never_ending_copy(model: Path, copy: Path) -> Path:
    """Copy a checkpoint without the embedding of its end token, which it then hardly ever writes."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(model, copy)
    end = json.loads((copy / "config.json").read_text())["eos_token_id"]
    weights = load_file(copy / "model.safetensors")
    weights["model.embed_tokens.weight"][end] = 0
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    return copy


def measure(who: str, model: str, steps: int) -> None:
    """Train a few steps and print what they took, without the first."""
    with tempfile.TemporaryDirectory() as folder:
        never_ending = never_ending_copy(Path(model), Path(folder) / "model")
        trainer, spent = make(who, str(never_ending), Path(folder) / "out", steps)
        trainer.train()
        seen = [line for line in trainer.state.log_history if "step_time" in line]
    told = {
        "steps": [line["step_time"] for line in seen[1:]],
        "tokens": [line["completions/mean_length"] for line in seen[1:]],
        "rewards": spent[1:],
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(told))


def well_formed_seconds(model: str) -> float:
    """Give the seconds to read and grade a batch that is as asked, which takes longest."""
    from marl_eval.answers import AnswerFormat, render
    from marl_eval.plugins import load_task
    from marl_eval.training.reading import read_and_grade

    task = load_task("ddxsim")
    examples = task.load(None, task.options(examples=BATCH // GROUP)).examples
    fmt = AnswerFormat(3, noun=task.noun)
    batch = []
    for example in examples:
        answers = [name for name, _ in (example.distribution or ())[:3]]
        text = render(fmt, answers, [0.5, 0.25, 0.125], reasoning="It fits. " * 200)
        batch += [(example, text)] * GROUP
    times = []
    for _ in range(20):
        began = time.perf_counter()
        read_and_grade(task, fmt, batch)
        times.append(time.perf_counter() - began)
    return median(times)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--who", choices=["ours", "trl"])
    arguments = parser.parse_args()
    model = os.environ.get("MARL_EVAL_SMOLLM2")
    if model is None:
        sys.exit("training: left out, MARL_EVAL_SMOLLM2 does not name the folder of a checkpoint")
    if arguments.who:
        measure(arguments.who, model, arguments.steps)
        return
    found: dict[str, list[dict[str, Any]]] = {"ours": [], "trl": []}
    for _ in range(arguments.rounds):
        for who in found:
            done = subprocess.run(
                [sys.executable, __file__, "--who", who, "--steps", str(arguments.steps)],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
            found[who].append(json.loads(done.stdout.splitlines()[-1]))
    step = {who: median(s for one in runs for s in one["steps"]) for who, runs in found.items()}
    memory = {who: max(one["memory_mib"] for one in runs) for who, runs in found.items()}
    tokens = {who: {t for one in runs for t in one["tokens"]} for who, runs in found.items()}
    if tokens["ours"] != tokens["trl"]:
        sys.exit(f"training: the two made unequal numbers of tokens: {tokens}")
    rewards = max(
        median(s for one in found["ours"] for s in one["rewards"]), well_formed_seconds(model)
    )
    print(f"batch of {BATCH} generations in groups of {GROUP}, mean tokens {tokens}")
    print(f"step: ours {step['ours']:.2f} s, TRL {step['trl']:.2f} s: "
          f"{step['ours'] / step['trl']:.3f} (aim <= {STEP})")  # fmt: skip
    print(f"rewards: {rewards * 1000:.1f} ms, {rewards / step['ours']:.4f} of our step "
          f"(aim <= {REWARDS})")  # fmt: skip
    print(f"peak memory: ours {memory['ours']:.0f} MiB, TRL {memory['trl']:.0f} MiB: "
          f"{memory['ours'] / memory['trl']:.3f} (aim <= {MEMORY:.0f})")  # fmt: skip


if __name__ == "__main__":
    main()
