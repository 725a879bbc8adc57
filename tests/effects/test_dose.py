"""Outcomes by dose: differences, equivalence, clusters, refusals."""

import numpy as np
import pandas as pd
import pytest

from partnerlab import estimate_dose
from partnerlab.errors import MissingTableError, ParameterError, SampleError
from partnerlab.results import Evidence
from partnerlab.verdicts import Stakes


def _rows(seed=0, n=240, step=0.0, shock=0.0):
    rng = np.random.default_rng(seed)
    manager = np.arange(n) % 24
    days = np.array([90, 180, 365])[manager % 3]
    leads = 2 + step * (days == 365) + rng.normal(0, 1, n) + shock * rng.normal(size=24)[manager]
    return pd.DataFrame({"days": days, "leads": leads, "manager": manager, "size": rng.normal(size=n)})


def _found(rows, **more):
    return estimate_dose(rows, **{"dose": "days", "outcome": "leads", "material": 0.5} | more)


def test_without_covariates_it_is_the_difference_of_means_with_welchs_error():
    rows = _rows(step=1.0)
    one, other = (rows.loc[rows["days"] == days, "leads"] for days in (90, 365))
    row = _found(rows).table.set_index("dose").loc["365"]

    assert row["estimate"] == pytest.approx(other.mean() - one.mean())
    assert row["std_error"] == pytest.approx(np.sqrt(one.var() / len(one) + other.var() / len(other)))


def test_findings_say_more_less_small_or_that_nothing_can_be_told():
    many = _rows(n=6000)

    assert _found(_rows(n=600, step=1.5)).table.set_index("dose").loc["365", "finding"] == "more"
    assert _found(_rows(n=600, step=-1.5)).table.set_index("dose").loc["365", "finding"] == "less"
    assert _found(many).table["finding"].tolist()[:2] == ["no effect larger than 0.5"] * 2
    assert _found(many).table["finding"].iloc[2] == "no effect larger than 0.5 from 90 to 365"
    assert _found(_rows(n=48), material=0.05).table["finding"].iloc[0] == "cannot tell"


def test_an_interval_with_a_material_effect_is_never_called_none():
    for seed in range(40):
        table = _found(_rows(seed=seed, n=96), material=0.4).table.iloc[:2]
        small = table["finding"].str.startswith("no effect")

        # a one-sided test at 5 % each side: the 90 % interval lies inside
        assert (table.loc[small, "estimate"].abs() + 1.6 * table.loc[small, "std_error"] < 0.4).all()


def test_it_is_an_association_unless_a_design_says_more():
    assert _found(_rows()).evidence is Evidence.C
    assert _found(_rows(), evidence=Evidence.A).evidence is Evidence.A


@pytest.mark.parametrize("shift", [-3.0, 5.0])
def test_a_shift_of_all_outcomes_changes_nothing(shift):
    rows = _rows(step=0.5)
    plain, shifted = (_found(table).table for table in (rows, rows.assign(leads=rows["leads"] + shift)))

    pd.testing.assert_frame_equal(shifted, plain)


def test_changing_the_reference_turns_the_sign():
    rows = _rows(step=0.7)
    up = _found(rows).table.set_index("dose").loc["365"]
    down = _found(rows, reference=365).table.set_index("dose").loc["90"]

    assert down[["estimate", "p_equivalent"]].tolist() == pytest.approx([-up["estimate"], up["p_equivalent"]])


def test_managers_who_chose_the_dose_are_the_unit():
    """Equivalence is declared at its stated rate under managers' shocks; rows alone would boast."""
    hits, loud = [], []
    for seed in range(80):
        rows = _rows(seed=seed, shock=0.7)
        table = _found(rows, cluster="manager").table.iloc[0]
        alone = _found(rows).table.iloc[0]
        hits.append(table["conf_low"] < 0 < table["conf_high"])
        loud.append(alone["conf_low"] < 0 < alone["conf_high"])

    assert np.mean(hits) > 0.95 - 3 * np.sqrt(0.05 * 0.95 / 80)
    assert np.mean(loud) < 0.85


def test_equivalence_errs_as_often_as_it_says_where_the_effect_is_just_material():
    wrong = [
        _found(_rows(seed=seed, n=480, step=0.5)).table.set_index("dose").loc["365", "finding"].startswith("no effect")
        for seed in range(200)
    ]

    assert np.mean(wrong) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_a_dose_that_hardly_anybody_had_stays_unknown():
    found = _found(pd.concat([_rows(), pd.DataFrame({"days": [30, 30], "leads": [1.0, 2.0]})]), reference=90)

    assert found.table["estimate"].isna().tolist() == [True, False, False, False]
    assert found.checks[0].passed is False


def _hours(seed=0, n=900, worth=0.0, bend=0.0):
    """Hours that 30 managers give to partners whose results do or do not follow them."""
    rng = np.random.default_rng(seed)
    hours = rng.gamma(2.0, 4.0, n)
    leads = 3 + worth * hours + bend * (hours - 8) ** 2 + rng.normal(0, 1, n)
    return pd.DataFrame({"days": hours, "leads": leads, "manager": np.arange(n) % 30})


def test_hours_are_read_as_a_line_and_said_to_do_nothing_that_matters():
    found = _found(_hours(), cluster="manager", material=1.0)
    row = found.table.iloc[0]

    assert found.table["dose"].tolist() == ["per unit"]
    assert found.estimand == "Difference of leads for one more unit of days"
    assert row["finding"].startswith("no effect larger than 1 from")
    assert row["p_equivalent"] < 0.05
    assert _found(_hours(worth=0.2), cluster="manager", material=1.0).table["finding"].iloc[0] == "more"


def test_the_most_that_an_hour_can_be_worth_is_its_upper_bound_less_its_cost():
    from scipy.stats import norm

    stakes = {"unit": "leads", "value": 400, "cost": 70, "currency": "EUR"}
    row = _found(_hours(n=4000), material=1.0, stakes=Stakes(**stakes)).table.iloc[0]

    assert row["upper"] == pytest.approx(row["estimate"] + norm.ppf(0.95) * row["std_error"], rel=1e-3)
    assert row["net_upper"] == pytest.approx(400 * row["upper"] - 70)
    assert row["net_value"] == pytest.approx(400 * row["estimate"] - 70)
    assert row["net_upper"] < 0  # such hours cannot pay


def test_longer_promotions_cost_what_their_days_cost():
    stakes = Stakes(unit="leads", value=10, cost=0.1)
    table = _found(_rows(step=1.0), stakes=stakes).table.set_index("dose")

    assert table.loc["365", "net_value"] == pytest.approx(10 * table.loc["365", "estimate"] - 0.1 * (365 - 90))
    worse = _found(_rows(step=1.0), stakes=stakes.model_copy(update={"value": -10.0})).table.set_index("dose")
    assert worse.loc["365", "net_upper"] > worse.loc["365", "net_value"]


def test_the_upper_bound_is_seldom_below_the_truth():
    missed = [_found(_hours(seed=seed, n=150, worth=0.05), cluster="manager").table["upper"].iloc[0] < 0.05 for seed in range(200)]

    assert np.mean(missed) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_a_dose_whose_outcome_bends_is_said_not_to_be_a_line():
    straight, bent = (_found(_hours(bend=bend), cluster="manager").checks[-1] for bend in (0.0, 0.02))

    assert (straight.name, straight.passed, bent.passed) == ("straight line", True, False)


@pytest.mark.parametrize(
    ("spoil", "more", "error", "says"),
    [
        (lambda rows: rows.rename(columns={"days": "day"}), {}, MissingTableError, "did you mean 'day'"),
        (lambda rows: rows[rows["days"] == 90], {}, SampleError, "every row has the dose 90"),
        (lambda rows: rows.assign(days=np.arange(len(rows))), {"reference": 4}, ParameterError, "240 different doses are read as a line"),
        (lambda rows: rows, {"reference": 45}, ParameterError, "nobody had the reference dose 45"),
        (lambda rows: rows, {"material": 0}, ParameterError, "above 0"),
        (lambda rows: rows.assign(size=rows["days"]), {"covariates": ["size"]}, SampleError, "repeat the dose"),
        (lambda rows: rows[rows["manager"] < 3], {"cluster": "manager"}, SampleError, "manager: only 3"),
    ],
)
def test_bad_tables_are_refused_in_one_line(spoil, more, error, says):
    with pytest.raises(error, match=says):
        _found(spoil(_rows()), **more)


def test_outcomes_that_do_not_vary_tell_nothing_of_a_dose():
    rows = pd.DataFrame({"days": np.repeat([90, 180, 365], 50), "leads": 1.0})

    with pytest.raises(SampleError, match="leads is 1 wherever it was seen"):
        estimate_dose(rows, dose="days", outcome="leads", material=0.5)


def test_words_and_infinities_are_no_outcome_of_a_dose():
    rows = pd.DataFrame({"days": np.repeat([90, 180], 50), "leads": 1.0})

    for leads, said in (("many", "expected numbers"), (np.inf, "infinite")):
        with pytest.raises(ParameterError, match=said):
            estimate_dose(rows.assign(leads=leads), dose="days", outcome="leads", material=0.5)


def test_a_dose_that_fewer_than_four_managers_chose_is_their_own_work_not_the_doses():
    rows = _rows(step=1.0)
    one_hand = rows.assign(manager=np.where(rows["days"] == 365, 99, rows["manager"]))
    found = _found(one_hand, cluster="manager")

    assert found.table.set_index("dose")["estimate"].isna().to_dict() == {"180": False, "365": True, "per unit": False}
    assert "clusters" in found.checks[0].detail
    two = _found(one_hand[one_hand["days"] != 180], cluster="manager")
    assert two.table["estimate"].isna().all()
