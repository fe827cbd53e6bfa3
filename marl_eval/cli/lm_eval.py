"""``marl-eval lm-eval-path``."""

from __future__ import annotations


def lm_eval_path_command() -> None:
    """Print the folder of our tasks for lm-eval: lm_eval --include_path "$(marl-eval lm-eval-path)"."""
    from marl_eval.backends.arguments import need
    from marl_eval.lm_eval_tasks.files import write_files

    need("lm-eval", "lm_eval")
    print(write_files())
