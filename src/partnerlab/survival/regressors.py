"""What regressions of spells read: covariates, endings, strata and partners, and what was left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.results import Check
from partnerlab.spells import CENSORED, Spells
from partnerlab.stats.inference.clusters import code_clusters
from partnerlab.stats.regressions import coefficients
from partnerlab.stats.regressions.designs import Column, Design, read_column
from partnerlab.survival.sample import Event, known_starts

#: Columns that are no covariates.
_FIXED = ("partner", "event", "entry", "duration", "start_known")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpellRows:
    """Rows of spells ready for a regression, arrays of shape ``(n,)``.

    Parameters
    ----------
    frame : DataFrame
        The rows that are used.
    columns : tuple of Column
        Covariates.
    cause : ndarray of int64
        Index into ``causes``, -1 for no ending, -2 for another one.
    causes : tuple of str
        Endings that count.
    cluster : ndarray of int64 or None
        Partner (or what else was asked for) of each row.
    checks : tuple of Check
        What was left out.
    clustered_by : str
        What ``cluster`` holds.
    """

    frame: pd.DataFrame
    columns: tuple[Column, ...]
    cause: np.ndarray
    causes: tuple[str, ...]
    cluster: np.ndarray | None
    checks: tuple[Check, ...]
    clustered_by: str = "partner"

    @property
    def clusters(self) -> int | None:
        """How many partners there are, None where rows are not clustered."""
        return None if self.cluster is None else int(self.cluster.max(initial=-1)) + 1

    @property
    def entry(self) -> np.ndarray | None:
        """Start of each row, None where all start at 0."""
        entry = self.frame["entry"].to_numpy()
        return entry if (entry > 0).any() else None


def spell_column(spells: Spells, name: str) -> pd.Series:
    """Column of spells by which they can be modelled: an attribute, or ``spell`` (which spell of the partner it is).

    Raises
    ------
    ParameterError
        If there is none of that name.
    """
    known = [column for column in spells.frame.columns if column not in _FIXED]
    if name not in known:
        raise ParameterError(f"no attribute {name!r} in the spells{nearest(name, known)}", column=name)
    return spells.frame[name]


def read_spells(
    spells: Spells,
    *,
    covariates: Sequence[str],
    event: Event = None,
    cluster: str | None = "partner",
    also: Sequence[str] = (),
    later: Sequence[str] = (),
) -> SpellRows:
    """Put spells, covariates and endings together; rows without a known start or a covariate are left out and counted.

    Parameters
    ----------
    spells : Spells
        One row for each spell, or piece of one, with the covariates that held in it.
    covariates : sequence of str
        Attributes.
    event : str or sequence of str, optional
        Endings that count; all by default.
    cluster : str or None
        ``"partner"`` or an attribute.
    also : sequence of str
        Further columns that must be known.
    later : sequence of str
        Covariates that the caller makes.
    """
    if isinstance(covariates, str):
        raise ParameterError(f"covariates is {covariates!r}; give a list of column names")
    if len(set(covariates)) < len(covariates):
        raise ParameterError(f"covariates: {', '.join(covariates)} name one column twice")
    used, starts = known_starts(spells)
    causes = read_causes(used, event)
    names = [name for name in covariates if name not in later]
    series = {name: spell_column(used, name) for name in (*names, *also)}
    missing = {name: values.isna().to_numpy() for name, values in series.items()}
    whole = ~np.logical_or.reduce([np.zeros(len(used), dtype=bool), *missing.values()])
    lacking = [f"{name} of {int(bad.sum()):,}" for name, bad in missing.items() if bad.any()]
    detail = f"{int((~whole).sum()):,} of {len(used):,} rows lack a covariate and are left out: {', '.join(lacking)}."
    told = (Check("Covariates known", False, detail),) if lacking else ()
    frame = used.frame if whole.all() else used.frame.loc[whole].reset_index(drop=True)
    if len(frame) == 0:
        raise SampleError("no spell is left to model: none has a known start and all covariates")
    codes, found = pd.factorize(frame["event"])
    place = {CENSORED: -1} | {name: at for at, name in enumerate(causes)}
    owner = None if cluster is None else frame["partner"] if cluster == "partner" else spell_column(used.select(whole), cluster)
    return SpellRows(
        frame=frame,
        columns=tuple(read_column(name, series[name] if whole.all() else series[name][whole]) for name in names),
        cause=np.array([place.get(str(name), -2) for name in found], dtype=np.int64)[codes],
        causes=causes,
        cluster=None if owner is None else code_clusters(owner)[0],
        checks=(*starts, *told),
        clustered_by=cluster or "partner",
    )


def read_causes(spells: Spells, event: Event) -> tuple[str, ...]:
    """List the endings that count, all that were seen by default.

    Raises
    ------
    ParameterError
        If no spell ends so.
    """
    if event is None:
        return spells.causes
    asked = (event,) if isinstance(event, str) else tuple(map(str, event))
    for name in asked:
        if name not in spells.causes:
            raise ParameterError(f"no spell of {spells.of} ends by {name!r}{nearest(name, spells.causes)}", event=name)
    return asked


def coefficient_checks(design: Design, terms: Sequence[str], ran_off: np.ndarray, *, events: int, converged: bool) -> list[Check]:
    """Say what estimates lean on: separation, columns that others already tell, few endings, no convergence."""
    found = []
    run = [term for term, off in zip(terms, ran_off, strict=True) if off and not term.startswith("(")]
    if ran_off.any():
        found.append(Check("Separation", False, coefficients.say_separation(run or ["the intercept"])))
    dropped = [term for term, keep in zip(design.terms, design.keep, strict=True) if not keep]
    if dropped:
        said = f"{', '.join(dropped)}: constant here, or told by the others; left out."
        found.append(Check("Covariates tell different things", False, said))
    if not converged:
        found.append(Check("Converged", False, "The likelihood was still rising when the fit was stopped."))
    wanted = coefficients.EVENTS_PER_TERM * max(design.width, 1)
    if events < wanted:
        said = f"{events} endings for {design.width} terms; at least {wanted} would be comfortable."
        found.append(Check("Endings behind each coefficient", False, said))
    return found


def check_information(terms: Sequence[str], mute: np.ndarray, events: int) -> list[Check]:
    """Say which coefficients the data say nothing about."""
    if not mute.any():
        return []
    names = ", ".join(term for term, nothing in zip(terms, mute, strict=True) if nothing)
    return [Check("Enough data", False, f"{names}: not enough data (n = {events} endings), nobody differs from those at risk beside them.")]


def check_other_endings(cause: np.ndarray) -> list[Check]:
    """Say that other endings count as censored."""
    others = int((cause == -2).sum())
    if not others:
        return []
    return [Check("Other endings", None, f"{others} spells ended in another way and count as censored: these are cause-specific hazards.")]
