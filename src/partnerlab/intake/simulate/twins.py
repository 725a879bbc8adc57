"""The same program without count noise: every partner-quarter has the leads that were to be expected.

A row is a whole lead, so expected leads cannot stand in a table as they are. The twin
therefore holds them times a ``scale``, rounded by error diffusion along each partner's
quarters: every value of its panel is within ``1 / scale`` of ``scale`` times the rate,
and so is every trailing sum. Lines of a scheme are multiplied by the scale too.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa

from partnerlab.errors import ParameterError
from partnerlab.intake.simulate.columns import contract_table, hash_ids, instants, name_ids
from partnerlab.intake.simulate.latents import stream
from partnerlab.intake.simulate.people import build_partner_profile, build_partners, build_tier_history
from partnerlab.intake.simulate.realized import Realized, spread


def diffuse(expected: np.ndarray) -> np.ndarray:
    """Whole numbers whose running sums along the last axis are the rounded running sums of ``expected``.

    Examples
    --------
    >>> diffuse(np.array([[0.4, 0.4, 0.4, 0.4]]))
    array([[0, 1, 0, 1]], dtype=int32)
    """
    running = np.floor(np.cumsum(expected, axis=-1) + 0.5)
    return np.diff(running, axis=-1, prepend=0.0).astype(np.int32)


def build_twin(realized: Realized, *, scale: int) -> dict[str, pa.Table]:
    """Tables of the noise-free twin: partners, profile and recorded tiers as they are, leads as expected.

    Raises
    ------
    ParameterError
        If the scale is not a whole number of at least 1.
    """
    if not isinstance(scale, int) or scale < 1:
        raise ParameterError(f"scale is {scale!r}; give a whole number, 1 or more")
    counts = diffuse(realized.latents.rate.astype(np.float64) * realized.exposure * scale)
    twin = dataclasses.replace(realized, leads=counts)
    partner, _, at = spread(twin, counts, stream(realized.seed, "twin"))
    leads = contract_table(
        "leads",
        lead_id=name_ids("L", np.arange(len(partner)), width=9),
        partner_id=name_ids("P", partner),
        direction=pa.repeat("submitted", len(partner)),
        created_at=instants(at),
        disposition=pa.repeat("accepted", len(partner)),
        disposition_at=instants(at),
        customer_id=hash_ids("K", partner + 1),
    )
    return {
        "partners": build_partners(twin),
        "partner_profile": build_partner_profile(twin),
        "tier_history": build_tier_history(twin),
        "leads": leads,
    }
