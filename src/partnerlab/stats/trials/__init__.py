"""Trials: power, dealing by chance, looking, reading."""
