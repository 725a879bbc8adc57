"""The noun of watched tactics: partners by quarters, who had the tactic, and what came of it; and the doors to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, nearest
from partnerlab.periods import Calendar
from partnerlab.results import read_only

if TYPE_CHECKING:
    from partnerlab.panel import Panel

#: Quarter of adoption of a partner that never had the tactic.
NEVER = -1


@dataclasses.dataclass(frozen=True, kw_only=True)
class TacticPanel:
    """One tactic, one outcome: dense arrays of partners by quarters.

    Parameters
    ----------
    partners : ndarray of str, shape (n,)
        Sorted, unique.
    first : int
        Period of the first column; the columns follow without gaps.
    calendar : Calendar or None
        Names the periods; None where they are bare numbers.
    outcome : float array, shape (n, t)
        What is to be raised; NaN where it was not observed.
    treated : float array, shape (n, t)
        1 where the tactic was on in the quarter, 0 where not, NaN where that is not known.
    manager, tier, region : int array, shape (n, t)
        Codes into ``managers``, ``tiers``, ``regions`` as they stood when the quarter began; -1 where not known.
    managers, tiers, regions : tuple of str
        Names; empty where nothing was said of them.
    covariates : mapping of str to float array, shape (n, t)
        What else is known of a partner in a quarter.
    others : mapping of str to float array, shape (n, t)
        Further tactics that ran beside this one, 1 and 0.
    weight : float array, shape (n,), or None
        Sampling weight of each partner; None where all count alike.
    tactic, outcome_name : str
        What they are called.
    delay : int
        How many quarters after the column's own the outcome is of; see `later`.

    Examples
    --------
    >>> table = pd.DataFrame({"partner": ["a", "a", "b", "b"], "quarter": ["2026Q1", "2026Q2"] * 2,
    ...                       "leads": [3, 5, 2, 2], "dinner": [False, True, False, False]})
    >>> panel = TacticPanel.from_frame(table, outcome="leads", treated="dinner")
    >>> panel.shape, panel.adopted.tolist(), panel.stays_on
    ((2, 2), [1, -1], True)
    """

    partners: np.ndarray = dataclasses.field(repr=False)
    first: int
    calendar: Calendar | None = None
    outcome: np.ndarray = dataclasses.field(repr=False)
    treated: np.ndarray = dataclasses.field(repr=False)
    manager: np.ndarray = dataclasses.field(repr=False)
    tier: np.ndarray = dataclasses.field(repr=False)
    region: np.ndarray = dataclasses.field(repr=False)
    managers: tuple[str, ...] = dataclasses.field(repr=False, default=())
    tiers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    covariates: Mapping[str, np.ndarray] = dataclasses.field(repr=False, default_factory=dict)
    others: Mapping[str, np.ndarray] = dataclasses.field(repr=False, default_factory=dict)
    weight: np.ndarray | None = dataclasses.field(repr=False, default=None)
    tactic: str = "tactic"
    outcome_name: str = "outcome"
    delay: int = 0

    def __post_init__(self) -> None:
        shape = self.outcome.shape
        arrays = (
            {name: getattr(self, name) for name in ("treated", "manager", "tier", "region")} | dict(self.covariates) | dict(self.others)
        )
        wrong = next((name for name, array in arrays.items() if array.shape != shape), None)
        if wrong is not None or shape[0] != len(self.partners):
            raise ParameterError(f"tactic panel: {wrong or 'outcome'} must have the shape partners by quarters, {shape}")
        if self.weight is not None and (self.weight.shape != self.partners.shape or not (self.weight > 0).all()):
            raise ParameterError(f"tactic panel: weight must have the shape {self.partners.shape}, and be above 0 everywhere")
        for name in ("partners", "outcome", "treated", "manager", "tier", "region", *(() if self.weight is None else ("weight",))):
            object.__setattr__(self, name, read_only(getattr(self, name)))
        for name in ("covariates", "others"):
            object.__setattr__(self, name, {key: read_only(array) for key, array in getattr(self, name).items()})

    @property
    def shape(self) -> tuple[int, int]:
        """Partners and quarters."""
        return self.outcome.shape

    @property
    def labels(self) -> list[str]:
        """Names of the quarters."""
        periods = range(self.first, self.first + self.shape[1])
        return [str(period) for period in periods] if self.calendar is None else self.calendar.labels(np.array(periods))

    @property
    def on(self) -> np.ndarray:
        """Where the tactic is known to have been on, bool of shape ``(n, t)``."""
        return self.treated == 1

    @property
    def adopted(self) -> np.ndarray:
        """Column in which each partner first had the tactic, shape ``(n,)``; `NEVER` where it never did."""
        return np.where(self.on.any(axis=1), self.on.argmax(axis=1), NEVER)

    @property
    def last_outcome(self) -> np.ndarray:
        """The last outcome of each partner that the panel reaches to, shape ``(n,)``; NaN where it was not observed."""
        return self.outcome[:, -1 - self.delay]

    @property
    def stays_on(self) -> bool:
        """Whether no partner that had the tactic was seen without it later."""
        before = np.maximum.accumulate(self.on, axis=1)
        return not (before[:, :-1] & (self.treated[:, 1:] == 0)).any()

    @property
    def steady_manager(self) -> np.ndarray:
        """The first manager that each partner was seen with, shape ``(n,)``; -1 where none was."""
        known = self.manager >= 0
        return np.where(known.any(axis=1), self.manager[np.arange(len(self.partners)), known.argmax(axis=1)], -1)

    @classmethod
    def from_frame(  # noqa: PLR0913 - one argument for each column name
        cls,
        frame: pd.DataFrame,
        *,
        partner: str = "partner",
        quarter: str = "quarter",
        outcome: str = "outcome",
        treated: str = "treated",
        starts: str | None = None,
        manager: str | None = None,
        tier: str | None = None,
        region: str | None = None,
        covariates: Sequence[str] = (),
        others: Sequence[str] = (),
        measured: Mapping[str, str] | None = None,
        weight: str | None = None,
        calendar: Calendar | None = None,
    ) -> Self:
        """Make a tactic panel of any table with a row for each partner and quarter.

        Parameters
        ----------
        frame : DataFrame
            Quarters without a row were not observed.
        partner, quarter : str
            Keys; quarters are labels of the calendar, days that lie in them, or whole numbers.
        outcome, treated : str
            Numbers (empty where not observed), and the tactic: True and False, or 1 and 0.
        starts : str, optional
            Instead of ``treated``, for a tactic that stays: the quarter in which the partner first had it, the same in all its
            rows; empty, 0 or infinity if it never did. Then the tactic is known in quarters without a row too.
        manager, tier, region : str, optional
            As they stood when the quarter began. Whoever else chose for several partners at once, such as a state, is a manager too.
        covariates : sequence of str
            Columns with numbers.
        others : sequence of str
            Columns of further tactics, like ``treated``.
        measured : mapping of str to str, optional
            For a covariate, the column with the quarter in which it was measured; a later one than the row's is refused.
        weight : str, optional
            Column of sampling weights above 0, the same in all rows of a partner: how many partners it stands for. `estimate_adoption`
            and `estimate_on_off` read them; others refuse them.
        calendar : Calendar, optional
            Reads labels; calendar quarters or months, as the labels say, if None.

        Raises
        ------
        ParameterError
            On a missing column, empty keys, two rows for one partner and quarter, text where numbers belong, a tactic
            that is neither on nor off, two starts or two weights of one partner, or a covariate that looks ahead.
        """
        from partnerlab.effects.tactic_tables import TacticColumns, read_tactic_frame

        columns = TacticColumns(
            partner=partner, quarter=quarter, outcome=outcome, treated=treated, starts=starts, manager=manager, tier=tier, region=region,
            covariates=tuple(covariates), others=tuple(others), measured=dict(measured or {}), weight=weight,
        )  # fmt: skip
        return cls(**read_tactic_frame(frame, columns, calendar))

    def later(self, quarters: int) -> Self:
        """Lay beside each quarter the outcome of so many quarters later: for a tactic that can do nothing before.

        What managers saw in the quarter in which they chose then counts as known before the tactic could work, which in a panel
        as it stands it does not.

        Raises
        ------
        ParameterError
            If that leaves no outcome.

        Examples
        --------
        >>> table = pd.DataFrame({"partner": ["a"] * 3, "quarter": [1, 2, 3], "outcome": [3, 5, 4], "treated": [0, 1, 0]})
        >>> TacticPanel.from_frame(table).later(1).outcome.tolist()
        [[5.0, 4.0, nan]]
        """
        if not 0 <= quarters < self.shape[1]:
            raise ParameterError(f"tactic panel: {quarters} quarters later leave none of {self.shape[1]} an outcome; give fewer")
        moved = np.full(self.shape, np.nan)
        moved[:, : self.shape[1] - quarters] = self.outcome[:, quarters:]
        return dataclasses.replace(self, outcome=moved, delay=self.delay + quarters)

    def select(self, partners: np.ndarray) -> Self:
        """Keep the partners for which a mask is True."""
        keep = np.asarray(partners, dtype=bool)
        if keep.shape != self.partners.shape:
            raise ParameterError(f"the mask has shape {keep.shape}; it must be {self.partners.shape}, one entry for each partner")
        if keep.all():
            return self
        cut = {name: getattr(self, name)[keep] for name in ("partners", "outcome", "treated", "manager", "tier", "region")}
        cut |= {} if self.weight is None else {"weight": self.weight[keep]}
        more = {name: {key: array[keep] for key, array in getattr(self, name).items()} for name in ("covariates", "others")}
        return dataclasses.replace(self, **cut, **more)


def build_tactic_panel(  # noqa: PLR0913 - what is asked of the panel
    panel: Panel,
    *,
    tactic: str,
    outcome: str,
    manager: str | None = None,
    tier: str | None = None,
    region: str | None = None,
    covariates: Sequence[str] = (),
    others: Sequence[str] = (),
) -> TacticPanel:
    """Read a tactic and an outcome out of a panel.

    Parameters
    ----------
    panel : Panel
        Its indicators count what was done and what came of it.
    tactic : str
        Indicator of the tactic: on in a quarter where it is above 0.
    outcome : str
        Indicator of the outcome, over a window of one quarter: a longer window holds quarters before the tactic.
    manager, tier, region : str, optional
        Attributes of partners.
    covariates, others : sequence of str
        Further indicators: what is known of partners, and tactics that ran beside.

    Raises
    ------
    MissingTableError
        If the panel has no such indicator.
    ParameterError
        If it has no such attribute, or the outcome's window is longer than a quarter.

    Examples
    --------
    >>> from partnerlab.panel import Panel
    >>> table = pd.DataFrame({"partner": ["a", "a", "b", "b"], "quarter": ["2026Q1", "2026Q2"] * 2,
    ...                       "leads": [3, 5, 2, 2], "dinners": [0, 1, 0, 0]})
    >>> build_tactic_panel(Panel.from_frame(table), tactic="dinners", outcome="leads").treated.tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """
    for name in (tactic, outcome, *others):
        indicator = panel.indicator(name)
        if indicator.window != 1:
            raise ParameterError(
                f"{name} is measured over {indicator.window} quarters, so time zero lies inside its window; use one over 1"
            )
    groups = {"manager": manager, "tier": tier, "region": region}
    fields: dict[str, object] = {}
    for noun, column in groups.items():
        codes, names = np.full(len(panel.partners), -1, dtype=np.int64), ()
        if column is not None:
            if column not in panel.attributes.columns:
                known = nearest(column, panel.attributes.columns)
                raise ParameterError(f"the panel's partners have no attribute {column!r} for {noun}{known}", column=column)
            codes, found = pd.factorize(panel.attributes[column], sort=True)
            names = tuple(map(str, found))
        fields |= {noun: np.repeat(codes[:, None], panel.shape[1], axis=1).astype(np.int64), f"{noun}s": names}
    return TacticPanel(
        partners=panel.partners,
        first=panel.first,
        calendar=panel.calendar,
        outcome=np.where(panel.member, panel.values(outcome), np.nan),
        treated=_switch(panel, tactic),
        covariates={name: panel.values(name).astype(float) for name in covariates},
        others={name: _switch(panel, name) for name in others},
        tactic=tactic,
        outcome_name=outcome,
        **fields,
    )


def _switch(panel: Panel, name: str) -> np.ndarray:
    values = panel.values(name)
    return np.where(panel.member & np.isfinite(values), (values > 0).astype(float), np.nan)
