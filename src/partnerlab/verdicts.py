"""One verdict for what a tactic did, whether it was watched or tried: grade, sentence, money, and what would overturn it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
import pydantic

from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Check, Evidence, Result
from partnerlab.specs import Spec
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.words import decimals_of, fewer, plural, say_number, sentence

Finding = Literal["raised", "lowered", "too small to matter", "cannot tell"]
Action = Literal["keep", "stop", "test"]

#: Power at which the smallest effect that the data could have seen is stated.
POWER = 0.8
#: Probability that the tactic pays (or does not) from which acting beats another test.
SURE_ENOUGH = 0.9


class Stakes(Spec):
    """What an outcome is worth and what the tactic costs, in the program's own money.

    Parameters
    ----------
    unit : str
        The outcome in people's words, in the plural: ``"leads"``.
    per : str
        What one treated row is: ``"partner-quarter"``.
    material : float or None
        Smallest effect per row that would change what anybody does, in units of the outcome.
    value : float or None
        Money that one more unit of the outcome is worth; negative where less is better.
    cost : float
        Money that the tactic costs per treated row.
    currency : str
        Name of the money, as it is written after a number.

    Examples
    --------
    >>> Stakes(unit="leads", material=0.2, value=400, cost=60, currency="EUR").break_even
    0.15
    """

    unit: str
    per: str = "partner-quarter"
    material: float | None = pydantic.Field(default=None, gt=0, allow_inf_nan=False)
    value: float | None = pydantic.Field(default=None, allow_inf_nan=False)
    cost: float = pydantic.Field(default=0.0, ge=0, allow_inf_nan=False)
    currency: str = ""

    @property
    def break_even(self) -> float | None:
        """Effect per row at which value meets cost; None where no value is stated."""
        return None if not self.value else self.cost / self.value


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """What may be said of one tactic and one outcome, and nothing more.

    Parameters
    ----------
    tactic : str
        Name of the tactic.
    grade : Evidence
        The best that the design can earn; `earned` is what is left of it after reading.
    estimate, std_error : float
        Effect per treated row and its standard error, in units of the outcome.
    df : float
        Degrees of freedom of the interval; infinite for a normal one.
    n, partners, managers : int
        Treated rows, partners and managers behind the estimate; ``managers`` is None where nobody chose.
    stakes : Stakes
        Units and money.
    assumption : str
        What has to hold, in one sentence without a full stop ("partners that look alike would have gone on alike").
    overturned_by : str
        What would overturn the finding, in one sentence.
    cells : int
        How many cells (tactics x tiers x outcomes) were looked at.
    pooled : bool
        Whether the estimate was shrunk over those cells; with several cells an unpooled one earns no more than D.
    doubts : tuple of str
        Why two readings of the data disagree; any doubt makes the finding "cannot tell".
    limits : tuple of str
        Why the design gives no more than an association, where it does not: said with grade C.
    settled_by : str
        What would settle it, as one would ask for it ("give Dinner by lot for two quarters"): said once, after doubts or limits.
    level : float
        Coverage of the interval.
    family_level : float or None
        Coverage that it shares with the other verdicts of its family (variants, metrics, looks); ``level`` if None.

    Examples
    --------
    >>> verdict = Verdict(tactic="Dinner", grade=Evidence.B, estimate=0.4, std_error=0.1, n=240, partners=80, managers=30,
    ...                   df=29, stakes=Stakes(unit="leads", material=0.1), assumption="nothing unseen drove both")
    >>> print(verdict.statement)
    Dinner likely raised leads by 0.40 per partner-quarter (95 % interval 0.20 to 0.60), if nothing unseen drove both.
    """

    tactic: str
    grade: Evidence
    estimate: float
    std_error: float
    n: int
    partners: int
    stakes: Stakes
    assumption: str
    managers: int | None = None
    df: float = math.inf
    overturned_by: str = ""
    cells: int = 1
    pooled: bool = False
    doubts: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    settled_by: str = ""
    level: float = 0.95
    family_level: float | None = None

    def __post_init__(self) -> None:
        if self.grade not in tuple(Evidence):
            raise ParameterError(f"verdict on {self.tactic}: grade is {self.grade!r}; it is A, B, C or D")
        object.__setattr__(self, "grade", Evidence(self.grade))
        if self.cells < 1 or self.n < 0 or self.partners < 0 or (self.managers or 0) < 0:
            raise ParameterError("verdict: cells must be 1 or more, and counts of rows, partners and managers 0 or more")
        if not 0 < self.level < 1 or not self.df > 0:
            raise ParameterError("verdict: level lies between 0 and 1, degrees of freedom above 0")
        if self.std_error <= 0:
            raise SampleError(
                f"verdict on {self.tactic}: the standard error is {self.std_error:g}; an estimate without error cannot be judged"
            )

    @property
    def known(self) -> bool:
        """Whether there was enough data for an estimate with its error."""
        return math.isfinite(self.estimate) and math.isfinite(self.std_error)

    @property
    def conf_low(self) -> float:
        """Lower end of the interval."""
        return self.estimate - float(critical_value(self.level, self.df)) * self.std_error

    @property
    def conf_high(self) -> float:
        """Upper end of the interval."""
        return self.estimate + float(critical_value(self.level, self.df)) * self.std_error

    @property
    def smallest_effect(self) -> float:
        """Effect that these data would have shown in 8 of 10 cases: ``(t(level) + t(0.8)) * std_error``."""
        from scipy.stats import t

        return (float(critical_value(self.level, self.df)) + float(t.ppf(POWER, self.df))) * self.std_error

    @property
    def finding(self) -> Finding:
        """What the interval allows, whatever the grade."""
        if self.doubts or not self.known:
            return "cannot tell"
        if self.conf_low > 0:
            return "raised"
        if self.conf_high < 0:
            return "lowered"
        material = self.stakes.material
        small = material is not None and max(-self.conf_low, self.conf_high) < material
        return "too small to matter" if small else "cannot tell"

    @property
    def earned(self) -> Evidence:
        """The grade that is left: D where the interval, a doubt or a search over cells without pooling takes it away."""
        return Evidence.D if self.finding == "cannot tell" or self._searched() else self.grade

    @property
    def statement(self) -> str:
        """The finding in the fixed vocabulary of its grade."""
        if self.earned is Evidence.D:
            return f"Cannot tell what {self.tactic} did to {self.stakes.unit}: {self._why_not()}."
        said = _SMALL if self.finding == "too small to matter" else _MOVED
        return sentence(said[self.earned].format(**self._words()))

    @property
    def pays(self) -> float:
        """Probability that value exceeds cost, the interval read as what is known of the effect; NaN without a value.

        NaN also where no effect is identified (grades C and D), for money follows causes, not company; and for one of several cells
        that was not pooled, for the best of many would look dear by chance.
        """
        return _chance_positive(*self._net(), self.df) if self._priced() else math.nan

    @property
    def net_value(self) -> float:
        """Expected value less cost per treated row, in money; NaN as for `pays`."""
        return self._net()[0] if self._priced() else math.nan

    @property
    def expected_loss(self) -> float:
        """Money per treated row that the better of keeping and stopping is still expected to lose; NaN as for `pays`."""
        if not self._priced():
            return math.nan
        middle, spread = self._net()
        return min(_expected_positive(-middle, spread, self.df), _expected_positive(middle, spread, self.df))

    @property
    def action(self) -> Action:
        """Keep it, stop it, or test it: what the evidence asks for."""
        if self.earned not in (Evidence.A, Evidence.B):
            return "test"
        if not self._priced():
            return {"raised": "keep", "lowered": "stop", "too small to matter": "stop"}[self.finding]
        if self.pays >= SURE_ENOUGH:
            return "keep"
        return "stop" if self.pays <= 1 - SURE_ENOUGH else "test"

    def _searched(self) -> bool:
        return self.cells > 1 and not self.pooled

    def _priced(self) -> bool:
        identified = self.grade in (Evidence.A, Evidence.B) and self.known and not self.doubts
        return self.stakes.value is not None and identified and not self._searched()

    def _net(self) -> tuple[float, float]:
        value = self.stakes.value or 0.0
        return value * self.estimate - self.stakes.cost, abs(value) * self.std_error

    def _why_not(self) -> str:
        if self.doubts:
            return "; ".join((*self.doubts, *self._settled()))
        if not self.known:
            return f"not enough data (n = {self.n})"
        if self.finding != "cannot tell" and self._searched():
            return f"it is one of {self.cells} cells looked at, and without pooling the best of so many looks good by chance"
        if self.finding != "cannot tell":
            return f"with and without it differ by {self._words()['size']}, and nothing tells why"
        return (
            f"the {self._sure()} interval runs from {self._words()['ends']} per {self.stakes.per}; "
            f"an effect under {say_number(self.smallest_effect, digits=2)} would have been missed"
        )

    def _settled(self) -> tuple[str, ...]:
        return (f"{self.settled_by} to settle it",) if self.settled_by else ()

    def _sure(self) -> str:
        """Coverage in words: at an early look it comes so near to 1 that no digits tell it from it."""
        return f"{self.level * 100:.4g} %" if self.level < 0.99995 else "> 99.99 %"

    def _words(self) -> dict[str, str]:
        decimals = decimals_of(self.conf_low, self.conf_high)
        size = abs(self.estimate)
        ends = (self.conf_low, self.conf_high) if self.finding != "lowered" else (-self.conf_high, -self.conf_low)
        low, high = (say_number(end, decimals=decimals) for end in ends)
        return {
            "tactic": self.tactic,
            "unit": self.stakes.unit,
            "moved": self.finding,
            "more": "more" if self.estimate > 0 else fewer(self.stakes.unit),
            "size": say_number(size, decimals=decimals),
            "per": self.stakes.per,
            "ends": f"{low} to {high}",
            "interval": f"{self._sure()} interval {low} to {high}",
            "material": say_number(self.stakes.material or math.nan),
            "assumption": self.assumption.strip().rstrip("."),
            "why": f": {'; '.join((*self.limits, *self._settled()))}" if self.limits else "",
        }

    def to_row(self) -> dict[str, object]:
        """One row of a table: tactic, the tidy columns, grade, finding, statement, money, counts."""
        return {
            "tactic": self.tactic,
            "estimate": self.estimate,
            "std_error": self.std_error,
            "conf_low": self.conf_low,
            "conf_high": self.conf_high,
            "n": self.n,
            "partners": self.partners,
            "managers": self.managers,
            "unit": self.stakes.unit,
            "grade": self.earned.value,
            "finding": self.finding,
            "statement": self.statement,
            "smallest_effect": self.smallest_effect,
            "pays": self.pays,
            "net_value": self.net_value,
            "expected_loss": self.expected_loss,
            "action": self.action,
            "cells": self.cells,
            "pooled": self.pooled,
        }

    def _repr_html_(self) -> str:
        import html

        counted = plural(self.partners, "partner") + (f", {plural(self.managers, 'manager')}" if self.managers is not None else "")
        lines = [f"<strong>Grade {self.earned.value}.</strong> {html.escape(self.statement)}", html.escape(counted + ".")]
        if self.overturned_by and self.earned is not Evidence.D:
            lines.append(f"Overturned by: {html.escape(self.overturned_by)}.")
        return "".join(f"<p>{line}</p>" for line in lines)


#: The fixed vocabulary. Only grade A says "caused".
_MOVED = {
    Evidence.A: "{tactic} caused {size} {more} {unit} per {per} ({interval}).",
    Evidence.B: "{tactic} likely {moved} {unit} by {size} per {per} ({interval}), if {assumption}.",
    Evidence.C: "{tactic} went together with {size} {more} {unit} per {per} ({interval}); this does not tell what it did{why}.",
}
_SMALL = {
    Evidence.A: "{tactic} changed {unit} by less than {material} per {per} either way ({interval}).",
    Evidence.B: "{tactic} likely changed {unit} by less than {material} per {per} either way ({interval}), if {assumption}.",
    Evidence.C: "{tactic} went together with a difference of less than {material} {unit} per {per} either way ({interval}){why}.",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerdictTable(Result):
    """Verdicts side by side, sorted by tactic: a list, not a ranking, unless every estimate was pooled.

    Parameters
    ----------
    ranked : bool
        Whether the rows are sorted by net value (or estimate): only where all were pooled over the same cells.
    """

    title: ClassVar[str] = "What worked"

    ranked: bool = False


def compare_verdicts(verdicts: Sequence[Verdict], *, level: float = 0.95) -> VerdictTable:
    """Lay verdicts side by side; rank them only where their estimates were pooled.

    Parameters
    ----------
    verdicts : sequence of Verdict
        All of one outcome's unit if they are to be ranked.
    level : float
        Coverage that every verdict must have been read at; where several share an error, that of them all.

    Raises
    ------
    SampleError
        Without verdicts, or with verdicts of different levels.

    Examples
    --------
    >>> one = dict(grade=Evidence.B, std_error=0.1, n=90, partners=30, stakes=Stakes(unit="leads"), assumption="alike is alike", cells=2)
    >>> both = [Verdict(tactic="Dinner", estimate=0.5, pooled=True, **one), Verdict(tactic="Call", estimate=0.1, pooled=True, **one)]
    >>> compare_verdicts(both).table[["tactic", "grade", "action"]].values.tolist()
    [['Dinner', 'B', 'keep'], ['Call', 'D', 'test']]
    """
    if not verdicts:
        raise SampleError("compare_verdicts: no verdict was given")
    if {verdict.family_level or verdict.level for verdict in verdicts} != {level}:
        raise SampleError(f"compare_verdicts: verdicts were read at other levels than {level:g}; read them at one level")
    table = pd.DataFrame([verdict.to_row() for verdict in verdicts])
    ranked = all(verdict.pooled for verdict in verdicts) and table["unit"].nunique() == 1
    if ranked:
        table = table.sort_values(["net_value", "estimate"], ascending=False, kind="stable", na_position="last")
    else:
        table = table.sort_values("tactic", kind="stable")
    looked = max(verdict.cells for verdict in verdicts)
    detail = "estimates were pooled over the cells" if ranked else "sorted by name: without pooling the best looks better than it is"
    return VerdictTable(
        estimand="Effect of each tactic per treated row, in units of its outcome",
        table=table.reset_index(drop=True),
        checks=(Check("ranking", ranked or None, f"{plural(looked, 'cell')} looked at; {detail}"),),
        evidence=Evidence(max(verdict.earned.value for verdict in verdicts)),
        level=level,
        ranked=ranked,
    )


def _chance_positive(middle: float, spread: float, df: float) -> float:
    from scipy.stats import t

    return float(t.cdf(middle / spread, df)) if spread > 0 else float(middle > 0)


def _expected_positive(middle: float, spread: float, df: float) -> float:
    """Mean of ``max(0, X)`` for ``X = middle + spread * T``, T of Student's t with ``df`` degrees; infinite at df <= 1."""
    from scipy.stats import norm, t

    if spread == 0:
        return max(0.0, middle)
    at = middle / spread
    if math.isinf(df):
        return spread * float(norm.pdf(at) + at * norm.cdf(at))
    if df <= 1:
        return math.inf
    return spread * float(np.float64((df + at**2) / (df - 1)) * t.pdf(at, df) + at * t.cdf(at, df))
