"""What a run costs beside the engine alone, and what generations of one prompt save by sharing it.

    MARL_EVAL_SMOLLM2=DIR python benchmarks/overhead.py [--engine hf|vllm] [--rounds 3]

In one process and turn about, on the same prompts with the same sampling and batch: the engine's own way
to generate, ``marl-eval run``, and, for hf, lm-eval with the same engine. A run's time is that of
answering and storing; loading the model is apart. Aims, by token: at most 1.03 times the engine, and no
slower than lm-eval.
Then best-of-k with k = 8 beside the same eight requests of each question without sharing. ``--engine
vllm`` needs the environment of ``nox -s vllm``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from marl_eval import evaluate, preparation
from marl_eval.backends.conversation import Prompt
from marl_eval.plugins import open_model

AIM = 1.03
BATCH = {"hf": 16, "vllm": 32}
TOKENS = 64
EXAMPLES, POOLED = 32, 6

Measured = tuple[float, int]
"""Seconds, and tokens generated in them."""


class Bench:
    """An engine that is loaded, and its runs."""

    def __init__(self, engine: str, model: str, **args: Any) -> None:
        self.engine = engine
        self.name = f"{engine}:{model}"
        self.backend: Any = open_model(self.name, args, batch_size=BATCH[engine])
        self.backend.load()

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Let runs use the loaded backend."""

        def open_loaded(*names: Any, **options: Any) -> Any:
            return self.backend

        with mock.patch.object(preparation, "open_model", open_loaded):
            yield

    def run(self, temperature: float, **settings: Any) -> Measured:
        """Run it, and give what the run itself says of its time."""
        if self.engine == "vllm":
            self.backend._engine.reset_prefix_cache()
        with tempfile.TemporaryDirectory() as folder, self.opened():
            evaluate(
                **{**self.asked(temperature), **settings}, model=self.name, out=Path(folder) / "run"
            )
            (session,) = json.loads((Path(folder) / "run" / "machine.json").read_bytes())
            return session["seconds"], session["tokens"]

    def asked(self, temperature: float) -> dict[str, Any]:
        """Give the settings of a run."""
        return {
            "task": "ddxsim",
            "task_args": {"examples": EXAMPLES},
            "k": 3,
            "temperature": temperature,
            "top_p": 1.0 if temperature == 0 else 0.95,
            "max_tokens": TOKENS,
            "reasoning": False,
            "resamples": 0,
        }

    def prompts(self, temperature: float) -> list[Prompt]:
        """Give the prompts of the run."""
        asker = self.backend._asker
        with self.opened():
            settings = preparation.RunSettings(**{**self.asked(temperature), "model": self.name})
            plan = preparation.prepare(settings).plan
        prompts: list[Prompt] = asker.prompts(list(plan))
        return prompts


def hf_alone(bench: Bench, prompts: list[Prompt], temperature: float) -> Measured:
    """Generate by transformers itself: batches of like length, padded on the left."""
    import torch
    from transformers import GenerationConfig

    model, tokenizer = bench.backend._model._model, bench.backend._asker.tokenizer
    drawn = {"do_sample": True, "temperature": temperature, "top_p": 0.95, "top_k": 0}
    config = GenerationConfig(
        max_new_tokens=TOKENS,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=model.generation_config.eos_token_id,
        **(drawn if temperature else {"do_sample": False}),
    )
    ordered = sorted((prompt.tokens for prompt in prompts), key=len, reverse=True)
    started, made = time.perf_counter(), 0
    for start in range(0, len(ordered), BATCH["hf"]):
        batch = ordered[start : start + BATCH["hf"]]
        padded = tokenizer.pad({"input_ids": batch}, padding_side="left", return_tensors="pt")
        with torch.inference_mode():
            output = model.generate(**padded, generation_config=config)
        new = output[:, padded["input_ids"].shape[1] :]
        # The token that ends a generation counts; those that pad it afterwards do not.
        rows = [row.tolist() for row in new]
        ends = model.generation_config.eos_token_id
        made += sum(row.index(ends) + 1 if ends in row else len(row) for row in rows)
    return time.perf_counter() - started, made


def lm_eval_alone(bench: Bench, prompts: list[Prompt], temperature: float) -> Measured:
    """Generate by lm-eval's own class for transformers, with the same loaded model."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    tokenizer = bench.backend._asker.tokenizer
    model = HFLM(bench.backend._model._model, tokenizer=tokenizer, batch_size=BATCH["hf"])
    kwargs = {"until": [], "max_gen_toks": TOKENS, "do_sample": temperature > 0}
    if temperature:
        kwargs |= {"temperature": temperature, "top_p": 0.95, "top_k": 0}
    asked = [
        Instance("generate_until", {}, (tokenizer.decode(prompt.tokens), kwargs), row)
        for row, prompt in enumerate(prompts)
    ]
    started = time.perf_counter()
    texts = model.generate_until(asked, disable_tqdm=True)
    seconds = time.perf_counter() - started
    return seconds, sum(len(tokenizer(text)["input_ids"]) for text in texts)


def vllm_alone(bench: Bench, prompts: list[Prompt], temperature: float) -> Measured:
    """Generate by the engine itself, all requests at once, with the run's seeds and endings."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    from marl_eval.backends.vllm.generation import seed_of

    engine = bench.backend._engine
    engine.reset_prefix_cache()
    started, made = time.perf_counter(), 0
    for row, prompt in enumerate(prompts):
        params = SamplingParams(
            temperature=temperature,
            top_p=0.95 if temperature else 1.0,
            seed=seed_of(prompt.request.seed, 0) if temperature else None,
            stop=list(prompt.request.endings[-1:]),
            include_stop_str_in_output=True,
            max_tokens=TOKENS,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        engine.add_request(str(row), {"prompt_token_ids": prompt.tokens}, params)
    while engine.has_unfinished_requests():
        made += sum(len(o.outputs[0].token_ids) for o in engine.step() if o.finished)
    return time.perf_counter() - started, made


Way = Callable[[], Measured]


def turn_about(ways: Mapping[str, Way], rounds: int) -> dict[str, Measured]:
    """Measure each way in each round, and give the median time of each."""
    for way in ways.values():
        way()
    found: dict[str, list[Measured]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            found[name].append(way())
    return {name: (statistics.median(s for s, _ in own), own[-1][1]) for name, own in found.items()}


def tell(name: str, measured: Measured, base: Measured, aim: str = "") -> None:
    """Print a way's time per token beside that of another."""
    seconds, tokens = measured
    ratio = (seconds / tokens) / (base[0] / base[1])
    print(
        f"  {name}: {seconds:.2f} s, {tokens:,} tokens, {tokens / seconds:,.0f} tokens/s; "
        f"{ratio:.3f} times the engine alone{aim}"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", choices=sorted(BATCH), default="hf")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    model = os.environ.get("MARL_EVAL_SMOLLM2")
    if model is None:
        print("overhead: left out, MARL_EVAL_SMOLLM2 names no folder with SmolLM2")
        return
    engine = options.engine
    args = {"dtype": "bfloat16", "enforce_eager": True} if engine == "vllm" else {}
    bench = Bench(engine, model, **args)
    alone = vllm_alone if engine == "vllm" else hf_alone
    print(f"{engine}, {EXAMPLES} prompts, batch {BATCH[engine]}, at most {TOKENS} tokens each")
    for temperature in (0.0, 1.0):
        prompts = bench.prompts(temperature)
        ways: dict[str, Way] = {
            "the engine alone": lambda p=prompts, t=temperature: alone(bench, p, t),
            "marl-eval run": lambda t=temperature: bench.run(t),
        }
        if engine == "hf":
            ways["lm-eval"] = lambda p=prompts, t=temperature: lm_eval_alone(bench, p, t)
        found = turn_about(ways, options.rounds)
        print(f" temperature {temperature:g}")
        base = found["the engine alone"]
        tell("the engine alone", base, base)
        tell("marl-eval run", found["marl-eval run"], base, f"; aim <= {AIM}")
        if engine == "hf":
            tell("lm-eval", found["lm-eval"], base)
            ours = found["marl-eval run"][0] / found["marl-eval run"][1]
            theirs = found["lm-eval"][0] / found["lm-eval"][1]
            print(f"  marl-eval over lm-eval, by token: {ours / theirs:.3f}; aim <= 1")

    pooled = {"strategy": "best-of-k", "k": 8, "task_args": {"examples": POOLED}}
    apart = Bench(engine, model, **args, **({"enable_prefix_caching": False} if args else {}))
    if engine == "hf":
        apart.backend._model._shared = lambda *tensors: None
    found = turn_about(
        {
            "best-of-k, k = 8": lambda: bench.run(1.0, **pooled),
            "eight separate requests": lambda: apart.run(1.0, **pooled),
        },
        options.rounds,
    )
    together, separate = found["best-of-k, k = 8"], found["eight separate requests"]
    print(
        f" best-of-k, k = 8, {POOLED} prompts: {together[0]:.2f} s; as separate requests "
        f"{separate[0]:.2f} s: {separate[0] / together[0]:.2f} times faster (aim > 1)"
    )


if __name__ == "__main__":
    main()
