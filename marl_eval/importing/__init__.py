"""Bringing generations that were recorded elsewhere into a run directory.

A source is opened (``rows``), its layout tells of which systems it holds the generations
(``columns``, ``released``, ``lm_eval``), and each system is written as a run (``writing``). From
then on it is a run like any other: it is scored, shown and compared without the model.
"""
