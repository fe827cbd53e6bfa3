"""The class that stands for our tasks inside lm-eval.

It asks in the words of ``marl-eval run``, as a conversation where lm-eval is to apply the chat
template and as plain text otherwise, and it keeps all generations of a question. The end of the text
is left to the model: lm-eval cuts a stop sequence off, and with it the tag that closes an answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, ClassVar

import msgspec
from lm_eval.api.task import ConfigurableTask

from marl_eval.backends.conversation import plain_text
from marl_eval.backends.endings import opens_thinking
from marl_eval.lm_eval_tasks.scoring import Answered, metrics_that_fit, score_answered
from marl_eval.lm_eval_tasks.settings import read_settings
from marl_eval.preparation import Posed, pose
from marl_eval.types import Message

TOLD = ("schema_version", "settings", "task", "layout", "format", "prompt")
"""The parts of ``run.json`` that say what is asked, and not by whom."""

_BETTER = {"higher": True, "lower": False, "neither": None}


class MarlTask(ConfigurableTask):  # type: ignore[misc]
    """One of our tasks, asked by one strategy."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Load the data, try the judge, and tell lm-eval how to generate.

        Raises:
            UserError: if the settings, the data or the judge are not usable.
        """
        self._settings = read_settings(config["metadata"])
        self._posed = pose(self._settings)
        self._rows = {e.id: row for row, e in enumerate(self._posed.asking.examples)}
        self._metrics = {
            metric.name: _BETTER[metric.better]
            for metric in metrics_that_fit(self._posed, self._settings)
        }
        self._thinking_opened = False
        self._values: dict[str, float] | None = None
        sampling = self._posed.asking.sampling
        drawn = {"top_p": sampling.top_p} if sampling.temperature > 0 else {}
        super().__init__(
            config={
                "task": config["task"],
                "output_type": "generate_until",
                "test_split": "test",
                "num_fewshot": 0,
                "repeats": self._posed.asking.layout.samples,
                "generation_kwargs": {
                    "until": [],
                    "max_gen_toks": sampling.max_tokens,
                    "do_sample": sampling.temperature > 0,
                    "temperature": sampling.temperature,
                    **drawn,
                },
                "metric_list": [],
                "filter_list": [{"name": "none", "filter": []}],
                "metadata": config["metadata"],
            }
        )

    def download(self, dataset_kwargs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Give lm-eval the examples."""
        self.dataset = {"test": Documents(self._posed)}

    def doc_to_text(self, doc: dict[str, Any], doc_to_text: Any = None) -> str:
        """Give the question as plain text, for lm-eval's looks at a document."""
        return plain_text(self._ask(doc))

    def doc_to_target(self, doc: dict[str, Any], doc_to_target: Any = None) -> list[str]:
        """Give the right answers, for lm-eval's log."""
        return [gold["answer"] for gold in doc["example"]["gold"]]

    def build_all_requests(self, **options: Any) -> None:
        """Make the requests. They are not cached: lm-eval's cache does not know our settings."""
        self._values = None
        super().build_all_requests(
            **{**options, "cache_requests": False, "rewrite_requests_cache": False}
        )

    def fewshot_context(
        self,
        doc: dict[str, Any],
        num_fewshot: int = 0,
        system_instruction: str | None = None,
        apply_chat_template: bool = False,
        fewshot_as_multiturn: bool = False,
        chat_template: Callable[..., Any] | None = None,
        gen_prefix: str | None = None,
    ) -> Any:
        """Give the prompt. Worked examples are turns of the conversation that ours come with."""
        messages = self._ask(doc)
        if system_instruction:
            messages = _instructed(messages, system_instruction)
        if not apply_chat_template or chat_template is None:
            return plain_text(messages)
        turns = [{"role": message.role, "content": message.content} for message in messages]
        prompt = chat_template(turns, add_generation_prompt=True)
        self._thinking_opened = isinstance(prompt, str) and opens_thinking(prompt)
        return prompt

    def process_results(self, doc: dict[str, Any], results: Sequence[Any]) -> dict[str, Any]:
        """Keep the generations of an example; the metrics are of all examples together."""
        if self._metric_fn_list:  # lm-eval was told to measure nothing (--predict_only)
            kept: dict[str, Any] = super().process_results(doc, results)
            return kept
        # Where lm-eval evens out its processes, it generates more for some than was asked for.
        texts = tuple(map(str, results[0][: self._posed.asking.layout.samples]))
        answered = Answered(self._rows[doc["example"]["id"]], texts, self._thinking_opened)
        return dict.fromkeys(self._metrics, answered)

    def aggregation(self) -> dict[str, Callable[[Sequence[Any]], float]]:
        """Give, for each metric, the function from all that was kept to its value."""
        if self._metric_fn_list:
            told: dict[str, Any] = super().aggregation()
            return told
        return {name: partial(self._value, name) for name in self._metrics}

    def higher_is_better(self) -> dict[str, bool | None]:
        """Say which way each metric is better, None for neither."""
        if self._metric_fn_list:
            told: dict[str, bool | None] = super().higher_is_better()
            return told
        return self._metrics

    def _ask(self, doc: dict[str, Any]) -> tuple[Message, ...]:
        return self._posed.asking.template.ask(doc["example"]["question"])

    def _value(self, name: str, answered: Sequence[Answered]) -> float:
        if self._values is None:
            self._values = score_answered(self._posed, self._settings, answered)
        return self._values.get(name, math.nan)


class Documents(Sequence[dict[str, Any]]):
    """The examples as lm-eval's documents: each with what it takes to score it anywhere.

    ``example`` is the whole example, ``run`` what ``run.json`` would tell of what is asked. lm-eval
    logs both with the generations, so that ``marl-eval import`` needs nothing else.
    """

    features: ClassVar[dict[str, None]] = {"example": None, "run": None}

    def __init__(self, posed: Posed) -> None:
        self._posed = posed
        self._run = {name: value for name, value in posed.record.items() if name in TOLD}

    def __len__(self) -> int:
        return len(self._posed.asking.examples)

    def __getitem__(self, row: Any) -> Any:
        example = self._posed.asking.examples[row]
        return {"example": msgspec.to_builtins(example), "run": self._run}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[row] for row in range(len(self)))


def _instructed(messages: tuple[Message, ...], instruction: str) -> tuple[Message, ...]:
    """Put lm-eval's ``--system_instruction`` before the conversation, or before its own."""
    first, *rest = messages
    if first.role == "system":
        return (Message("system", f"{instruction}\n\n{first.content}"), *rest)
    return (Message("system", instruction), *messages)
