"""Replicas of another backend on a Ray cluster."""
