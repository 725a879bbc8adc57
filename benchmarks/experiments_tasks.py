"""What is timed on experiments, and by whom; `experiments.py` drives it.

A side is one library's answer to a task. Sides run in environments of their own, so this file imports nothing but
numpy at the top.
"""

from __future__ import annotations

import numpy as np
from flows_tasks import Arrays, Side, Task


def draw_trial(rows: int) -> Arrays:
    """Draw visits, orders of them, revenue that was partly known before, and a small effect of the variant."""
    random = np.random.default_rng(rows)
    on = random.integers(0, 2, rows)
    before, visits = random.gamma(2.0, 2.0, rows), random.poisson(3.0, rows) + 1.0
    orders = random.binomial(visits.astype(int), 0.2 + 0.01 * on).astype(float)
    revenue = 0.5 * before + random.standard_normal(rows) + 0.02 * on
    return {"variant": on, "visits": visits, "orders": orders, "revenue": revenue, "before": before}


def _named(found: dict[str, tuple[float, float]], p_shares: float) -> dict[str, float]:
    answer = {name: estimate for name, (estimate, _) in found.items()} | {f"se {name}": error for name, (_, error) in found.items()}
    return answer | {"p shares": p_shares}


def _ours_arrays(x: Arrays) -> dict[str, float]:
    from partnerlab.stats.trials.arm_moments import count_moments, moment_difference
    from partnerlab.stats.trials.srm import ratio_test

    names = ["visits", "orders", "revenue", "before"]
    moments = count_moments(x["variant"], [x[name] for name in names], arms=2)
    asked = {"visits": {"column": 0}, "orders per visit": {"column": 1, "per": 0}, "revenue": {"column": 2}}
    asked["revenue, adjusted"] = {"column": 2, "given": [3], "slope": "pooled"}
    found = {name: moment_difference(moments, **given) for name, given in asked.items()}
    treated, control = int(moments.count[1]), int(moments.count[0])
    return _named({name: (one.estimate, one.std_error) for name, one in found.items()}, ratio_test(treated, control, method="corrected"))


def _frame(x: Arrays):
    import pandas as pd

    return pd.DataFrame(x).assign(unit=np.arange(len(x["variant"])))


def _ours_public(frame) -> dict[str, float]:
    from partnerlab.experiments import Metric, Trial, analyze_experiment

    metrics = [Metric(name="visits"), Metric(name="orders", kind="ratio", per="visits"), Metric(name="revenue")]
    trial = Trial.from_frame(frame, outcomes=metrics, pre=["before"])
    plain = analyze_experiment(trial, adjustment="none").table.set_index("metric")
    adjusted = analyze_experiment(trial).table.set_index("metric")
    rows = {"visits": plain.loc["visits"], "orders per visit": plain.loc["orders"], "revenue": plain.loc["revenue"]}
    rows["revenue, adjusted"] = adjusted.loc["revenue"]
    answer = _named({name: (row["estimate"], row["std_error"]) for name, row in rows.items()}, np.nan)
    return {name: value for name, value in answer.items() if np.isfinite(value)}


def _as_pandas(x: Arrays):
    import pandas as pd

    return pd.DataFrame(x)


def _as_polars(x: Arrays):
    import polars as pl

    return pl.DataFrame(x).lazy()


def _as_arrow(x: Arrays):
    import pyarrow as pa

    return pa.table(x)


def _as_arrow_in_one_thread(x: Arrays):
    import pyarrow as pa

    pa.set_cpu_count(1)  # joins on several threads give rows back in another order, and the means taken out are those of other rows
    return _as_arrow(x)


def _as_duckdb(x: Arrays):
    import ibis

    backend = ibis.duckdb.connect()
    backend.con.register("laid", _as_arrow(x))
    backend.con.execute("create table trial as select * from laid")
    return backend.table("trial")


def _tea_tasting(table) -> dict[str, float]:
    import tea_tasting as tt

    asked = {"visits": tt.Mean("visits"), "orders per visit": tt.RatioOfMeans("orders", "visits"), "revenue": tt.Mean("revenue")}
    asked["revenue, adjusted"] = tt.Mean("revenue", "before")
    found = tt.Experiment(**{name.replace(" ", "_").replace(",", ""): metric for name, metric in asked.items()}, shares=tt.SampleRatio())
    result = dict(found.analyze(table))
    read = {name: result[name.replace(" ", "_").replace(",", "")] for name in asked}
    return _named({name: (one.effect_size, one.effect_size / one.statistic) for name, one in read.items()}, result["shares"].pvalue)


def _peer(name: str, prepare) -> Side:
    return Side(name=f"tea-tasting, {name}", environment="tea-tasting", run=_tea_tasting, prepare=prepare)


TASKS = (
    Task(
        name="Means, a ratio, CUPED and shares of units", draw=draw_trial, bar=1,
        sides=(
            Side(name="partnerlab, arrays", environment="ours", run=_ours_arrays, ours=True),
            Side(name="partnerlab, from a frame, ids checked, verdicts given", environment="ours", run=_ours_public, prepare=_frame,
                 ours=True, rtol=1e-3),
            _peer("Polars", _as_polars), _peer("DuckDB through Ibis", _as_duckdb),
            _peer("Arrow, one thread", _as_arrow_in_one_thread), _peer("pandas", _as_pandas),
        ),
    ),
)  # fmt: skip
