"""``marl-eval train`` and ``marl-eval sft``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

Model = Annotated[str | None, typer.Option(help="Folder or hub id of the model to begin from.")]
TaskName = Annotated[
    str | None,
    typer.Option(help="The task: a name (see 'marl-eval tasks') or a .py or .yaml file."),
]
Data = Annotated[Path | None, typer.Option(help="File or folder of the task's data.")]
K = Annotated[
    int | None, typer.Option("-k", help="Answers in a generation of a multi method.  [default: 3]")
]
Reasoning = Annotated[
    bool | None,
    typer.Option("--reasoning/--no-reasoning", help="Ask for reasoning.  [default: yes]"),
]
Prompt = Annotated[Path | None, typer.Option(help="File with your wording of the prompt.")]
MaxTokens = Annotated[
    int | None, typer.Option(help="Most tokens of a generation.  [default: 1536]")
]
Limit = Annotated[int | None, typer.Option(help="Train on this many examples.")]
Seed = Annotated[int | None, typer.Option(help="Seed of everything that is drawn.  [default: 0]")]
TaskArgs = Annotated[str | None, typer.Option(help="Options of the task: name=value,name=value.")]
ModelArgs = Annotated[
    str | None, typer.Option(help="Options of the model, as of hf: name=value,name=value.")
]
Lora = Annotated[
    str | None,
    typer.Option(help="Train an adapter, by options of peft's LoraConfig: r=16,lora_alpha=32."),
]
Trl = Annotated[
    str | None,
    typer.Option(help="Options of TRL's configuration: max_steps=100,learning_rate=1e-5."),
]
Out = Annotated[Path | None, typer.Option(help="Folder for the checkpoint.")]
Config = Annotated[
    str | None,
    typer.Option(help="YAML file of settings, or the name of a recipe; flags go before it."),
]


def train_command(
    method: Annotated[
        str | None, typer.Option(help="rlvr-single, rlcr-single, rlvr-multi or rlcr-multi.")
    ] = None,
    model: Model = None,
    task: TaskName = None,
    data: Data = None,
    k: K = None,
    reasoning: Reasoning = None,
    prompt: Prompt = None,
    temperature: Annotated[
        float | None, typer.Option(help="Of the generations.  [default: 0.7]")
    ] = None,
    max_tokens: MaxTokens = None,
    limit: Limit = None,
    held_out: Annotated[
        int | None, typer.Option(help="Examples kept apart, to evaluate on.  [default: 64]")
    ] = None,
    evaluate_every: Annotated[
        int | None, typer.Option(help="Steps between evaluations.  [default: none are made]")
    ] = None,
    seed: Seed = None,
    task_args: TaskArgs = None,
    model_args: ModelArgs = None,
    lora: Lora = None,
    trl: Trl = None,
    workers: Annotated[int | None, typer.Option(help="Processes that judge answers.")] = None,
    sandbox_min_level: Annotated[
        str | None,
        typer.Option(help="Weakest isolation that programs may run in.  [default: full]"),
    ] = None,
    out: Out = None,
    config: Config = None,
) -> None:
    """Train a model by reinforcement; the same command continues a training that was stopped."""
    flags = dict(locals())
    from marl_eval.training.grpo import train
    from marl_eval.training.settings import TrainSettings, make_training_settings

    settings = make_training_settings(TrainSettings, _values(flags))
    _done(train, settings)


def sft_command(
    model: Model = None,
    task: TaskName = None,
    data: Data = None,
    k: K = None,
    methods: Annotated[
        str | None,
        typer.Option(help="The methods whose formats are shown, by commas.  [default: all]"),
    ] = None,
    reasoning: Reasoning = None,
    prompt: Prompt = None,
    max_tokens: MaxTokens = None,
    limit: Limit = None,
    seed: Seed = None,
    task_args: TaskArgs = None,
    model_args: ModelArgs = None,
    lora: Lora = None,
    trl: Trl = None,
    out: Out = None,
    config: Config = None,
) -> None:
    """Warm a model up in the format, from a task's right answers, before 'marl-eval train'."""
    flags = dict(locals())
    if methods is not None:
        flags["methods"] = [name.strip() for name in methods.split(",")]
    from marl_eval.training.settings import SftSettings, make_training_settings
    from marl_eval.training.sft import sft

    _done(sft, make_training_settings(SftSettings, _values(flags)))


def _values(flags: dict[str, Any]) -> dict[str, Any]:
    """Give the settings of a configuration with the flags over them, table by table."""
    from marl_eval.cli.run import pairs
    from marl_eval.training.recipes import read_recipe

    config = flags.pop("config")
    values = {} if config is None else read_recipe(config)
    for name in ("task_args", "model_args", "lora", "trl"):
        if flags[name] is not None:
            flags[name] = {**(values.get(name) or {}), **pairs(name, flags[name])}
    return {**values, **{name: value for name, value in flags.items() if value is not None}}


def _done(make: Any, settings: Any) -> None:
    """Train, and say what to do with the checkpoint."""
    import os

    from marl_eval.cli.run import stoppable
    from marl_eval.progress import shown, silent

    first = os.environ.get("RANK", "0") == "0"
    with stoppable():
        result = make(settings, progress=shown() if first else silent)
    if first:
        print(
            f"{result.path}: a checkpoint after {result.steps} steps. Evaluate it with\n"
            f"  marl-eval run --model {result.path} --task {settings.task}",
            file=sys.stderr,
        )
