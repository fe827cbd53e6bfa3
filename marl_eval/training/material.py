"""What a training is made from: examples, prompts as the model sees them, and examples kept apart.

Everything that can be wrong with these is told here, before a weight is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from marl_eval.backends.arguments import read_arguments
from marl_eval.backends.checkpoint import (
    Source,
    check_exists,
    find_adapter,
    find_model,
    with_adapter,
)
from marl_eval.backends.conversation import Asker
from marl_eval.backends.hf.arguments import Arguments
from marl_eval.errors import UserError
from marl_eval.preparation import Posed, pose
from marl_eval.prompts import PromptTemplate
from marl_eval.settings import RunSettings
from marl_eval.strategies import Strategy
from marl_eval.task import choose
from marl_eval.task_files import find_task
from marl_eval.training.method import Method
from marl_eval.training.settings import TrainingSettings
from marl_eval.types import Example

_NAMED = 3


@dataclass(frozen=True, slots=True)
class Base:
    """The model that a training begins from, found and not loaded, and an adapter to train on."""

    source: Source
    adapter: Source | None
    arguments: Arguments
    asker: Asker


@dataclass(frozen=True, slots=True)
class Material:
    """What is posed, and of its examples those to train on; the others of ``posed`` are kept apart."""

    posed: Posed
    examples: list[Example]


def open_base(settings: TrainingSettings) -> Base:
    """Find the model, and load what turns conversations into its tokens.

    The folder of an adapter stands for its model with the adapter, which is trained on.

    Raises:
        UserError: if there is no such model, it has no end token, or it would get a second adapter.
    """
    from marl_eval.backends.hf.loading import load_asker

    model, args = with_adapter(settings.model, settings.model_args)
    arguments = read_arguments("hf", Arguments, args)
    check_exists(model)
    source, adapter = find_model(model, arguments), find_adapter(arguments)
    if adapter is not None and settings.lora is not None:
        raise UserError(
            f"The model {settings.model!r} has an adapter, which is trained on: leave out --lora."
        )
    asker = load_asker(source, arguments)
    if asker.tokenizer.eos_token_id is None:
        raise UserError(
            f"The tokenizer of {settings.model!r} has no end token (eos_token), so a generation could "
            f"never learn to end: set one in its tokenizer_config.json."
        )
    return Base(source, adapter, arguments, asker)


def asked(settings: TrainingSettings, method: Method, k: int, temperature: float) -> RunSettings:
    """Give the settings of the run that asks as the training does."""
    task = find_task(settings.task)
    return RunSettings(
        model=settings.model,
        task=settings.task,
        data=settings.data,
        task_args={**task.train_args, **settings.task_args},
        strategy=Strategy.MULTI if method.multi else Strategy.SINGLE,
        k=k if method.multi else 1,
        confidence=method.calibrated,
        reasoning=settings.reasoning,
        analysis=settings.analysis,
        sum_to_one=settings.sum_to_one,
        prompt=settings.prompt,
        temperature=temperature,
        max_tokens=settings.max_tokens,
        seed=settings.seed,
        overlap=False,
        workers=getattr(settings, "workers", None),
        sandbox_min_level=getattr(settings, "sandbox_min_level", "full"),
    )


def gather(settings: TrainingSettings, base: Base, run: RunSettings, held_out: int) -> Material:
    """Load the examples, leave out what cannot be asked, and keep ``held_out`` of them apart.

    Raises:
        UserError: if examples have no gold answers, prompts are too long, or none is left to train on.
    """
    posed = pose(run)
    examples = posed.asking.examples
    without = [example.id for example in examples if not example.gold]
    if not posed.task.graded or len(without) == len(examples):
        raise UserError(
            f"The task {posed.task.name!r} has no right answers, so there is nothing to train by."
        )
    if without:
        raise UserError(
            f"{len(without)} of {len(examples)} examples of the task {posed.task.name!r} have no right "
            f"answers ({_some(without)}): leave them out of the data."
        )
    fitting = _that_fit(settings, base, posed.asking.template, examples)
    kept = choose(fitting, held_out) if held_out else []
    names = {example.id for example in kept}
    rest = choose([e for e in fitting if e.id not in names], settings.limit)
    if not rest or len(kept) < held_out:
        raise UserError(
            f"The task {posed.task.name!r} has {len(fitting)} examples to train on; with {held_out} "
            f"kept apart none is left. Lower held_out, or give more data."
        )
    return Material(replace(posed, asking=replace(posed.asking, examples=kept)), rest)


def _that_fit(
    settings: TrainingSettings, base: Base, template: PromptTemplate, examples: Sequence[Example]
) -> list[Example]:
    """Give the examples whose prompts are short enough."""
    asker = base.asker
    most = min(settings.max_prompt_tokens, asker.context - settings.max_tokens)
    if most < 1:
        raise UserError(
            f"The model's context of {asker.context} tokens leaves no room for a prompt beside "
            f"{settings.max_tokens} tokens of generation: lower max_tokens."
        )
    fitting: list[Example] = []
    long: list[Example] = []
    longest = 0
    for example in examples:
        tokens = len(asker.tokens(template.ask(example.question)))
        longest = max(longest, tokens)
        (long if tokens > most else fitting).append(example)
    if long and not settings.drop_long_prompts:
        raise UserError(
            f"{len(long)} of {len(examples)} prompts are longer than {most} tokens, the longest has "
            f"{longest} ({_some([e.id for e in long])}): raise max_prompt_tokens, lower max_tokens if "
            f"the context of {asker.context} is what limits, or set drop_long_prompts to leave them out."
        )
    return fitting


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
