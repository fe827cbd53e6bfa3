"""Training the checkpoints that are compared: single and multi, with and without calibration."""
