"""A folder of a reproduction keeps the recipe that it was begun with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from marl_eval.errors import UserError
from marl_eval.reproduction.recipe import Recipe, read_reproduction
from marl_eval.reproduction.reproduce import see_that_it_is_the_same
from marl_eval.reproduction.stages import Place


def begun(folder: Path, *, quick: bool = False, **changes: Any) -> None:
    recipe = read_reproduction("miniature-ddxsim", quick=quick)
    changed = Recipe.model_validate(recipe.model_dump() | changes)
    see_that_it_is_the_same(Place(changed, folder, 0, 1))


def test_the_same_recipe_goes_on(tmp_path: Path) -> None:
    begun(tmp_path)
    begun(tmp_path)


def test_a_quick_reproduction_does_not_go_into_a_whole_one(tmp_path: Path) -> None:
    begun(tmp_path)
    with pytest.raises(UserError, match=r"(?s)another recipe.*train\.trl\.max_steps: 240 there, 4"):
        begun(tmp_path, quick=True)


def test_another_wording_is_refused(tmp_path: Path) -> None:
    begun(tmp_path)
    with pytest.raises(UserError, match="wording"):
        begun(tmp_path, wording="Please: {question}")


def test_claims_and_reports_may_change_and_runs_may_be_added(tmp_path: Path) -> None:
    begun(tmp_path)
    comparison = read_reproduction("miniature-ddxsim", quick=False).comparison.model_dump()
    comparison["claims"] = []
    comparison["runs"]["more"] = {"model": "base", "run": {"strategy": "single"}}
    begun(tmp_path, comparison=comparison, reports={})
    comparison["runs"]["more"]["run"]["strategy"] = "multi"
    with pytest.raises(UserError, match=r"runs\.more\.run\.strategy: 'single' there, 'multi' now"):
        begun(tmp_path, comparison=comparison)


def test_a_recipe_like_another_is_that_one_but_for_what_it_says_itself(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("like: miniature-ddxsim\ntask: qasim\nwarm_up: {repeats: 0.5}\n")
    like, mine = (read_reproduction(str(one), quick=False) for one in ("miniature-ddxsim", file))
    assert mine == like.model_copy(
        update={"task": "qasim", "warm_up": {**like.warm_up, "repeats": 0.5}}
    )


def test_what_is_like_may_be_like_another_but_not_itself(tmp_path: Path) -> None:
    file, itself, none = (tmp_path / f"{name}.yaml" for name in ("mine", "itself", "none"))
    file.write_text("like: miniature-qasim\n")
    mine, qasim = (read_reproduction(str(n), quick=True) for n in (file, "miniature-qasim"))
    assert mine == qasim
    itself.write_text(f"like: {itself}\n")
    with pytest.raises(UserError, match="in turn like itself"):
        read_reproduction(str(itself), quick=False)
    none.write_text("task: qasim\n")
    with pytest.raises(UserError, match="field required"):
        read_reproduction(str(none), quick=False)
