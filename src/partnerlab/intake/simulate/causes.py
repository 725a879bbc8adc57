"""What each tactic really does, for whom, and how wrong the comparison of treated with untreated partners is."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, nearest
from partnerlab.intake.simulate.exact import Block, RatioSums, draw_blocks
from partnerlab.intake.simulate.latents import Latents
from partnerlab.intake.simulate.rates import portal_effect
from partnerlab.intake.simulate.realized import Realized
from partnerlab.intake.simulate.truth import Truth


def added_leads(realized: Realized, tactic: str) -> np.ndarray:
    """Count the leads that each partner is expected to have by a tactic, shape ``(n, p)``: by its use in a quarter, those of the next.

    Parameters
    ----------
    realized : Realized
    tactic : str
        Of the truth, whose use in one quarter is judged by the next, all else as it was (NaN in the last quarter); or ``portal``,
        which is judged in the quarter itself.

    Raises
    ------
    ParameterError
        If the truth has no such tactic.
    """
    latents = realized.latents
    truth, mean = latents.truth, latents.rate * realized.exposure
    if tactic == "portal":
        return mean * -np.expm1(-portal_effect(truth, adopted=latents.adopted, tier=latents.tier))
    if tactic not in truth.tactics:
        raise ParameterError(f"the truth has no tactic {tactic!r}{nearest(tactic, [*truth.tactics, 'portal'])}")
    effect = np.array([*(truth.tactics[tactic].effect or np.zeros(len(truth.tiers))), 0.0])
    share = -np.expm1(-effect[latents.tier] * (latents.treated[tactic] > 0))
    return np.column_stack([mean[:, 1:], np.full(len(mean), np.nan)]) * share


def _pairs(block: Block, used: np.ndarray, tier: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of quarters after use, and after no use, by tier before; both shape ``(m, t - 1, tiers)``."""
    lead_in, tiers = block.latents.truth.lead_in, len(block.latents.truth.tiers)
    member = block.member[:, 1:] * (block.tenure[:, :-1] >= 0)
    weight = member[..., None] * (tier[:, lead_in:-1, None] == np.arange(tiers))
    chosen = used[:, lead_in:-1, None]
    return weight * chosen, weight * ~chosen


def _tactic_rows(truth: Truth, name: str, draws: int) -> pd.DataFrame:
    """One row for each tier: the effect, the leads it brings, and what a naive comparison says."""
    effect = np.array(truth.tactics[name].effect or (0.0,) * len(truth.tiers))
    treated, untreated, gained = RatioSums(), RatioSums(), RatioSums()
    for block in draw_blocks(truth, draws=draws):
        latents = block.latents
        after, instead = _pairs(block, latents.treated[name] > 0, latents.tier)
        mean = block.mean[:, 1:, None]
        treated = treated.plus((after * mean).sum(axis=1), after.sum(axis=1))
        untreated = untreated.plus((instead * mean).sum(axis=1), instead.sum(axis=1))
        gained = gained.plus((after * mean * -np.expm1(-effect)).sum(axis=1), after.sum(axis=1))
    naive = treated.ratio / untreated.ratio
    error = naive * np.hypot(treated.std_error / treated.ratio, untreated.std_error / untreated.ratio)
    return pd.DataFrame(
        {
            "tactic": name, "tier": truth.tiers, "log_rate_ratio": effect, "rate_ratio": np.exp(effect), "extra_leads": gained.ratio,
            "carry": truth.tactics[name].carry, "log_hazard_ratio": truth.tactics[name].retention, "naive_rate_ratio": naive,
            "naive_std_error": error, "treated": np.asarray(treated.below) / treated.partners * truth.n_partners,
        }
    )  # fmt: skip


def true_effects(truth: Truth, *, draws: int = 100_000) -> pd.DataFrame:
    """Effect of each tactic on the leads of the next quarter, by recorded tier before it.

    Parameters
    ----------
    truth : Truth
        What holds in the program.
    draws : int
        Latent partners behind ``extra_leads`` and the naive ratio; the effects themselves are exact.

    Returns
    -------
    DataFrame
        ``tactic, tier``; ``log_rate_ratio`` and ``rate_ratio``, the cause as it is; ``extra_leads``, what one use
        brings a treated partner in the next quarter (ATT); ``carry``, the share of the effect left in each further
        quarter; ``log_hazard_ratio`` of lapsing; ``naive_rate_ratio`` with ``naive_std_error`` (Monte Carlo), leads
        of treated over untreated partners, which mixes cause and choice; ``treated``, expected uses in a program
        of ``truth.n_partners``.

    Examples
    --------
    >>> effects = true_effects(Truth(n_quarters=4), draws=20_000).set_index(["tactic", "tier"])
    >>> bool(effects.loc[("dinner", "Gold"), "rate_ratio"] == 1.0 < effects.loc[("dinner", "Gold"), "naive_rate_ratio"])
    True
    """
    rows = [_tactic_rows(truth, name, draws) for name in truth.tactics]
    return pd.concat(rows, ignore_index=True) if rows else _tactic_columns()


def _tactic_columns() -> pd.DataFrame:
    names = ("log_rate_ratio", "rate_ratio", "extra_leads", "carry", "log_hazard_ratio", "naive_rate_ratio", "naive_std_error", "treated")
    return pd.DataFrame(
        {"tactic": pd.Series(dtype="str"), "tier": pd.Series(dtype="str"), **{name: pd.Series(dtype="float64") for name in names}}
    )


def true_portal(truth: Truth, *, draws: int = 100_000) -> pd.DataFrame:
    """Effect of the portal on its adopters by quarters since adoption and recorded tier at adoption.

    Returns
    -------
    DataFrame
        ``tier, event_time, log_rate_ratio, rate_ratio, extra_leads`` (ATT), ``std_error`` (Monte Carlo, of
        ``extra_leads``), ``adopters`` (expected members seen at that event time).

    Examples
    --------
    >>> true_portal(Truth(n_quarters=6), draws=20_000)["event_time"].tolist()
    [0, 1, 0, 1, 0, 1]
    """
    if truth.portal.start < 0:
        return pd.DataFrame(columns=["tier", "event_time", "log_rate_ratio", "rate_ratio", "extra_leads", "std_error", "adopters"])
    lead_in, tiers, times = truth.lead_in, len(truth.tiers), truth.n_quarters - truth.portal.start
    sums = RatioSums()
    for block in draw_blocks(truth, draws=draws):
        latents = block.latents
        added = portal_effect(truth, adopted=latents.adopted, tier=latents.tier)[:, lead_in:]
        cell = _portal_cell(latents, times)[:, lead_in:]
        gain = block.member * block.mean * -np.expm1(-added)
        sums = sums.plus(*(_cells(values, cell, tiers * times) for values in (gain, block.member)))
    ramp = np.array(truth.portal.ramp)[np.minimum(np.arange(times), len(truth.portal.ramp) - 1)]
    effect = (np.array(truth.portal.effect)[:, None] * ramp).ravel()
    return pd.DataFrame(
        {
            "tier": np.repeat(truth.tiers, times), "event_time": np.tile(np.arange(times), tiers), "log_rate_ratio": effect,
            "rate_ratio": np.exp(effect), "extra_leads": sums.ratio, "std_error": sums.std_error,
            "adopters": np.asarray(sums.below) / sums.partners * truth.n_partners,
        }
    )  # fmt: skip


def _portal_cell(latents: Latents, times: int) -> np.ndarray:
    """Tier at adoption times event time, -1 before adoption, shape ``(m, p)``."""
    periods = latents.tier.shape[1]
    since = np.arange(periods) - latents.adopted[:, None]
    tier = latents.tier[np.arange(len(latents.adopted)), np.minimum(latents.adopted, periods - 1)]
    return np.where((since >= 0) & (since < times), tier[:, None] * times + since, -1)


def _cells(values: np.ndarray, cell: np.ndarray, count: int) -> np.ndarray:
    """Sum each partner's values in each cell, shape ``(m, count)``."""
    partner = np.broadcast_to(np.arange(len(values))[:, None], values.shape)
    inside = cell >= 0
    flat = np.bincount(partner[inside] * count + cell[inside], weights=values[inside], minlength=len(values) * count)
    return flat.reshape(len(values), count)


def true_trial(truth: Truth, *, draws: int = 100_000) -> pd.DataFrame:
    """Say what the trial does in each of its quarters: by assignment (ITT) and for those who take part.

    Returns
    -------
    DataFrame
        ``quarter, itt`` (leads by which the treated variant is ahead), ``std_error`` (Monte Carlo), ``itt_ratio``
        (ratio of expected leads), ``compliance``, ``log_rate_ratio`` of those who really take part.

    Examples
    --------
    >>> true_trial(Truth(n_quarters=12), draws=20_000)["quarter"].tolist()
    ['2025Q2', '2025Q3', '2025Q4']
    """
    trial, lead_in = truth.trial, truth.lead_in
    if trial.start < 0 or trial.start >= truth.n_quarters:
        return pd.DataFrame(columns=["quarter", "itt", "std_error", "itt_ratio", "compliance", "log_rate_ratio"])
    quarters = np.arange(trial.start, min(trial.start + trial.length, truth.n_quarters))
    gain, base, part = RatioSums(), RatioSums(), RatioSums()
    for block in draw_blocks(truth, draws=draws):
        weight = block.member[:, quarters] * (block.tenure[:, [trial.start]] > 0) * block.latents.variant[:, None]
        exposed = block.latents.exposed[:, None]
        without = block.mean[:, quarters] * np.exp(-trial.effect * exposed)
        gain = gain.plus(weight * (block.mean[:, quarters] - without), weight)
        base = base.plus(weight * without, weight)
        part = part.plus(weight * exposed, weight)
    return pd.DataFrame(
        {
            "quarter": truth.calendar.labels(truth.start + lead_in + quarters), "itt": gain.ratio, "std_error": gain.std_error,
            "itt_ratio": 1.0 + gain.ratio / base.ratio, "compliance": part.ratio, "log_rate_ratio": trial.effect,
        }
    )  # fmt: skip
