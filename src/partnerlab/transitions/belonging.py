"""Whether a noise baseline belongs to a history: drawn with the same rules, of the same tiers and quarters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from partnerlab.errors import ParameterError

if TYPE_CHECKING:
    from partnerlab.tiers.history import TierHistory
    from partnerlab.transitions.noise import NoiseBaseline


def check_baseline(noise: NoiseBaseline, *, history: TierHistory, stage: str) -> None:
    """Refuse a noise baseline of other rules, another stage or other quarters than a history's.

    Parameters
    ----------
    noise : NoiseBaseline
        To stand beside the history.
    history : TierHistory
        Of all partners of the baseline or some, over all its quarters or some.
    stage : {"published", "held", "eligible", "raw"}
        Which of the history's four tiers is read.

    Raises
    ------
    ParameterError
        What the two differ in. Whether the partners are the same is for `NoiseBaseline.places` to say.
    """
    if not hasattr(noise, "scheme") or not hasattr(noise, "stage"):
        raise ParameterError(f"noise is a {type(noise).__name__}; give what estimate_noise(panel, scheme=..., seed=...) gave")
    mine, its = history.scheme, noise.scheme
    again = "estimate it on the panel, with the scheme and stage, that the history was made with"
    if mine is not None and its is not None and mine != its:
        same = " (the same name, other contents)" if mine.name_version == its.name_version else ""
        raise ParameterError(f"the noise baseline is of scheme {its.name_version}, the history of {mine.name_version}{same}; {again}")
    if tuple(noise.tiers) != tuple(history.tiers):
        raise ParameterError(f"the noise baseline has the tiers {', '.join(noise.tiers)}, the history {', '.join(history.tiers)}; {again}")
    if noise.stage != stage:
        raise ParameterError(f"the noise baseline is of {noise.stage} tiers, asked for are {stage} ones; {again}")
    if "" not in noise.quarters:
        first, last = (history.calendar.parse(label) for label in noise.quarters)
        if history.first < first or history.periods[-1] > last:
            raise ParameterError(
                f"the noise baseline runs from {noise.quarters[0]} to {noise.quarters[1]}, the history from {history.labels[0]} to "
                f"{history.labels[-1]}; {again}"
            )
