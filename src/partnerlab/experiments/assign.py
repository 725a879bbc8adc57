"""The assignment of an experiment: dealt once, written with its digest, read back, and held to."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import numbers
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from partnerlab.errors import LedgerError, ParameterError, SampleError, SpecError, nearest
from partnerlab.experiments.columns import count_empty, read_numbers, unit_names
from partnerlab.experiments.dealing import deal
from partnerlab.experiments.experiment import Experiment
from partnerlab.stats.trials.randomization import Draw
from partnerlab.words import plural

FIRST_LINE = "# partnerlab assignment "


@dataclasses.dataclass(frozen=True, kw_only=True)
class Assignment:
    """Who gets which variant, as it was dealt.

    Parameters
    ----------
    experiment : Experiment
        As declared.
    seed : int
        Of the deal.
    rows : str
        Canonical CSV: ``unit, cluster, stratum, block, variant``, ``shared`` where there is a spill-over rule, and what was known
        before, sorted by unit.
    accept : float
        Largest imbalance that was accepted; infinite without rerandomisation.
    buffered : tuple of str
        Units that stay out because another one that shares with them was dealt a variant.
    """

    experiment: Experiment
    seed: int
    rows: str = dataclasses.field(repr=False)
    accept: float = float("inf")
    buffered: tuple[str, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """A row for each unit."""
        text = dict.fromkeys(("unit", "cluster", "stratum", "variant", "shared"), str)
        return pd.read_csv(
            io.StringIO(self.rows), dtype=text, keep_default_na=False, na_values={name: [""] for name in self.experiment.pre}
        )

    @property
    def digest(self) -> str:
        """SHA-256 of the declaration, the seed and every row."""
        head = " ".join([self.experiment.digest, str(self.seed), repr(self.accept), *self.buffered])
        return hashlib.sha256(f"{head}\n{self.rows}".encode()).hexdigest()

    def draw(self, table: pd.DataFrame) -> Draw:
        """How the variants were dealt, for dealing them again; one entry for each thing of a table with a row for each thing."""
        order = {variant.name: code for code, variant in enumerate(self.experiment.variants)}
        balanced = np.isfinite(self.accept)
        return Draw(
            label=table["variant"].map(order).to_numpy(),
            block=table["block"].to_numpy(),
            covariates=table[list(self.experiment.pre)].to_numpy(dtype=float) if balanced else None,
            accept=self.accept,
        )

    def label(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Give a table of outcomes the variants that its units were dealt; units that were dealt none leave.

        Raises
        ------
        ParameterError
            If the unit's column is missing, the table has variants already, or none of its units was dealt one.
        """
        unit = self.experiment.unit
        if unit not in frame.columns:
            raise ParameterError(f"assignment: the table has no column {unit!r}{nearest(unit, frame.columns)}", column=unit)
        if "variant" in frame.columns:
            raise ParameterError("assignment: the table has a column 'variant' already; drop it, the assignment knows who was dealt what")
        names, dealt = unit_names(frame[unit]), self.table.set_index("unit")["variant"]
        variant = names.map(dealt)
        if len(frame) and variant.isna().all():
            raise ParameterError(
                f"assignment: none of {plural(len(frame), unit)} of the table was dealt a variant: "
                f"the table's first is {names.iloc[0]!r}, the assignment's {dealt.index[0]!r}; write them alike"
            )
        return frame.assign(variant=variant)[variant.notna()]

    def write(self, path: str | Path) -> Path:
        """Write to a CSV file whose first line holds the declaration and the digest.

        Raises
        ------
        LedgerError
            If the file holds another assignment (one experiment is dealt once), or cannot be written.
        """
        with self.writing(path) as written:
            return written

    @contextlib.contextmanager
    def writing(self, path: str | Path) -> Iterator[Path]:
        """Write the file, and take it away again if what is done beside it fails: a deal and its registration stand both, or neither.

        Raises
        ------
        LedgerError
            As `write`.
        """
        path = Path(path)
        stood = path.exists()
        if stood and Assignment.load(path).digest != self.digest:
            raise LedgerError(f"{path}: holds another assignment; an experiment is dealt once, so choose another file")
        part = path.with_name(f".{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(self._text(), encoding="utf-8", newline="")
            part.replace(path)
        except OSError as error:
            raise LedgerError(f"{path}: the assignment cannot be written ({error.strerror}); choose another file") from error
        finally:
            part.unlink(missing_ok=True)
        try:
            yield path
        except BaseException:
            if not stood:
                path.unlink(missing_ok=True)
            raise

    def _text(self) -> str:
        head = {
            "digest": self.digest,
            "seed": self.seed,
            "accept": None if np.isinf(self.accept) else self.accept,
            "buffered": list(self.buffered),
            "experiment": self.experiment.model_dump(mode="json"),
        }
        return f"{FIRST_LINE}{json.dumps(head, sort_keys=True)}\n{self.rows}"

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read an assignment that was written.

        Raises
        ------
        LedgerError
            If the file is no assignment, or was edited after it was written.
        """
        path = Path(path)
        if not path.is_file():
            raise LedgerError(f"{path}: no such file; give the file that the assignment was written to")
        first, _, rows = path.read_bytes().decode("utf-8", errors="replace").partition("\n")
        try:
            head = json.loads(first.removeprefix(FIRST_LINE))
            accept = float("inf") if head["accept"] is None else head["accept"]
            found = cls(
                experiment=Experiment(**head["experiment"]),
                seed=head["seed"],
                rows=rows,
                accept=accept,
                buffered=tuple(head.get("buffered", ())),
            )
        except (ValueError, KeyError, TypeError, SpecError) as error:
            raise LedgerError(f"{path}, line 1: not an assignment that partnerlab wrote; read the original file") from error
        if found.digest != head["digest"]:
            raise LedgerError(f"{path}: was edited after it was written (its digest differs); restore the original file", file=str(path))
        return found


def assign_variants(experiment: Experiment, *, units: pd.DataFrame, seed: int) -> Assignment:
    """Deal the variants of an experiment.

    Parameters
    ----------
    experiment : Experiment
        Says how: by unit or cluster, within strata, in groups alike, or again until balanced.
    units : DataFrame
        A row for each unit with its cluster, strata and what is known before the start.
    seed : int
        The same seed and units give the same assignment, whatever the order of the rows.

    Raises
    ------
    ParameterError
        On missing columns, units without a name or named twice, values not known, or an excluded unit that is not there.
    SampleError
        If there are fewer units (or clusters) than two for each variant; of schedules than one, or than three in all.

    Examples
    --------
    >>> from partnerlab.experiments import Metric
    >>> from partnerlab.verdicts import Stakes
    >>> dinner = Experiment(name="dinner", hypothesis="It helps.", tactic="Dinner", stakes=Stakes(unit="leads"),
    ...                     metrics=(Metric(name="leads"),), strata=("tier",))
    >>> partners = pd.DataFrame({"partner": list("abcdefgh"), "tier": ["Gold", "Silver"] * 4})
    >>> dealt = assign_variants(dinner, units=partners, seed=7)
    >>> dealt.table.groupby(["stratum", "variant"]).size().tolist()
    [2, 2, 2, 2]
    """
    if not isinstance(experiment, Experiment) or not isinstance(units, pd.DataFrame):
        given = units if isinstance(experiment, Experiment) else experiment
        raise ParameterError(f"assign_variants takes an Experiment and a DataFrame of units, not a {type(given).__name__}")
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral) or seed < 0:
        raise ParameterError(f"assign_variants: seed is {seed!r}; give a whole number of 0 or more, and keep it")
    seed = int(seed)
    rows = _read_units(experiment, units)
    rows, buffered = _keep_apart(experiment, rows, seed=seed)
    thing = rows["cluster"] if experiment.cluster else rows["unit"]
    things = rows.assign(thing=thing).groupby("thing", sort=True)
    if experiment.cluster:
        _refuse_spread(experiment, things)
    first = things[["stratum"]].first()
    known = things[list(experiment.pre)].mean().to_numpy(dtype=float) if experiment.pre else np.zeros((len(first), 0))
    needed = max(len(experiment.variants), 3) if experiment.scheduled else 2 * len(experiment.variants)
    if len(first) < needed:
        noun = experiment.cluster or experiment.unit
        raise SampleError(f"assign_variants: {plural(len(first), noun)} for {len(experiment.variants)} variants; {needed} are needed")
    label, block, accept = deal(experiment, pd.factorize(first["stratum"], sort=True)[0], known, seed=seed)
    place = first.index.get_indexer(thing)
    names = np.array([variant.name for variant in experiment.variants])
    rows = rows.assign(block=block[place], variant=names[label[place]])[label[place] >= 0]
    columns = ["unit", "cluster", "stratum", "block", "variant", *(["shared"] if experiment.spillover else []), *experiment.pre]
    text = rows[columns].to_csv(index=False, lineterminator="\n")
    return Assignment(experiment=experiment, seed=seed, rows=text, accept=accept, buffered=buffered)


def _read_units(experiment: Experiment, units: pd.DataFrame) -> pd.DataFrame:
    shared = [experiment.spillover.between] if experiment.spillover else []
    wanted = [experiment.unit, *([experiment.cluster] if experiment.cluster else []), *experiment.strata, *experiment.pre, *shared]
    for name in wanted:
        if name not in units.columns:
            raise ParameterError(f"assign_variants: the units have no column {name!r}{nearest(name, units.columns)}", column=name)
        if isinstance(units[name], pd.DataFrame):
            raise ParameterError(f"assign_variants: several columns are called {name!r}; give each its own name", column=name)
        empty = count_empty(units[name])
        if empty:
            raise ParameterError(f"assign_variants: {name} is empty for {plural(empty, 'unit')}; fill it or leave them out", column=name)
    rows = pd.DataFrame({"unit": unit_names(units[experiment.unit])})
    twice = rows["unit"][rows["unit"].duplicated()]
    if len(twice):
        raise ParameterError(
            f"assign_variants: {plural(len(twice), 'row repeats', 'rows repeat')} a unit, the first {twice.iloc[0]!r}; give each once"
        )
    absent = sorted(set(experiment.exclusions) - set(rows["unit"]))
    if absent:
        raise ParameterError(f"assign_variants: excluded {absent[0]!r} is not among the units{nearest(absent[0], rows['unit'])}")
    rows["cluster"] = units[experiment.cluster].astype(str) if experiment.cluster else rows["unit"]
    strata = units[list(experiment.strata)].astype(str)
    rows["stratum"] = strata.agg(" / ".join, axis=1) if experiment.strata else "all"
    if shared:
        rows["shared"] = units[shared[0]].astype(str)
    for name in experiment.pre:
        rows[name] = read_numbers(units, name, asked="assign_variants")
    return rows[~rows["unit"].isin(experiment.exclusions)].sort_values("unit").reset_index(drop=True)


def _keep_apart(experiment: Experiment, rows: pd.DataFrame, *, seed: int) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Hold to the spill-over rule: what shares is dealt whole, or one thing of it, by chance."""
    if experiment.spillover is None:
        return rows, ()
    between = experiment.spillover.between
    if experiment.spillover.rule == "cluster":
        spread = rows.groupby("shared")["cluster"].nunique()
        if (spread > 1).any():
            name, count = spread[spread > 1].index[0], int(spread.max())
            raise ParameterError(
                f"assign_variants: {between} {name!r} has units of {plural(count, experiment.cluster)}, which may get several variants; "
                f"deal by {between} (cluster: {between}), or take spillover rule: buffer"
            )
        return rows, ()
    thing = rows["cluster"] if experiment.cluster else rows["unit"]
    things = rows.assign(thing=thing).drop_duplicates(["shared", "thing"]).sort_values("thing")
    # a thing that shares with several groups stays only if it is chosen in each of them
    order = pd.Series(np.random.default_rng([seed, 1]).random(things["thing"].nunique()), index=sorted(things["thing"].unique()))
    first = things.assign(order=things["thing"].map(order)).sort_values("order").groupby("shared")["thing"].first()
    lost = set(things["thing"][things["thing"] != things["shared"].map(first)])
    stays = ~thing.isin(lost)
    return rows[stays].reset_index(drop=True), tuple(rows["unit"][~stays])


def _refuse_spread(experiment: Experiment, things) -> None:
    spread = things["stratum"].nunique()
    if (spread > 1).any():
        raise ParameterError(
            f"assign_variants: {experiment.cluster} {spread[spread > 1].index[0]!r} has units in several strata; "
            f"stratify by what each {experiment.cluster} has once"
        )
