"""The metrics that come with marl-eval, one file for each family."""
