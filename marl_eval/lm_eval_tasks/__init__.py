"""Our tasks, prompts and metrics inside lm-eval's own command.

``marl-eval lm-eval-path`` writes a file for each installed task and strategy (``files``), which
lm-eval's ``--include_path`` reads; each names one class (``task``) that asks as ``marl-eval run``
does and has the answers scored by ``marl-eval score`` (``scoring``). The settings come from lm-eval's
``--metadata`` (``settings``).
"""
