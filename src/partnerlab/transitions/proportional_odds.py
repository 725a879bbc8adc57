"""May one coefficient stand for all thresholds: the test that an ordinal model has to pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from partnerlab.results import Check, Evidence, Result
from partnerlab.stats.regressions.glm import Link
from partnerlab.transitions.covariates import read_moves
from partnerlab.transitions.models import FEWEST_PAIRS, as_pairs, tiers_to_fit
from partnerlab.transitions.pairs import Transitions
from partnerlab.transitions.tier_fits import OddsTest, odds_tests, reject

if TYPE_CHECKING:
    from partnerlab.tiers.history import TierHistory


@dataclasses.dataclass(frozen=True, kw_only=True)
class OddsTests(Result):
    """Tests of proportional odds.

    The table has keys ``[from_tier, term]``, the test statistic as ``estimate`` (chi-squared; it has no interval), ``n``,
    ``df`` and ``p_value``.
    """

    title: ClassVar[str] = "Proportional odds"


def check_proportional_odds(
    transitions: Transitions | TierHistory,
    *,
    covariates: Sequence[str],
    from_tier: str | None = None,
    link: Link = "logit",
    clustered: bool | None = None,
) -> OddsTests:
    """Test whether each covariate shifts all thresholds between tiers alike, tier by tier.

    Parameters
    ----------
    transitions : Transitions or TierHistory
        Tiers must have an order.
    covariates, from_tier, link
        As in `estimate_transition_model`.
    clustered : bool or None
        Wald test clustered by partner, or likelihood ratio, which takes pairs as independent; clustered where partners
        have several pairs, if None.

    Returns
    -------
    OddsTests
        A check for each tier says which terms fail at 5 %, Holm's correction included.

    Raises
    ------
    ParameterError
        If tiers have no order, or a column does not exist.

    Examples
    --------
    >>> counts = [(late, tier, n) for late, row in ((0, (40, 30, 30)), (1, (30, 30, 40))) for tier, n in zip("ABC", row)]
    >>> table = pd.DataFrame(counts, columns=["late", "to_tier", "n"]).assign(from_tier="A")
    >>> pairs = Transitions.from_frame(table, partner=None, quarter=None, count="n", order=["A", "B", "C"])
    >>> check_proportional_odds(pairs, covariates=["late"]).table[["term", "df"]].to_numpy().tolist()
    [['late', 1]]
    """
    transitions = as_pairs(transitions, covariates)
    tables, checks = [], []
    for tier in tiers_to_fit(transitions, from_tier):
        pairs = transitions if tier == "all" else transitions.select(transitions.origin == transitions.states.index(tier))
        moves = read_moves(pairs, covariates=covariates, outcomes="destination", from_tier=tier, ordinal=True)
        where = "" if tier == "all" else f" ({tier})"
        if moves.total < FEWEST_PAIRS or len(moves.outcomes) < 3:
            said = f"not enough data (n = {moves.total}): {len(moves.outcomes)} states reached; three are needed."
            checks.append(Check(f"Proportional odds{where}", None, said))
            continue
        tests = odds_tests(moves, link=link, clustered=clustered)
        bad = reject(tests)
        said = f"{', '.join(sorted(bad))} shift thresholds differently." if bad else "no covariate is seen to shift thresholds differently."
        checks += [*(dataclasses.replace(check, name=check.name + where) for check in moves.checks)]
        checks.append(Check(f"Proportional odds{where}", not bad, said))
        tables.append(_test_table(tier, tests, moves.total))
    return OddsTests(
        estimand="Chi-squared of a term with a coefficient for each threshold against one for all",
        table=pd.concat(tables, ignore_index=True) if tables else _test_table("", [], 0),
        checks=tuple(checks),
        evidence=Evidence.D,
    )


def _test_table(tier: str, tests: list[OddsTest], n: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "from_tier": [tier] * len(tests),
            "term": [test.name for test in tests],
            "estimate": [test.statistic for test in tests],
            **{column: [np.nan] * len(tests) for column in ("std_error", "conf_low", "conf_high")},
            "n": [n] * len(tests),
            "df": [test.df for test in tests],
            "p_value": [test.p_value for test in tests],
            "clustered": [test.clustered for test in tests],
        }
    )
