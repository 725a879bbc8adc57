"""A tactic given once, or not: those with it beside the one each that was nearest in what was known before."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from partnerlab.effects.balance import balance_table, likeness_checks
from partnerlab.effects.row_tables import FEWEST_ROWS, keep_known, read_covariates, read_sides, refuse_own, sides_apart
from partnerlab.effects.trials import design_of
from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Check, Evidence, Result
from partnerlab.stats.causes.aipw import weighted_effect
from partnerlab.stats.causes.matching import match_nearest
from partnerlab.stats.causes.pairs import CALIPER
from partnerlab.stats.causes.propensity import fit_propensity
from partnerlab.stats.inference.intervals import check_level, critical_value
from partnerlab.stats.regressions.linear import clustered_covariance, fit_line
from partnerlab.verdicts import Stakes, Verdict
from partnerlab.words import plural

Distance = Literal["log-odds", "chance"]
#: Distances are told apart to so many places: rows alike in all that is known lie equally near, whatever rounding makes of them.
PLACES = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class MatchedEffects(Result):
    """Effect of a tactic given once, from pairs; key ``reading``.

    "matched" is the one that is believed: a regression of the rows that have a pair on the tactic and what was known. Beside it "pairs",
    the mean difference within pairs, and "unadjusted", that of all rows. ``n`` counts rows with the tactic, ``compared`` those without.

    Parameters
    ----------
    balance : DataFrame
        ``known, before, after``: standardised differences of means of what was known, before and after matching.
    pairs : DataFrame
        ``treated, compared``, by the index of the rows given, and how far ``apart`` they are, in standard deviations of the distance.
    alone : int
        Rows with the tactic that found no pair.
    df : float
        Degrees of freedom of the headline's interval: pairs less one.
    verdict : Verdict
        Grade C unless ``evidence`` says more.
    """

    title: ClassVar[str] = "Effect of a tactic given once, from pairs"

    balance: pd.DataFrame = dataclasses.field(repr=False)
    pairs: pd.DataFrame = dataclasses.field(repr=False)
    alone: int
    df: float
    verdict: Verdict

    def headline(self) -> pd.Series:
        """Give the row of the pairs with what was known held fixed."""
        return self.table.iloc[0]


def estimate_matched(  # noqa: PLR0913 - columns have names
    rows: pd.DataFrame,
    *,
    tactic: str,
    outcome: str,
    covariates: Sequence[str],
    within: str | None = None,
    distance: Distance = "log-odds",
    caliper: float | None = CALIPER,
    stakes: Stakes | None = None,
    evidence: Evidence = Evidence.C,
    level: float = 0.95,
) -> MatchedEffects:
    """Compare each row with a tactic with the nearest row without it, each used once.

    Rows are near that were about as likely to have the tactic, by a logit of all rows on the covariates; the likeliest choose first.
    Right if, given the covariates, having the tactic was as good as random. `estimate_adjusted` uses all rows, sampling weights
    and clusters; pairs may be looked at one by one.

    Parameters
    ----------
    rows : DataFrame
        One row a partner. Rows with something unknown are left out and counted.
    tactic, outcome : str
        Columns: had it or not (True and False, or 1 and 0), and what came after, a number.
    covariates : sequence of str
        Columns known before; words are classes.
    within : str, optional
        Column whose classes are never paired with each other, such as the tier.
    distance : {"log-odds", "chance"}
        The chance of the tactic, on which scale.
    caliper : float, optional
        Farthest that two may lie apart, in standard deviations of the distance; None for any.
    stakes : Stakes, optional
        Unit and worth of the outcome; the column's name if None.
    evidence : Evidence
        B only where a design, not liking, gave the tactic.
    level : float
        Coverage of Student's intervals.

    Returns
    -------
    MatchedEffects

    Raises
    ------
    MissingTableError
        If a column is not there.
    ParameterError
        If the tactic is not 0 or 1, nothing is given to be near in, the caliper is not above 0, or a covariate is the outcome.
    SampleError
        If the outcome never varies, a side has fewer than five rows, a covariate separates the sides, or fewer than five pairs, or too
        few for the covariates, lie within the caliper.

    Notes
    -----
    Rosenbaum and Rubin (1985), American Statistician 39. Pairs are the clusters of the errors: Abadie and Spiess (2022), Journal of the
    American Statistical Association 117. The caliper is that of Austin (2011), Pharmaceutical Statistics 10.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> table = pd.DataFrame({"size": rng.normal(size=800), "tier": rng.choice(["Base", "Gold"], 800)})
    >>> table["trained"] = rng.random(800) < 0.4 / (1 + np.exp(-table["size"]))
    >>> table["leads"] = 3 * table["trained"] + 2 * table["size"] + (table["tier"] == "Gold") + rng.normal(size=800)
    >>> found = estimate_matched(table, tactic="trained", outcome="leads", covariates=["size", "tier"])
    >>> found.table.set_index("reading")["estimate"].round(1).to_dict(), found.alone
    ({'matched': 2.9, 'pairs': 3.0, 'unadjusted': 4.0}, 0)
    """
    check_level(level)
    _refuse(covariates, distance, caliper)
    refuse_own((*covariates, *([within] if within else [])), (tactic, outcome))
    sample, lost = keep_known(rows, [tactic, outcome, *covariates, *([within] if within else [])], numbers=[tactic, outcome])
    on, y = read_sides(sample, tactic=tactic, outcome=outcome)
    known, names = read_covariates(sample, covariates)
    design, _ = design_of(known)
    logit = fit_propensity(on, design, np.ones(len(on)))
    if logit is None:
        raise sides_apart(tactic)
    chance = logit.predict(design)
    scale = _scaled(chance if distance == "chance" else design @ logit.coefficients)
    pairs = _pair(on, scale, sample[within] if within else None, caliper)
    weight = np.zeros(len(on))
    weight[pairs] = 1 / max(len(pairs), 1)
    table = pd.DataFrame(_readings(y, on, known, pairs, level=level, tactic=tactic, caliper=caliper))
    balance = balance_table(known, names=names, treated=on, weight=weight)
    stakes, head, alone = stakes or Stakes(unit=outcome, per="row"), table.iloc[0], int(on.sum()) - len(pairs)
    return MatchedEffects(
        estimand=f"Mean effect of {tactic} on {stakes.unit} per {stakes.per}, on those that had it"
        + (" and found a pair" if alone else " (ATT)"),
        table=table,
        checks=(
            *likeness_checks(balance, treated=on, weight=weight, chance=chance),
            Check("all have a pair", alone == 0, f"{alone} of {plural(int(on.sum()), 'row')} with it found none; the effect is on the rest"
                  if alone else f"each of {plural(len(pairs), 'row')} with it"),
            Check("rows kept", lost == 0 or None, f"{lost} of {len(rows)} rows with something unknown left" if lost else "all rows"),
        ),
        evidence=evidence,
        level=level,
        balance=balance,
        pairs=pd.DataFrame({"treated": sample.index[pairs[:, 0]], "compared": sample.index[pairs[:, 1]],
                            "apart": np.abs(scale[pairs[:, 0]] - scale[pairs[:, 1]])}),
        alone=alone,
        df=len(pairs) - 1.0,
        verdict=Verdict(
            tactic=tactic, grade=evidence, estimate=head["estimate"], std_error=head["std_error"], df=len(pairs) - 1.0, n=len(pairs),
            partners=len(pairs), managers=None, stakes=stakes, level=level,
            assumption="nothing that was not known moved both who had it and what came of it",
            overturned_by="a cause of both that is not among the covariates",
        ),
    )  # fmt: skip


def _refuse(covariates: Sequence[str], distance: str, caliper: float | None) -> None:
    if not len(covariates):
        raise ParameterError("covariates: none given; rows are paired that are near in what was known before")
    if distance not in ("log-odds", "chance"):
        raise ParameterError(f"distance is {distance!r}; it is 'log-odds' or 'chance'")
    if caliper is not None and not caliper > 0:
        raise ParameterError(f"caliper is {caliper}; give standard deviations above 0, or None for any distance")


def _scaled(distance: np.ndarray) -> np.ndarray:
    """In standard deviations of all rows; where all are as likely, all lie in one place."""
    spread = distance.std(ddof=1)
    return np.round(distance / spread if spread > 0 else np.zeros(len(distance)), PLACES)


def _pair(on: np.ndarray, distance: np.ndarray, classes: pd.Series | None, caliper: float | None) -> np.ndarray:
    """Rows of each pair, treated first, class by class."""
    code = np.zeros(len(on), dtype=np.int64) if classes is None else pd.factorize(classes, sort=True)[0]
    found = [np.zeros((0, 2), dtype=np.int64)]
    for one in np.unique(code[on]):
        here = np.flatnonzero(code == one)
        found.append(here[match_nearest(on[here], distance[here], caliper=np.inf if caliper is None else caliper)])
    return np.concatenate(found)


def _readings(y, on, known, pairs, *, level: float, tactic: str, caliper: float | None) -> list[dict[str, object]]:
    """Rows of the table."""
    both = pairs.ravel()
    design, _ = design_of(known[both])
    columns = np.column_stack([on[both], design])
    if len(pairs) < FEWEST_ROWS or len(both) <= columns.shape[1]:
        limit = "" if caliper is None else f" no farther than {caliper:g} standard deviations apart"
        raise SampleError(f"{tactic}: {plural(len(pairs), 'pair')}{limit}, too few to compare; widen the caliper or give fewer covariates")
    line = fit_line(y[both], columns)
    if line is None:
        raise sides_apart(tactic)
    error = np.sqrt(clustered_covariance(line, np.repeat(np.arange(len(pairs)), 2), correction="CR1")[0, 0])
    apart = y[pairs[:, 0]] - y[pairs[:, 1]]
    plain = weighted_effect(y, on, np.ones((len(on), 1)))
    sides = int(on.sum()), int((~on).sum())
    found = {
        "matched": (line.coefficients[0], error, len(pairs), len(pairs)),
        "pairs": (apart.mean(), apart.std(ddof=1) / np.sqrt(len(pairs)), len(pairs), len(pairs)),
        "unadjusted": (plain.estimate, np.sqrt((plain.influence**2).sum()) / len(on), *sides),
    }
    return [
        {"reading": reading, "estimate": estimate, "std_error": error, "conf_low": estimate - width * error,
         "conf_high": estimate + width * error, "n": n, "compared": compared}
        for reading, (estimate, error, n, compared) in found.items() for width in [float(critical_value(level, n - 1.0))]
    ]  # fmt: skip
