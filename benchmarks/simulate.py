"""Time and memory of simulating a large program, every table of the contract included.

python benchmarks/simulate.py --partners 100000 --quarters 20
"""

from __future__ import annotations

import argparse
import resource
import time

from partnerlab.intake.simulate import Truth, simulate_program


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--partners", type=int, default=100_000)
    parser.add_argument("--quarters", type=int, default=20)
    asked = parser.parse_args()
    started, spent = time.perf_counter(), time.process_time()
    truth = Truth(n_partners=asked.partners, n_quarters=asked.quarters, lead_in=0)
    tables = simulate_program(truth, seed=1).tables
    rows, size = sum(table.num_rows for table in tables.values()), sum(table.nbytes for table in tables.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{asked.partners} partners x {asked.quarters} quarters: {rows} rows, {size / 1e9:.1f} GB in {len(tables)} tables")
    print(f"{time.perf_counter() - started:.0f} s, {time.process_time() - spent:.0f} CPU-seconds, peak {peak:.1f} GB")


if __name__ == "__main__":
    main()
