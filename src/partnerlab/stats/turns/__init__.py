"""Turns of a rate: when a unit left the level that it had."""
