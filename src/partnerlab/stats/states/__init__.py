"""States over time: chains, product integrals, generators, hidden states."""
