"""Pictures of regressions: what goes with moving or leaving, in points of probability or as hazard ratios, with intervals."""

from __future__ import annotations

import pandas as pd

from partnerlab import words
from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.show import claims
from partnerlab.show.intervals import plot_intervals
from partnerlab.show.picture import Picture
from partnerlab.show.plots import plot
from partnerlab.survival import CoxModel, HazardModel
from partnerlab.transitions import TransitionModel

#: An outcome as something done.
_DOING = {"up": "moving up", "down": "moving down", "stay": "staying", "lapsed": "lapsing"}
_POINTS = ("estimate", "std_error", "conf_low", "conf_high")


@plot.register(TransitionModel)
def _moves(result: TransitionModel, *, tier: str | None = None, outcome: str | None = None, period: str = "", rows: int = 25) -> Picture:
    table = _only(_only(result.marginal, "from_tier", tier), "outcome", outcome)
    table = table if outcome is not None else table[table["outcome"] != "stay"]
    tiers = table["from_tier"].nunique()
    keys = [*(["from_tier"] if tiers > 1 else []), "outcome", "term"]
    place = "" if tiers != 1 or table["from_tier"].iloc[0] == "all" else f"from {table['from_tier'].iloc[0]}, "
    return _points(table, keys=keys, lead=place, unit="quarter", level=result.level, period=period, rows=rows)


@plot.register(HazardModel)
def _hazards(result: HazardModel, *, outcome: str | None = None, period: str = "", rows: int = 25) -> Picture:
    table = _only(result.marginal, "outcome", outcome)
    table = table if outcome is not None else table[table["outcome"] != "stay"]
    # the baseline's own steps are read off the hazard by tenure
    table = table[~table["term"].str.startswith("tenure=")]
    keys = ["outcome", "term"] if table["outcome"].nunique() > 1 else ["term"]
    ending = None if len(keys) > 1 else "ending"
    return _points(table, keys=keys, ending=ending, unit=result.unit, level=result.level, period=period, rows=rows)


def _only(table: pd.DataFrame, column: str, value: str | None) -> pd.DataFrame:
    if value is None:
        return table
    known = list(dict.fromkeys(table[column]))
    if value not in known:
        raise ParameterError(f"the model has no {column.replace('_', ' ')} {value!r}{nearest(value, known)}")
    return table[table[column] == value]


def _points(  # noqa: PLR0913 - a table and how to say it
    table: pd.DataFrame,
    *,
    keys: list[str],
    unit: str,
    level: float,
    period: str,
    rows: int,
    lead: str = "",
    ending: str | None = None,
) -> Picture:
    if table.empty:
        raise SampleError("the model has no covariates with enough data; nothing to draw")
    shown = table.assign(**{column: 100.0 * table[column] for column in _POINTS}, term=table["term"].map(_said_term))
    shown = _clearest_first(shown, rows)
    group = "from_tier" if "from_tier" in keys else ""
    return plot_intervals(
        shown,
        keys=[key for key in keys if key != group],
        group=group,
        drawn="clearest",
        kind="number",
        nothing=0.0,
        estimand=f"Average marginal effects on the chance of each outcome within a {unit}, others as they are; association, not effect",
        units=f"points of probability within a {unit}, for one unit more or against the first level",
        period=period or "all data of the model",
        level=level,
        rows=rows,
        headline=_points_headline(shown, lead=lead, ending=ending, level=level),
    )


def _said_term(term: str) -> str:
    """Write a term as words: ``season=Q3`` is season Q3."""
    return term.replace("_", " ").replace("=", " ")


def _clearest_first(shown: pd.DataFrame, rows: int) -> pd.DataFrame:
    """Put the rows that lie furthest from none, by their own errors, before the others; both in their order."""
    clear = (shown["estimate"] / shown["std_error"]).abs().rank(ascending=False, method="first", na_option="bottom") <= rows
    return pd.concat([shown[clear], shown[~clear]], ignore_index=True)


def _points_headline(shown: pd.DataFrame, *, lead: str, ending: str | None, level: float) -> str:
    known = shown.dropna(subset=list(_POINTS))
    found = [(row, claims.direction(*claims.widened(row, level=level, of=len(known)))) for _, row in known.iterrows()]
    clear = [(row, way) for row, way in found if way != "no clear change"]
    if not clear:
        return words.sentence(f"{lead}nothing that was asked goes clearly with moving").rstrip(".")
    row, way = max(clear, key=lambda pair: abs(pair[0]["estimate"]))
    middle, interval = words.say_pair(row["estimate"], row["conf_low"], row["conf_high"], kind="number")
    side = "higher" if way == "up" else "lower"
    what = _DOING.get(row["outcome"], row["outcome"]) if "outcome" in row.index and ending is None else ending
    if "from_tier" in shown and shown["from_tier"].nunique() > 1:
        lead = f"from {row['from_tier']}, "
    said = f"{lead}{row['term']} goes with a chance of {what} {middle.lstrip('-−+')} points {side} ({interval})"
    return words.sentence(f"{said}; {len(clear)} of {words.plural(len(known), 'association')} clear").rstrip(".")


@plot.register(CoxModel)
def _ratios(result: CoxModel, *, period: str = "", rows: int = 25) -> Picture:
    """Draw hazard ratios; the finding is judged on the scale of their logarithms."""
    table = result.table.assign(term=result.table["term"].map(_said_term))
    known = table.dropna(subset=list(_POINTS))
    shown = table.assign(estimate=table["ratio"], conf_low=table["ratio_low"], conf_high=table["ratio_high"])
    clear = [
        (row, way)
        for _, row in known.iterrows()
        if (way := claims.direction(*claims.widened(row, level=result.level, of=len(known)))) != "no clear change"
    ]
    headline = "No covariate clearly goes with leaving sooner or later"
    if clear:
        row, way = max(clear, key=lambda pair: abs(pair[0]["estimate"]))
        middle, interval = words.say_pair(row["ratio"], row["ratio_low"], row["ratio_high"], kind="number")
        sooner = "sooner" if way == "up" else "later"
        said = f"{row['term']} goes with ending {sooner}: hazard ratio {middle} ({interval}); {len(clear)} of {len(known)} clear"
        headline = words.sentence(said).rstrip(".")
    return plot_intervals(
        shown,
        keys=["term"],
        kind="number",
        nothing=1.0,
        estimand=result.estimand.replace("Log hazard ratios", "Hazard ratios").replace("Log subd", "Subd") + "; association, not effect",
        units="hazard ratio for one unit more or against the first level",
        period=period or "all data of the model",
        level=result.level,
        rows=rows,
        headline=headline,
    )
