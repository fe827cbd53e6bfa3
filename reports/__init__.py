"""The reports that come with marl-eval: views of one or more finished runs."""
