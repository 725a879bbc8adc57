"""Regressions of hazards: Cox, Fine-Gray, frailty, and states built from hazards."""
