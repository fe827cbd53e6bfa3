"""Any model class of lm-eval as a backend."""
