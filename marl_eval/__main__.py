"""``python -m marl_eval``, as launchers of several processes start it."""

from marl_eval.cli import main

main()
