"""Settings of trainings, ready to use: those published, and those of the comparison in miniature."""
