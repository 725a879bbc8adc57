"""Effects of tactics beside the fastest peers: same data, same answers, then the time; the driver is that of `flows.py`.

python benchmarks/effects.py --rows 1000000 10000000
python benchmarks/effects.py --rows 1000000 --only "two-way"
"""

from flows import Page, run

TOLD = """Every side runs in a process of its own, one after the other, peers each in an environment of their own. All start from
the same arrays, a row for each partner and quarter (20 quarters, a manager for every 20 partners), so that laying them out, data frames
included, is part of the time on every side; importing and first calls are not. CPU seconds are those of the call (quickest of up to three),
memory is the peak of the process. Answers (effects and clustered standard errors) are compared with ours, to a millionth, before a time
is printed. Where a peer scales its covariance by another factor, its side puts that right. A peer that asks for more than 18 GB fails;
the package `differences` could not be installed within four minutes and is not here."""

if __name__ == "__main__":
    run(Page(name="effects", title="Effects of tactics beside their peers", told=TOLD, modules=("effects_tasks",)))
