"""Large experiments beside tea-tasting: same data, same answers, then the time; the driver is that of `flows.py`.

``python benchmarks/experiments.py --rows 1000000 10000000``.
"""

from flows import Page, run

TOLD = """One experiment, two variants, five questions at once: a mean, a ratio of sums, a mean, the same mean adjusted for what
was known before (CUPED), and whether the shares of units are as planned (SRM). Every side runs in a process of its own, one after the
other, tea-tasting in an environment of its own and on all tables that it takes. Tables stand in memory before the clock starts. CPU
seconds are those of the call (quickest of up to three), memory is the peak of the process. Estimates, standard errors (by tea-tasting's
statistic) and the p-value of the shares are compared with ours, to a millionth, before a time is printed. Our first side takes arrays
as tea-tasting takes columns: units are not looked at. The second is the public road from a frame: `Trial.from_frame` reads ids and
refuses units that stand twice, text and infinite numbers; `analyze_experiment` checks what must hold and gives intervals, families of
tests and verdicts, once without and once with what was known before. Its slopes differ by arm, so it is held to a thousandth.

On Arrow tables tea-tasting is run on one thread. On two, its standard errors changed from run to run on the same table, by up to 37
millionths in twelve runs of 1,000,000 rows, and agreed with ours in some of them; on one thread they agreed to eleven digits in all six.
The fault lies below it: `narwhals` 2.29's `mean().over("variant")` joins means back to the rows, and Arrow's join on several threads does
not keep their order: of four runs on that table three gave 29 to 43 % of the rows the other variant's mean, and on one thread none."""

if __name__ == "__main__":
    run(Page(name="experiments", title="Large experiments beside tea-tasting", told=TOLD, modules=("experiments_tasks",)))
