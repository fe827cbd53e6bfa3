"""``marl-eval reproduce``: everything from untrained models to the table of claims."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from marl_eval.errors import UserError
from marl_eval.identity import differences
from marl_eval.plugins import found
from marl_eval.progress import Progress, silent
from marl_eval.reproduction.claims import Tested, as_json, as_markdown, examine_claims
from marl_eval.reproduction.recipe import Recipe
from marl_eval.reproduction.schedule import Job, do_all
from marl_eval.reproduction.stages import BASE, Place, run, train, warm_up
from marl_eval.store import dump_json, write_whole

RECIPE = "recipe.json"


@dataclass(frozen=True, slots=True)
class Reproduced:
    """A finished reproduction on one task: its folder and what came of the claims."""

    folder: Path
    tested: list[Tested]


def reproduce(
    recipes: Sequence[Recipe],
    out: Path,
    *,
    seeds: Sequence[int] = (0,),
    extra: bool = False,
    at_once: int | None = None,
    progress: Progress = silent,
) -> list[Reproduced]:
    """Train, evaluate and test on each recipe's task, or go on with what was stopped.

    Args:
        recipes: what to do.
        out: the folder, in which each task has one, and in it each seed.
        seeds: of the trainings, and of the runs of each.
        extra: train the checkpoints that are only trained if asked for as well.
        at_once: pieces of work at once, None for one a core; they share the cores.
        progress: what to tell of the work.

    Raises:
        UserError: if a recipe is not usable, or a folder holds what another recipe made.
    """
    cores = len(os.sched_getaffinity(0))
    at_once = at_once or cores
    alone = len(recipes) * len(seeds) == 1
    jobs: list[Job] = []
    places = {
        recipe.name: [
            Place(recipe, out / recipe.name / f"seed-{seed}", seed, max(1, cores // at_once))
            for seed in seeds
        ]
        for recipe in recipes
    }
    for own in places.values():
        for place in own:
            see_that_it_is_the_same(place)
            jobs += _jobs(place, cores if alone else place.threads, extra=extra)
    # All that others wait for goes first.
    jobs.sort(key=lambda job: len(job.after))
    do_all(jobs, at_once, progress)
    return [_concluded(out / name, own) for name, own in places.items()]


def see_that_it_is_the_same(place: Place) -> None:
    """See that what a folder holds was made by this recipe, or write down that it will be.

    What is finished is not done again, so it must be what would be done. Checkpoints and runs may be
    added to a recipe, and claims and reports changed.

    Raises:
        UserError: with what differs.
    """
    file, recipe = place.folder / RECIPE, place.recipe.model_dump(mode="json")
    made = {
        **{name: recipe[name] for name in ("wording", "phrases", "warm_up", "train", "run")},
        **{name: recipe["comparison"][name] for name in ("models", "runs")},
    }
    if not file.exists():
        place.folder.mkdir(parents=True, exist_ok=True)
        write_whole(file, dump_json(made))
        return
    before = orjson.loads(file.read_bytes())
    changed = [
        (name, old, new)
        for name, old, new in differences(before, made)
        if None not in (old, new) or name.partition(".")[0] not in ("models", "runs")
    ]
    if changed:
        listed = "\n".join(f"  {name}: {old!r} there, {new!r} now" for name, old, new in changed)
        raise UserError(
            f"{place.folder} holds what another recipe made:\n{listed}\n"
            f"Choose another folder with --out, or delete this one."
        )
    write_whole(file, dump_json({**before, **made}))


def _jobs(place: Place, threads: int, *, extra: bool) -> list[Job]:
    where = str(place.folder)
    first = f"{where}/{BASE}"
    alone = Place(place.recipe, place.folder, place.seed, threads)
    jobs = [Job(first, warm_up, (alone,))]
    trained = {BASE}
    for name, model in place.recipe.comparison.models.items():
        if extra or not model.extra:
            trained.add(name)
            jobs.append(Job(f"{where}/{name}", train, (place, name), (first,)))
    for name, condition in place.recipe.comparison.runs.items():
        if condition.model in trained:
            after = tuple(dict.fromkeys((first, f"{where}/{condition.model}")))
            jobs.append(Job(f"{where}/runs/{name}", run, (place, name), after))
    return jobs


def _concluded(folder: Path, places: Sequence[Place]) -> Reproduced:
    """Test the claims, and write their table and the reports."""
    recipe = places[0].recipe
    tested = examine_claims(recipe.comparison.claims, places)
    write_whole(folder / "claims.json", dump_json(as_json(tested)))
    write_whole(folder / "claims.md", ("\n".join(as_markdown(tested)) + "\n").encode())
    made = [
        [
            place.run_folder(name)
            for name in recipe.comparison.runs
            if place.run_folder(name).exists()
        ]
        for place in places
    ]
    for name, wanted in recipe.reports.items():
        report = found("reports")[name].load()
        runs = made[0] if wanted.one_seed else [run for own in made for run in own]
        report(runs, **{option: folder / file for option, file in wanted.files.items()})
    return Reproduced(folder, tested)
