"""The hf backend on models that remember what they read in different ways, tiny and random.

Its strides and its sharing of prompts move that memory about: keys and values, of a window only or of
everything, the states of linear attention and convolutions, or none that can be moved.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from marl_eval.answers import AnswerFormat
from marl_eval.backends.conversation import Prompt
from marl_eval.types import Example, Request, Sampling
from tests.backends.tiny import save_tiny_model

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'marl-eval[hf]'")

LAYERS: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "keys and values": ("LlamaConfig", LAYERS),
    "learned positions": ("GPT2Config", {"n_embd": 32, "n_layer": 2, "n_head": 4}),
    "a window": ("MistralConfig", {**LAYERS, "sliding_window": 8}),
    "a window in some layers": (
        "Gemma3TextConfig",
        {
            **LAYERS,
            "head_dim": 8,
            "sliding_window": 8,
            "layer_types": ["sliding_attention", "full_attention"],
        },
    ),
    "convolutions": ("Lfm2Config", {**LAYERS, "layer_types": ["conv", "full_attention"]}),
    "linear attention": (
        "Qwen3NextConfig",
        {
            **LAYERS,
            "head_dim": 8,
            "layer_types": ["linear_attention", "full_attention"],
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 4,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 16,
            "shared_expert_intermediate_size": 16,
        },
    ),
    "both in one layer": (
        "FalconH1Config",
        {
            **LAYERS,
            "mamba_d_ssm": 64,
            "mamba_n_heads": 8,
            "mamba_d_head": 8,
            "mamba_d_state": 8,
            "mamba_n_groups": 1,
        },
    ),
    "none that can be moved": (
        "MambaConfig",
        {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4},
    ),
}
END, MOST = 60, 12


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(save_tiny_model(tmp_path_factory.mktemp("tiny")))


def prompts(vocabulary: int, samples: int, temperature: float) -> list[Prompt]:
    """Prompts of several lengths, each of ``samples`` generations that end at different tokens."""
    rng = random.Random(0)
    made = []
    for example, length in enumerate((20, 20, 9)):
        tokens = [rng.randrange(5, vocabulary) for _ in range(length)]
        for sample in range(samples):
            request = Request(
                id=f"{example}-{sample}",
                example=example,
                sample=sample,
                stage=0,
                member=0,
                members=1,
                seed=100 * example + sample,
                messages=(),
                format=AnswerFormat(1),
                sampling=Sampling(temperature, 1.0, MOST - 5 * sample, logprobs=True),
                endings=(),
                source=Example("e", "", ()),
            )
            made.append(Prompt(request, tokens, False, None))
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_strides_and_shared_prompts_change_no_answer_whatever_the_model_remembers(
    kind: str, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    from marl_eval.backends.hf import model as hf_model

    name, settings = KINDS[kind]
    if not hasattr(transformers, name):
        pytest.skip(f"this transformers has no {name}")
    vocabulary = len(tokenizer)
    torch.manual_seed(0)
    config = getattr(transformers, name)(
        vocab_size=vocabulary, pad_token_id=0, bos_token_id=None, eos_token_id=None, **settings
    )
    network = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for weight in network.parameters():
            if weight.ndim > 1:
                weight.normal_(0, 0.3)
    network.generation_config.eos_token_id = END
    network.generation_config.pad_token_id = 0

    alone = {}
    for prompt in prompts(vocabulary, 1, 0.0):
        ids = torch.tensor([prompt.tokens])
        with torch.inference_mode():
            output = network.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=MOST, do_sample=False
            )
        alone[prompt.request.example] = output[0, ids.shape[1] :].tolist()

    sampled = []
    for stride, copies in ((4, True), (1000, False)):
        monkeypatch.setattr(hf_model, "STRIDE", stride)
        model = hf_model.Model(network, tokenizer, "cpu")
        model._copies = copies
        asked = prompts(vocabulary, 2, 0.0)
        for prompt, completion in zip(asked, model.generate(asked), strict=True):
            expected = alone[prompt.request.example][: prompt.request.sampling.max_tokens]
            assert completion.completion_tokens == len(expected)
            assert completion.text == tokenizer.decode(expected, skip_special_tokens=True)
        drawn = model.generate(prompts(vocabulary, 2, 0.8))
        assert all(len(c.logprobs or ()) == c.completion_tokens for c in drawn)
        sampled.append([(c.id, c.text, c.completion_tokens) for c in drawn])
    assert sampled[0] == sampled[1]
    assert len({text for _, text, _ in sampled[0]}) > 3
