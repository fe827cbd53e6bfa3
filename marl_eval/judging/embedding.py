"""Texts as vectors, by a local encoder: the mean of its last hidden states, of length 1.

The texts of one call are embedded together and with no others, so that what comes out does not depend
on what else there is to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marl_eval.backends.checkpoint import check_exists
from marl_eval.errors import UserError

Embedder = Callable[[Sequence[str]], NDArray[np.float64]]
"""From texts to vectors of length 1 (0 for a text of no tokens), float64[texts, d]."""

_BATCH = 32
_LONGEST = 512
"""Tokens of a text that count, where the model does not say how many it takes."""


def check_model(name: str) -> None:
    """See that there may be such a model.

    Raises:
        UserError: if transformers is not installed, or there is no such folder.
    """
    for package in ("torch", "transformers"):
        if find_spec(package) is None:
            raise UserError(
                f"An embedding model needs {package}, which is not installed: "
                f"pip install 'marl-eval[hf]'."
            )
    check_exists(name)


def load_embedder(name: str) -> Embedder:
    """Load the encoder, in float32, on a GPU if there is one.

    Raises:
        UserError: if the files are not those of a model that transformers can run.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, padding_side="right")
        model = AutoModel.from_pretrained(name, dtype=torch.float32)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"The embedding model {name!r} cannot be loaded: {error}") from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = model.to(device).eval()
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    most = _most_tokens(tokenizer, model.config)

    def embed(texts: Sequence[str]) -> NDArray[np.float64]:
        parts = []
        for start in range(0, len(texts), _BATCH):
            # Lone surrogates are no text that a tokenizer could take.
            batch = [
                text.encode("utf-8", "replace").decode("utf-8")
                for text in texts[start : start + _BATCH]
            ]
            tokens = tokenizer(
                batch, padding=True, truncation=True, max_length=most, return_tensors="pt"
            ).to(device)
            with torch.inference_mode():
                states = model(
                    input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
                ).last_hidden_state
            mask = tokens["attention_mask"][:, :, None].to(states.dtype)
            mean = (states * mask).sum(dim=1) / mask.sum(dim=1).clamp_min(1)
            parts.append(mean.double().cpu().numpy())
        vectors = np.concatenate(parts)
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        result: NDArray[np.float64] = vectors / np.where(length > 0, length, 1)
        return result

    return embed


def _most_tokens(tokenizer: Any, config: Any) -> int:
    """Give how many tokens the model takes: the tokenizer may not know, and say a huge number."""
    known = getattr(config, "max_position_embeddings", None) or _LONGEST
    return int(min(known, tokenizer.model_max_length))
