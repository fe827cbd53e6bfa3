"""A run that still goes on, scored from what is stored so far, in a folder of ours.

The run's own directory is only read: it is neither locked nor written. Its files only grow, line by
line, so a snapshot copies the whole lines that are new since the last time.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from marl_eval.errors import UserError
from marl_eval.line_index import index_lines
from marl_eval.results import read_results
from marl_eval.run import score
from marl_eval.store import EXAMPLES, RESULTS, RUN, RunDirectory
from marl_eval.strategies import SetLayout

_AT_ONCE = 1 << 24


def finished(run: Path) -> bool:
    """Whether a run has been scored with every request answered or failed.

    Raises:
        UserError: if it is not a run directory.
    """
    RunDirectory(run).read_run()
    try:
        return (run / RESULTS).exists() and read_results(run).errors.missing == 0
    except UserError:
        # Half of another version's results, or of none: what is stored is scored anew.
        return False


class Snapshot:
    """What was stored of a run when it was last looked at, scored in a directory of the same name.

    ``total`` are the requests of the run, ``done`` those that were answered or failed.
    """

    def __init__(self, run: Path, folder: Path) -> None:
        self._run = RunDirectory(run)
        self.path = folder / run.resolve().name
        self._copy = RunDirectory(self.path)
        record = self._run.read_run()
        examples = len(self._run.example_offsets()) - 1
        self.total = examples * SetLayout(**record["layout"]).samples
        self.done = 0
        self._copy.completions.parent.mkdir(parents=True)
        for name in (RUN, EXAMPLES):
            shutil.copyfile(run / name, self.path / name)
        if self._run.judgements.exists():
            _follow(self._run.judgements, self._copy.judgements)

    def grown(self) -> bool:
        """Take in what is new, and say whether there was anything."""
        grown = [
            _follow(self._run.completions, self._copy.completions),
            _follow(self._run.errors, self._copy.errors),
        ]
        if any(grown):
            answered = index_lines(self._copy.completions).questions()
            self.done = answered + index_lines(self._copy.errors).questions()
        return any(grown)

    def score(self) -> None:
        """Score what there is, as ``marl-eval score`` would."""
        score(self.path)


def _follow(source: Path, target: Path) -> bool:
    """Copy the whole lines by which ``source`` is longer than ``target``; say whether there are any."""
    if not source.exists():
        return False
    with source.open("rb") as file, target.open("ab") as copy:
        begin = copy.tell()
        file.seek(begin)
        rest = b""
        while block := file.read(_AT_ONCE):
            whole, newline, rest = (rest + block).rpartition(b"\n")
            copy.write(whole + newline)
        return copy.tell() > begin
