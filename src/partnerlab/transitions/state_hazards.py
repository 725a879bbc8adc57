"""Cox models of all moves between states at once: what changes each rate, and where a partner with given covariates goes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.results import Check, Evidence, Result
from partnerlab.spells import Spells
from partnerlab.stats.hazards.cox import Ties
from partnerlab.stats.hazards.cox_fit import Baseline, CoxData, CoxFit, fit_cox_data, make_baseline
from partnerlab.stats.hazards.hazard_products import MoveHazards, carry
from partnerlab.stats.inference.intervals import check_level, critical_value
from partnerlab.stats.inference.sandwich import at_least_model
from partnerlab.stats.regressions.coefficients import ratio_columns
from partnerlab.stats.regressions.designs import Column
from partnerlab.stats.states.multistate import STAYS
from partnerlab.transitions.rate_models import Move, code_covariates
from partnerlab.transitions.state_paths import StatePaths, draw_paths, share_bounds


@dataclasses.dataclass(frozen=True, kw_only=True)
class FittedMoves:
    """What the probabilities read: the stacked fit and where each move stands in it."""

    fit: CoxFit
    baseline: Baseline
    covariance: np.ndarray
    origin: np.ndarray
    target: np.ndarray
    stratum: np.ndarray
    terms: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    centre: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class StateHazards(Result):
    """A Cox model of every move between states.

    The table has keys ``[term, from_state, to_state]``, log hazard ratios in the tidy columns (``n``: rows at risk of the
    move), ``ratio, ratio_low, ratio_high``, ``p_value`` and ``events``. The term ``baseline`` compares a move with the first of
    those that share its baseline.

    Parameters
    ----------
    states : tuple of str
    fitted : FittedMoves
        What `probabilities` reads.
    unit : str
        Name of one period.
    """

    title: ClassVar[str] = "What changes the rate of each move"

    states: tuple[str, ...] = ()
    fitted: FittedMoves | None = dataclasses.field(repr=False, default=None)
    unit: str = "quarter"

    def probabilities(
        self,
        values: Mapping[str, object],
        *,
        times: Sequence[float],
        start: float = 0.0,
        from_states: Sequence[str] | None = None,
        steps: Literal["product", "exponential"] = "product",
        variance: Literal["delta", "mstate"] = "delta",
    ) -> pd.DataFrame:
        """Give P(start, time) of a partner with given covariates: ``from_state, to_state, time`` and the tidy columns.

        Parameters
        ----------
        values : mapping
            A value of each covariate; they stay as they are.
        times : sequence of float
        start : float
        from_states : sequence of str, optional
            All states that are left by default.
        steps : {"product", "exponential"}
            How the fitted hazards of one time move a distribution: by ``I + dA``, which is Aalen and Johansen's where nothing has an
            effect, and R's mstate; or by ``exp(dA)``, as R's ``survfit`` of a multi-state ``coxph`` does by itself (``stype = 1``
            there is the product). The two draw together as fewer move at a time. Only the second stays
            within 0 and 1 where a partner's risk is many times that of the few who are left to compare with.
        variance : {"delta", "mstate"}
            Derivatives by coefficients carried along; or what R's mstate prints, for comparison: there the growth of the
            covariance of the cumulative hazards counts as that of independent steps, which is far too wide for a ``start``
            after 0, and moves with one baseline go together by the ratio of the first of them only.

        Raises
        ------
        ParameterError
            If a covariate, level or state is missing or does not exist.
        SampleError
            If products were asked for and more than all would leave a state at one time.
        """
        for name, given, known in (("variance", variance, ("delta", "mstate")), ("steps", steps, ("product", "exponential"))):
            if given not in known:
                raise ParameterError(f"{name} is {given!r}{nearest(str(given), known)}")
        fitted, wanted = self.fitted, np.asarray(times, dtype=float)
        hazards = _hazards_at(fitted, _read_one(fitted, values), within=(float(start), wanted.max(initial=start)))
        if steps == "product":
            _refuse_more_than_all(hazards, self.states)
        if variance == "mstate":
            hazards = _as_mstate(hazards)
        origins = [_place(name, self.states) for name in from_states or [self.states[code] for code in np.unique(fitted.origin)]]
        begin = np.eye(len(self.states))[origins]
        path, square = carry(hazards, begin, fitted.covariance, exponential=steps == "exponential", increments=variance == "mstate")
        at = np.searchsorted(hazards.time, wanted, side="right")
        at = np.where((wanted >= start) & (wanted <= fitted.fit.data.exits.max()), at, -1)
        share, error = (np.where((at >= 0)[:, None, None], part[at], np.nan) for part in (path, np.sqrt(square)))
        low, high = share_bounds(share, error, level=self.level, interval="logit")
        sure = error == 0.0
        axes = [wanted, [self.states[code] for code in origins], self.states]
        keys = pd.MultiIndex.from_product(axes, names=["time", "from_state", "to_state"])
        body = {"estimate": share, "std_error": error, "conf_low": np.where(sure, share, low), "conf_high": np.where(sure, share, high)}
        table = keys.to_frame(index=False)[["from_state", "to_state", "time"]]
        return table.assign(**{name: part.ravel() for name, part in body.items()}, n=int(self.table["n"].max()))


def estimate_state_hazards(
    spells: Spells,
    *,
    covariates: Sequence[str],
    proportional: Sequence[Sequence[Move]] = (),
    ties: Ties = "breslow",
    covariance: Literal["cluster", "model"] = "cluster",
    level: float = 0.95,
) -> StateHazards:
    """Fit a Cox model to every move between states at once: each move has its own baseline and its own effects.

    Clock-forward Markov models (Putter, Fiocco and Geskus 2007, doi:10.1002/sim.2712). Where the moves seen separate a
    covariate perfectly its effect is NaN, that move alone is penalised, and a check names it.

    Parameters
    ----------
    spells : Spells with states
        Covariates are columns of theirs and may change from row to row.
    covariates : sequence of str
        Numbers, or categories, of which the first level is the reference.
    proportional : sequence of groups of pairs of states
        Moves whose baselines are proportional: they share one, and a ratio.
    ties : {"breslow", "efron"}
        How tied moves count. Breslow's, as mstate's models have it, adds up to Aalen-Johansen; Efron's is ``coxph``'s.
    covariance : {"cluster", "model"}
        Sandwich by partner, or the inverse information.
    level : float
        Coverage.

    Returns
    -------
    StateHazards

    Raises
    ------
    ParameterError
        If a covariate or move does not exist.
    SampleError
        If nobody was seen to move.

    Examples
    --------
    >>> rows = [("a", 0, 1, "Base", "Gold", 1), ("b", 0, 3, "Base", "Gold", 0), ("c", 0, 2, "Base", "Gold", 1)]
    >>> rows += [("d", 0, 4, "Base", "Gold", 1)]
    >>> frame = pd.DataFrame(rows, columns=["partner", "entry", "duration", "tier", "to", "trained"])
    >>> model = estimate_state_hazards(Spells.from_frame(frame, state="tier", event="to"), covariates=["trained"])
    >>> model.table[["term", "from_state", "to_state"]].to_numpy().tolist()
    [['trained', 'Base', 'Gold']]
    """
    check_level(level)
    if covariance not in ("cluster", "model"):
        raise ParameterError(f"covariance is {covariance!r}{nearest(str(covariance), ('cluster', 'model'))}")
    if ties not in ("breslow", "efron"):
        raise ParameterError(f"ties is {ties!r}{nearest(str(ties), ('breslow', 'efron'))}")
    if not len(covariates):
        raise ParameterError("covariates: name at least one; without any, estimate_state_probabilities gives the same probabilities")
    for name in covariates:
        if not isinstance(spells, Spells) or name not in spells.attributes:
            raise ParameterError(f"covariates: no column {name!r}{nearest(name, getattr(spells, 'attributes', ()))}", covariate=name)
    drawn = draw_paths(spells)
    coded, terms, levels, known = code_covariates(spells.frame[list(covariates)])
    moves = np.unique(np.stack([drawn.paths.origin, drawn.paths.target], axis=1)[(drawn.paths.target != STAYS) & known], axis=0)
    if not len(moves):
        raise SampleError(f"not enough data (n = {drawn.partners}): nobody was seen to move")
    strata = _strata(moves, proportional, drawn.states)
    centre = _centre(coded[known], shared=bool(strata[1]))
    data, names, counts = _stack(drawn, coded - centre, known, moves=moves, strata=strata, terms=terms)
    # moves that share no baseline share nothing: where one is separated the others stay as they are
    fit = fit_cox_data(data, ties=ties, parts=np.array([strata[0][at] for _, at in names]))
    found = at_least_model(fit.covariance(kind=covariance), fit.best.covariance, fit.ran_off)
    fitted = FittedMoves(
        fit=fit, baseline=make_baseline(fit), covariance=found, origin=moves[:, 0], target=moves[:, 1], stratum=strata[0],
        terms=terms, levels=levels, centre=centre,
    )  # fmt: skip
    missing = int((~known).sum())
    told = (Check("Covariates known", False, f"{missing} rows lack a covariate and are left out."),) if missing else ()
    table = _named(_table(fit, found, names, level=level), fitted, drawn.states, counts)
    return StateHazards(
        estimand="Log hazard ratio of each covariate on each move", table=table,
        checks=(*drawn.checks, *told, _say_separation(fit, names, moves, drawn.states)), evidence=Evidence.C, level=level,
        states=drawn.states, fitted=fitted, unit=drawn.unit,
    )  # fmt: skip


def _place(name: str, states: Sequence[str]) -> int:
    if str(name) not in states:
        raise ParameterError(f"no state {name!r}{nearest(str(name), states)}")
    return list(states).index(str(name))


def _strata(moves: np.ndarray, proportional: Sequence[Sequence[Move]], states: Sequence[str]) -> tuple[np.ndarray, list[int]]:
    """Find the baseline of each move, and the moves that have a ratio to the first of theirs."""
    stratum, shared = np.arange(len(moves)), []
    for group in proportional:
        at = []
        for origin, target in group:
            found = np.flatnonzero((moves == [_place(origin, states), _place(target, states)]).all(axis=1))
            if not len(found):
                raise ParameterError(f"proportional: nobody was seen to move from {origin} to {target}")
            at.append(int(found[0]))
        stratum[at] = stratum[at].min()
        shared += sorted(at)[1:]
    return np.unique(stratum, return_inverse=True)[1].reshape(-1), shared


def _centre(coded: np.ndarray, *, shared: bool) -> np.ndarray:
    """Find what numbers are counted from, shape ``(c,)``: their mean, so that a year or a price far from 0 does no harm.

    Where moves share a baseline their ratio is the one at 0 of all covariates, so nothing is moved.
    """
    plain = ((coded == 0.0) | (coded == 1.0)).all(axis=0)
    return np.where(plain | shared, 0.0, coded.mean(axis=0))


def _stack(
    drawn: StatePaths,
    coded: np.ndarray,
    known: np.ndarray,
    *,
    moves: np.ndarray,
    strata: tuple[np.ndarray, list[int]],
    terms: Sequence[str],
) -> tuple[CoxData, list[tuple[str, int]], np.ndarray]:
    """Make one row for each move that a row is at risk of, and one column for each covariate and move; count both by move."""
    paths, (stratum, shared) = drawn.paths, strata
    parts = [np.flatnonzero((paths.origin == origin) & known) for origin in moves[:, 0]]
    row, move = np.concatenate(parts), np.repeat(np.arange(len(moves)), [len(part) for part in parts])
    names = [(term, at) for term in range(len(terms)) for at in range(len(moves))]
    columns = [Column(name=f"{terms[term]}:{at}", values=np.where(move == at, coded[row, term], 0.0)) for term, at in names]
    columns += [Column(name=f"baseline:{at}", values=(move == at).astype(float)) for at in shared]
    data = CoxData(
        columns=tuple(columns), exits=paths.exit[row], event=paths.target[row] == moves[move, 1], entry=paths.entry[row],
        stratum=stratum[move], cluster=np.unique(paths.unit[row], return_inverse=True)[1].reshape(-1),
    )  # fmt: skip
    counts = np.array([np.bincount(move, minlength=len(moves)), np.bincount(move[data.event], minlength=len(moves))])
    return data, [*((terms[term], at) for term, at in names), *(("baseline", at) for at in shared)], counts


def _read_one(fitted: FittedMoves, values: Mapping[str, object]) -> np.ndarray:
    """Read the terms of one partner, shape ``(c,)``."""
    strange = [name for name in values if name not in fitted.terms and name not in fitted.levels]
    wanted = [*(term for term in fitted.terms if "[" not in term), *(name for name in fitted.levels if ":" not in name)]
    lacking = [name for name in wanted if name not in values]
    if strange or lacking:
        told = f"no covariate {strange[0]!r}{nearest(strange[0], wanted)}" if strange else f"no value for {', '.join(lacking)}"
        raise ParameterError(f"values: {told}")
    found = np.zeros(len(fitted.terms))
    for at, term in enumerate(fitted.terms):
        name, level = (term, None) if "[" not in term else term.rstrip("]").split("[", 1)
        found[at] = float(values[name]) if level is None else float(str(values[name]) == level)
        if level is not None and str(values[name]) not in (*fitted.levels[name], *fitted.levels[f"{name}:first"]):
            raise ParameterError(f"values: {name} has no level {values[name]!r}{nearest(str(values[name]), fitted.levels[name])}")
    return found


def _refuse_more_than_all(hazards: MoveHazards, states: Sequence[str]) -> None:
    leaving = hazards.leaving(len(states))
    if (leaving > 1.0 + 1e-9).any():
        at, state = (int(place[0]) for place in np.nonzero(leaving > 1.0 + 1e-9))
        raise SampleError(
            f"at time {hazards.time[at]:g} the fitted hazards out of {states[state]} of such a partner add up to {leaving[at, state]:.2f}: "
            'more than all would leave at once; ask for earlier times, or for steps="exponential"'
        )


def _hazards_at(fitted: FittedMoves, values: np.ndarray, *, within: tuple[float, float]) -> MoveHazards:
    """Lay the hazards of all moves of one partner out on the times of all of them, after the first time given and up to the last."""
    many, design, moved = len(fitted.origin), fitted.fit.design, values - fitted.centre
    columns = []
    for column in design.columns:
        name, at = column.name.rsplit(":", 1)
        mine = np.arange(many) == int(at)
        columns.append(Column(name=column.name, values=mine * (1.0 if name == "baseline" else moved[fitted.terms.index(name)])))
    x = dataclasses.replace(design, columns=tuple(columns), rows=many).lay_out()
    ratio, base = np.exp(x @ fitted.fit.best.beta), fitted.baseline
    after, last = within
    time = np.unique(base.time[(base.time > after) & (base.time <= last)])
    hazard, squares = np.zeros((len(time), many)), np.zeros((len(time), many))
    slope, before = np.zeros((len(time), many, x.shape[1])), np.zeros((many, x.shape[1]))
    for move in range(many):
        mine = (base.stratum == fitted.stratum[move]) & (base.time > after) & (base.time <= last)
        at = np.searchsorted(time, base.time[mine])
        hazard[at, move], squares[at, move] = ratio[move] * base.hazard[mine], base.squares[mine]
        slope[at, move] = ratio[move] * (x[move] * base.hazard[mine, None] - base.drift[mine])
        past = (base.stratum == fitted.stratum[move]) & (base.time <= after)
        before[move] = (ratio[move] * (x[move] * base.hazard[past, None] - base.drift[past])).sum(axis=0)
    together = fitted.stratum[:, None] == fitted.stratum[None, :]
    spread = np.where(together, squares[:, :, None] * ratio[:, None] * ratio[None, :], 0.0)
    return MoveHazards(time=time, origin=fitted.origin, target=fitted.target, hazard=hazard, spread=spread, slope=slope, before=before)


def _as_mstate(hazards: MoveHazards) -> MoveHazards:
    """Let moves with one baseline go together by the ratio of the first of them, as mstate 0.3.3 does."""
    own = np.diagonal(hazards.spread, axis1=1, axis2=2)
    many = np.arange(own.shape[1])
    first = np.minimum(many[:, None], many[None, :])
    return dataclasses.replace(hazards, spread=np.where(hazards.spread != 0.0, own[:, first], 0.0))


def _table(fit: CoxFit, covariance: np.ndarray, names: list[tuple[str, int]], *, level: float) -> pd.DataFrame:
    """Lay out log hazard ratios with intervals, one row for each term and move; NaN where the data do not hold one."""
    from scipy.special import ndtr

    estimate, error = np.full(len(names), np.nan), np.full(len(names), np.nan)
    kept = np.flatnonzero(fit.design.keep)
    held = ~fit.ran_off
    estimate[kept[held]] = (fit.best.beta / fit.scale)[held]
    error[kept[held]] = (np.sqrt(np.diag(covariance)) / fit.scale)[held]
    low, high = (estimate + side * float(critical_value(level)) * error for side in (-1.0, 1.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        p_value = 2.0 * ndtr(-np.abs(estimate / error))
    return pd.DataFrame(
        {
            "term": [term for term, _ in names], "move": [move for _, move in names], "estimate": estimate, "std_error": error,
            "conf_low": low, "conf_high": high, **ratio_columns(estimate, low, high), "p_value": p_value,
        }
    )  # fmt: skip


def _named(table: pd.DataFrame, fitted: FittedMoves, states: Sequence[str], counts: np.ndarray) -> pd.DataFrame:
    """Name the moves, and say how many rows are at risk of each and how many made it."""
    move, names = table["move"].to_numpy(), np.array(states)
    keys = pd.DataFrame({"term": table["term"], "from_state": names[fitted.origin[move]], "to_state": names[fitted.target[move]]})
    rest = table.drop(columns=["term", "move"])
    rest.insert(4, "n", counts[0][move])
    return pd.concat([keys, rest.assign(events=counts[1][move])], axis=1)


def _say_separation(fit: CoxFit, names: list[tuple[str, int]], moves: np.ndarray, states: Sequence[str]) -> Check:
    kept = np.flatnonzero(fit.design.keep)
    off = [names[place] for place in kept[fit.ran_off]]
    if not off:
        return Check("Effects identified", True, "Every effect is held by the data.")
    told = "; ".join(f"{term} on {states[moves[at, 0]]} to {states[moves[at, 1]]}" for term, at in off)
    return Check(
        "Effects identified",
        False,
        f"{told}: the moves seen separate perfectly, so no estimate is printed; the other effects on such a move, and its "
        "probabilities, are penalised (Firth 1993). All other moves are not.",
    )
