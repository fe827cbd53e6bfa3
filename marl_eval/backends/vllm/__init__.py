"""Checkpoints in this process through vLLM."""
