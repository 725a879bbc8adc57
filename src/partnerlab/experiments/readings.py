"""One metric of one variant against the control: the effect as dealt, its tests, and the effect on those who took it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from partnerlab.experiments.assign import Assignment
from partnerlab.experiments.checks import arms_of, things_of
from partnerlab.experiments.experiment import Metric
from partnerlab.experiments.kinds import MANY_CLUSTERS, Moved, curve_known_until, tier_moves, tier_reading, time_reading, whole_clusters
from partnerlab.experiments.trial import Trial
from partnerlab.stats.regressions.linear import fit_line
from partnerlab.stats.trials.arm_differences import (
    Adjustment,
    ArmDifference,
    Arms,
    arm_design,
    arm_difference,
    block_weights,
    blocks_of_both,
    count_slopes,
    not_repeating,
    take_arms,
)
from partnerlab.stats.trials.arm_moments import moment_difference
from partnerlab.stats.trials.arm_scores import log_rank_scores, ratio_scores, restricted_mean_scores, win_scores
from partnerlab.stats.trials.randomization import MOST_WAYS, Draw, exact_p_value, redraw_p_value
from partnerlab.stats.trials.wild_bootstrap import wild_test
from partnerlab.words import say_number

NOT_ENOUGH = "not enough data"
#: Share of the scores' spread below which an error is rounding.
ROUNDING = 1e-9
#: Most things (units or clusters) for which the deal is repeated; beyond it both tests agree.
MOST_THINGS = 2000
#: Things of the smaller arm for each covariate from which slopes may differ by arm.
THINGS_PER_SLOPE = 20
#: Steps for counting all deals by their sums.
MOST_COUNTED = 50_000_000
#: Units of an arm of a block for a curve of their own.
UNITS_FOR_A_CURVE = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reading:
    """What was read of one metric and one variant.

    Parameters
    ----------
    effect : ArmDifference
        As dealt.
    taken : ArmDifference or None
        On those who took it because it was offered; None where nothing was said of that.
    n, n_treated, things : int
        Units of both arms, those treated, and things dealt.
    treated, control : float
        Level of the metric in each arm.
    control_alike : float
        That of the control, had it the blocks and what was known before of both arms; effects are relative to it.
    p_redrawn : float
        By dealing again; NaN where the things are too many.
    p_wild : float
        By the wild cluster bootstrap, where fewer than 40 clusters were dealt.
    relative_error : float
        Standard error of the effect over the control's level, by the delta method; NaN where that means nothing.
    extra : dict of str to float
        What belongs to the kind: win probability, odds ratio, log-rank test.
    moved : tuple of Moved
        Of tiers, shares that rose and fell against the tier before.
    """

    effect: ArmDifference
    taken: ArmDifference | None
    n: int
    n_treated: int
    things: int
    treated: float
    control: float
    p_redrawn: float
    p_wild: float
    relative_error: float
    extra: dict[str, float]
    control_alike: float = math.nan
    moved: tuple[Moved, ...] = ()


def read_metric(
    trial: Trial, metric: Metric, code: int, *, assignment: Assignment | None, adjustment: Adjustment | None, draws: int, seed: int
) -> Reading:
    """Read one metric of the variant with a code against the control; from moments by variant where these say all."""
    if metric.kind in ("mean", "share", "count", "ratio") and trial.moments is not None:
        return _read_moments(trial, metric, code, adjustment=adjustment)
    arms, used = arms_of(trial, code, trial.observed(metric))
    values = {column: trial.outcomes[column][used] for column in (*metric.columns, metric.before) if column}
    counts, things = _count_things(arms)
    missing = _missing(metric, values, arms, counts)
    if missing:
        unknown = ArmDifference(estimate=math.nan, std_error=math.nan, df=math.nan, method=missing)
        return Reading(
            effect=unknown,
            taken=None,
            n=len(used),
            n_treated=int(arms.treated.sum()),
            things=things,
            treated=math.nan,
            control=math.nan,
            p_redrawn=math.nan,
            p_wild=math.nan,
            relative_error=math.nan,
            extra=_extra(metric, values, arms, unknown) if missing != NOT_ENOUGH else {},
        )
    if adjustment == "none":
        arms = dataclasses.replace(arms, covariates=None)
    slopes = count_slopes(arms)
    chosen = adjustment or ("interacted" if min(counts) >= THINGS_PER_SLOPE * (slopes + 1) else "common")
    scores, null, greenwood = _scores(metric, values, arms)
    effect = arm_difference(scores, arms, adjustment=chosen)
    if greenwood is not None and arms.stratum is None and arms.cluster is None and slopes == 0:
        effect = dataclasses.replace(effect, std_error=greenwood, df=math.inf, method="difference of restricted means, Greenwood")
    # an outcome that is the same within blocks leaves rounding alone
    if not effect.std_error > max(ROUNDING * float(scores.std()), 1e-15 * float(np.abs(scores).max())):
        effect = dataclasses.replace(effect, std_error=math.nan)
    redrawn = math.nan
    if len(things_of(trial)[1]) <= MOST_THINGS and draws > 0:
        redrawn = _redraw(trial, null, arms, used, code, assignment=assignment, draws=draws, seed=seed)
    alike = math.nan if metric.kind == "tier" else effect.control
    return Reading(
        effect=effect,
        taken=None if trial.received is None else _on_those_who_took(scores, trial.received[used], arms, effect, chosen),
        n=len(used),
        n_treated=int(arms.treated.sum()),
        things=things,
        treated=_level(metric, values, arms.treated, scores),
        control=_level(metric, values, ~arms.treated, scores),
        control_alike=alike,
        p_redrawn=redrawn,
        p_wild=_wild(scores, arms, chosen, draws=draws, seed=seed),
        relative_error=_relative_error(scores, arms, effect, alike, chosen) if alike > 0 else math.nan,
        extra=_extra(metric, values, arms, effect),
        moved=tier_moves(metric, values, arms) if metric.kind == "tier" else (),
    )


def _missing(metric: Metric, values: dict[str, np.ndarray], arms: Arms, counts: list[int]) -> str:
    """Say what a comparison lacks; empty if nothing."""
    sides = (arms.treated, ~arms.treated)
    if min(counts) < 2 or (metric.per and min(values[metric.per][side].sum() for side in sides) <= 0):
        return NOT_ENOUGH
    if metric.kind == "time":
        known = min(curve_known_until(values[metric.name][side], values[metric.event][side] > 0) for side in sides)
        if known < metric.until * (1 - ROUNDING):
            return f"a curve is known up to {say_number(known)} only, so that there is no area up to {say_number(metric.until)}"
    return ""


def _count_things(arms: Arms) -> tuple[list[int], int]:
    """Things (clusters or units) of the treated and of the control, and of both."""
    if arms.cluster is None:
        return [int(arms.treated.sum()), int((~arms.treated).sum())], len(arms.treated)
    return [len(np.unique(arms.cluster[side])) for side in (arms.treated, ~arms.treated)], len(np.unique(arms.cluster))


def _read_moments(trial: Trial, metric: Metric, code: int, *, adjustment: Adjustment | None) -> Reading:
    """Read a metric of a large trial without groups or gaps: there are always enough units for slopes by arm, too many to deal again."""
    moments, names = trial.moments, list(trial.outcomes)
    column, per = names.index(metric.name), names.index(metric.per) if metric.per else None
    moving = np.diagonal(moments.products, axis1=1, axis2=2).sum(axis=0) > 0
    given = [] if adjustment == "none" else [place for place in range(len(names), len(moving)) if moving[place]]
    asked = {"per": per, "given": given, "arms": (code, 0), "slope": "common" if adjustment == "common" else "arms"}
    known = per is None or bool((moments.mean[[code, 0], per] > 0).all())
    level = [
        float(moments.mean[arm, column] / (1.0 if per is None else moments.mean[arm, per])) if known else math.nan for arm in (code, 0)
    ]
    effect = ArmDifference(estimate=math.nan, std_error=math.nan, df=math.nan, method=NOT_ENOUGH)
    relative, alike = math.nan, math.nan
    if known:
        effect = moment_difference(moments, column, **asked)
        effect = effect if effect.std_error > 0 else dataclasses.replace(effect, std_error=math.nan)
        alike = effect.control
        if alike > 0:
            scale = (1.0 / alike, (1.0 + effect.estimate / alike) / alike)
            relative = moment_difference(moments, column, scale=scale, **asked).std_error
    counts = moments.count[[code, 0]].astype(int)
    return Reading(
        effect=effect, taken=None, n=int(counts.sum()), n_treated=int(counts[0]), things=int(counts.sum()), treated=level[0],
        control=level[1], control_alike=alike, p_redrawn=math.nan, p_wild=math.nan, relative_error=relative, extra={},
    )  # fmt: skip


def _scores(metric: Metric, values: dict[str, np.ndarray], arms: Arms) -> tuple[np.ndarray, np.ndarray, float | None]:
    """Scores whose means differ by the effect, scores under no effect, and Greenwood's error of a restricted mean."""
    outcome, treated, weight = values[metric.name], arms.treated, block_weights(arms)
    if metric.kind == "ratio":
        pooled = outcome.sum() / values[metric.per].sum()
        return ratio_scores(outcome, values[metric.per], treated, weight=weight), outcome - pooled * values[metric.per], None
    if metric.kind == "tier":
        from scipy.stats import rankdata

        return win_scores(outcome, treated, weight=weight), rankdata(outcome), None
    if metric.kind == "time":
        event = values[metric.event] > 0
        rows = (outcome, event, treated)
        blocks = arms.stratum if weight is not None and _known_by_block(rows, arms.stratum, weight > 0, until=metric.until) else None
        scores, error = restricted_mean_scores(*rows, tau=metric.until, stratum=blocks, weight=weight)
        return scores, -log_rank_scores(outcome, event), error
    return outcome, outcome, None


def _known_by_block(rows: tuple[np.ndarray, ...], stratum: np.ndarray, both: np.ndarray, *, until: float) -> bool:
    """Whether each arm of each block has a curve of its own, known until then and of enough units."""
    time, event, treated = (values[both] for values in rows)
    cell = 2 * np.unique(stratum[both], return_inverse=True)[1] + treated
    parts = (cell == one for one in np.unique(cell))
    return all(part.sum() >= UNITS_FOR_A_CURVE and curve_known_until(time[part], event[part]) >= until * (1 - ROUNDING) for part in parts)


def _level(metric: Metric, values: dict[str, np.ndarray], arm: np.ndarray, scores: np.ndarray) -> float:
    if metric.kind == "ratio":
        return float(values[metric.name][arm].sum() / values[metric.per][arm].sum())
    return float((scores if metric.kind == "time" else values[metric.name])[arm].mean())


def _on_those_who_took(
    scores: np.ndarray, received: np.ndarray, arms: Arms, effect: ArmDifference, adjustment: Adjustment
) -> ArmDifference:
    """Effect as dealt over the difference in taking it up (Angrist, Imbens and Rubin 1996), by linearising the ratio."""
    takeup = arm_difference(received, arms, adjustment=adjustment)
    if not abs(takeup.estimate) > 0 or not (np.isnan(takeup.std_error) or abs(takeup.estimate) > 3 * takeup.std_error):
        return ArmDifference(estimate=math.nan, std_error=math.nan, df=math.nan, method="too few took it up because it was offered")
    ratio = effect.estimate / takeup.estimate
    rest = arm_difference(scores - ratio * received, arms, adjustment=adjustment)
    return ArmDifference(
        estimate=ratio, std_error=rest.std_error / abs(takeup.estimate), df=rest.df, method=f"{rest.method}, over the difference in take-up"
    )


def _wild(scores: np.ndarray, arms: Arms, adjustment: Adjustment, *, draws: int, seed: int) -> float:
    """P-value by the wild cluster bootstrap for a few clusters that were dealt whole; NaN for others."""
    if arms.cluster is None or draws < 1 or int(arms.cluster.max()) + 1 >= MANY_CLUSTERS or not whole_clusters(arms):
        return math.nan
    both = blocks_of_both(arms)
    scores, arms = scores[both], take_arms(arms, both)
    return wild_test(scores, arm_design(arms, adjustment=adjustment), arms.cluster, column=1, draws=draws, seed=seed).p_value


def _relative_error(scores: np.ndarray, arms: Arms, effect: ArmDifference, control: float, adjustment: Adjustment) -> float:
    """Error of a ratio of two levels: treated scores over the control's level, less control's scores times the ratio over it."""
    ratio = 1.0 + effect.estimate / control
    return arm_difference(np.where(arms.treated, 1.0, ratio) * scores / control, arms, adjustment=adjustment).std_error


def _redraw(  # noqa: PLR0913 - what the deal was
    trial: Trial, null: np.ndarray, arms: Arms, used: np.ndarray, code: int, *, assignment, draws: int, seed: int
) -> float:
    """P-value by dealing the two variants again, as they were dealt; of sums on a grid all deals are counted."""
    draw = draw_of(trial, assignment).between(code, 0)
    if draw.ways > MOST_WAYS and _only_sums_differ(trial, draw, arms, used, code):
        exact = exact_p_value(null, arms.treated, draw.block[used], most=MOST_COUNTED // len(used))
        if math.isfinite(exact):
            return exact
    rest = null - _explained(null, arms)
    thing, variant = things_of(trial)
    score = np.bincount(thing[used], weights=rest, minlength=len(variant))
    size = np.maximum(np.bincount(thing[used], minlength=len(variant)).astype(float), 1e-12)
    return redraw_p_value(score, size, draw, variants=(code, 0), draws=draws, seed=seed)


def _only_sums_differ(trial: Trial, draw: Draw, arms: Arms, used: np.ndarray, code: int) -> bool:
    """Whether deals of single units, all seen, differ in the sum over the treated alone."""
    plain = not trial.by_cluster and arms.covariates is None and math.isinf(draw.accept)
    return plain and len(used) == int(trial.counts[[0, code]].sum())


def draw_of(trial: Trial, assignment: Assignment | None) -> Draw:
    """How the variants of the things were dealt: as in the assignment, else by chance within strata."""
    thing, variant = things_of(trial)
    first = np.unique(thing, return_index=True)[1]
    if assignment is None:
        block = np.zeros(len(first), dtype=int) if trial.stratum is None else trial.stratum[first]
        return Draw(label=variant, block=block)
    rows = assignment.table.set_index("unit").loc[trial.units[first]]
    if np.isfinite(assignment.accept) and trial.by_cluster:
        names = list(assignment.experiment.pre)
        means = assignment.table.groupby("cluster")[names].mean()
        rows[names] = means.loc[rows["cluster"]].to_numpy()
    return assignment.draw(rows)


def _explained(null: np.ndarray, arms: Arms) -> np.ndarray:
    """Predict the scores from strata and covariates, whatever the variant."""
    columns = [np.ones((len(null), 1))]
    if arms.stratum is not None:
        codes = np.unique(arms.stratum, return_inverse=True)[1]
        columns.append((codes[:, None] == np.arange(1, codes.max() + 1)).astype(float))
    if arms.covariates is not None:
        columns.append(arms.covariates[:, np.ptp(arms.covariates, axis=0) > 0])
    design = np.column_stack(columns)
    design = design[:, not_repeating(design)]
    line = fit_line(null, design)
    return np.full(len(null), null.mean()) if line is None else design @ line.coefficients


def _extra(metric: Metric, values: dict[str, np.ndarray], arms: Arms, effect: ArmDifference) -> dict[str, float]:
    if metric.kind == "tier":
        return tier_reading(values[metric.name], arms, effect) if math.isfinite(effect.estimate) else {}
    return time_reading(metric, values, arms) if metric.kind == "time" else {}
