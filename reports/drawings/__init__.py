"""Figures of runs: one module for each."""
