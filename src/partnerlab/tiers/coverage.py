"""What the playbook owed to each partner, what was delivered, and who has had enough rounds without a response."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import MissingTableError, ParameterError, SampleError
from partnerlab.panel.indicators import Indicators
from partnerlab.results import Check, Result
from partnerlab.scoring import kleene
from partnerlab.stats.inference.intervals import check_level, share_interval
from partnerlab.tiers.behind import facts_behind
from partnerlab.tiers.history import TierHistory
from partnerlab.tiers.playbook import Delivered, Tactic, stop_of, tactics_of

if TYPE_CHECKING:
    from partnerlab.intake.source import Source
    from partnerlab.scoring.scores import PanelFacts

ALL = "all that is owed"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlaybookCoverage(Result):
    """What the playbook owed to each tier and what was delivered.

    The table has keys ``[tier, tactic]``; ``estimate`` is the share of the partners due who got all that was owed,
    ``n`` the partners due: those who held the tier over the whole span for which it is owed. Then ``owed`` and
    ``delivered`` in times over those partners, nobody's more than was owed, and ``extra`` what went beyond.

    Parameters
    ----------
    quarter : str
        Which.
    partners : DataFrame
        ``partner, tier, tactic, owed, delivered, status``: delivered, owed, not yet due or unknown.
    stops : DataFrame
        ``partner, tier, rounds, allowed, last_response, stop``: rounds of tactics since the last response, in the tier held.
    """

    title: ClassVar[str] = "Playbook: owed and delivered"

    quarter: str = ""
    partners: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)
    stops: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)

    def owed(self) -> pd.DataFrame:
        """Partners who are owed something, the most first."""
        open_ = self.partners.loc[self.partners["status"] == "owed"]
        lacking = (open_["owed"] - open_["delivered"]).sort_values(ascending=False, kind="stable")
        return open_.loc[lacking.index].reset_index(drop=True)

    def stopped(self) -> pd.DataFrame:
        """Partners who have hit the stop rule of their tier."""
        return self.stops.loc[self.stops["stop"]].reset_index(drop=True)


def estimate_coverage(
    history: TierHistory, *, quarter: str | None = None, source: Source | None = None, level: float = 0.95
) -> PlaybookCoverage:
    """Estimate how far a program has done what its playbook owes to each tier.

    Parameters
    ----------
    history : TierHistory
        Made by `assign_tiers` under a scheme with a playbook.
    quarter : str or None
        The last if None.
    source : Source or None
        Where the panel came from: it counts what is ``delivered_by`` rows of a table. Without it those tactics are
        read off an indicator of the panel that counts the same rows, or left out.
    level : float
        Coverage of the intervals.

    Returns
    -------
    PlaybookCoverage
        Wilson intervals, mended near 0 and 1: the program's partners are taken as a sample of those that such a program would have.

    Raises
    ------
    SampleError
        If the scheme has no playbook, or nothing in it says how its delivery is seen.
    MissingTableError
        If the history came from a table of tiers, or the panel lacks an indicator that the playbook names.
    ParameterError
        If the quarter does not exist, or deliveries would be counted by an indicator of several periods.

    Examples
    --------
    >>> from partnerlab.panel.panel import Panel
    >>> from partnerlab.tiers import TierScheme, assign_tiers
    >>> rows = pd.DataFrame({"partner": list("abcd"), "quarter": "2026Q1", "leads": [30, 25, 40, 2], "trainings": [1, 0, 2, 0]})
    >>> bands = {"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 20}, {"name": "Member"}]}
    >>> book = {"Gold": [{"tactic": "training", "per_quarter": 1, "delivered_by": "trainings"}, "joint_plan"]}
    >>> history = assign_tiers(Panel.from_frame(rows), TierScheme(scheme="demo", classify=bands, playbook=book))
    >>> estimate_coverage(history).tidy()[["tier", "tactic", "owed", "delivered", "n"]].to_numpy().tolist()
    [['Gold', 'training', 3, 2, 3]]
    """
    check_level(level)
    if history.scores is None or history.scheme is None:
        raise MissingTableError("this history came from a table of tiers; it has no playbook")
    book = history.scheme.playbook
    if not any(tactic.owed for entries in book.values() for tactic in tactics_of(entries)):
        raise SampleError(f"the playbook of {history.scheme.name_version} owes nothing by count; say per_quarter and delivered_by")
    column = history.column(quarter or history.labels[-1])
    counted = _Deliveries(history.until(history.labels[column]), source)
    partners = _by_partner(counted)
    table = _by_tier(partners, level)
    return PlaybookCoverage(
        estimand=f"Share of partners who got what the playbook owed them up to {history.labels[column]}",
        table=table,
        checks=tuple(_checks(counted, partners)),
        level=level,
        quarter=history.labels[column],
        partners=partners,
        stops=_stops(counted),
    )


class _Deliveries:
    """How often each tactic was delivered, for the partners and periods of a history."""

    def __init__(self, history: TierHistory, source: Source | None) -> None:
        self.history, self.facts = history, facts_behind(history)
        self.book = history.scheme.playbook
        self.unseen: list[str] = []
        self.tables = {} if source is None else self._from_tables(source)

    @property
    def months(self) -> int:
        return self.history.calendar.months

    def _from_tables(self, source: Source) -> dict[str, np.ndarray]:
        """Count the rows of tables behind tactics in every single period."""
        from partnerlab.panel.build import build_panel

        given = [tactic.delivered_by for entries in self.book.values() for tactic in tactics_of(entries)]
        wanted = {str(one): one.indicator(f"d{index}", periods=1) for index, one in enumerate(given) if isinstance(one, Delivered)}
        if not wanted:
            return {}
        panel = self.facts.panel
        labels = self.history.labels
        asked = Indicators(indicators={indicator.name: indicator for indicator in wanted.values()})
        counted = build_panel(source, first=labels[0], last=labels[-1], indicators=asked, as_of=panel.provenance.as_of,
                              calendar=panel.calendar, checked=True)  # fmt: skip
        rows = np.searchsorted(counted.partners, self.history.partners)
        return {key: counted.values(indicator.name)[rows] for key, indicator in wanted.items()}

    def times(self, tactic: Tactic) -> np.ndarray | None:
        """Deliveries in every single period, shape ``(n, t)``; NaN is unknown; None where nothing shows them."""
        by, panel = tactic.delivered_by, self.facts.panel
        if isinstance(by, Delivered):
            same = [name for name, one in panel.indicators.indicators.items() if one.measure == by.indicator("same", periods=1).measure]
            return self.tables.get(str(by), _single(self.facts, same[0]) if same else None)
        return None if by is None else _single(self.facts, by)


def _single(facts: PanelFacts, name: str) -> np.ndarray:
    """Values of an indicator of single periods: what a longer window holds would be delivered more than once."""
    window = facts.panel.indicator(name).window
    if window != 1:
        raise ParameterError(
            f"the playbook counts deliveries by {name}, which takes {window} periods together; name one of a single period"
        )
    return facts.panel.values(name)


def _by_partner(counted: _Deliveries) -> pd.DataFrame:
    """One row for each partner and tactic that is owed by count."""
    history, found = counted.history, []
    now = history.published[:, -1]
    for tier, entries in counted.book.items():
        here = np.flatnonzero(now == history.tiers.index(tier))
        for tactic in tactics_of(entries):
            times = counted.times(tactic)
            if tactic.owed is None or times is None:
                counted.unseen.append(f"{tactic.tactic} ({tier})")
                continue
            owed, span = tactic.due(counted.months)
            held = history.published[here, max(history.shape[1] - span, 0) :] == now[here, None]
            due = held.all(axis=1) & (history.shape[1] >= span)
            given = times[here, -span:]
            given = np.where(due, given.sum(axis=1), np.nan_to_num(given).sum(axis=1))
            status = np.where(np.isnan(given), "unknown", np.where(given >= owed, "delivered", np.where(due, "owed", "not yet due")))
            found.append(
                pd.DataFrame(
                    {
                        "partner": history.partners[here].astype(object),
                        "tier": tier,
                        "tactic": tactic.tactic,
                        "owed": owed,
                        "delivered": given,
                        "status": status.astype(object),
                        "due": due,
                    }
                )
            )
    columns = ["partner", "tier", "tactic", "owed", "delivered", "status", "due"]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame({name: [] for name in columns})


def _by_tier(partners: pd.DataFrame, level: float) -> pd.DataFrame:
    """Share of partners due who got what was owed, for each tactic and for all of a tier together."""
    due = partners.loc[partners["due"].astype(bool) & (partners["status"] != "unknown")]
    rows = []
    for tier, mine in due.groupby("tier", sort=False):
        rows += [_share_row(str(tier), str(tactic), group) for tactic, group in mine.groupby("tactic", sort=False)]
        if mine["tactic"].nunique() > 1:
            rows.append(_share_row(str(tier), ALL, mine))
    seen = {(row["tier"], row["tactic"]) for row in rows}
    empty = partners.drop_duplicates(["tier", "tactic"])[["tier", "tactic"]].itertuples(index=False)
    rows += [{"tier": tier, "tactic": tactic, "got": 0, "n": 0, "owed": 0, "delivered": 0, "extra": 0} for tier, tactic in empty
             if (tier, tactic) not in seen]  # fmt: skip
    table = pd.DataFrame(rows, columns=["tier", "tactic", "got", "n", "owed", "delivered", "extra"])
    n = table["n"].to_numpy(dtype=float)
    share = np.divide(table["got"].to_numpy(dtype=float), n, out=np.full(len(n), np.nan), where=n > 0)
    low, high = share_interval(share, n, level=level)
    error = np.sqrt(np.divide(share * (1 - share), n, out=np.full(len(n), np.nan), where=n > 0))
    tidy = {"estimate": share, "std_error": error, "conf_low": low, "conf_high": high}
    return table[["tier", "tactic"]].assign(**tidy, n=table["n"], owed=table["owed"], delivered=table["delivered"], extra=table["extra"])


def _share_row(tier: str, tactic: str, group: pd.DataFrame) -> dict[str, object]:
    got = (group["status"] == "delivered").groupby(group["partner"]).all()
    times, owed = group["delivered"].to_numpy(), group["owed"].to_numpy()
    counted = {"owed": int(owed.sum()), "delivered": int(np.minimum(times, owed).sum()), "extra": int(np.maximum(times - owed, 0).sum())}
    return {"tier": tier, "tactic": tactic, "got": int(got.sum()), "n": len(got), **counted}


def _checks(counted: _Deliveries, partners: pd.DataFrame) -> list[Check]:
    unknown, early = int((partners["status"] == "unknown").sum()), int((~partners["due"].astype(bool)).sum())
    checks = [
        Check("Everything owed is known", unknown == 0, f"Of {unknown} tactics owed to a partner nothing is known; they are left out."),
        Check(
            "Held the tier long enough", None, f"{early} tactics are not yet due: the partner has held its tier for less than their span."
        ),
    ]
    if counted.unseen:
        checks.append(Check("Delivery can be seen", None, f"Nothing is owed by count, or nothing shows it: {', '.join(counted.unseen)}."))
    return checks


def _stops(counted: _Deliveries) -> pd.DataFrame:
    """Count the rounds of tactics since the last response, for each partner whose tier has a stop rule."""
    history, found = counted.history, []
    now = history.published[:, -1]
    for tier, entries in counted.book.items():
        stop, code = stop_of(entries), history.tiers.index(tier)
        given = [times for tactic in tactics_of(entries) if (times := counted.times(tactic)) is not None]
        here = np.flatnonzero(now == code)
        if stop is None or stop.measured_by is None or not given or not len(here):
            continue
        rounds = np.any([np.nan_to_num(times[here]) > 0 for times in given], axis=0)
        response = _single(counted.facts, stop.measured_by)[here]
        answered = kleene.compare(response, float(np.max(counted.facts.amount(stop.at_least))), ">=") != kleene.FALSE
        count = rounds_without(rounds, answered, history.published[here] == code)
        last = [history.labels[int(np.flatnonzero(row)[-1])] if row.any() else "" for row in answered]
        found.append(
            pd.DataFrame(
                {"partner": history.partners[here].astype(object), "tier": tier, "rounds": count, "allowed": stop.tactic_rounds,
                 "last_response": last, "stop": count >= stop.tactic_rounds}
            )
        )  # fmt: skip
    columns = ["partner", "tier", "rounds", "allowed", "last_response", "stop"]
    table = pd.concat(found, ignore_index=True) if found else pd.DataFrame({name: [] for name in columns})
    return table.astype({"stop": bool}).sort_values("rounds", ascending=False, kind="stable", ignore_index=True)


def rounds_without(rounds: np.ndarray, answered: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Count the rounds since the last response, within the present stay in the tier.

    Parameters
    ----------
    rounds, answered, inside : ndarray of bool, shape (n, t)
        The partner got a tactic; it responded, or could have; it held the tier.

    Returns
    -------
    ndarray of int, shape (n,)

    Examples
    --------
    >>> rounds = np.array([[True, True, False, True]])
    >>> rounds_without(rounds, np.array([[True, False, False, False]]), np.ones((1, 4), dtype=bool)).tolist()
    [2]
    """
    count = np.zeros(len(rounds), dtype=int)
    for column in range(rounds.shape[1]):
        count = np.where(inside[:, column] & ~answered[:, column], count + rounds[:, column], 0)
    return count
