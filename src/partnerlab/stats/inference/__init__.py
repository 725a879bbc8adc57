"""How sure: intervals, quantiles, clusters, replicates, many comparisons, two-way tables."""
