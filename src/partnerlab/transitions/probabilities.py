"""Where each partner truly belongs: the uncertainty of the tier itself."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError
from partnerlab.panel.panel import Panel
from partnerlab.results import Check, Result
from partnerlab.stats.inference.intervals import check_level, wilson_interval
from partnerlab.transitions.rates import TrueProgram, longest_span, true_program

if TYPE_CHECKING:
    from partnerlab.tiers.history import TierHistory
    from partnerlab.tiers.scheme import TierScheme


@dataclasses.dataclass(frozen=True, kw_only=True)
class TierProbability(Result):
    """How probable it is that each partner truly belongs to each tier.

    The table has keys ``[partner, tier]``; ``estimate`` is the probability (its interval that of the draws),
    ``n`` the whole periods that the partner was measured in; ``by_rule`` marks the tier that the rule gives on
    the data as they fell.

    Parameters
    ----------
    quarter : str
        Quarter whose tiers are asked after.
    tiers : tuple of str
        Tiers, best first.
    misplaced : DataFrame
        One row: expected share of the rated partners whose tier by the rule is not their true one.
    """

    title: ClassVar[str] = "Probability of tiers"

    quarter: str = ""
    tiers: tuple[str, ...] = ()
    misplaced: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)

    def borderline(self, *, sure: float = 0.8) -> pd.DataFrame:
        """List partners whose tier by the rule is not sure, least sure first.

        Parameters
        ----------
        sure : float
            Probability from which a tier counts as sure.

        Returns
        -------
        DataFrame
            ``partner, tier, probability`` of that tier, ``other`` (the likeliest of the others), ``other_probability``, ``n``.
        """
        mine = self.table[self.table["by_rule"]].set_index("partner")
        rest = self.table[~self.table["by_rule"]].sort_values(["estimate", "tier"], ascending=[False, True], kind="stable")
        rest = rest.drop_duplicates("partner").set_index("partner").reindex(mine.index)
        table = pd.DataFrame(
            {
                "partner": mine.index,
                "tier": mine["tier"].to_numpy(),
                "probability": mine["estimate"].to_numpy(),
                "other": rest["tier"].to_numpy(),
                "other_probability": rest["estimate"].to_numpy(),
                "n": mine["n"].to_numpy(),
            }
        )
        unsure = table[table["probability"] < sure]
        return unsure.sort_values(["probability", "partner"], ignore_index=True)


def true_tiers(program: TrueProgram, scheme: TierScheme, *, draws: int, seed: int) -> np.ndarray:
    """Draw the raw tiers of the last periods without chance: int8, shape ``(draws, n, keep)``."""
    from partnerlab.tiers import assign_tiers

    rng = np.random.default_rng(seed)
    return np.stack([assign_tiers(program.draw(rng), scheme).raw for _ in range(draws)])


def rule_span(scheme: TierScheme) -> int:
    """Count the periods that a scheme's rules look back over, beside the windows of indicators."""
    return max((longest_span(rule) for _, rule in scheme.classify.rules()), default=1)


def last_whole(panel: Panel) -> str:
    """Label of the last period that the data cover in full."""
    whole = np.flatnonzero(~panel.partial)
    return panel.labels[int(whole[-1]) if len(whole) else panel.shape[1] - 1]


def check_draws(draws: int) -> int:
    """Give back a number of draws, or say that it is too small.

    Raises
    ------
    ParameterError
        Below 20.
    """
    if draws < 20:
        raise ParameterError(f"draws is {draws}; a probability needs at least 20, better 400")
    return draws


def estimate_tier_probability(
    panel: Panel,
    *,
    scheme: TierScheme,
    quarter: str | None = None,
    draws: int = 400,
    seed: int,
    level: float = 0.95,
    within: str | None = "region",
) -> TierProbability:
    """Estimate how probable it is that each partner truly belongs to each tier.

    Parameters
    ----------
    panel : Panel
        What was counted.
    scheme : TierScheme
        The rules.
    quarter : str or None
        The last whole quarter if None; later ones are not looked at.
    draws : int
        Of the levels behind the counts.
    seed : int
        Of the draws: the same seed gives the same probabilities.
    level : float
        Coverage of the intervals.
    within : str or None
        Attribute within which partners' rates are shrunk.

    Returns
    -------
    TierProbability

    Raises
    ------
    SampleError
        If nothing that the scheme reads is a matter of counting, such as recorded tiers.
    ParameterError
        If the quarter does not exist or there are too few draws.

    Notes
    -----
    A partner truly belongs to the tier that the rule gives where every count stands at its expectation: leads at
    the lead rate times the time as a member, shares at the share behind them; lines that move with the others move.
    Rates come from a gamma prior fitted within the group, and hold until, with a probability that is fitted to the
    whole program, they change. Stated values, membership and the gate of a quadrant are taken as seen.

    Examples
    --------
    >>> leads = np.random.default_rng(0).poisson(np.repeat([1, 4, 9], 10)[:, None], (30, 8))
    >>> rows = [(f"p{i:02d}", f"202{5 + q // 4}Q{q % 4 + 1}", leads[i, q]) for i in range(30) for q in range(8)]
    >>> from partnerlab.tiers import TierScheme
    >>> bands = {"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 4}, {"name": "Member"}]}
    >>> panel = Panel.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "leads"]))
    >>> belongs = estimate_tier_probability(panel, scheme=TierScheme(scheme="demo", classify=bands), draws=50, seed=1)
    >>> sorted(set(belongs.borderline()["partner"].str[1]))  # nobody with a rate of 9
    ['0', '1']
    """
    from partnerlab.tiers import assign_tiers

    check_level(level)
    check_draws(draws)
    chosen = quarter or last_whole(panel)
    panel = panel.until(chosen)
    history = assign_tiers(panel, scheme)
    program = true_program(panel, history, keep=rule_span(scheme), within=within)
    codes = true_tiers(program, scheme, draws=draws, seed=seed)[:, :, -1]
    rated = np.flatnonzero(history.raw[:, -1] >= 0)
    count = len(history.tiers)
    hits = np.stack([(codes == code).sum(axis=0) for code in range(count)], axis=1)[rated]
    known = np.maximum(hits.sum(axis=1, keepdims=True), 1)
    share = hits / known
    low, high = wilson_interval(share, np.broadcast_to(known, share.shape), level=level)
    mine = history.raw[rated, -1].astype(int)
    table = pd.DataFrame(
        {
            "partner": np.repeat(panel.partners[rated], count),
            "tier": np.tile(np.array(history.tiers, dtype=object), len(rated)),
            "estimate": share.ravel(),
            "std_error": np.sqrt(share * (1 - share) / known).ravel(),
            "conf_low": low.ravel(),
            "conf_high": high.ravel(),
            "n": np.repeat(_periods(program)[rated], count),
            "by_rule": (np.arange(count) == mine[:, None]).ravel(),
        }
    ).astype({"tier": "str"})
    wrong = (codes[:, rated] != mine).mean(axis=1)
    return TierProbability(
        estimand=f"Probability that a partner truly belongs to a tier in {chosen}, its counts being what chance made of its rate",
        table=table,
        checks=rate_checks(program, history),
        level=level,
        quarter=chosen,
        tiers=history.tiers,
        misplaced=misplaced_share(wrong, len(rated), level),
    )


def misplaced_share(wrong: np.ndarray, partners: int, level: float) -> pd.DataFrame:
    """Give the expected share whose tier is not the true one, with the interval of the draws, as one tidy row."""
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(wrong, [tail, 1.0 - tail])
    row = {"estimate": wrong.mean(), "std_error": wrong.std(ddof=1), "conf_low": low, "conf_high": high, "n": partners}
    return pd.DataFrame([row])


def _periods(program: TrueProgram) -> np.ndarray:
    """Whole periods in which each partner was measured, by the measure that was measured longest."""
    return np.max([(measure.noise.exposure > 0).sum(axis=1) for measure in program.measures], axis=0)


def rate_checks(program: TrueProgram, history: TierHistory) -> tuple[Check, ...]:
    """Say what is drawn, how often levels change, and whether the gate was taken as seen."""
    from partnerlab.transitions.noise import CHANCE_COUNTS, MOST_DISPERSION, successive_dispersion

    said = ", ".join(f"{' and '.join(measure.noise.names)}: {measure.hazard:.1%}" for measure in program.measures)
    drawn = {name for measure in program.measures for name in measure.noise.names}
    held = [name for name in program.seen if name not in drawn]
    changes = Check("How often rates change", None, f"Share of partners whose level changes in a period, as fitted ({said}).")
    stated = Check(
        "What is taken as it stands",
        None if held else True,
        f"Stated or held values have no chance in them here: {', '.join(held)}." if held else "Everything that the rules read is drawn.",
    )
    ratios = {m.noise.names[0]: successive_dispersion(m.noise.counts, m.noise.exposure) for m in program.measures if m.rates is not None}
    wild = [f"{name} ({ratio:.2f})" for name, ratio in ratios.items() if ratio > MOST_DISPERSION]
    chance = Check(
        CHANCE_COUNTS,
        not wild,
        f"Neighbouring quarters differ by more than chance counts do: {', '.join(wild)}; some of it is taken for changes of the rate."
        if wild
        else "Neighbouring quarters differ as Poisson counts do.",
    )
    gate = Check("Who is rated", None, "Who fails the gate is taken as seen.") if program.outside.any() else None
    return tuple(check for check in (changes, stated, chance, _single_events(program, history), gate) if check is not None)


def _single_events(program: TrueProgram, history: TierHistory) -> Check | None:
    """Say which lines ask for one event: an expected count below one never reaches them, though the event is often seen."""
    from partnerlab.scoring.conditions import Compare, Number, Param, leaves
    from partnerlab.tiers.lattice import line_at

    params = {name: float(value) for name, value in history.scheme.params.items()}
    counted = {name for measure in program.measures if measure.rates is not None for name in measure.noise.names}
    asked = [
        leaf
        for _, rule in history.scheme.classify.rules()
        for leaf in leaves(rule)
        if isinstance(leaf, Compare) and leaf.fact in counted and leaf.operator in (">=", ">") and isinstance(leaf.line, Number | Param)
    ]
    once = [str(leaf) for leaf in asked if (leaf.operator, line_at(leaf, params)) in ((">=", 1.0), (">", 0.0))]
    if not once:
        return None
    said = (
        f"{', '.join(dict.fromkeys(once))}: read on the expected count. A line of >= 1 is truly reached from one event expected in "
        "the window on, and whoever is expected below that is still seen there in up to 63 % of windows; a line of > 0 is truly "
        "reached by everybody. Near 0 or 100 % such a tier speaks of what is expected, not of what will be seen."
    )
    return Check("Lines of single events", None, said)
