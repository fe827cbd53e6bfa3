"""A tiny Llama and its tokenizer, made for the texts of one task.

About 0.25 million parameters: enough to learn a generated task on two cores, and nothing besides. A
token is a word with the space before it, a tag, a digit or a confidence of the form 0.35; a line
that every question has, such as the rules of the task, is one token, and so is what a task's own
pattern of phrases finds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers.decoders import Fuse
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from marl_eval.answers import AnswerFormat, render
from marl_eval.prompts import build_template
from marl_eval.types import Example

PIECE = r"</?[a-z]+\d*>|\d+\.\d\d|\n+| ?[A-Za-z]+| ?\d| ?[^\sA-Za-z\d]|\s"
_SPECIAL = ["<pad>", "<eos>", "<unk>"]
_SHARED = 0.9
"""Share of the questions in which a line must stand to be one token."""
_FEWEST_WORDS = 4
_MOST_K = 5

HIDDEN, LAYERS, HEADS, CONTEXT = 64, 4, 4, 512


def make_tiny(
    folder: Path,
    examples: Sequence[Example],
    fmt: AnswerFormat,
    wording: str | None,
    *,
    seed: int,
    phrases: str | None = None,
) -> int:
    """Write an untrained model with its tokenizer, and give its number of parameters."""
    tokenizer = make_tokenizer(examples, fmt, wording, phrases=phrases)
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=HIDDEN,
            intermediate_size=HIDDEN * 7 // 2,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            num_key_value_heads=HEADS,
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=True,
            initializer_range=0.05,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return int(sum(p.numel() for p in model.parameters()))


def make_tokenizer(
    examples: Sequence[Example],
    fmt: AnswerFormat,
    wording: str | None,
    *,
    phrases: str | None = None,
) -> PreTrainedTokenizerFast:
    """Make a tokenizer that knows every piece of the examples, their answers and the format.

    What the pattern ``phrases`` finds is one token each time.
    """
    pattern = PIECE if phrases is None else f"{phrases}|{PIECE}"
    lines = _shared_lines(examples)
    pieces: Counter[str] = Counter()
    for text in _texts(examples, fmt, wording):
        for line in lines:
            text = text.replace(line, "")
        pieces.update(re.findall(pattern, text))
    vocabulary = {piece: number for number, piece in enumerate([*_SPECIAL, *sorted(pieces)])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Split(Regex(pattern), "isolated")
    tokenizer.decoder = Fuse()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<eos>",
        unk_token="<unk>",
        padding_side="left",
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )
    added: list[Any] = [AddedToken(line, normalized=False) for line in lines]
    fast.add_tokens(added)
    return fast


def _shared_lines(examples: Sequence[Example]) -> list[str]:
    found = Counter(line for e in examples for line in set(e.question.split("\n")))
    least = _SHARED * len(examples)
    return sorted(
        line for line, n in found.items() if n >= least and len(line.split()) >= _FEWEST_WORDS
    )


def _texts(examples: Sequence[Example], fmt: AnswerFormat, wording: str | None) -> Iterable[str]:
    """Give texts that hold every piece there can be."""
    steps = [f"{number / 20:.2f}" for number in range(21)]
    for k in range(1, _MOST_K + 1):
        for confidence in (True, False):
            own = AnswerFormat(
                k=k,
                confidence=confidence,
                reasoning=fmt.reasoning,
                analysis=fmt.analysis,
                sum_to_one=fmt.sum_to_one,
                noun=fmt.noun,
                form=fmt.form,
            )
            for start in range(0, len(steps), k):
                stated = (steps[start : start + k] + steps)[:k]
                yield render(own, [""] * k, stated, analysis="")
            template = build_template(own, wording=wording)
            for example in examples[:20]:
                yield "\n\n".join(m.content for m in template.ask(example.question)) + "\n\n"
    for example in examples:
        yield example.question
        yield ", ".join(example.question.split())
        for answer, _ in example.distribution or ():
            yield f"<answer>{answer}</answer>"
        for gold in example.gold:
            yield f"<answer>{gold.answer}</answer>"
