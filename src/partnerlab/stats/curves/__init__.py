"""Curves of survival and incidence over risk sets, and tests between them."""
