"""Intensities of moves in continuous time: the generator, what it implies, and how sure that is."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError
from partnerlab.results import Result
from partnerlab.stats.inference.delta import delta_errors
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.stats.states.matrix_exponential import directional, exponentials
from partnerlab.transitions.rate_models import RateModel
from partnerlab.transitions.state_paths import share_bounds


@dataclasses.dataclass(frozen=True, kw_only=True)
class GeneratorEstimate(Result):
    """Intensities of moves between states, per unit of time.

    The table has keys ``[from_state, to_state]``, the tidy columns (``n``: intervals, or stays, that began in
    ``from_state``) and ``count`` (of these, seen to end in ``to_state``). The diagonal holds minus the rate of
    leaving. With covariates the table stands at their means, with breaks at the
    first piece of the clock (``time``); the methods take other values.

    Parameters
    ----------
    states : tuple of str
        States in order.
    model : RateModel
        Moves, and what their intensities depend on.
    parameters, covariance : ndarray, shape (p,), (p, p)
        Log intensities and log hazard ratios; NaN where the data do not identify one.
    spread : ndarray, shape (p, p), optional
        The covariance with parameters that have no interval of their own but a known share in the errors of other things.
    log_likelihood : float
        Of the sample; comparable between models of the same observations.
    ratios : DataFrame
        ``term, from_state, to_state``, log hazard ratios in the tidy columns, and ``ratio, ratio_low, ratio_high, p_value``.
    unit : str
        Name of one unit of time.
    method : str
        ``"panel"`` or ``"duration"``.
    fingerprint : tuple
        What observations it is of: two models are compared only of the same.
    """

    title: ClassVar[str] = "Intensities of moves"

    states: tuple[str, ...] = ()
    model: RateModel | None = dataclasses.field(repr=False, default=None)
    parameters: np.ndarray = dataclasses.field(repr=False, default_factory=lambda: np.zeros(0))
    covariance: np.ndarray = dataclasses.field(repr=False, default_factory=lambda: np.zeros((0, 0)))
    spread: np.ndarray | None = dataclasses.field(repr=False, default=None)
    log_likelihood: float = float("nan")
    ratios: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)
    unit: str = "quarter"
    method: str = "panel"
    fingerprint: tuple = ()

    def matrix(self, column: str = "estimate", *, covariates: Mapping[str, object] | None = None) -> pd.DataFrame:
        """Lay the generator (or another column of its table) out, at given values of the covariates."""
        table = self.table if covariates is None else self.intensities(covariates=covariates)
        wide = table.pivot_table(index="from_state", columns="to_state", values=column, dropna=False, observed=False)
        return wide.reindex(index=list(self.states), columns=list(self.states))

    def intensities(self, *, covariates: Mapping[str, object] | None = None) -> pd.DataFrame:
        """Give the generator with intervals at given values of the covariates; intervals on the log scale."""
        model, values = self._at(covariates)
        found = model.generator(self.parameters, values)
        error = delta_errors(lambda theta: model.generator(theta, values), self.parameters, self.covariance)
        given = np.zeros(found.shape, dtype=bool)
        given[model.origin, model.target] = True
        diagonal = np.eye(len(found), dtype=bool)
        leaving = delta_errors(lambda theta: model.generator(theta, values), self.parameters, self._spread(values))
        error = np.where(diagonal, leaving, error)
        low, high = log_bounds(np.abs(found), error, level=self.level)
        low, high = np.where(diagonal, -high, low), np.where(diagonal, -low, high)
        # the likelihood is highest where the intensity is 0, which a logarithm only comes near to
        found = np.where(~diagonal & np.isnan(error) & (found < _NOTHING * found.max()), 0.0, found)
        never = ~given & ~diagonal | (diagonal & (found == 0.0))
        return self._lay(found, np.where(never, 0.0, error), np.where(never, 0.0, low), np.where(never, 0.0, high))

    def probabilities(
        self, time: float, *, start: float | str | None = None, covariates: Mapping[str, object] | None = None
    ) -> pd.DataFrame:
        """Give P(time) = exp(Q time), or the product over the legs walked, with delta-method intervals on the logit scale.

        Parameters
        ----------
        time : float
            Zero or more, in units of the generator.
        start : float or str, optional
            When it begins, needed where intensities change; a quarter stands for its beginning.
        covariates : mapping, optional
            Values; those not named stay at their mean.
        """
        if not (np.isfinite(time) and time >= 0):
            raise ParameterError(f"time is {time}; give a time of 0 or more")
        model, _ = self._at(covariates)
        length, legs = model.read_legs(time, start, covariates)

        def walk(theta: np.ndarray) -> np.ndarray:
            steps = exponentials(np.stack([model.generator(theta, values) for values in legs]) * length[:, None, None])
            return functools.reduce(np.matmul, steps)

        found = np.clip(walk(self.parameters), 0.0, 1.0)
        error = delta_errors(walk, self.parameters, self._spread(*legs))
        low, high = share_bounds(found, error, level=self.level, interval="logit", trials=np.nan)
        sure = error == 0.0
        return self._lay(found, error, np.where(sure, found, low), np.where(sure, found, high)).assign(time=time)

    def sojourn(self, *, covariates: Mapping[str, object] | None = None) -> pd.DataFrame:
        """Give the mean length of one stay in each state that is left: ``state`` and the tidy columns, intervals on the log scale."""
        model, values = self._at(covariates)
        at = np.unique(model.origin)
        found = self._of(lambda q: 1.0 / -q[at, at], model, values)
        counts = self.table.groupby("from_state", sort=False)["n"].first()
        names = [self.states[place] for place in at]
        return pd.DataFrame({"state": names, **found, "n": [int(counts[name]) for name in names]})

    def total_stay(self, *, horizon: float = np.inf, covariates: Mapping[str, object] | None = None) -> pd.DataFrame:
        """Give the expected time spent in each state until ``horizon``: keys ``from_state, state``, intervals on the log scale.

        Without a horizon only the states from which everybody leaves for good have a finite time; the others are infinite.
        """
        model, values = self._at(covariates)
        s = len(self.states)

        def stay(q: np.ndarray) -> np.ndarray:
            return _stays_for_ever(q, model) if np.isinf(horizon) else directional(q[None] * horizon, np.eye(s)[None] * horizon)[0]

        found = self._of(stay, model, values)
        keys = pd.MultiIndex.from_product([self.states, self.states], names=["from_state", "state"]).to_frame(index=False)
        counts = self.table.groupby("from_state", sort=False)["n"].first()
        return keys.assign(**{name: column.ravel() for name, column in found.items()}, n=keys["from_state"].map(counts).astype(int))

    def _at(self, covariates: Mapping[str, object] | None) -> tuple[RateModel, np.ndarray]:
        if self.model is None:
            raise ParameterError("this generator was made without a model; estimate it with estimate_generator")
        return self.model, self.model.read_values(covariates)

    def _spread(self, *patterns: np.ndarray) -> np.ndarray:
        """Give the covariance that functions of the generator read: what is as good as 0 is taken for 0."""
        found = np.array(self.covariance if self.spread is None else self.spread)
        rates = self.model.design(np.stack(patterns)).rates(self.parameters).max(axis=0)
        tiny = rates < _AS_GOOD_AS_NOTHING * rates.max(initial=0.0)
        concerns = (self.model.base != 0) | (self.model.effects != 0).any(axis=0)
        nothing = ~np.isfinite(np.diag(found)) & ~concerns[~tiny].any(axis=0)
        found[nothing] = 0.0
        found[:, nothing] = 0.0
        return found

    def _of(self, function: Callable[[np.ndarray], np.ndarray], model: RateModel, values: np.ndarray) -> dict[str, np.ndarray]:
        """Tidy columns of a positive function of the generator, intervals on the log scale."""
        with np.errstate(invalid="ignore"):
            found = function(model.generator(self.parameters, values))
            error = delta_errors(lambda theta: _finite(function(model.generator(theta, values))), self.parameters, self._spread(values))
        error = np.where(np.isfinite(found), error, np.nan)
        low, high = log_bounds(found, error, level=self.level)
        return {"estimate": found, "std_error": error, "conf_low": low, "conf_high": high}

    def _lay(self, found: np.ndarray, error: np.ndarray, low: np.ndarray, high: np.ndarray) -> pd.DataFrame:
        keys = self.table[["from_state", "to_state"]].reset_index(drop=True)
        columns = {"estimate": found, "std_error": error, "conf_low": low, "conf_high": high}
        return keys.assign(**{name: values.ravel() for name, values in columns.items()}, n=self.table["n"].to_numpy())


#: Intensities that are not held by the data and smaller than this part of the largest are 0.
_NOTHING = 1e-6
#: Of which the data know nothing at all and smaller than this part of the largest: has no share in any error.
_AS_GOOD_AS_NOTHING = 1e-3


def _finite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, 0.0)


def log_bounds(values: np.ndarray, error: np.ndarray, *, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Interval for what is positive, on the log scale; 0 keeps to itself, NaN where there is no error.

    Examples
    --------
    >>> low, high = log_bounds(np.array([1.0]), np.array([0.1]), level=0.95)
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.822], [1.217])
    """
    z = float(critical_value(level))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        spread = np.exp(z * np.where(values > 0, error / values, 0.0))
    known = np.isfinite(values) & np.isfinite(error)
    return np.where(known, values / spread, np.nan), np.where(known, values * spread, np.nan)


def _stays_for_ever(q: np.ndarray, model: RateModel) -> np.ndarray:
    """Give the expected time in each state with no end: infinite in a class that nobody leaves, 0 where there is no way."""
    s = len(q)
    reach = np.linalg.matrix_power(np.eye(s) + (np.abs(q) > 0), s) > 0
    # a state is passing when some state can be reached from which there is no way back
    passing = (reach & ~reach.T).any(axis=1)
    found = np.where(reach & ~passing[None, :], np.inf, 0.0)
    inside = np.flatnonzero(passing)
    if len(inside):
        found[np.ix_(inside, inside)] = np.linalg.inv(-q[np.ix_(inside, inside)])
    return found
