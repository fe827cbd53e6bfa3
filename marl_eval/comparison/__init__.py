"""Comparing two runs on the same examples: pairs, differences, and what they come to."""
