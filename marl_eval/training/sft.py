"""A short supervised warm-up in the formats, for models too small or too raw to follow them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from random import Random
from typing import Any

from marl_eval.answers import AnswerFormat
from marl_eval.backends.arguments import need
from marl_eval.errors import UserError
from marl_eval.progress import Progress, silent
from marl_eval.prompts import PromptTemplate, build_template, read_wording
from marl_eval.training.gold_texts import gold_text
from marl_eval.training.material import Material, asked, gather, open_base
from marl_eval.training.options import machine_options, see_that_they_are_options
from marl_eval.training.session import Session, Trained, run_session
from marl_eval.training.settings import DEFAULT_K, SftSettings

Row = dict[str, list[int]]
"""``input_ids``, and ``labels`` that are -100 on the prompt."""


def sft(settings: SftSettings, *, progress: Progress = silent) -> Trained:
    """Warm a model up, or go on with a warm-up that was stopped.

    Raises:
        UserError: if the settings, the data or the model are not usable, or the folder belongs to
            another training.
        StorageError: if the folder cannot be written.
    """
    need("train", "torch", "transformers", "trl", "accelerate", "peft", what="Training")
    base = open_base(settings)
    formats = _formats(settings)
    largest = max(formats, key=lambda pair: pair[1])
    material = gather(settings, base, asked(settings, *largest, temperature=0.7), 0)
    config = _options(settings)
    session = Session(
        made_by="sft",
        settings=settings,
        base=base,
        material=material,
        method=None,
        asks=_asks(settings, material),
        config=config,
        weights={},
    )

    def make(_: ExitStack) -> Any:
        from marl_eval.training.sft_trainer import make_sft_trainer

        return make_sft_trainer(session, gold_rows(settings, session))

    return run_session(session, make, progress)


def gold_rows(settings: SftSettings, session: Session) -> list[Row]:
    """Write a generation for each example, in a format drawn for it, as tokens."""
    asker, material = session.base.asker, session.material
    wording = None if settings.prompt is None else read_wording(settings.prompt)
    fmt = material.posed.asking.format
    asks: list[tuple[AnswerFormat, PromptTemplate]] = []
    for method, k in _formats(settings):
        own = replace(fmt, k=k, confidence=method.calibrated)
        asks.append((own, build_template(own, wording=wording)))
    rows = []
    for example in material.examples:
        random = Random(f"{settings.seed}/{example.id}")
        own, template = random.choice(asks)
        text = gold_text(settings, own, example, material.examples, random)
        prompt = asker.tokens(template.ask(example.question))
        answer = asker.tokenizer(text, add_special_tokens=False)["input_ids"]
        answer = [*answer, asker.tokenizer.eos_token_id]
        rows.append({"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer})
    _see_that_they_fit(settings, rows)
    return rows


def _see_that_they_fit(settings: SftSettings, rows: Sequence[Row]) -> None:
    lengths = [sum(label != -100 for label in row["labels"]) for row in rows]
    long = sum(length > settings.max_tokens for length in lengths)
    if long:
        raise UserError(
            f"{long} of {len(rows)} generations to learn from are longer than {settings.max_tokens} "
            f"tokens, the longest has {max(lengths)}: raise max_tokens."
        )


def _formats(settings: SftSettings) -> list[tuple[Any, int]]:
    """Give each method with each number of answers, in the settings' order."""
    ks = settings.ks or [settings.k or DEFAULT_K]
    return [
        (method, k)
        for method in dict.fromkeys(settings.methods)
        for k in (dict.fromkeys(ks) if method.multi else [1])
    ]


def _options(settings: SftSettings) -> dict[str, Any]:
    from trl import SFTConfig

    see_that_they_are_options(SFTConfig, settings.trl)
    return {
        "num_train_epochs": 1,
        "per_device_train_batch_size": 8,
        "logging_steps": 1,
        "save_steps": 100,
        **machine_options(),
        **settings.trl,
    }


def _asks(settings: SftSettings, material: Material) -> dict[str, Any]:
    """Give the settings of a run that ask as this warm-up does: what its formats have in common."""
    fmt = material.posed.asking.format
    common = {
        "reasoning": fmt.reasoning,
        "analysis": fmt.analysis,
        "sum_to_one": fmt.sum_to_one,
        "max_tokens": settings.max_tokens,
    }
    formats = _formats(settings)
    if len(formats) > 1:
        return common
    ((method, k),) = formats
    strategy = "multi" if method.multi else "single"
    return {"strategy": strategy, "k": k, "confidence": method.calibrated, **common}
