"""How good a forecast was: proper scores, calibration, concordance."""
