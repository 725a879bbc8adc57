"""Who and what of a tactic's panel a study looks at: covariates as of time zero, eligible partners, clusters."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

import numpy as np

from partnerlab.effects.row_tables import refuse_flat
from partnerlab.effects.study import TacticStudy
from partnerlab.effects.tactic_panel import NEVER, TacticPanel
from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.results import Check
from partnerlab.verdicts import Stakes
from partnerlab.words import plural

Cluster = Literal["manager", "partner"]
#: With this many treated managers or fewer no error can be trusted, whatever is done to it.
TOO_FEW_MANAGERS = 3
#: A pre-trend with a smaller p-value than this is a doubt: doubts need less proof than findings.
DOUBT = 0.10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clusters:
    """Who chose together.

    Parameters
    ----------
    code : int array, shape (n,)
        Codes 0, 1, ... of each partner's cluster.
    count : int
        Clusters.
    noun : str
        "manager" or "partner".
    users : int
        Clusters with treated partners.
    fewest : int
        Clusters with treated partners, or with partners that they are compared with, whichever are fewer.
    """

    code: np.ndarray
    count: int
    noun: Cluster
    users: int
    fewest: int

    @property
    def df(self) -> float:
        """Degrees of freedom of Student's t: clusters of the side that has fewer, less one, for it is they that are few."""
        return float(self.fewest - 1)

    @property
    def factor(self) -> float:
        """By how much squared errors from influence functions are raised: treated managers over one fewer; partners by themselves: 1."""
        return self.users / (self.users - 1) if self.noun == "manager" else 1.0

    @property
    def managers(self) -> int | None:
        """Managers counted; None where they were not looked at."""
        return self.count if self.noun == "manager" else None


def known_before(panel: TacticPanel, study: TacticStudy) -> np.ndarray:
    """Covariates of a study as known at the start of each quarter, shape ``(n, t, k)``; NaN where not known.

    Raises
    ------
    ParameterError
        If the panel has no such covariate.
    SampleError
        If one is never known.
    """
    columns = []
    for known in study.covariates:
        if known.name not in panel.covariates:
            raise ParameterError(f"study of {study.tactic}: no covariate {known.name!r}{nearest(known.name, panel.covariates)}")
        columns.append(shift(panel.covariates[known.name], known.lag))
        if not np.isfinite(columns[-1]).any():
            raise SampleError(f"{study.tactic}: {known.said} is not known of any partner; leave it out")
    return np.stack(columns, axis=2) if columns else np.zeros((*panel.shape, 0))


def shift(values: np.ndarray, by: int) -> np.ndarray:
    """Values so many quarters before (after, if negative), NaN where the panel does not reach.

    Examples
    --------
    >>> shift(np.array([[1.0, 2.0, 3.0]]), 1).tolist(), shift(np.array([[1.0, 2.0, 3.0]]), -2).tolist()
    ([[nan, 1.0, 2.0]], [[3.0, nan, nan]])
    """
    if by == 0:
        return values
    moved = np.full(values.shape, np.nan)
    if by > 0:
        moved[:, by:] = values[:, : max(values.shape[1] - by, 0)]
    else:
        moved[:, :by] = values[:, -by:]
    return moved


def study_of(panel: TacticPanel, study: TacticStudy | None) -> TacticStudy:
    """Give the study asked for, or one of the panel's tactic that asks for nothing more.

    Raises
    ------
    ParameterError
        If what was given is no panel of a tactic.
    """
    if not isinstance(panel, TacticPanel):
        raise ParameterError(
            f"a TacticPanel is read, not a {type(panel).__name__}; TacticPanel.from_frame(frame, ...) makes one of a table"
        )
    return study or TacticStudy(tactic=panel.tactic, stakes=Stakes(unit=panel.outcome_name), delay=panel.delay)


def eligible_groups(panel: TacticPanel, study: TacticStudy) -> np.ndarray:
    """Partner-quarters of the study's tiers and regions, bool of shape ``(n, t)``.

    Raises
    ------
    ParameterError
        If a tier or region is not in the panel, or its outcomes are not as much later as the study says.
    """
    if panel.delay != study.delay:
        raise ParameterError(
            f"study of {study.tactic}: it can work after {plural(study.delay, 'quarter')}, but the panel's outcomes are of "
            f"{plural(panel.delay, 'quarter')} later; panel.later({study.delay - panel.delay}) lays them as the study says"
            if study.delay > panel.delay
            else f"study of {study.tactic}: the panel's outcomes are of {plural(panel.delay, 'quarter')} later; "
            f"say delay={panel.delay} in the study, or give the panel as it was"
        )
    keep = np.ones(panel.shape, dtype=bool)
    for noun, asked, names, codes in (
        ("tier", study.tiers, panel.tiers, panel.tier),
        ("region", study.regions, panel.regions, panel.region),
    ):
        strange = next((name for name in asked if name not in names), None)
        if strange is not None:
            raise ParameterError(f"study of {study.tactic}: no {noun} is called {strange!r}{nearest(strange, names)}")
        if asked:
            keep &= np.isin(codes, [names.index(name) for name in asked])
    return keep


def untreated_quarters(panel: TacticPanel, quarters: int) -> np.ndarray:
    """Partner-quarters with so many quarters known to be without the tactic right before, bool of shape ``(n, t)``."""
    free = np.ones(panel.shape, dtype=bool)
    for back in range(1, quarters + 1):
        free &= shift(panel.treated, back) == 0
    return free


def require_contrast(panel: TacticPanel, *, tactic: str, weighted: bool = False) -> None:
    """Refuse a panel in which in no quarter some had the tactic and others did not.

    Raises
    ------
    ParameterError
        If partners have sampling weights and the caller is not ``weighted``: it would count them all alike.
    SampleError
        If nobody had it, everybody always had it, or all had it at once; or if the outcome was never seen, or never varies.
    """
    if panel.weight is not None and not weighted:
        raise ParameterError(f"{tactic}: sampling weights are read by estimate_adoption and estimate_on_off alone; leave them out here")
    seen = panel.outcome[np.isfinite(panel.outcome)]
    if not seen.size:
        raise SampleError(f"{tactic}: {panel.outcome_name} was never seen: it is empty in every row")
    refuse_flat(seen, outcome=panel.outcome_name, asked=tactic)
    told = np.isfinite(panel.treated)
    on, off = panel.on.any(axis=0), (told & ~panel.on).any(axis=0)
    if (on & off).any():
        return
    if not on.any():
        raise SampleError(f"{tactic}: no partner was seen with it; there is no effect to estimate")
    if not off.any():
        raise SampleError(f"{tactic}: every partner had it in every quarter seen; there is no comparison group")
    first = panel.labels[int(on.argmax())]
    raise SampleError(f"{tactic}: every partner had it at once, first in {first}; nobody is left to compare with")


def clusters_of(
    panel: TacticPanel, treated: np.ndarray, *, cluster: Cluster | None, tactic: str, compared: np.ndarray | None = None
) -> Clusters:
    """Cluster partners by who chose for them, managers where they are known.

    Parameters
    ----------
    panel : TacticPanel
    treated : bool array, shape (n,)
        Partners that had the tactic.
    cluster : {"manager", "partner"} or None
        None: managers if the panel knows them.
    tactic : str
        For the message.
    compared : bool array, shape (n,), optional
        Partners that they are compared with; all if None.

    Raises
    ------
    ParameterError
        If ``cluster`` is neither.
    SampleError
        If some partners have no manager; or three managers or fewer used the tactic, or have all partners that are compared with; or
        there is one partner on either side.
    """
    if cluster not in (None, "manager", "partner"):
        raise ParameterError(f"cluster is {cluster!r}; it is 'manager' or 'partner'")
    noun: Cluster = cluster or ("manager" if panel.managers else "partner")
    compared = np.ones(len(treated), dtype=bool) if compared is None else compared
    if noun == "manager":
        owner = panel.steady_manager
        alone = int((owner < 0).sum())
        if alone:
            raise SampleError(f"{tactic}: {alone} of {len(owner)} partners have no manager; name one, or cluster by partner")
        code, too_few = np.unique(owner, return_inverse=True)[1], TOO_FEW_MANAGERS
        said = f"with {TOO_FEW_MANAGERS} or fewer nothing tells the tactic from the manager"
    else:
        code, too_few, said = np.arange(len(panel.partners)), 1, "one tells nothing of what partners have in common"
    users, others = (len(np.unique(code[side])) for side in (treated, compared))
    for few, did in ((users, "used it"), (others, "had partners to compare with" if noun == "manager" else "is left to compare with")):
        if few <= too_few:
            raise SampleError(f"{tactic}: only {plural(few, noun)} {did}; {said}")
    return Clusters(code=code, count=int(code.max()) + 1, noun=noun, users=users, fewest=min(users, others))


def moved_check(panel: TacticPanel, clusters: Clusters) -> tuple[Check, ...]:
    """Say how many partners changed hands, where managers are clusters."""
    if clusters.noun != "manager":
        return ()
    moved = int(((panel.manager != panel.steady_manager[:, None]) & (panel.manager >= 0)).any(axis=1).sum())
    detail = f"{plural(moved, 'partner')} changed managers and count with the first one"
    return (Check("managers stay", moved == 0, detail if moved else "every partner kept its manager"),)


def enough_check(row: Mapping[str, object], study: TacticStudy) -> Check:
    """Say whether the headline could be estimated, with its error, from the partners on both sides.

    Parameters
    ----------
    row : mapping
        The headline: ``estimate, std_error, partners, compared``.
    study : TacticStudy
        Its ``minimum`` is asked for on either side.
    """
    known = bool(np.isfinite(row["estimate"]) and np.isfinite(row["std_error"]))
    sides = f"{plural(int(row['partners']), 'partner')} with {study.tactic}, {int(row['compared'])} to compare with"
    return Check("enough partners", known, sides if known else f"{sides}; the study asks for {study.minimum} on either side")


def first_starts(panel: TacticPanel) -> tuple[np.ndarray, np.ndarray]:
    """Column of first adoption, and which partners' start was seen: they were observed without the tactic just before."""
    adopted = panel.adopted
    rows = np.arange(len(adopted))
    before = np.where(adopted > 0, panel.treated[rows, np.maximum(adopted - 1, 0)], np.nan)
    return adopted, (adopted == NEVER) | (before == 0)
