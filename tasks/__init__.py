"""The tasks that come with marl-eval, one file each."""
