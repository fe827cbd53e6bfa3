"""The generated world: reproducible, and its posterior true by every way of checking it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import combinations, product
from math import exp, log, prod, sqrt
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from marl_eval import RunResult, evaluate
from marl_eval.errors import UserError
from marl_eval.matching import WRONG, match
from marl_eval.results import MetricResult
from marl_eval.task import read_options
from marl_eval.tasks import ddxsim
from marl_eval.tasks.ddxsim import Options, World, build_world
from marl_eval.types import Example

K = 3
MANY = 4000
TINY = Options(conditions=3, findings=4, max_causes=2, seed=5)

Sets = list[frozenset[int]]


@cache
def generate(**options: float) -> tuple[Example, ...]:
    return tuple(ddxsim.load(None, Options.model_validate(options)).examples)


def probabilities(example: Example) -> dict[str, float]:
    assert example.distribution is not None
    return dict(example.distribution)


def gold_names(example: Example) -> set[str]:
    return {gold.answer for gold in example.gold}


def test_examples_are_reproducible_from_the_seed() -> None:
    first, again = (ddxsim.load(None, Options(examples=300, seed=7)) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("shorter", [1, 100, 2047, 2048, 2049, 4000])
def test_a_shorter_data_set_is_the_beginning_of_a_longer_one(shorter: int) -> None:
    assert generate(examples=shorter) == generate(examples=4500)[:shorter]


@pytest.mark.parametrize("first", [1, 2047, 2048, 2049, 4400])
def test_examples_from_a_later_one_on_are_those_of_a_longer_data_set(first: int) -> None:
    assert generate(examples=100, first=first) == generate(examples=4500)[first : first + 100]


def test_different_seeds_differ() -> None:
    first, second = generate(examples=200, seed=1), generate(examples=200, seed=2)
    assert not {e.question for e in first} & {e.question for e in second}
    assert set(probabilities(first[0])) != set(probabilities(second[0]))
    assert not {e.id for e in first} & {e.id for e in second}


def test_the_number_of_examples_is_the_one_asked_for() -> None:
    for count in (1, 2048, 2050):
        assert len({e.id for e in generate(examples=count)}) == count


def test_the_data_set_says_what_it_is() -> None:
    dataset = ddxsim.load(None, Options(examples=1, seed=3))
    assert (dataset.split, dataset.source) == ("generated", "ddxsim seed 3")
    assert not dataset.exclusive
    assert ddxsim.load(None, Options(examples=1, max_causes=1)).exclusive


@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_max_causes_bounds_the_gold_set(most: int) -> None:
    sizes = Counter(len(e.gold) for e in generate(max_causes=most))
    assert set(sizes) == set(range(1, most + 1))


@pytest.mark.parametrize(("conditions", "findings"), [(2, 1), (5, 9), (30, 240)])
def test_conditions_and_findings_are_as_many_as_asked_for(conditions: int, findings: int) -> None:
    options = Options(conditions=conditions, findings=findings, max_causes=2, ambiguity=0)
    world = build_world(options)
    assert len(set(world.conditions)) == conditions
    assert len(set(world.findings)) == findings
    for example in generate(
        conditions=conditions, findings=findings, max_causes=2, ambiguity=0, examples=20
    ):
        present, absent = findings_told(world, example)
        assert len(present | absent) == findings
        assert set(probabilities(example)) == set(world.conditions)
        assert gold_names(example) <= set(world.conditions)


def test_max_causes_may_pass_the_number_of_conditions() -> None:
    assert build_world(Options(conditions=2, max_causes=4)).members.tolist() == [
        [True, False],
        [False, True],
        [True, True],
    ]


def test_with_full_ambiguity_the_posterior_is_the_prior() -> None:
    world = build_world(Options(ambiguity=1))
    prior = np.exp(world.log_prior) @ world.members
    expected = dict(zip(world.conditions, prior, strict=True))
    for example in generate(ambiguity=1, examples=300):
        assert findings_told(world, example) == (set(), set())
        assert probabilities(example) == pytest.approx(expected, abs=1e-11)


def test_less_ambiguity_leaves_less_uncertainty() -> None:
    entropies = [
        np.mean([mean_entropy(e) for e in generate(ambiguity=ambiguity)])
        for ambiguity in (0, 0.25, 0.5, 0.75, 1)
    ]
    assert entropies == sorted(entropies)
    assert entropies[0] < 0.8 * entropies[2]


def mean_entropy(example: Example) -> float:
    chances = [min(p, 1.0) for p in probabilities(example).values()]
    bits = [-q * log(q) for p in chances for q in (p, 1 - p) if q > 0]
    return sum(bits) / len(chances)


def test_the_most_probable_condition_is_listed_first() -> None:
    for example in generate():
        listed = [p for _, p in example.distribution or ()]
        assert listed == sorted(listed, reverse=True)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_causes": 1},
        {"ambiguity": 0},
        {"ambiguity": 0, "conditions": 4, "findings": 200},
        {"ambiguity": 0, "conditions": 4, "findings": 200, "max_causes": 1},
        {"ambiguity": 1, "conditions": 2, "max_causes": 2},
    ],
)
def test_no_probability_is_outside_0_to_1(options: dict[str, float]) -> None:
    for example in generate(**options):
        for values in (probabilities(example), example.meta["expected_recall"]):
            assert min(values.values()) >= 0
            assert max(values.values()) <= 1


def findings_told(world: World, example: Example) -> tuple[set[int], set[int]]:
    """Read from the text of a question which findings are present, and which are absent."""
    has, has_not, _ = example.question.split("\n")
    lists = (
        has.removeprefix("A patient has: ").removesuffix("."),
        has_not.removeprefix("The patient does not have: ").removesuffix("."),
    )
    none = {"no finding", "no finding was ruled out"}
    present, absent = (
        {world.findings.index(name) for name in told.split(", ") if name not in none}
        for told in lists
    )
    return present, absent


def posterior_of_texts(world: World, examples: Sequence[Example]) -> NDArray[np.float64]:
    """Give P(S | text), float64[examples, sets], from nothing but what each question tells."""
    present, absent = (
        np.zeros((len(examples), len(world.findings)), dtype=np.bool_) for _ in range(2)
    )
    for row, example in enumerate(examples):
        has, has_not = findings_told(world, example)
        present[row, list(has)] = True
        absent[row, list(has_not)] = True
    return world.posterior(present, absent)


@pytest.mark.parametrize("max_causes", [1, 3])
def test_probabilities_follow_from_what_the_question_tells(max_causes: int) -> None:
    world = build_world(Options(max_causes=max_causes))
    examples = generate(max_causes=max_causes)
    posterior = posterior_of_texts(world, examples)
    sizes = world.members.sum(axis=1)
    for example, row in zip(examples, posterior, strict=True):
        marginal = dict(zip(world.conditions, row @ world.members, strict=True))
        assert probabilities(example) == pytest.approx(marginal, abs=1e-10)
        total = sum(probabilities(example).values())
        assert total == pytest.approx(1 if max_causes == 1 else row @ sizes, abs=1e-9)


def only(indices: set[int], length: int) -> NDArray[np.bool_]:
    return np.array([[i in indices for i in range(length)]])


class Network:
    """The parameters of a tiny world, won back from its tables, and sums by plain enumeration.

    With conditions a and b alone and together, the tables of a noisy-OR network determine its
    parameters: absent(a) * absent(b) / absent(a and b) is the chance that the leak does not act,
    and prior(a) * prior(b) / prior(a and b) is what normalises the prior.
    """

    def __init__(self, world: World) -> None:
        self.sets: Sets = [frozenset(np.flatnonzero(row).tolist()) for row in world.members]
        place = {members: row for row, members in enumerate(self.sets)}
        self.conditions = range(len(world.conditions))
        self.findings = range(len(world.findings))

        def absent(finding: int, *members: int) -> float:
            return exp(world.log_absent[place[frozenset(members)], finding])

        def prior(*members: int) -> float:
            return exp(world.log_prior[place[frozenset(members)]])

        pairs = list(combinations(self.conditions, 2))
        quiet = [
            [absent(f, a) * absent(f, b) / absent(f, a, b) for a, b in pairs] for f in self.findings
        ]
        norm = [prior(a) * prior(b) / prior(a, b) for a, b in pairs]
        for found in (*quiet, norm):
            assert found == pytest.approx([found[0]] * len(found))
        self.leak = [1 - found[0] for found in quiet]
        self.odds = [prior(c) / norm[0] for c in self.conditions]
        self.link = [
            [1 - absent(f, c) / (1 - self.leak[f]) for f in self.findings] for c in self.conditions
        ]

    def prior(self) -> list[float]:
        weights = [prod(self.odds[c] for c in members) for members in self.sets]
        return [weight / sum(weights) for weight in weights]

    def chance(self, finding: int, members: frozenset[int]) -> float:
        """Give the chance of a finding by the noisy OR."""
        stays_away = prod(1 - self.link[c][finding] for c in members)
        return 1 - (1 - self.leak[finding]) * stays_away

    def posterior(self, present: set[int], absent: set[int]) -> list[float]:
        weights = [
            prior
            * prod(self.chance(f, members) for f in present)
            * prod(1 - self.chance(f, members) for f in absent)
            for members, prior in zip(self.sets, self.prior(), strict=True)
        ]
        return [weight / sum(weights) for weight in weights]


def test_the_parameters_of_the_network_are_probabilities() -> None:
    network = Network(build_world(TINY))
    assert all(0 < leak < 0.2 for leak in network.leak)
    assert all(-1e-12 < link < 1 for links in network.link for link in links)
    assert all(max(links) > 0.3 for links in network.link)
    assert sum(network.odds) == pytest.approx(2)


@pytest.mark.parametrize("seed", range(3))
def test_the_posterior_agrees_with_enumeration_in_plain_python(seed: int) -> None:
    world = build_world(TINY.model_copy(update={"seed": seed}))
    network = Network(world)
    for states in product((0, 1, 2), repeat=len(world.findings)):
        present = {f for f, state in enumerate(states) if state == 1}
        absent = {f for f, state in enumerate(states) if state == 2}
        count = len(world.findings)
        row = world.posterior(only(present, count), only(absent, count))[0]
        assert row.tolist() == pytest.approx(network.posterior(present, absent), rel=1e-9)


def test_the_posterior_agrees_with_rejection_sampling() -> None:
    world = build_world(TINY)
    network = Network(world)
    rng = np.random.default_rng(0)
    draws = 400_000
    drawn = rng.choice(len(network.sets), p=network.prior(), size=draws)
    chances = np.array([[network.chance(f, s) for f in network.findings] for s in network.sets])
    shows = rng.random((draws, len(world.findings))) < chances[drawn]
    for present, absent in [({0}, {1}), ({1, 2}, set()), (set(), {0, 3}), ({3}, {0, 1, 2})]:
        kept = drawn[shows[:, list(present)].all(axis=1) & ~shows[:, list(absent)].any(axis=1)]
        assert len(kept) > 1000
        share = np.bincount(kept, minlength=len(network.sets)) / len(kept)
        row = world.posterior(only(present, 4), only(absent, 4))[0]
        error = np.sqrt(row * (1 - row) / len(kept))
        assert (np.abs(share - row) <= 4 * error + 1e-9).all()


def test_patients_with_the_same_text_are_ill_as_often_as_it_says() -> None:
    examples = generate(conditions=3, findings=2, max_causes=2, examples=20_000)
    by_text: dict[str, list[Example]] = {}
    for example in examples:
        by_text.setdefault(example.question, []).append(example)
    assert len(by_text) == 9
    for same in by_text.values():
        stated = probabilities(same[0])
        assert all(probabilities(e) == pytest.approx(stated, abs=1e-10) for e in same)
        for condition, p in stated.items():
            share = sum(condition in gold_names(example) for example in same) / len(same)
            assert abs(share - p) <= 4 * sqrt(p * (1 - p) / len(same)) + 1e-9


@pytest.mark.parametrize(
    "options", [{}, {"max_causes": 1}, {"ambiguity": 0}, {"ambiguity": 0.9}, {"conditions": 40}]
)
def test_conditions_are_right_as_often_as_their_probability(options: dict[str, float]) -> None:
    if "conditions" in options:
        options = options | {"max_causes": 2}
    bins = np.linspace(0, 1, 11)
    gaps = np.zeros((MANY, 10))
    counts = np.zeros(10)
    for row, example in enumerate(generate(examples=MANY, **options)):
        right = gold_names(example)
        p = np.array(list(probabilities(example).values()))
        y = np.array([condition in right for condition in probabilities(example)])
        cell = np.clip(np.digitize(p, bins) - 1, 0, 9)
        np.add.at(gaps[row], cell, y - p)
        np.add.at(counts, cell, 1)
    # The conditions of one example depend on each other: the example is the unit.
    total, error = gaps.sum(axis=0), np.sqrt((gaps**2).sum(axis=0))
    used = counts >= 50
    assert used.sum() >= 5
    assert (np.abs(total[used]) <= 4 * error[used]).all()
    overall = gaps.sum(axis=1)
    assert abs(overall.sum()) <= 4 * sqrt((overall**2).sum()) + 1e-6


def best_recall(example: Example, k: int) -> float:
    """Give the best recall that k answers can be expected to have."""
    gains: dict[str, float] = dict(example.meta["expected_recall"])
    return sum(sorted(gains.values(), reverse=True)[:k])


def test_expected_recall_sums_to_1() -> None:
    for example in generate():
        assert best_recall(example, 99) == pytest.approx(1)


def test_with_one_cause_expected_recall_is_the_probability() -> None:
    for example in generate(max_causes=1):
        assert example.meta["expected_recall"] == pytest.approx(probabilities(example), abs=1e-10)


def test_the_largest_expected_recalls_are_the_best_of_all_choices_of_answers() -> None:
    options = Options(conditions=5, findings=6, max_causes=3, examples=40)
    world = build_world(options)
    sets: Sets = [frozenset(np.flatnonzero(row).tolist()) for row in world.members]
    examples = generate(conditions=5, findings=6, max_causes=3, examples=40)
    for example, row in zip(examples, posterior_of_texts(world, examples), strict=True):
        for k in (1, 2, 3):
            recalls = [
                sum(p * len(s & set(chosen)) / len(s) for p, s in zip(row, sets, strict=True))
                for chosen in combinations(range(5), k)
            ]
            assert best_recall(example, k) == pytest.approx(max(recalls))


@pytest.mark.parametrize("k", [1, 3, 5])
def test_expected_recall_is_what_the_best_answers_do_recall(k: int) -> None:
    gaps = []
    for example in generate(examples=MANY):
        gains = example.meta["expected_recall"]
        answers = sorted(gains, key=lambda name: -gains[name])[:k]
        hits = sum(grade != WRONG for grade in match(example, answers))
        gaps.append(hits / len(example.gold) - best_recall(example, k))
    assert abs(np.mean(gaps)) <= 4 * np.std(gaps) / sqrt(len(gaps))


WORLDS: dict[str, dict[str, int]] = {"one cause": {"max_causes": 1}, "several causes": {}}


@pytest.fixture(scope="module", params=WORLDS)
def world_options(request: pytest.FixtureRequest) -> dict[str, int]:
    return WORLDS[request.param]


def run(model: str, options: dict[str, int], out: Path) -> RunResult:
    return evaluate(
        model=f"reference:{model}", task="ddxsim", k=K, task_args=options, out=out / model
    )


@pytest.fixture(scope="module")
def references(
    world_options: dict[str, int], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, RunResult]:
    out = tmp_path_factory.mktemp("runs")
    return {model: run(model, world_options, out) for model in ("oracle", "prior", "random")}


def value(result: RunResult, name: str) -> float:
    found = result.results.metrics[name].value
    assert found is not None
    return found


def standard_error(metric: MetricResult) -> float:
    assert metric.low is not None
    assert metric.high is not None
    return (metric.high - metric.low) / (2 * 1.96)


def test_the_oracle_reaches_the_best_possible_recall(
    references: dict[str, RunResult], world_options: dict[str, int]
) -> None:
    best = np.mean([best_recall(example, K) for example in generate(**world_options)])
    recall = references["oracle"].results.metrics["recall"]
    assert recall.n == 1000
    assert abs(value(references["oracle"], "recall") - best) <= 4 * standard_error(recall)


def test_the_oracle_breaks_no_rule_of_the_format(references: dict[str, RunResult]) -> None:
    for result in references.values():
        assert result.results.deviations == {}
        assert value(result, "format_ok") == 1


def test_the_oracle_keeps_the_format_where_it_is_certain(tmp_path: Path) -> None:
    options = {"conditions": 4, "findings": 200, "ambiguity": 0}
    result = run("oracle", options, tmp_path)
    assert result.results.deviations == {}
    assert value(result, "ece") < 0.001


def expected_calibration_error(q: NDArray[np.float64], y: NDArray[np.bool_]) -> float:
    cell = np.minimum((q * 10).astype(int), 9)
    gaps = [abs((q - y)[cell == b].sum()) for b in range(10)]
    return sum(gaps) / q.size


def test_the_oracle_is_as_calibrated_as_a_perfect_forecaster(
    references: dict[str, RunResult], world_options: dict[str, int]
) -> None:
    examples = generate(**world_options)
    world = build_world(Options.model_validate(world_options))
    answers = [(example.distribution or ())[:K] for example in examples]
    q = np.array([[p for _, p in stated] for stated in answers])
    place = np.array([[world.conditions.index(name) for name, _ in stated] for stated in answers])
    table = pq.read_table(references["oracle"].path / "scores.parquet")
    assert table.column("confidence").to_pylist() == pytest.approx(q.ravel().tolist(), abs=1e-12)
    right = np.array(table.column("gold").to_pylist()).reshape(-1, K) >= 0
    found = value(references["oracle"], "ece")
    assert found == pytest.approx(expected_calibration_error(q, right), abs=1e-12)

    # Draw the whole set of causes of each patient, so that answers exclude each other as they do.
    cumulated = posterior_of_texts(world, examples).cumsum(axis=1)
    rng = np.random.default_rng(0)
    perfect = []
    for _ in range(200):
        drawn = (rng.random((len(examples), 1)) > cumulated).sum(axis=1)
        drawn = np.minimum(drawn, len(world.members) - 1)
        truth = np.take_along_axis(world.members[drawn], place, axis=1)
        perfect.append(expected_calibration_error(q, truth))
    low, high = np.quantile(perfect, [0.001, 0.999])
    assert low <= found <= high
    assert high < 0.06


def test_random_answers_are_as_good_as_chance(
    references: dict[str, RunResult], world_options: dict[str, int]
) -> None:
    causes = np.mean([len(example.gold) for example in generate(**world_options)])
    expected = {"recall": K / 16, "precision": causes / 16, "pass@1": causes / 16}
    for name, chance in expected.items():
        error = standard_error(references["random"].results.metrics[name])
        assert abs(value(references["random"], name) - chance) <= 4 * error


def test_prior_answers_are_between_random_ones_and_the_oracle(
    references: dict[str, RunResult],
) -> None:
    for name in ("recall", "precision", "correct_answers", "pass@1", "hit@3"):
        floor, middle, ceiling = (
            value(references[model], name) for model in ("random", "prior", "oracle")
        )
        assert floor < middle < ceiling, name


def test_prior_answers_are_the_commonest_of_the_run(
    references: dict[str, RunResult], world_options: dict[str, int]
) -> None:
    examples = generate(**world_options)
    counts = Counter(name for example in examples for name in gold_names(example))
    commonest = sorted(counts.values(), reverse=True)[:K]
    expected = [count / len(examples) for count in commonest]
    table = pq.read_table(references["prior"].path / "scores.parquet")
    assert table.column("confidence").to_pylist() == expected * len(examples)


@pytest.mark.parametrize(
    "options",
    [{"conditions": 500, "max_causes": 3}, {"conditions": 100, "max_causes": 4}],
)
def test_a_world_that_is_too_large_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(UserError, match=r"20,000\. Lower one of the two") as caught:
        ddxsim.load(None, Options.model_validate(options))
    assert f"{options['conditions']} conditions" in str(caught.value)
    assert f"max_causes={options['max_causes']}" in str(caught.value)


def test_a_world_just_small_enough_is_generated() -> None:
    assert len(build_world(Options(conditions=199, max_causes=2)).members) == 19_900


def test_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="reads no data") as caught:
        ddxsim.load(tmp_path, Options())
    assert f"--data {tmp_path}" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("examples", 0), ("conditions", 1), ("conditions", 501), ("findings", 0),
        ("findings", 241), ("max_causes", 0), ("max_causes", 5), ("ambiguity", -0.1),
        ("ambiguity", 1.1), ("ambiguity", float("nan")), ("seed", -1), ("seed", "first"),
    ],
)  # fmt: skip
def test_an_option_outside_its_range_is_refused(name: str, given: object) -> None:
    with pytest.raises(UserError, match=f"'{name}' of task 'ddxsim' cannot be"):
        read_options(ddxsim.TASK, {name: given})
