"""One training in its folder: begun, gone on with after a stop, and ended with its card."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import orjson

from marl_eval.backends.checkpoint import identify
from marl_eval.errors import UserError
from marl_eval.identity import differences
from marl_eval.progress import Progress
from marl_eval.prompts import read_wording
from marl_eval.provenance import git_state, versions
from marl_eval.redaction import redact
from marl_eval.store import LOCK, dump_json, held, write_whole
from marl_eval.training.card import SCHEMA_VERSION, Card, read_card, write_card
from marl_eval.training.checkpoints import cut_curve, last_whole, read_curve
from marl_eval.training.material import Base, Material
from marl_eval.training.method import Method
from marl_eval.training.settings import TrainingSettings

TRAINING = "training.json"
_PACKAGES = ("trl", "peft", "accelerate")
_MOST_POINTS = 200


@dataclass(frozen=True, slots=True)
class Session:
    """A training that is about to be done: how it is known, and what its card will say.

    ``asks`` are the settings of a run that ask as the training does; ``config`` what TRL is given.
    """

    made_by: Literal["train", "sft"]
    settings: TrainingSettings
    base: Base
    material: Material
    method: Method | None
    asks: Mapping[str, Any]
    config: Mapping[str, Any]
    weights: Mapping[str, float]

    @property
    def out(self) -> Path:
        """The folder of the training."""
        return self.settings.out

    def identity(self) -> dict[str, Any]:
        """Give what no training may change midway."""
        record = self.material.posed.record
        task = {name: record["task"][name] for name in ("name", "version", "split", "sha256")}
        return {
            "made_by": self.made_by,
            "settings": self.settings.identity(),
            "task": task,
            "model": self._fingerprint(),
            "prompt": {"sha256": record["prompt"]["sha256"]},
            "format": record["format"],
        }

    def write_card(self, folder: Path, step: int) -> None:
        """Write the card of a checkpoint."""
        settings, record = self.settings, self.material.posed.record
        task = self.material.posed.task
        evaluated = {k: v for k, v in settings.task_args.items() if k not in task.train_args}
        told = {name: record["task"][name] for name in ("version", "split", "source", "sha256")}
        card = Card(
            schema_version=SCHEMA_VERSION,
            made_by=self.made_by,
            method=self.method,
            asks={**self.asks, "model_args": {"chat": "yes" if self.base.asker.chat else "no"}},
            format=record["format"],
            task={
                "name": record["settings"]["task"],
                "args": evaluated,
                "examples": len(self.material.examples),
                **told,
            },
            base={"name": redact(settings.model), **self._fingerprint()},
            adapter=settings.lora is not None or self.base.adapter is not None,
            seed=settings.seed,
            reward_weights=dict(self.weights),
            settings={**settings.identity(), "trl": plain(self.config)},
            step=step,
            versions={**versions(), **{name: version(name) for name in _PACKAGES}},
            git=git_state(),
            curve=_thinned(read_curve(self.out)),
        )
        wording = None if settings.prompt is None else read_wording(settings.prompt)
        write_card(folder, card, wording)

    def _fingerprint(self) -> dict[str, Any]:
        return identify(self.base.source, self.base.adapter, self.base.arguments)


def plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """Give a configuration as plain JSON, with secrets hidden."""
    return {
        name: value
        if value is None or isinstance(value, bool | int | float)
        else redact(str(value))
        for name, value in config.items()
    }


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished training: its folder, which is the checkpoint, and the number of steps."""

    path: Path
    steps: int


def run_session(
    session: Session, make_trainer: Callable[[ExitStack], Any], progress: Progress
) -> Trained:
    """Train with the trainer that is made once the folder is held; nothing if it is done already.

    What the trainer needs until the end is entered into the stack that it is made with.

    Raises:
        UserError: if the folder holds another training, or something else.
        StorageError: if it cannot be written.
    """
    from accelerate import PartialState

    from marl_eval.training.trl_parts import run_trainer

    state = PartialState(cpu=bool(session.config["use_cpu"]))
    with ExitStack() as stack:
        resumed = stack.enter_context(
            _begun(session, first=state.is_main_process, wait=state.wait_for_everyone)
        )
        done = read_card(session.out)
        if done is not None:
            return Trained(session.out, done.step)
        return Trained(session.out, run_trainer(make_trainer(stack), session, resumed, progress))


@contextmanager
def _begun(session: Session, *, first: bool, wait: Any) -> Iterator[Path | None]:
    """Hold the folder, and give the checkpoint from which the training goes on; None from the start.

    ``first``: this is the process that writes; the others ``wait`` for it.

    Raises:
        UserError: if the folder holds another training, or something else.
        StorageError: if it cannot be written.
    """
    out = session.out
    if not first:
        wait()
        whole = last_whole(out)
        yield None if whole is None else whole[0]
        return
    with held(out):
        _see_that_it_is_ours(session)
        whole = last_whole(out)
        cut_curve(out, -1 if whole is None else whole[1])
        wait()
        yield None if whole is None else whole[0]


def _see_that_it_is_ours(session: Session) -> None:
    file = session.out / TRAINING
    if file.exists():
        changed = differences(orjson.loads(file.read_bytes()), _as_stored(session.identity()))
        if changed:
            listed = "\n".join(
                f"  {name}: {old!r} there, {new!r} now" for name, old, new in changed
            )
            raise UserError(
                f"{session.out} holds a training with other settings:\n{listed}\n"
                f"Choose another folder with --out, or delete this one."
            )
    elif any(path.name != LOCK for path in session.out.iterdir()):
        raise UserError(
            f"{session.out} is not empty and holds no training: choose another folder with --out."
        )
    else:
        write_whole(file, dump_json(session.identity()))


def _as_stored(value: Any) -> Any:
    return orjson.loads(dump_json(value))


def _thinned(lines: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    """Give the held-out recall and at most 200 points of the rest: loss, reward and its parts."""
    kept = [
        {name: value for name, value in line.items() if _is_told(name)}
        for line in lines
        if any(_is_told(name) and name != "step" for name in line)
    ]
    steps = [line["step"] for line in kept if "loss" in line]
    every = -(-len(steps) // _MOST_POINTS) or 1
    told = set(steps[::-1][::every])
    return [line for line in kept if "loss" not in line or line["step"] in told]


def _is_told(name: str) -> bool:
    mean = name.startswith("rewards/") and name.endswith("/mean")
    return mean or name in ("step", "loss", "reward") or name.startswith("held_out/recall")
