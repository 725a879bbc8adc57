"""Curves, hazards and ways of leaving against R's survival, standard errors included.

The data, the script and the numbers it printed stand in ``survival/``. Both sides
do the same sums in double precision; R keeps 15 digits, so 1e-9 leaves room only
for the order of summation.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from partnerlab.spells import Spells
from partnerlab.survival import compare_survival, estimate_hazard, estimate_incidence, estimate_survival

HERE = Path(__file__).parent / "survival"
TOLERANCE = 1e-9


@pytest.fixture(scope="module")
def values():
    return pd.read_csv(HERE / "values.csv", keep_default_na=False, na_values=["NA"]).set_index("case")


def _compare(values, case, curve, columns):
    """Compare a table keyed by group and time with R's, cell by cell; return how many cells were compared."""
    cells = 0
    for (group, quantity), theirs in values.loc[[case]].groupby(["group", "quantity"]):
        if quantity not in columns:
            continue
        mine = curve[curve["group"] == group].set_index("time")[quantity].reindex(theirs["time"])
        # where everybody has left R prints a standard error of 0, we print none
        said = theirs["value"].notna().to_numpy() & ~((quantity == "std_error") & (theirs["value"] == 0)).to_numpy()
        assert np.allclose(mine.to_numpy()[said], theirs["value"].to_numpy()[said], rtol=TOLERANCE, atol=TOLERANCE), (case, group, quantity)
        cells += int(said.sum())
    return cells


CURVE = ("n", "events", "estimate", "std_error", "conf_low", "conf_high", "cumulative_hazard")


@pytest.mark.parametrize("which", ["first", "all"])
@pytest.mark.parametrize("by", [None, "region"])
def test_curve_interval_and_risk_sets_equal_survfit(values, first, every, which, by):
    curve = estimate_survival(first if which == "first" else every, by=by, min_at_risk=0)

    table = curve.table.assign(group=curve.table[by] if by else "")

    assert _compare(values, f"{which}_{by}" if by else which, table, CURVE) > 100


def test_standard_error_of_the_cumulative_hazard_equals_survfit(values, first):
    table = estimate_survival(first, min_at_risk=0).table.assign(group="")
    table["std_error"] = table["cumulative_hazard_se"]

    assert _compare(values, "nelson_aalen", table, ["std_error"]) > 15


@pytest.mark.parametrize("which", ["first", "all"])
def test_quantiles_and_their_intervals_equal_survfit(values, first, every, which):
    curve = estimate_survival(first if which == "first" else every, by="region", min_at_risk=0)

    table = curve.quantiles.rename(columns={"region": "group", "share": "time"})

    assert _compare(values, f"quantile_{which}", table, ["estimate", "conf_low", "conf_high"]) > 15


def test_restricted_mean_and_its_standard_error_equal_survfit(values, first):
    curve = estimate_survival(first, by="region", tau=12, min_at_risk=0)

    table = curve.rmst.rename(columns={"region": "group", "tau": "time"})

    assert _compare(values, "rmst", table, ["estimate", "std_error"]) == 6


def _statistic(values, group):
    rows = values.loc[["logrank"]]
    return rows.loc[rows["group"] == group, "value"].item()


@pytest.mark.parametrize(
    ("group", "asked"),
    [("right", {}), ("peto", {"weights": "peto"}), ("stratified", {"strata": "odd"})],
    ids=["log-rank", "peto", "stratified"],
)
def test_log_rank_family_equals_survdiff(values, first, group, asked):
    late = first.select(first.frame["entry"] == 0)
    odd = late.frame["partner"].str[3].astype(int) % 2
    told = Spells.from_frame(late.to_frame().assign(odd=odd))

    test = compare_survival(told, by="region", **asked).test

    assert test["statistic"].item() == pytest.approx(_statistic(values, group), rel=TOLERANCE)


@pytest.mark.parametrize("which", ["first", "all"])
def test_clustered_or_not_the_comparison_gives_the_same_test_as_the_curves(values, first, every, which):
    test = compare_survival(first if which == "first" else every, by="region", min_at_risk=0).test

    assert test["statistic"].item() == pytest.approx(_statistic(values, "entry" if which == "first" else "clustered"), rel=TOLERANCE)


def test_difference_of_restricted_means_has_the_root_of_both_variances(values, first):
    table = compare_survival(first, by="region", tau=12, min_at_risk=0).table.set_index("region")
    theirs = values.loc["rmst"].pivot(index="group", columns="quantity", values="value")

    assert table.loc["south", "estimate"] == pytest.approx(theirs.loc["south", "estimate"] - theirs.loc["north", "estimate"], rel=TOLERANCE)
    assert table.loc["south", "std_error"] == pytest.approx(np.hypot(*theirs.loc[["north", "south"], "std_error"]), rel=TOLERANCE)


def test_log_rank_with_delayed_entry_equals_mantel_haenszel_over_risk_sets(values, first):
    curve = estimate_survival(first, by="region", min_at_risk=0)

    assert curve.logrank["statistic"].item() == pytest.approx(_statistic(values, "entry"), rel=TOLERANCE)


def test_log_rank_clustered_by_partner_equals_the_robust_score_test(values, every):
    curve = estimate_survival(every, by="region", min_at_risk=0)

    assert curve.logrank["statistic"].item() == pytest.approx(_statistic(values, "clustered"), rel=TOLERANCE)


@pytest.mark.parametrize("which", ["first", "all"])
def test_ways_of_leaving_and_their_standard_errors_equal_survfit(values, first, every, which):
    ways = estimate_incidence(first if which == "first" else every, min_at_risk=0, variance="jackknife")

    table = ways.table.rename(columns={"cause": "group"})

    assert _compare(values, f"incidence_{which}", table, ["estimate", "std_error"]) > 100


def test_hazard_by_tenure_has_wilsons_interval_where_more_than_three_ended(values, first):
    table = estimate_hazard(first, by="tenure").table.rename(columns={"tenure": "time"}).assign(group="")
    few = table["events"] <= 3
    theirs = values.drop(index="hazard_tenure")
    common = values.loc[["hazard_tenure"]][lambda rows: ~rows["time"].isin(table.loc[few, "time"])]

    assert _compare(pd.concat([theirs, common]), "hazard_tenure", table, ["estimate", "conf_low", "conf_high"]) > 20
    assert (table.loc[few, "conf_low"] <= table.loc[few, "estimate"]).all()


def test_hazard_by_attribute_has_the_sandwich_of_its_partners(values, every):
    table = estimate_hazard(every, by="region").table.rename(columns={"region": "group"})
    theirs = values.loc["hazard_region"].pivot(index="group", columns="quantity", values="value")

    assert np.allclose(
        table.set_index("group").loc[theirs.index, ["estimate", "std_error"]], theirs[["estimate", "std_error"]], rtol=TOLERANCE
    )
