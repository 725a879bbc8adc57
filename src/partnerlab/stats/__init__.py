"""Pure functions of arrays: intervals, clusters, counts, pooling, risk sets. No frames, no nouns."""
