"""Hostile programs, by what they attack. They are text here, and run nowhere but in the sandbox."""
