"""The command line. Importing it is fast: commands import what they need when they are called."""

from __future__ import annotations

import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from marl_eval.cli.compare import compare_command
from marl_eval.cli.gate import baseline_command, check_command
from marl_eval.cli.importing import import_command
from marl_eval.cli.lm_eval import lm_eval_path_command
from marl_eval.cli.reproduce import reproduce_command
from marl_eval.cli.run import run_command, score_command
from marl_eval.cli.show import doctor_command, metrics_command, show_command, tasks_command
from marl_eval.cli.suite import suite_command
from marl_eval.cli.train import sft_command, train_command
from marl_eval.errors import BackendError, StorageError, UserError

FAILED, USAGE = 1, 2


class Commands(TyperGroup):
    """The built-in commands, and one for each installed report."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Name all commands, the reports last."""
        from marl_eval.plugins import found

        return [*super().list_commands(ctx), *found("reports")]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Give a command, loading a report when it is asked for."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            return command
        from marl_eval.plugins import found

        point = found("reports").get(cmd_name)
        if point is None:
            return None
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(cmd_name)(point.load())
        return get_command(single)


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Evaluate language models that give several answers, each with a confidence.",
)
app.command("run")(run_command)
app.command("score")(score_command)
app.command("train")(train_command)
app.command("sft")(sft_command)
app.command("reproduce")(reproduce_command)
app.command("import")(import_command)
app.command("compare")(compare_command)
app.command("check")(check_command)
app.command("baseline")(baseline_command)
app.command("suite")(suite_command)
app.command("show")(show_command)
app.command("tasks")(tasks_command)
app.command("metrics")(metrics_command)
app.command("doctor")(doctor_command)
app.command("lm-eval-path")(lm_eval_path_command)


def main() -> None:
    """Run the command line; tell a user's mistake in a sentence, without a traceback."""
    try:
        app()
    except UserError as error:
        _tell(f"marl-eval: {error}")
        sys.exit(USAGE)
    except (BackendError, StorageError) as error:
        _tell(f"marl-eval: {error}")
        sys.exit(FAILED)
    except BrokenPipeError:
        # The reader of our output has gone; python would complain again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)


def _tell(message: str) -> None:
    from marl_eval.inert import inert
    from marl_eval.redaction import redact

    print(inert(redact(message)), file=sys.stderr)
