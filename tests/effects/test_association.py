"""What went together with a tactic: between all rows, and within partners."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab import Stakes, estimate_association
from partnerlab.errors import MissingTableError, ParameterError, SampleError
from partnerlab.results import Evidence


def _rows(seed=0, *, partners=60, quarters=6, effect=0.2, pull=3.0):
    rng = np.random.default_rng(seed)
    strength = np.repeat(rng.normal(size=partners), quarters)
    rows = pd.DataFrame({"partner": np.repeat([f"p{i}" for i in range(partners)], quarters), "calls": rng.poisson(np.exp(0.5 * strength))})
    return rows.assign(leads=5 + pull * strength + effect * rows["calls"] + rng.normal(size=len(rows)))


def _read(rows, **options):
    return estimate_association(rows, tactic="calls", outcome="leads", **options).table.set_index("reading")


def test_two_quarters_of_four_partners_by_hand():
    rows = pd.DataFrame(
        {"partner": list("aabbccdd"), "calls": [0, 1, 0, 1, 2, 3, 2, 3], "leads": [0.0, 1.0, 0.0, 3.0, 8.0, 9.0, 8.0, 11.0]}
    )
    read = _read(rows)["estimate"]

    # within: changes of 1, 3, 1, 3 leads a call; pooled: means of 0, 2, 8, 10 at 0 to 3 calls
    assert read["within"] == pytest.approx(2.0)
    assert read["pooled"] == pytest.approx(3.6)
    assert read["pooled less within"] == pytest.approx(1.6)


def test_within_agrees_with_a_column_for_each_partner():
    import statsmodels.formula.api as smf

    rows = _rows(partners=20)
    fit = smf.ols("leads ~ calls + C(partner)", rows).fit(cov_type="cluster", cov_kwds={"groups": pd.factorize(rows["partner"])[0]})
    read = _read(rows)

    assert read.loc["within", "estimate"] == pytest.approx(fit.params["calls"])
    # CR2 is a little wider than CR1, which counts the columns for partners as if they cost degrees of freedom
    assert read.loc["within", "std_error"] == pytest.approx(fit.bse["calls"], rel=0.12)


@given(seed=st.integers(0, 50), shift=st.floats(-100, 100))
@settings(max_examples=15, deadline=None)
def test_what_lasts_of_a_partner_does_not_touch_the_reading_within(seed, shift):
    rows = _rows(seed, partners=12)
    moved = rows.assign(leads=rows["leads"] + shift * (pd.factorize(rows["partner"])[0] % 3))

    assert _read(moved).loc["within", "estimate"] == pytest.approx(_read(rows).loc["within", "estimate"], abs=1e-8)


@given(seed=st.integers(0, 50), shift=st.floats(-100, 100))
@settings(max_examples=10, deadline=None)
def test_what_moves_all_partners_in_a_quarter_touches_no_reading_beside_its_level(seed, shift):
    rows = _rows(seed, partners=12).assign(quarter=np.tile([f"2026Q{place}" for place in range(6)], 12)).iloc[5:]
    moved = rows.assign(leads=rows["leads"] + shift * (rows["quarter"] == "2026Q3"))
    apart = [_read(table, period="quarter")["estimate"] for table in (rows, moved)]

    assert apart[0].tolist() == pytest.approx(apart[1].tolist(), abs=1e-8)


def test_beside_quarters_it_agrees_with_a_column_for_each_partner_and_quarter():
    import statsmodels.formula.api as smf

    rows = _rows(partners=20).assign(quarter=np.tile(np.arange(6), 20)).drop(index=[3, 17, 40])
    fit = smf.ols("leads ~ calls + C(partner) + C(quarter)", rows).fit()

    assert _read(rows, period="quarter").loc["within", "estimate"] == pytest.approx(fit.params["calls"])


def test_what_differs_between_quarters_alone_is_not_read_beside_them():
    rows = _rows(partners=12).assign(quarter=np.tile(np.arange(6), 12), calls=np.tile(np.arange(6.0), 12))

    with pytest.raises(SampleError, match="quarter repeats it"):
        _read(rows, period="quarter")


@given(seed=st.integers(0, 50))
@settings(max_examples=10, deadline=None)
def test_the_order_of_rows_does_not_matter(seed):
    rows = _rows(seed, partners=12)
    mixed = rows.sample(frac=1, random_state=seed)

    assert _read(mixed).to_numpy() == pytest.approx(_read(rows).to_numpy(), rel=1e-8)


def test_intervals_within_hold_the_truth_in_as_many_programs_as_they_say():
    held = [row["conf_low"] <= 0.2 <= row["conf_high"] for seed in range(200) for row in [_read(_rows(seed, partners=25)).loc["within"]]]

    assert 0.90 <= np.mean(held) <= 0.99


def test_managers_who_call_the_strong_are_seen():
    found = estimate_association(_rows(), tactic="calls", outcome="leads", stakes=Stakes(unit="leads", per="call"))

    assert found.checks[0].passed is False
    assert found.evidence is Evidence.C
    assert found.verdict.statement.startswith("Calls went together with 0.")
    assert found.verdict.statement.endswith("this does not tell what it did.")
    assert found.verdict.action == "test"


def test_a_tactic_that_never_varies_within_partners_is_refused():
    with pytest.raises(SampleError, match="does not vary within partners"):
        _read(_rows().assign(calls=lambda rows: pd.factorize(rows["partner"])[0]))


def test_too_few_partners_are_refused():
    with pytest.raises(SampleError, match="only 3 clusters"):
        _read(_rows(partners=3))


def test_a_missing_column_names_the_nearest():
    with pytest.raises(MissingTableError, match="did you mean 'calls'"):
        estimate_association(_rows(), tactic="call", outcome="leads")


def test_what_is_no_table_or_holds_words_is_refused():
    rows = pd.DataFrame({"partner": np.repeat(np.arange(10), 4), "calls": np.arange(40) % 3, "leads": "many"})

    with pytest.raises(ParameterError, match="expected numbers"):
        estimate_association(rows, tactic="calls", outcome="leads")
    with pytest.raises(ParameterError, match="expected a DataFrame, not a list"):
        estimate_association([rows], tactic="calls", outcome="leads")
