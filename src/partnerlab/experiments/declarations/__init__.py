"""Declarations of the simulated demo program's experiments."""
