"""Our tasks, prompts and metrics inside lm-eval."""
