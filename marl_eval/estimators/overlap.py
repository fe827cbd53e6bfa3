"""How much of its wording one generation shares with another: the reasoning that is written again.

The multi-answer RL paper (arXiv:2603.24844) prints two generations of its RLVR-single model and
beside them a table: 3-gram overlap 0.199, 4-gram overlap 0.157, pairwise Jaccard 0.152, ROUGE-L
0.424. The figure defines none of them, and the released code computes none. So it is open what a
token is, whether repeated n-grams count, what the overlap is divided by, what the Jaccard index is
of, and which pairs the table is over: not the printed one alone, which has 0.67, 0.62, 0.50 and
0.81 by the measures here.

What is chosen here, and why it fits the table. "Recorded" are 1,221 pairs of reasoning, by two
models on the same questions, whose mean ROUGE-L of 0.43 is about that of the table.

- Jaccard index of 3-grams. Where the mean 3-gram overlap is f, its mean lies between f / (2 - f)
  and f as long as 3-grams seldom repeat, so between 0.11 and 0.20; recorded 0.15. Of words it would
  be too large: a mean ROUGE-L of r makes it at least r / (2 - r) = 0.27 where repeated words count;
  where they do not, 0.40 is recorded.
- n-gram overlap as the F1 of ROUGE-N, the same form as ROUGE-L; recorded 0.24 and 0.19. It cannot
  be a Jaccard index as well, or the first and third figures of the table would be equal.
- A token is a word or a number, in lower case, as in ROUGE. The printed texts suggest that
  punctuation counts as well there; with it the figures above move by at most 0.04.

So a value from here is comparable with the table as the same kind of quantity, not digit by digit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import LCSseq

_WORD = re.compile(r"[^\W_]+")
_ASCII_SPACED = {code: " " for code in range(128) if not chr(code).isalnum()}
_JACCARD_N = 3
_LARGEST = np.iinfo(np.int64).max

Tokens = Sequence[Hashable]


class Overlaps(NamedTuple):
    """The four overlaps of a pair of texts, each in [0, 1]; NaN as their functions say."""

    trigram: float
    fourgram: float
    jaccard: float
    rouge_l: float


def tokens(text: str) -> list[str]:
    """Split a text into words and numbers: runs of letters and digits, in lower case.

    On ASCII text these are the tokens of ROUGE without its stemmer. Letters and digits of all
    scripts count; a clause of a script without spaces is therefore one token. Linear in the text.
    """
    text = text.lower()
    if text.isascii():
        # The same words at a fifth of the time.
        return text.translate(_ASCII_SPACED).split()
    return _WORD.findall(text)


def ngram_overlap(a: Tokens, b: Tokens, *, n: int) -> float:
    """Share of n-grams that two sequences of tokens have in common, with repetitions.

    ngram_overlap = 2 sum_g min(a_g, b_g) / (sum_g a_g + sum_g b_g), where the n-gram g occurs a_g
    times in a and b_g times in b: the F1 of ROUGE-N, the Dice index of the two multisets.

    Symmetric. Range [0, 1]: 1 if both hold the same n-grams equally often, so if they are equal; 0
    if they share none. NaN if neither has n tokens, so that there is nothing to share. Raises
    ValueError for n below 1.
    Source: Lin 2004, "ROUGE", https://aclanthology.org/W04-1013.
    """
    return _dice(*_counts(*_joined(*_numbered(a, b)), n=n))


def jaccard(a: Tokens, b: Tokens, *, n: int = _JACCARD_N) -> float:
    """Jaccard index of the sets of n-grams of two sequences of tokens.

    jaccard = |A & B| / |A | B|, A and B the different n-grams of each.

    Symmetric. Range [0, 1]: 1 if both hold the same n-grams, so if they are equal; 0 if they share
    none. NaN if neither has n tokens. Raises ValueError for n below 1.
    Source: Jaccard 1912, doi:10.1111/j.1469-8137.1912.tb05611.x; of n-grams ("resemblance"), Broder
    1997, doi:10.1109/SEQUEN.1997.666900.
    """
    return _jaccard(*_counts(*_joined(*_numbered(a, b)), n=n))


def rouge_l(a: Tokens, b: Tokens) -> float:
    """Length of the longest common subsequence of two sequences of tokens, over their mean length.

    rouge_l = 2 LCS(a, b) / (|a| + |b|), the F1 of ROUGE-L for a text as one sentence.

    Symmetric. Range [0, 1]: 1 if they are equal, 0 if no token is in both. NaN if both are empty.
    Exact. Time grows as |a| |b| / 64, which counts beyond some thousand tokens: two texts of a
    megabyte take seconds.
    Source: Lin 2004, "ROUGE", https://aclanthology.org/W04-1013.
    """
    return _rouge_l(*_numbered(a, b))


def overlaps(a: str, b: str) -> Overlaps:
    """Compare two texts by 3- and 4-gram overlap, Jaccard index of 3-grams and ROUGE-L.

    The four are ``ngram_overlap``, ``jaccard`` and ``rouge_l`` of the ``tokens`` of each text; all
    are NaN for two texts without a word.
    """
    first, second = _numbered(tokens(a), tokens(b))
    joined, split = _joined(first, second)
    trigrams = _counts(joined, split, n=3)
    return Overlaps(
        trigram=_dice(*trigrams),
        fourgram=_dice(*_counts(joined, split, n=4)),
        jaccard=_jaccard(*trigrams),
        rouge_l=_rouge_l(first, second),
    )


def _numbered(a: Tokens, b: Tokens) -> tuple[list[int], list[int]]:
    """Number the distinct tokens from 0.

    The search for the common subsequence takes tokens of equal hash for equal; small numbers are
    their own hash, which makes it exact.
    """
    known: dict[Hashable, int] = {}
    number = known.setdefault
    return [number(t, len(known)) for t in a], [number(t, len(known)) for t in b]


def _joined(a: list[int], b: list[int]) -> tuple[NDArray[np.int64], int]:
    """Give both as one array, and where the second starts."""
    return np.array(a + b, dtype=np.int64), len(a)


def _counts(
    joined: NDArray[np.int64], split: int, *, n: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count each n-gram of either in both, int64[distinct n-grams] twice."""
    if n < 1:
        raise ValueError(f"an n-gram has at least 1 token, not {n}")
    words = int(joined.max(initial=0)) + 1
    grams, kinds = joined, words
    for place in range(1, n):
        if kinds * words > _LARGEST:
            seen, grams = np.unique(grams, return_inverse=True)
            kinds = len(seen)
        grams, kinds = grams[:-1] * words + joined[place:], kinds * words
    of_a, of_b = grams[: max(split - n + 1, 0)], grams[split:]
    distinct, which = np.unique(np.concatenate([of_a, of_b]), return_inverse=True)
    return (
        np.bincount(which[: len(of_a)], minlength=len(distinct)),
        np.bincount(which[len(of_a) :], minlength=len(distinct)),
    )


def _dice(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    return _over(2 * int(np.minimum(a, b).sum()), int(a.sum() + b.sum()))


def _jaccard(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    return _over(int(np.count_nonzero(np.minimum(a, b))), len(a))


def _rouge_l(a: list[int], b: list[int]) -> float:
    return _over(2 * LCSseq.similarity(a, b), len(a) + len(b))


def _over(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
