"""``marl-eval reproduce``: everything from untrained models to the table of claims."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from marl_eval.plugins import found
from marl_eval.progress import Progress, silent
from marl_eval.reproduction.claims import Tested, as_json, as_markdown, examine_claims
from marl_eval.reproduction.recipe import Recipe
from marl_eval.reproduction.schedule import Job, do_all
from marl_eval.reproduction.stages import BASE, Place, run, train, warm_up
from marl_eval.store import dump_json, write_whole


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
        UserError: if a recipe is not usable.
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
            jobs += _jobs(place, cores if alone else place.threads, extra=extra)
    # All that others wait for goes first.
    jobs.sort(key=lambda job: len(job.after))
    do_all(jobs, at_once, progress)
    return [_concluded(out / name, own) for name, own in places.items()]


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
        [place.run_folder(name) for name in recipe.comparison.runs if place.run_folder(name).exists()]
        for place in places
    ]
    for name, wanted in recipe.reports.items():
        report = found("reports")[name].load()
        runs = made[0] if wanted.one_seed else [run for own in made for run in own]
        report(runs, **{option: folder / file for option, file in wanted.files.items()})
    return Reproduced(folder, tested)
