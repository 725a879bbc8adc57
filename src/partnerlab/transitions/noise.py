"""How much would have moved with nobody doing anything: the flows of redrawn, unchanged programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pandas as pd

from partnerlab.errors import MissingTableError, ParameterError, SampleError
from partnerlab.panel.panel import Panel
from partnerlab.results import Check, Result
from partnerlab.stats.inference.counts import partner_counts
from partnerlab.stats.inference.intervals import check_level, wilson_interval
from partnerlab.transitions.redraw import IndicatorNoise, fit_noise, redraw_panel
from partnerlab.transitions.states import LAPSED, STAGES, flow_codes

if TYPE_CHECKING:
    from partnerlab.tiers.scheme import TierScheme

#: Successive counts may vary this much more than Poisson before a check fails.
MOST_DISPERSION = 1.5
#: Name of the check that counts are Poisson from quarter to quarter.
CHANCE_COUNTS = "Counts vary as chance counts do"


@dataclasses.dataclass(frozen=True, kw_only=True)
class MoveMoments:
    """What the draws did, partner by partner: enough for the flows of any group of partners.

    Parameters
    ----------
    hits, hits_squared, hits_trials : ndarray, shape (n, s, s)
        Mean over draws of each partner's moves, of their squares, and of moves times times at risk.
    trials, trials_squared : ndarray, shape (n, s)
        Mean times at risk in each state, and of their squares.
    """

    hits: np.ndarray
    hits_squared: np.ndarray
    hits_trials: np.ndarray
    trials: np.ndarray
    trials_squared: np.ndarray

    def shares(self, group: np.ndarray, groups: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Flows of each group: expected share, standard deviation of one program's share, and at-risk count.

        Returns
        -------
        share, spread : ndarray, shape (groups, s, s)
        at_risk : ndarray, shape (groups, s)
            Partners are drawn independently, so their variances add:
            ``var(sum(hits - share * trials)) / at_risk^2``.
        """
        hits, at_risk = group_sums(self.hits, group, groups), group_sums(self.trials, group, groups)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = hits / at_risk[..., None]
        variance = self.hits_squared - self.hits**2
        covariance = self.hits_trials - self.hits * self.trials[..., None]
        spare = (self.trials_squared - self.trials**2)[..., None]
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = group_sums(variance, group, groups) - 2 * share * group_sums(covariance, group, groups)
            spread = np.sqrt(np.maximum(spread + share**2 * group_sums(spare, group, groups), 0.0)) / at_risk[..., None]
        return share, spread, at_risk


def group_sums(values: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """Sum over the first axis by group: shape ``(groups, ...)``; negative groups are left out."""
    flat = values.reshape(len(values), -1)
    keep = group >= 0
    summed = [np.bincount(group[keep], weights=flat[keep, column], minlength=groups) for column in range(flat.shape[1])]
    return np.stack(summed, axis=1).reshape(groups, *values.shape[1:])


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoiseBaseline(Result):
    """Flows between tiers of a program in which no partner changes.

    The table has keys ``[from_tier, to_tier]``; ``conf_low, conf_high`` hold the share that a program of this
    size would show by noise alone, at the stated level; ``n`` is the expected number of partner-quarters.

    Parameters
    ----------
    partners : ndarray of str, shape (n,)
        Partners that were drawn again.
    tiers : tuple of str
        Tiers, best first.
    draws : int
        Programs drawn.
    moved : DataFrame
        Share of partner-quarters that ended in another tier, one row.
    scheme, stage, quarters
        What it is of: the rules, which of the four tiers, and the first and last quarter.
    """

    title: ClassVar[str] = "Movement by noise alone"

    partners: np.ndarray = dataclasses.field(repr=False, default_factory=lambda: np.zeros(0, dtype=str))
    tiers: tuple[str, ...] = ()
    draws: int = 0
    moved: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)
    moments: MoveMoments = dataclasses.field(repr=False, default=None)  # type: ignore[assignment]
    moved_moments: MoveMoments = dataclasses.field(repr=False, default=None)  # type: ignore[assignment]
    evidence_of_change: tuple[IndicatorNoise, ...] = dataclasses.field(repr=False, default=())
    stated: tuple[IndicatorNoise, ...] = dataclasses.field(repr=False, default=())
    windows: tuple[tuple[str, int], ...] = dataclasses.field(repr=False, default=())
    first: int = 0
    scheme: TierScheme | None = dataclasses.field(repr=False, default=None)
    stage: str = "published"
    quarters: tuple[str, str] = ("", "")

    def places(self, partners: np.ndarray) -> np.ndarray:
        """Find where partners stand in the baseline.

        Raises
        ------
        ParameterError
            If some were not part of it.
        """
        order = np.argsort(self.partners)
        at = np.minimum(np.searchsorted(self.partners, partners, sorter=order), len(self.partners) - 1)
        found = order[at]
        strange = self.partners[found] != partners
        if strange.any():
            raise ParameterError(
                f"the noise baseline lacks {int(strange.sum())} of {len(partners)} partners, such as {str(partners[strange][0])!r}; "
                "estimate it on the panel that the history was made from"
            )
        return found

    def beside(
        self, table: pd.DataFrame, moved: pd.DataFrame, partners: np.ndarray, *, segment: np.ndarray | None, segments: Sequence[str]
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Stand what noise alone would do beside observed flows: columns ``noise, noise_low, noise_high``.

        Parameters
        ----------
        table, moved : DataFrame
            All cells of all segments in order, and one row for each segment.
        partners : ndarray of str, shape (m,)
            Partners of the history.
        segment : ndarray of int, shape (m,), or None
            Their segments; None stands the flows of all beside every segment.
        """
        group = np.full(len(self.partners), -1)
        group[self.places(partners)] = 0 if segment is None else segment
        groups = 1 if segment is None else len(segments)
        return (
            table.assign(**self._columns(self.moments, group, groups, table)),
            moved.assign(**self._columns(self.moved_moments, group, groups, moved)),
        )

    def _columns(self, moments: MoveMoments, group: np.ndarray, groups: int, table: pd.DataFrame) -> dict[str, np.ndarray]:
        share, spread, _ = moments.shares(group, groups)
        if moments is self.moments:
            share, spread = membership_apart(share), membership_apart(spread)
        else:
            share, spread = share[:, :1, :1], spread[:, :1, :1]
        repeats = len(table) // share.size
        share, spread = np.tile(share.ravel(), repeats), np.tile(spread.ravel(), repeats)
        if repeats > 1:  # flows of all beside each quarter: as far as a quarter of this size would stray
            spread = np.sqrt(share * (1.0 - share) / table["n"].where(table["n"] > 0).to_numpy(dtype=float))
        low, high = stray_interval(share, spread, level=self.level)
        return {"noise": share, "noise_low": low, "noise_high": high}


def membership_apart(cells: np.ndarray) -> np.ndarray:
    """Blank the flows into and out of lapsed: membership is not drawn again. Shape ``(groups, s, s)``."""
    cells = cells.copy()
    cells[:, -1, :] = np.nan
    cells[:, :, -1] = np.nan
    return cells


def stray_interval(share: np.ndarray, spread: np.ndarray, *, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Where a share of this mean and standard deviation falls: Wilson's shape on the count that has this spread."""
    with np.errstate(divide="ignore", invalid="ignore"):
        count = np.where(spread > 0, share * (1.0 - share) / spread**2, np.inf)
    low, high = wilson_interval(share, np.where(np.isinf(count), 1.0, count), level=level)
    return np.where(np.isinf(count), share, low), np.where(np.isinf(count), share, high)


def gather_moments(draws: Iterable[np.ndarray], tiers: int, use: np.ndarray) -> tuple[MoveMoments, MoveMoments, int]:
    """Add up redrawn histories: moments of all flows, and of moving at all among tiers, and the number of draws.

    Parameters
    ----------
    draws : iterable of ndarray of int8, shape (n, t)
        Codes of each redrawn history.
    tiers : int
        Number of tiers; lapsed is counted after them.
    use : ndarray of bool, shape (t - 1,)
        Pairs of quarters that count.
    """
    cells: list[np.ndarray] = []
    moves: list[np.ndarray] = []
    count = 0
    for codes in draws:
        hits = partner_counts(flow_codes(codes, tiers), tiers + 1, use=use).astype(np.float64)
        inside = hits[:, :tiers, :tiers].sum(axis=(1, 2))
        away = inside - np.trace(hits[:, :tiers, :tiers], axis1=1, axis2=2)
        _add(cells, hits)
        _add(moves, np.stack([away, inside - away], axis=1)[:, None, :])
        count += 1
    return _moments(cells, count), _moments(moves, count), count


def _add(sums: list[np.ndarray], hits: np.ndarray) -> None:
    trials = hits.sum(axis=2)
    terms = (hits, hits**2, hits * trials[..., None], trials, trials**2)
    if not sums:
        sums.extend(np.zeros(term.shape) for term in terms)
    for position, term in enumerate(terms):
        sums[position] += term


def _moments(sums: list[np.ndarray], count: int) -> MoveMoments:
    hits, squared, crossed, trials, trials_squared = (total / count for total in sums)
    return MoveMoments(hits=hits, hits_squared=squared, hits_trials=crossed, trials=trials, trials_squared=trials_squared)


def estimate_noise(  # noqa: PLR0913 - what a baseline is asked
    panel: Panel,
    *,
    scheme: TierScheme,
    draws: int = 200,
    seed: int,
    level: float = 0.95,
    stage: str = "published",
    within: str | None = "region",
    dispersion: Literal["poisson", "fitted"] = "poisson",
) -> NoiseBaseline:
    """Estimate how much would move between tiers if no partner changed.

    Parameters
    ----------
    panel : Panel
        The panel that the history was made from.
    scheme : TierScheme
        The same scheme.
    draws : int
        Programs to draw; partners vary independently, so a program of 100,000 needs no more than twenty.
    seed : int
        Of the draws: the same seed gives the same baseline.
    level : float
        Coverage of the interval for what one program would show.
    stage : {"published", "held", "eligible", "raw"}
        Which of the four tiers to read; overrides and appeals are not drawn again.
    within : str or None
        Attribute within which partners' rates are shrunk; everybody together where there is none.
    dispersion : {"poisson", "fitted"}
        Poisson counts, or counts as wild as those of a partner's group are from one period to the next (negative binomial),
        beside what the group shares in a period. Fitted is for programs whose counts vary more than chance counts do: it
        takes real changes that last one period for noise, so that fewer moves are called real.

    Returns
    -------
    NoiseBaseline

    Raises
    ------
    ParameterError
        If the stage does not exist or ``draws`` is below 2.
    SampleError
        If nothing that the scheme reads is a matter of counting, such as recorded tiers.

    Notes
    -----
    In each draw every partner gets one rate for all quarters, from the posterior of its shrunken rate (gamma
    prior fitted within its group), and Poisson counts at that rate times its membership time; the redrawn panel
    passes through the same `assign_tiers`. Drawing the rate, not fixing it at its mean, keeps partners as
    different from each other as they were seen to be. Membership, region and stated values do not vary.

    Examples
    --------
    >>> from partnerlab.tiers import TierScheme
    >>> leads = np.random.default_rng(0).poisson(3.0, (40, 4))
    >>> rows = [(f"p{i:02d}", f"2026Q{q + 1}", leads[i, q]) for i in range(40) for q in range(4)]
    >>> bands = {"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 4}, {"name": "Member"}]}
    >>> panel = Panel.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "leads"]))
    >>> noise = estimate_noise(panel, scheme=TierScheme(scheme="demo", classify=bands), draws=50, seed=1)
    >>> noise.moved["estimate"].round(1).tolist()  # nobody changed, and yet
    [0.5]
    """
    from partnerlab.tiers import assign_tiers

    check_level(level)
    if not hasattr(scheme, "name_version"):
        raise ParameterError(f"noise: scheme is a {type(scheme).__name__}; give the TierScheme that the tiers are assigned by")
    if stage not in STAGES or draws < 2:
        raise ParameterError(f"noise: stage {stage!r}, draws {draws}; give a stage of {', '.join(STAGES)} and at least 2 draws")
    names = noisy_indicators(panel, scheme)
    if dispersion not in ("poisson", "fitted"):
        raise ParameterError(f"noise: dispersion is {dispersion!r}; give 'poisson' or 'fitted'")
    noise = fit_noise(panel, names, within=within, wild=dispersion == "fitted")
    if not any(one.kind != "held" for one in noise):
        raise SampleError(f"scheme {scheme.name_version} reads nothing that is counted; read its flows without a noise baseline")
    rng = np.random.default_rng(seed)
    tiers = tuple(assign_tiers(panel, scheme).tiers)
    use = ~(panel.partial[:-1] | panel.partial[1:])
    histories = (getattr(assign_tiers(redraw_panel(panel, noise, rng), scheme), stage) for _ in range(draws))
    moments, moved_moments, count = gather_moments(histories, len(tiers), use)
    table, moved = _tables(moments, moved_moments, tiers, len(panel.partners), level)
    return NoiseBaseline(
        estimand=f"Share of partners that noise alone would move between tiers in a quarter ({stage} tiers, {count} draws without change)",
        table=table,
        checks=_checks(panel, noise),
        level=level,
        partners=panel.partners,
        tiers=tiers,
        draws=count,
        moved=moved,
        moments=moments,
        moved_moments=moved_moments,
        evidence_of_change=tuple(one for one in noise if one.kind in ("count", "amount")),
        stated=tuple(one for one in noise if one.kind == "held"),
        windows=tuple((name, panel.indicators[name].window) for one in noise for name in one.names),
        first=panel.first - (0 if panel.run_in is None else panel.run_in.width),
        scheme=scheme,
        stage=stage,
        quarters=(panel.labels[0], panel.labels[-1]),
    )


def noisy_indicators(panel: Panel, scheme: TierScheme) -> tuple[str, ...]:
    """Name the indicators of the panel that a scheme reads.

    Raises
    ------
    MissingTableError
        If it reads none of them.
    """
    asked = dict.fromkeys(name if panel.known(name) else name.removesuffix("_n") for name in scheme.needs())
    read = [name for name in asked if panel.known(name)]
    if not read:
        raise MissingTableError(f"scheme {scheme.name_version} reads no indicator of this panel, so there is nothing to draw again")
    return tuple(read)


def _tables(
    moments: MoveMoments, moved: MoveMoments, tiers: tuple[str, ...], partners: int, level: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    everybody = np.zeros(partners, dtype=np.int64)
    names = np.array([*tiers, LAPSED], dtype=object)
    share, spread, at_risk = moments.shares(everybody, 1)
    share, spread = membership_apart(share), membership_apart(spread)
    table = pd.DataFrame({"from_tier": np.repeat(names, len(names)), "to_tier": np.tile(names, len(names))}).astype("str")
    table = table.assign(**_tidy(share, spread, np.broadcast_to(at_risk[..., None], share.shape), level))
    kept = (table["from_tier"] != LAPSED) & (table["to_tier"] != LAPSED)
    share, spread, at_risk = moved.shares(everybody, 1)
    return table[kept].reset_index(drop=True), pd.DataFrame(_tidy(share[:, :1, :1], spread[:, :1, :1], at_risk[:, :1, None], level))


def _tidy(share: np.ndarray, spread: np.ndarray, at_risk: np.ndarray, level: float) -> dict[str, np.ndarray]:
    low, high = stray_interval(share.ravel(), spread.ravel(), level=level)
    size = at_risk.ravel().round().astype(np.int64)
    return {"estimate": share.ravel(), "std_error": spread.ravel(), "conf_low": low, "conf_high": high, "n": size}


def successive_dispersion(counts: np.ndarray, exposure: np.ndarray) -> float:
    """How much more than Poisson neighbouring counts differ: 1 if counting is all there is.

    ``mean((y_t - y_{t-1})^2) / mean(y_t + y_{t-1})`` over pairs of equal exposure; slow change hardly enters
    (von Neumann 1941).

    Examples
    --------
    >>> counts = np.random.default_rng(0).poisson(3.0, (500, 12))
    >>> round(successive_dispersion(counts, np.ones((500, 12))), 1)
    1.0
    """
    pairs = (exposure[:, 1:] > 0) & np.isclose(exposure[:, 1:], exposure[:, :-1])
    now, before = counts[:, 1:].astype(np.float64), counts[:, :-1].astype(np.float64)
    total = float((now + before)[pairs].sum())
    return float(((now - before) ** 2)[pairs].sum()) / total if total > 0 else np.nan


def _chance_counts(noise: tuple[IndicatorNoise, ...]) -> Check:
    """Say whether counts are as noisy as drawn."""
    drawn = [one for one in noise if one.kind != "held"]
    ratios = {one.names[0]: successive_dispersion(one.counts, one.exposure) for one in drawn}
    said = ", ".join(f"{ratio:.2f} ({name})" for name, ratio in ratios.items())
    wild = any(ratio > MOST_DISPERSION for ratio in ratios.values())
    if any(one.wildness is not None for one in drawn):
        return Check(
            CHANCE_COUNTS, True,
            f"Neighbouring quarters differ, against counts that only chance moves, by a factor of {said}; "
            "they are drawn again as wild as that, beside what all partners share in a quarter. "
            "Real changes that last a single quarter are taken for noise.",
        )  # fmt: skip
    return Check(
        CHANCE_COUNTS, not wild,
        f"Neighbouring quarters differ, against counts that only chance moves, by a factor of {said}"
        + (
            ". Above 1.5 either chance moves more partners than is said here, or much really changes from one quarter to the next."
            if wild else "."
        ),
    )  # fmt: skip


def _checks(panel: Panel, noise: tuple[IndicatorNoise, ...]) -> tuple[Check, ...]:
    """Say what was drawn, what was held, and whether counts are as noisy as drawn."""
    drawn = [f"{' and '.join(one.names)} ({one.kind}s)" for one in noise if one.kind != "held"]
    held = [name for one in noise if one.kind == "held" for name in one.names]
    said = Check(
        "What was drawn again",
        None if held else True,
        f"Drawn: {', '.join(drawn)}. "
        + (f"Held where each partner mostly stood, as nothing says how it would vary: {', '.join(held)}." if held else "Nothing was held."),
    )
    poisson = _chance_counts(noise)
    squares = [one.names[0] for one in noise if one.kind == "amount" and not any(name in panel.squares for name in one.names)]
    spread = Check(
        "Spread of single amounts is known",
        not squares,
        f"Judged from how sums vary between quarters, which takes real change for spread: {', '.join(squares)}."
        if squares
        else "From sums of squares, or no amounts.",
    )
    return said, poisson, spread
