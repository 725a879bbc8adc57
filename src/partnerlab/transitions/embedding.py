"""From probabilities over a year to intensities, or to a quarter: the embedding problem, answered and said."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from partnerlab.errors import ContractError, ParameterError, SampleError, nearest
from partnerlab.results import Check, Result
from partnerlab.stats.states import embedding as arrays
from partnerlab.stats.states.matrix_exponential import exponentials
from partnerlab.transitions.pairs import Transitions

#: Generators that are offered, and what each is.
METHODS = {
    "logarithm": "the principal logarithm as it is",
    "diagonal": "negative intensities set to 0, the diagonal makes up for it",
    "weighted": "negative intensities set to 0, the others of the row make up for it",
    "quasi_optimal": "the generator nearest to the logarithm",
    "nearest": "the generator whose exponential is nearest to the matrix",
    "likelihood": "the generator that makes the counts most likely",
}
#: Rows whose sum is further from 1 than this are no probabilities.
_WORST_SUM = 0.01


@dataclasses.dataclass(frozen=True, kw_only=True)
class Embedding(Result):
    """Generators behind a matrix of transition probabilities, one for each way of finding one.

    The table has keys ``[method, from_state, to_state]``, the intensity per unit of time as ``estimate`` (no standard
    errors: those of `estimate_generator` are of counts), and ``n``, the counts behind the row (0 where not known).

    Parameters
    ----------
    states : tuple of str
        States in order.
    distances : DataFrame
        ``method, valid`` (no negative intensity), ``distance`` (root of the summed squares of exp(Q) - P),
        ``log_distance`` (the same of Q less the logarithm), ``log_likelihood`` (of the counts, if known).
    embeddable : bool or None
        Whether a generator gives the matrix exactly; None where neither could be shown.
    probabilities_given : DataFrame
        The matrix.
    step : float
        Length of the step that the matrix covers.
    """

    title: ClassVar[str] = "Generators behind a matrix"

    states: tuple[str, ...] = ()
    distances: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)
    embeddable: bool | None = None
    probabilities_given: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)
    step: float = 1.0

    @property
    def best(self) -> str:
        """The logarithm where it is a generator, else the likeliest of the counts, else the one whose exponential is nearest."""
        valid = self.distances.set_index("method")["valid"]
        if valid.get("logarithm", False):
            return "logarithm"
        return "likelihood" if "likelihood" in valid.index else "nearest"

    def generator(self, method: str | None = None) -> pd.DataFrame:
        """Lay one generator out; the best by default."""
        method = method or self.best
        rows = self.table[self.table["method"] == method]
        if rows.empty:
            known = list(self.distances["method"])
            raise ParameterError(f"method: no generator {method!r}{nearest(method, known)}", method=method)
        wide = rows.pivot_table(index="from_state", columns="to_state", values="estimate")
        return wide.reindex(index=list(self.states), columns=list(self.states))

    def probabilities(self, time: float, *, method: str | None = None) -> pd.DataFrame:
        """Give exp(Q time) for one generator, as a matrix."""
        found = exponentials(self.generator(method).to_numpy()[None] * time)[0]
        return pd.DataFrame(np.clip(found, 0.0, 1.0), index=list(self.states), columns=list(self.states))

    def root(self, fraction: float, *, how: Literal["principal", "projected", "generator"] = "principal") -> pd.DataFrame:
        """Give the matrix of a part of the step, such as ``1/6`` of it.

        Parameters
        ----------
        fraction : float
            Part of the step, above 0.
        how : {"principal", "projected", "generator"}
            The principal root as it is, which may hold negative entries; each of its rows projected on the nearest
            probabilities; or the exponential of the best generator.

        Raises
        ------
        SampleError
            If the matrix has no real principal root.
        """
        if not fraction > 0:
            raise ParameterError(f"fraction is {fraction}; give a part of the step above 0, such as 1/4")
        if how not in ("principal", "projected", "generator"):
            raise ParameterError(f"how is {how!r}{nearest(str(how), ('principal', 'projected', 'generator'))}")
        if how == "generator":
            return self.probabilities(fraction * self.step)
        found = arrays.principal_root(self.probabilities_given.to_numpy(), fraction)
        if found is None:
            raise SampleError("the matrix has an eigenvalue that is 0 or negative: no real principal root; use how='generator'")
        found = arrays.project_on_simplex(found) if how == "projected" else found
        return pd.DataFrame(found, index=list(self.states), columns=list(self.states))


def check_embedding(matrix: pd.DataFrame | Transitions, *, step: float = 1.0) -> Embedding:
    """Ask whether a matrix of transition probabilities comes from a generator, and find the generators that come closest.

    Parameters
    ----------
    matrix : DataFrame or Transitions
        Probabilities, a row for each state left and a column for each state reached (a state without a row is taken to
        be left by nobody); or pairs, of which the shares are taken and the counts used for the likelihood.
    step : float
        Length of the step that the matrix covers, in the unit that the intensities shall have: 1 year, 4 quarters.

    Returns
    -------
    Embedding

    Raises
    ------
    ContractError
        If entries are negative, or rows do not add up to 1.
    SampleError
        If there are fewer than two states.

    Examples
    --------
    >>> names = ["A", "B", "D"]
    >>> year = pd.DataFrame([[0.9, 0.08, 0.02], [0.1, 0.8, 0.1], [0.0, 0.0, 1.0]], index=names, columns=names)
    >>> found = check_embedding(year)
    >>> found.embeddable, found.best, bool((found.root(1 / 4).to_numpy() >= 0).all())
    (True, 'logarithm', True)
    """
    if not step > 0:
        raise ParameterError(f"step is {step}; give the length of the step, above 0")
    states, shares, counts, told = _read_matrix(matrix)
    if len(states) < 2:
        raise SampleError(f"not enough data: {len(states)} state to move between; two are needed")
    logarithm = arrays.principal_logarithm(shares)
    generators = _generators(shares, logarithm, counts)
    broken = arrays.broken_conditions(shares)
    valid = logarithm is not None and arrays.is_generator(logarithm)
    unique = arrays.one_logarithm(shares)
    embeddable = True if valid else False if broken or (unique and logarithm is not None) else None
    keys = pd.MultiIndex.from_product([list(generators), states, states], names=["method", "from_state", "to_state"]).to_frame(index=False)
    stacked = np.concatenate([found.ravel() for found in generators.values()]) / step
    n = np.repeat(np.zeros(len(states)) if counts is None else counts.sum(axis=1), len(states))
    nothing = dict.fromkeys(("std_error", "conf_low", "conf_high"), np.nan)
    table = keys.assign(estimate=stacked, **nothing, n=np.tile(n, len(generators)).astype(np.int64))
    return Embedding(
        estimand=f"Intensities whose exponential over {step:g} comes closest to the matrix",
        table=table, checks=(*told, *_checks(logarithm, broken, embeddable, unique=unique)), states=states,
        distances=_distances(generators, shares, logarithm, counts), embeddable=embeddable,
        probabilities_given=pd.DataFrame(shares, index=list(states), columns=list(states)), step=float(step),
    )  # fmt: skip


def _read_matrix(matrix: pd.DataFrame | Transitions) -> tuple[tuple[str, ...], np.ndarray, np.ndarray | None, list[Check]]:
    """States, probabilities and counts, with what was done to them."""
    counts = None
    if isinstance(matrix, Transitions):
        counts = matrix.counts().to_numpy(dtype=float)
        states, total = matrix.states, counts.sum(axis=1, keepdims=True)
        return states, np.where(total > 0, counts / np.maximum(total, 1.0), np.eye(len(states))), counts, []
    if not isinstance(matrix, pd.DataFrame):
        raise ParameterError(f"give a DataFrame of probabilities or Transitions, not a {type(matrix).__name__}")
    frame = matrix.rename(index=str, columns=str)
    states = tuple(frame.columns)
    strange = [name for name in frame.index if name not in states]
    if strange or len(set(states)) < len(states) or len(set(frame.index)) < len(frame):
        raise ContractError(
            f"matrix: {'row ' + repr(strange[0]) + ' is no column' if strange else 'a state is named twice'}; mend the names"
        )
    if len(states) < 2:
        raise ContractError(f"matrix: {len(states)} states; two are needed to move between")
    lacking = [name for name in states if name not in frame.index]
    shares = frame.reindex(index=list(states)).to_numpy(dtype=float).copy()
    gone = [states.index(name) for name in lacking]
    shares[gone] = np.eye(len(states))[gone]
    if not np.isfinite(shares).all() or (shares < 0).any():
        raise ContractError("matrix: entries are missing or negative; give probabilities of 0 or more")
    sums = shares.sum(axis=1)
    worst = float(np.abs(sums - 1.0).max())
    if worst > _WORST_SUM:
        told = f"row {states[int(np.abs(sums - 1.0).argmax())]} adds up to {sums[int(np.abs(sums - 1.0).argmax())]:g}"
        raise ContractError(f"matrix: {told}, not 1; divide per cent by 100, and give counts as Transitions.from_matrix")
    checks = [Check("Rows add up to 1", worst < 1e-9, f"Rows add up to 1 within {worst:.2g}; scaled to 1.")]
    if lacking:
        checks.append(Check("A row for each state", False, f"{', '.join(lacking)} have no row and are taken to be left by nobody."))
    return states, shares / sums[:, None], counts, checks


def _generators(shares: np.ndarray, logarithm: np.ndarray | None, counts: np.ndarray | None) -> dict[str, np.ndarray]:
    """All ways of finding a generator that there are for this matrix."""
    found: dict[str, np.ndarray] = {}
    start = shares - np.eye(len(shares))  # what is left of the logarithm when there is none: its first term
    if logarithm is not None:
        found = {
            "logarithm": logarithm,
            "diagonal": arrays.diagonal_adjustment(logarithm),
            "weighted": arrays.weighted_adjustment(logarithm),
            "quasi_optimal": arrays.nearest_generator(logarithm),
        }
        start = found["quasi_optimal"]
    valid = logarithm is not None and arrays.is_generator(logarithm)
    found["nearest"] = arrays.diagonal_adjustment(logarithm) if valid else arrays.closest_exponential(shares, start)
    if counts is not None:
        found["likelihood"] = found["nearest"] if valid else arrays.likeliest_exponential(counts, start)
    return found


def _distances(
    generators: dict[str, np.ndarray], shares: np.ndarray, logarithm: np.ndarray | None, counts: np.ndarray | None
) -> pd.DataFrame:
    lines = []
    for method, found in generators.items():
        probability = exponentials(found[None])[0]
        seen = None if counts is None else counts > 0
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.nan if counts is None else float(np.sum(counts[seen] * np.log(probability[seen])))
        lines.append(
            {
                "method": method,
                "valid": arrays.is_generator(found),
                "distance": float(np.linalg.norm(probability - shares)),
                "log_distance": np.nan if logarithm is None else float(np.linalg.norm(found - logarithm)),
                "log_likelihood": value,
                "meaning": METHODS[method],
            }
        )
    return pd.DataFrame(lines)


def _checks(logarithm: np.ndarray | None, broken: list[str], embeddable: bool | None, *, unique: bool) -> tuple[Check, ...]:
    if logarithm is None:
        real = Check("Real logarithm", False, "An eigenvalue is 0, or real and negative: there is no real principal logarithm.")
    else:
        off = logarithm[~np.eye(len(logarithm), dtype=bool)]
        lowest = min(float(off.min(initial=0.0)), 0.0)
        said = "no intensity is negative" if lowest >= -arrays.ROUNDING else f"the lowest intensity is {lowest:.3g}: it is no generator"
        real = Check("Real logarithm", lowest >= -arrays.ROUNDING, f"The principal logarithm is real; {said}.")
    why = "; ".join(broken) or ("it is the only logarithm" if unique else "another logarithm might be a generator, which is not looked for")
    detail = {
        True: "A generator gives the matrix exactly.",
        False: f"No generator gives the matrix: {why}. Adjusted ones come close.",
        None: f"No generator was found that gives the matrix: {why}. Adjusted ones come close.",
    }[embeddable]
    alone = Check("The only logarithm", True if unique else None, "No other generator gives it." if unique else "Others may exist.")
    return real, Check("Embeddable", embeddable, detail), alone
