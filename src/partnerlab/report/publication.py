"""What a run publishes: tiers, figures and forecasts go to the ledger, and what was published before is compared with what holds now."""

from __future__ import annotations

import dataclasses
import io
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from partnerlab.report.asked import Request
from partnerlab.report.execution import Outcome
from partnerlab.report.plan import REVIEW

if TYPE_CHECKING:
    from partnerlab.panel import Panel
    from partnerlab.tiers import TierHistory

_STAGES = ("raw", "eligible", "held", "published")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Road:
    """Panel and tiers of the whole program, walked once by the runner: every check of the data happens here, before a kernel starts."""

    panel: Panel
    history: TierHistory


def walk(request: Request) -> Road:
    """Build the panel and assign the tiers that the run is about.

    Raises
    ------
    PartnerlabError
        If the data, indicators or scheme do not go together, or the segment does not exist.
    """
    from partnerlab.panel import build_panel
    from partnerlab.tiers import assign_tiers

    panel = build_panel(
        request.source,
        first=request.first,
        last=request.quarter,
        indicators=request.indicators,
        as_of=request.as_of,
        unit=request.scheme.unit_column,
    )
    history = assign_tiers(panel, request.scheme, ledger=request.ledger, overrides=request.overrides)
    request.select(history)
    return Road(panel=panel, history=history)


def import_decisions(request: Request, *, run_id: str) -> None:
    """Take over into the ledger what the source's own tables say of overrides and appeals."""
    from partnerlab.ledger import record_appeals, record_overrides
    from partnerlab.report.sources import load_decisions

    if request.ledger is None:
        return
    for table, record in (("overrides", record_overrides), ("appeals", record_appeals)):
        rows = load_decisions(request.source, table, as_of=request.as_of)
        if rows is not None and len(rows):
            record(request.ledger, rows.rename(columns={"partner_id": "partner"}), program=request.program, run_id=run_id)


def snapshot(request: Request, folder: Path) -> str:
    """Copy the ledger for the kernels to read; only the runner has the ledger itself."""
    if request.ledger is None:
        return ""
    copy = folder / "ledger.duckdb"
    shutil.copyfile(request.ledger.path, copy)
    return str(copy)


def published_frame(history: TierHistory, quarter: str) -> pd.DataFrame:
    """Tiers of one quarter as the ledger keeps them: ``partner, raw, eligible, held, published``; members only."""
    column = history.calendar.parse(quarter) - history.first
    names = {stage: history.names(getattr(history, stage)[:, column]) for stage in _STAGES}
    frame = pd.DataFrame({"partner": history.partners, **{stage: list(map(str, found)) for stage, found in names.items()}})
    return frame[history.published[:, column] >= -1].reset_index(drop=True)


def restatements(request: Request, road: Road) -> list[str]:
    """Say how many tiers, of this quarter and the one before, are not what was published."""
    if request.ledger is None:
        return []
    said = []
    for quarter in (request.quarter, request.before):
        if quarter not in road.history.labels:
            continue
        old = request.ledger.tiers(program=request.program, quarter=quarter, scheme=request.scheme.scheme)
        if old.empty:
            continue
        both = old[["partner", "published"]].merge(
            published_frame(road.history, quarter)[["partner", "published"]], on="partner", how="outer", suffixes=("_then", "_now")
        )
        differ = int((both["published_then"].fillna("") != both["published_now"].fillna("")).sum())
        if differ:
            said.append(
                f"{differ:,} of {len(both):,} partners have another tier in {quarter} than was published in the run of "
                f"{pd.Timestamp(old['recorded_at'].max()):%Y-%m-%d %H:%M} UTC."
            )
    return said


def publish(request: Request, road: Road, outcomes: Sequence[Outcome], *, run_id: str) -> None:
    """Write to the ledger what whole pages of this run printed: tiers, figures, forecasts."""
    from partnerlab.ledger import record_metrics, record_tiers

    whole = [outcome for outcome in outcomes if not outcome.error and outcome.page.group == REVIEW]
    if request.ledger is None or not whole:
        return
    facts = {"program": request.program, "run_id": run_id, "data_hash": road.panel.digest}
    everybody = [outcome for outcome in whole if outcome.page.slug == "program"]
    if everybody:
        tiers = published_frame(road.history, request.quarter)
        record_tiers(request.ledger, tiers, quarter=request.quarter, scheme=request.scheme.name_version, **facts)
    for outcome in whole:
        segment = "" if outcome.page.slug == "program" else outcome.page.segment
        figures = figures_of(outcome)
        if len(figures):
            record_metrics(request.ledger, figures, quarter=request.quarter, segment=segment, **facts)
        _publish_forecast(request, outcome, segment=segment, **facts)


def figures_of(outcome: Outcome) -> pd.DataFrame:
    """Figures of a page as the ledger keeps them."""
    columns = ("name", "label", "unit", "estimate", "conf_low", "conf_high", "n")
    rows = [{column: piece.numbers.get(column) for column in columns} for piece in outcome.pieces if piece.kind == "metric"]
    return pd.DataFrame(rows, columns=list(columns)).astype(dict.fromkeys(columns[3:], "float64"))


def _publish_forecast(request: Request, outcome: Outcome, *, segment: str, program: str, run_id: str, data_hash: str) -> None:
    from partnerlab.ledger import record_forecast

    for piece in outcome.pieces:
        if piece.kind == "forecast" and piece.csv:
            frame = pd.read_csv(io.StringIO(piece.csv))
            record_forecast(
                request.ledger, frame, program=program, made_in=request.quarter, run_id=run_id,
                scheme=request.scheme.name_version, segment=segment, data_hash=data_hash,
            )  # fmt: skip
