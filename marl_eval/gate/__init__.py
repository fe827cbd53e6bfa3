"""The gate: rules that a run must keep, against a baseline."""
