"""Months that meet a minimum, any of them or in a row, and certificates that retire: by hand and by law."""

import numpy as np
import pandas as pd
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partnerlab.intake import Program, connect
from partnerlab.panel import Indicator, Indicators, build_panel
from partnerlab.periods import Calendar

PARTNERS = pd.DataFrame({"partner_id": ["a", "b"], "joined_at": "2023-01-01"})


def _built(months, *, until="2026-01-01", first="2025Q1", last="2025Q4", calendar=None, **keys):
    """Months sustained of partner a, with one row of 10 in each month that is named."""
    lines = pd.DataFrame({
        "txn_id": [f"t{i}" for i in range(len(months))], "partner_id": "a", "booked_at": [f"{month}-15" for month in months],
        "kind": "invoice", "amount": 10.0,
    })  # fmt: skip
    cases = pd.DataFrame({"case_id": ["k", "l"], "opened_at": ["2024-01-01 12:00", str(pd.Timestamp(until) - pd.Timedelta(days=1))]})
    source = connect({"partners": PARTNERS, "transactions": lines, "cases": cases}, program=Program(data_until=until))
    wanted = Indicators(indicators={"kept": {"from": "transactions", "statistic": "months", **keys}})
    return build_panel(source, first=first, last=last, indicators=wanted, calendar=calendar)


def _months(*numbers, year=2025):
    return [f"{year}-{number:02d}" for number in numbers]


def test_months_of_the_window_with_a_row_are_counted():
    panel = _built(_months(1, 2, 2, 5, 12), window=2)

    assert panel.values("kept")[0].tolist() == [2, 3, 1, 1]
    assert panel.n("kept")[0].tolist() == [3, 4, 1, 1]


def test_a_month_needs_as_many_rows_as_are_asked_for():
    assert _built(_months(1, 2, 2, 3, 3, 3), at_least=2).values("kept")[0, 0] == 2


def test_a_month_needs_the_sum_that_is_asked_for():
    assert _built(_months(1, 2, 2, 3, 3, 3), value="amount", at_least=20.0).values("kept")[0, 0] == 2
    assert _built(_months(1, 2, 2, 3, 3, 3), value="amount", at_least=20.01).values("kept")[0, 0] == 1


def test_months_in_a_row_reach_back_across_quarters():
    panel = _built(_months(2, 3, 4, 5, 6, 8, 9), window=4, consecutive=True)

    assert panel.values("kept")[0].tolist() == [2, 5, 2, 0]


def test_months_in_a_row_are_no_more_than_those_of_the_window():
    panel = _built([*_months(*range(1, 13), year=2024), *_months(1, 2, 3)], window=2, consecutive=True)

    assert panel.values("kept")[0, 0] == 6


def test_a_month_that_is_not_over_does_not_end_a_row_and_may_extend_it():
    ended = _built(_months(7, 8), until="2025-09-10", last="2025Q3", consecutive=True)
    extended = _built(_months(7, 8), until="2025-08-20", last="2025Q3", consecutive=True)

    assert ended.values("kept")[0, 2] == 2
    assert extended.values("kept")[0, 2] == 2


def test_months_of_a_fiscal_year_fall_into_its_quarters():
    panel = _built(_months(1, 2, 4), first="FY2025Q4", last="FY2026Q1", calendar=Calendar(start_month=2))

    assert panel.values("kept")[0].tolist() == [1, 2]


def test_by_months_the_window_counts_months():
    panel = _built(_months(1, 2, 4), first="2025-03", last="2025-05", calendar=Calendar(cadence="month"), window=4)

    assert panel.values("kept")[0].tolist() == [2, 3, 2]


@given(st.sets(st.integers(1, 12)), st.integers(1, 4))
@settings(deadline=None, max_examples=5)
def test_months_in_a_row_are_never_more_than_months(which, window):
    months = _months(*sorted(which))
    if not months:
        return
    every, row = (_built(months, window=window, consecutive=flag).values("kept")[0] for flag in (False, True))
    met = [month in which for month in range(1, 13)]
    for column in range(window - 1, 4):
        inside = met[3 * (column + 1 - window) : 3 * (column + 1)]
        lead = next((back for back, held in enumerate(reversed(inside)) if not held), len(inside))
        assert (every[column], row[column]) == (sum(inside), lead)


# certificates


def _certificates(rows, *, first="2023-09", last="2024-08", **keys):
    """People with a certificate; rows of (person, certificate)."""
    papers = pd.DataFrame({
        "cert_id": [f"c{i}" for i in range(len(rows))], "partner_id": "a", "program": [row[1] for row in rows],
        "person_id": [row[0] for row in rows], "issued_at": "2023-01-10",
    })  # fmt: skip
    cases = pd.DataFrame({"case_id": ["k", "l"], "opened_at": ["2023-01-01 12:00", "2024-12-31 12:00"]})
    source = connect({"partners": PARTNERS, "certifications": papers, "cases": cases}, program=Program(data_until="2025-01-01"))
    steps = {name: {"from": "certifications", "statistic": "held", **said} for name, said in keys.items()}
    return build_panel(source, first=first, last=last, calendar=Calendar(cadence="month"), indicators=Indicators(indicators=steps))


ADMIN = {"any_of": ["azure-administrator"]}
INTERMEDIATE = {
    "any_of": ["azure-network-engineer", "azure-stack-hub-operator", "windows-server-hybrid-administrator"],
    "retired": {"azure-stack-hub-operator": "2024-08-01"},
}


@pytest.mark.parametrize(
    ("people", "administrators", "intermediate"),
    [
        ({"A": "a", "B": "a", "C": "n", "D": "n"}, 2, 2),
        ({"A": "an", "B": "an"}, 2, 2),
        ({"A": "a", "B": "n", "C": "n"}, 1, 2),
        ({"A": "a", "B": "an", "C": "n"}, 2, 2),
        ({"A": "a", "B": "ans"}, 2, 1),
    ],
)
def test_a_person_counts_once_in_each_step_and_may_count_in_several(people, administrators, intermediate):
    names = {"a": "azure-administrator", "n": "azure-network-engineer", "s": "azure-stack-hub-operator"}
    rows = [(person, names[letter]) for person, letters in people.items() for letter in letters]
    panel = _certificates(rows, admin=ADMIN, step=INTERMEDIATE)

    assert (panel.values("admin")[0, 1], panel.values("step")[0, 1]) == (administrators, intermediate)


def test_a_retired_certificate_counts_until_its_day():
    panel = _certificates([("C", "azure-stack-hub-operator")], step=INTERMEDIATE)

    assert dict(zip(panel.labels, panel.values("step")[0], strict=True)) == {label: float(label < "2024-08") for label in panel.labels}


def test_retirement_needs_no_list_of_those_that_count():
    papers = [("A", "old"), ("B", "new")]

    assert _certificates(papers, last="2023-11", all={"retired": {"old": "2023-10-15"}, "value": "person_id"}).values("all")[
        0
    ].tolist() == [2, 1, 1]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"from": "leads", "statistic": "held", "any_of": ["x"]}, "any_of has no meaning"),
        ({"from": "certifications", "statistic": "held", "any_of": ["azure"], "retired": {"azur": "2024-01-01"}}, "did you mean 'azure'"),
        ({"from": "leads", "consecutive": True}, "consecutive has no meaning"),
        ({"from": "leads", "statistic": "months", "at_least": 1.5}, "counts rows, so it is a whole number"),
        ({"from": "leads", "statistic": "months", "at_least": 0}, "greater than 0"),
        ({"from": "leads", "statistic": "months", "value": "disposition"}, "needs a number"),
    ],
)
def test_what_nobody_can_mean_is_refused(keys, said):
    with pytest.raises(pydantic.ValidationError) as caught:
        Indicator.model_validate({"name": "x", **keys})
    assert said in caught.value.errors()[0]["msg"]


def test_nothing_in_a_month_is_zero_months():
    np.testing.assert_array_equal(_built(_months(1)).values("kept")[1], np.zeros(4))
