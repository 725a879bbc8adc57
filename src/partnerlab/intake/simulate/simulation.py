"""A simulated program: its tables, without the truth in them, and the truth beside them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from partnerlab.errors import ParameterError, SourceError
from partnerlab.intake.simulate.causes import added_leads, true_effects
from partnerlab.intake.simulate.dirt import soil
from partnerlab.intake.simulate.engagement import (
    build_activities,
    build_assignments,
    build_campaigns,
    build_cases,
    build_manager_time,
    build_promotions,
    build_surveys,
    units_of_trial,
)
from partnerlab.intake.simulate.exact import true_flows, true_survival
from partnerlab.intake.simulate.governance import (
    build_aliases,
    build_appeals,
    build_manifest,
    build_overrides,
    build_program,
    build_quarters,
)
from partnerlab.intake.simulate.people import build_certifications, build_partner_profile, build_partners, build_tier_history
from partnerlab.intake.simulate.rates import draw_latents
from partnerlab.intake.simulate.realized import Realized, realize
from partnerlab.intake.simulate.sales import (
    build_deal_partners,
    build_deals,
    build_fx_rates,
    build_leads,
    build_stage_history,
    build_transactions,
    draw_deals,
    draw_leads,
)
from partnerlab.intake.simulate.truth import Truth
from partnerlab.intake.simulate.twins import build_twin
from partnerlab.intake.simulate.vintages import SYSTEMS, record_rows
from partnerlab.words import plural

if TYPE_CHECKING:
    from partnerlab.intake.source import Source


def _sales_tables(realized: Realized) -> dict[str, pa.Table]:
    leads = draw_leads(realized)
    deals = draw_deals(realized, leads)
    return {
        "leads": build_leads(realized, leads),
        "deals": build_deals(realized, deals),
        "deal_partners": build_deal_partners(realized, deals),
        "deal_stage_history": build_stage_history(realized, deals),
        "transactions": build_transactions(realized, deals),
        "fx_rates": build_fx_rates(realized),
    }


def _other_tables(realized: Realized) -> dict[str, pa.Table]:
    partners, activities = build_partners(realized), build_activities(realized)
    promotions, uses = build_promotions(realized)
    return {
        "partners": partners,
        "partner_aliases": build_aliases(realized, partners),
        "partner_profile": build_partner_profile(realized),
        "tier_history": build_tier_history(realized),
        "activities": activities,
        "campaigns": build_campaigns(realized),
        "manager_time": build_manager_time(realized, activities),
        "assignments": build_assignments(realized),
        "certifications": build_certifications(realized),
        "cases": build_cases(realized),
        "surveys": build_surveys(realized),
        "promotions": promotions,
        "promotion_uses": uses,
        "overrides": build_overrides(realized),
        "appeals": build_appeals(realized),
        "quarters": build_quarters(realized),
        "ingest_manifest": build_manifest(realized),
        "program": build_program(realized),
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Simulation:
    """A program whose true answers are known.

    Parameters
    ----------
    truth : Truth
        What its rows were drawn from.
    seed : int
        Seed of the draw.
    realized : Realized
        The draw itself, with the latent partners behind it.

    Examples
    --------
    >>> simulation = simulate_program(Truth(n_partners=20, n_quarters=4), seed=1)
    >>> simulation.tables["partners"].num_rows
    23
    >>> simulation.truth_rates().shape
    (20, 4)
    """

    truth: Truth
    seed: int
    realized: Realized = dataclasses.field(repr=False)

    @functools.cached_property
    def tables(self) -> Mapping[str, pa.Table]:
        """Every table of the contract; nothing in them tells the truth."""
        raw = soil(self.realized, {**_other_tables(self.realized), **_sales_tables(self.realized)})
        return {name: record_rows(self.realized, name, table) if name in SYSTEMS else table for name, table in raw.items()}

    @property
    def partners(self) -> np.ndarray:
        """Ids of the partners in the order of every truth array, shape ``(n,)``."""
        return np.array([f"P{place:07d}" for place in range(len(self.realized.lapsed))])

    def noise_free(self, *, scale: int = 20) -> dict[str, pa.Table]:
        """Tables of the twin without count noise: leads are ``scale`` times the expected ones, whole by error diffusion.

        The same road walked on them gives the flows of the partners' rates, with lines of leads
        multiplied by ``scale``. Tables without leads in them stand as they are; deals and money stay away.
        """
        return {**build_twin(self.realized, scale=scale), "quarters": self.tables["quarters"], "program": self.tables["program"]}

    def truth_rates(self) -> np.ndarray:
        """Look up the expected counted leads of each partner in each quarter, shape ``(n, t)``; 0 outside membership."""
        return (self.realized.latents.rate * self.realized.exposure)[:, self.truth.lead_in :]

    def truth_hazards(self) -> np.ndarray:
        """Look up the probability that a member at the start of a quarter lapses in it, shape ``(n, t)``; 0 up to joining."""
        return self.realized.latents.hazard[:, self.truth.lead_in :].astype(np.float64)

    def truth_flows(self, *, cuts: Mapping[str, Sequence[float]], tiers: Sequence[str] | None = None, noise: bool = True) -> pd.DataFrame:
        """Flows between tiers in the whole population: see `true_flows`."""
        return true_flows(self.truth, cuts=cuts, tiers=tiers, noise=noise)

    def truth_survival(self, *, times: Sequence[int] | None = None) -> pd.DataFrame:
        """Membership curve by tenure in the whole population: see `true_survival`."""
        return true_survival(self.truth, times=times)

    def truth_effects(self) -> pd.DataFrame:
        """Effect of each tactic on each tier beside the naive comparison: see `true_effects`."""
        return true_effects(self.truth)

    def truth_added(self, tactic: str) -> np.ndarray:
        """Look up the leads that a tactic's use in a quarter is expected to bring in the next, shape ``(n, t)``: see `added_leads`."""
        return added_leads(self.realized, tactic)[:, self.truth.lead_in :]

    def source(self) -> Source:
        """Open the tables as a source in memory."""
        from partnerlab.intake.source import connect

        return connect(dict(self.tables))

    def write(self, path: str | Path) -> Path:
        """Write the tables as a folder of Parquet files, or as one DuckDB file if the path ends in ``.duckdb``.

        Raises
        ------
        SourceError
            If there is something at that path already.
        """
        return write_tables(self.tables, path)


def write_tables(tables: Mapping[str, pa.Table], path: str | Path) -> Path:
    """Write contract tables as a folder of Parquet files, or as one DuckDB file if the path ends in ``.duckdb``."""
    place = Path(path)
    if place.is_file() or (place.is_dir() and any(place.iterdir())):
        raise SourceError(f"{place}: there is something already; give a new path or remove it first")
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.suffix == ".duckdb":
        import duckdb

        with duckdb.connect(str(place)) as connection:
            for name, table in tables.items():
                connection.register("incoming", table)
                connection.execute(f'CREATE TABLE "{name}" AS SELECT * FROM incoming')
                connection.unregister("incoming")
        return place
    import pyarrow.parquet

    place.mkdir(exist_ok=True)
    for name, table in tables.items():
        pyarrow.parquet.write_table(table, place / f"{name}.parquet")
    return place


def simulate_program(truth: Truth | None = None, *, seed: int, dealt: Mapping[str, str] | None = None) -> Simulation:
    """Simulate a program whose true answers are known.

    Parameters
    ----------
    truth : Truth, optional
        What holds in the program; the demo program without it.
    seed : int
        Same seed, same rows, on every machine.
    dealt : mapping of str to str, optional
        Variant (``control`` or ``treatment``) of every partner there at the start of the trial, where somebody else dealt it, as
        `partnerlab.assign_variants` does; without it the simulation deals within tiers.

    Returns
    -------
    Simulation

    Raises
    ------
    ParameterError
        If ``truth`` is none, ``dealt`` names no partner or variant of the program, or not just the partners who were there.

    Examples
    --------
    >>> simulate_program(Truth(n_partners=30, n_quarters=4), seed=7).seed
    7
    """
    truth = Truth() if truth is None else truth
    if not isinstance(truth, Truth):
        raise ParameterError(f"simulate_program takes a Truth, not a {type(truth).__name__}; make one: Truth(n_partners=200)")
    treated = None if dealt is None else _read_deal(dealt, count=truth.n_partners)
    latents = draw_latents(truth, count=truth.n_partners, seed=seed, dealt=treated)
    simulation = Simulation(truth=truth, seed=seed, realized=realize(latents, seed=seed))
    if dealt is not None:
        _check_dealt(dealt, units=simulation.partners[units_of_trial(simulation.realized)].tolist())
    return simulation


def _check_dealt(dealt: Mapping[str, str], *, units: list[str]) -> None:
    """Refuse a deal of fewer or more than the partners who were there, whose variants would be made up or lost."""
    here = f"of the {plural(len(units), 'partner')} there at the start of the trial"
    if without := sorted(set(units) - set(dealt)):
        raise ParameterError(f"simulate_program: dealt leaves out {len(without)} {here}, such as {without[0]!r}; deal each a variant")
    if more := sorted(set(dealt) - set(units)):
        raise ParameterError(f"simulate_program: dealt names {len(more)} beside those {here[3:]}, such as {more[0]!r}; leave them out")


def _read_deal(dealt: Mapping[str, str], *, count: int) -> np.ndarray:
    """Who was dealt the treated variant, bool ``(count,)``."""
    names = pd.Index([f"P{place:07d}" for place in range(count)])
    place = names.get_indexer(list(dealt))
    if (place < 0).any():
        strange = next(name for name, found in zip(dealt, place, strict=True) if found < 0)
        raise ParameterError(f"simulate_program: dealt names {strange!r}, who is no partner of the program; deal its own partners")
    strange = sorted(set(dealt.values()) - {"control", "treatment"})
    if strange:
        raise ParameterError(f"simulate_program: dealt has the variant {strange[0]!r}; the trial's are 'control' and 'treatment'")
    treated = np.zeros(count, dtype=bool)
    treated[place] = [variant == "treatment" for variant in dealt.values()]
    return treated
