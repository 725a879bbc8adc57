"""Regressions on patterns and counts: designs, fits, errors, coefficients as people read them."""
