"""The audit of leading indicators: who leads is found, who does not is not, and the claim stays an association."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import ParameterError, SampleError
from partnerlab.panel.indicators import Indicators
from partnerlab.panel.panel import Panel
from partnerlab.results import Evidence
from partnerlab.tiers import TierScheme, check_indicators, check_leading

KINDS = Indicators(
    indicators={
        "calls": {"from": "frame", "kind": "leading"},
        "mails": {"from": "frame", "kind": "leading"},
        "sales": {"from": "frame", "kind": "lagging"},
    }
)
SCHEME = TierScheme(
    scheme="demo",
    classify={"kind": "ladder", "levels": [{"name": "A", "all": ["calls >= 5", "mails >= 2"]}, {"name": "B", "all": []}]},
)


def panel(partners: int = 80) -> Panel:
    """Calls come a quarter before sales; mails have nothing to do with either."""
    rng = np.random.default_rng(4)
    calls, mails = rng.poisson(4.0, (partners, 8)), rng.poisson(3.0, (partners, 8))
    sales = rng.poisson(1.0 + np.hstack([calls[:, :1], calls[:, :-1]]))
    rows = [
        (f"p{i:03d}", f"202{5 + q // 4}Q{q % 4 + 1}", calls[i, q], mails[i, q], sales[i, q], "north" if i % 2 else "south")
        for i in range(partners) for q in range(8)
    ]  # fmt: skip
    return Panel.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "calls", "mails", "sales", "region"]), indicators=KINDS)


PANEL = panel()


def test_every_leading_indicator_of_the_scheme_is_judged_against_the_lagging_one():
    found = check_indicators(PANEL, scheme=SCHEME)

    assert found.table[["leading", "lagging", "leads"]].to_numpy().tolist() == [["calls", "sales", "yes"], ["mails", "sales", "no"]]
    assert found.table.loc[0, ["out_of_time", "more_than_back", "stable_by_quarter", "stable_by_group"]].tolist() == ["yes"] * 4
    assert found.evidence is Evidence.C


def test_a_row_is_the_check_of_its_pair():
    one, row = check_leading(PANEL, leading="calls", lagging="sales").table.iloc[0], check_indicators(PANEL, scheme=SCHEME).table.iloc[0]

    assert row[["estimate", "conf_low", "conf_high", "n"]].tolist() == one[["estimate", "conf_low", "conf_high", "n"]].tolist()


def test_few_partners_cannot_tell():
    assert set(check_indicators(panel(12), scheme=SCHEME).table["leads"]) == {"cannot tell"}


def test_refusals_are_one_clear_line():
    lagging = TierScheme(scheme="demo", classify={"kind": "bands", "value": "sales", "bands": [{"name": "A"}]})
    with pytest.raises(SampleError, match="reads no indicator of kind leading"):
        check_indicators(PANEL, scheme=lagging)
    with pytest.raises(ParameterError, match="no indicator is called 'sale'; did you mean 'sales'"):
        check_indicators(PANEL, scheme=SCHEME, lagging=["sale"])
