"""Every metric says what it is: in its docstring, and in the same form as all others."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from marl_eval.metric import Metric
from marl_eval.plugins import load_metric_families
from marl_eval.score_table import SET, Shape
from tests.metrics.tables import full_shapes, metrics_of

FORM = re.compile(
    r"(?P<summary>[A-Z][^\n]*\.)\n\n"
    r"(?P<names>(?:\S+ = )+)(?P<formula>.+?\.)\n\n"
    r"Range (?P<range>[\[(].+?[\])])(?P<notes>.*?)\n"
    r"Source: (?P<source>.+?\.)\n"
    r"Checked against: (?P<checked>.+?\.)",
    re.DOTALL,
)
LOOKED_UP = {
    "arXiv:1510.03055": "Li",
    "arXiv:1705.08500": "Geifman",
    "arXiv:1706.04599": "Guo",
    "arXiv:1805.08206": "Geifman",
    "arXiv:1904.01685": "Nixon",
    "arXiv:1909.10155": "Kumar",
    "arXiv:2005.00771": "Boratko",
    "arXiv:2104.08663": "Thakur",
    "arXiv:2105.09938": "Hendrycks",
    "arXiv:2107.03374": "Chen",
    "arXiv:2107.07511": "Angelopoulos",
    "arXiv:2205.09148": "",
    "arXiv:2210.02410": "",
    "arXiv:2309.12236": "Blasiok",
    "arXiv:2504.05228": "Zhang",
    "arXiv:2603.24844": "",
    "doi:10.1007/b106715": "Vovk",
    "doi:10.1080/01621459.1951.10500768": "Savage",
    "doi:10.1093/biomet/45.3-4.562": "Cox",
    "doi:10.1111/j.1467-9868.2007.00587.x": "Gneiting",
    "doi:10.1111/j.2517-6161.1952.tb00104.x": "Good",
    "doi:10.1145/1143844.1143874": "Davis",
    "doi:10.1148/radiology.143.1.7063747": "Hanley",
    "doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2": "Murphy",
    "doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2": "Brier",
    "doi:10.1175/2007WAF2006116.1": "Stephenson",
    "doi:10.1609/aaai.v29i1.9602": "Naeini",
    "doi:10.2307/1934145": "Hurlbert",
    "doi:10.2307/1934352": "Hill",
}
"""Identifiers that were looked up, with who wrote it; no name where a docstring need not tell it."""

BY_NAME = {metric.name: (shape, metric) for shape in full_shapes() for metric in metrics_of(shape)}
CASES = list(BY_NAME.values())


def told_name(metric: Metric) -> str:
    """Give the name that the formula of a metric is told under: that of its curve or kind."""
    name = re.sub("(?<!programs)_(frequency|logprob|text)$", "", metric.name)
    of_a_kind = metric.curve is not None or name.startswith(("hit@", "conformal_"))
    return re.sub("@[0-9.]+$", "@", name) if of_a_kind else name


@pytest.mark.parametrize(("shape", "metric"), CASES, ids=list(BY_NAME))
def test_every_metric_says_what_it_is(shape: Shape, metric: Metric) -> None:
    told = FORM.fullmatch(metric.doc)
    assert told is not None
    names = [re.sub("@[a-z]+$", "@", name) for name in told["names"].split(" = ")]
    assert told_name(metric) in names
    assert metric.summary == told["summary"]
    assert "\n\n" not in told["formula"] + told["notes"] + told["source"] + told["checked"]


def number(text: str, shape: Shape, metric: Metric) -> float:
    """Read an end of a range: a number, K, the k of a curve, all n * K answers, or no bound."""
    symbols = {
        "K": shape.k,
        "-K": -shape.k,
        "k": metric.curve[1] if metric.curve else math.nan,
        "n * K": shape.sets * shape.k,
        "inf": math.inf,
        "tokens_per_example": math.inf,
    }
    return symbols[text] if text in symbols else float(text)


@pytest.mark.parametrize(("shape", "metric"), CASES, ids=list(BY_NAME))
def test_the_range_it_tells_is_the_one_it_has(shape: Shape, metric: Metric) -> None:
    told = FORM.fullmatch(metric.doc)
    assert told is not None
    low, high = told["range"][1:-1].split(", ")
    found = number(low, shape, metric), number(high, shape, metric)
    assert found == pytest.approx(metric.bounds, abs=0.01)


def test_every_source_was_looked_up_and_is_given_with_its_author() -> None:
    told = {
        (word.strip("(),;.").removesuffix(")"), metric.doc)
        for _, metric in CASES
        for word in metric.doc.split()
        if word.lstrip("(").startswith(("arXiv:", "doi:"))
    }
    assert {identifier for identifier, _ in told} == set(LOOKED_UP)
    assert [i for i, doc in told if LOOKED_UP[i] not in doc] == []


def test_a_metric_of_another_source_of_confidences_ends_in_its_name() -> None:
    grid = np.array([0.5])
    sources = ["recorded", "text", "logprob", "frequency"]
    shape = Shape(2, 2, 1, exclusive=True, levels={SET: grid} | dict.fromkeys(sources, grid))
    names = [metric.name for family in load_metric_families() for metric in family(shape)]
    for base in (
        "multi_brier",
        "brier_answered",
        "log_score",
        "ece",
        "smooth_ece",
        "auroc",
        "aurc",
    ):
        for name in (base, *(f"{base}_{source}" for source in sources[1:])):
            assert names.count(name) == 1, name
    assert not any(name.endswith("_recorded") for name in names)


def test_a_run_that_states_no_confidences_has_only_the_metrics_of_other_sources() -> None:
    shape = Shape(2, 2, 1, exclusive=True, levels={"frequency": np.array([0.5])})
    names = [metric.name for family in load_metric_families() for metric in family(shape)]
    assert "ece_frequency" in names
    assert {"ece", "set_ece", "aurc", "mce", "multi_brier_sum"}.isdisjoint(names)
