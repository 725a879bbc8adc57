"""An experiment is declared before it runs: what is tried, on whom, judged by what, and when one may look."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from typing import Literal, Self

import pydantic

from partnerlab.specs import Spec
from partnerlab.stats.trials.sequential import Spending
from partnerlab.verdicts import Stakes
from partnerlab.words import plural, say_list, say_number, say_share, sentence

Kind = Literal["mean", "share", "count", "ratio", "tier", "time"]
Goal = Literal["difference", "not worse", "equivalent"]
Dealing = Literal["complete", "pairs", "rerandomised"]
Rule = Literal["cluster", "buffer"]
Stopping = Literal["fixed", "group sequential", "always valid"]

#: Kinds of metrics that are read every quarter, as a schedule is.
EACH_QUARTER = ("mean", "share", "count")

_KINDS = {
    "mean": "the mean",
    "share": "the share",
    "count": "the mean count",
    "ratio": "the ratio of sums",
    "tier": "the net chance of a higher",
    "time": "the mean time without the event",
}


#: How the error is spent over looks, in words.
SPENT = {
    "obrien_fleming": "late (after O'Brien and Fleming)",
    "pocock": "evenly (after Pocock)",
    "linear": "in proportion",
    "kim_demets": "by a power of the information (after Kim and DeMets)",
    "hwang_shih_decani": "by gamma (after Hwang, Shih and DeCani)",
}


class Metric(Spec):
    """One outcome by which the variants are judged.

    Parameters
    ----------
    name : str
        Column of the outcome; of a ratio its numerator, of a time its length.
    kind : {"mean", "share", "count", "ratio", "tier", "time"}
        What it is: a number, 0 or 1, a count, a ratio of sums, an ordered tier, or a time to an event.
    per : str or None
        Column of a ratio's denominator.
    event : str or None
        Column with 1 where the event of a time happened, 0 where it was still to come.
    until : float or None
        End of the area under a time's curve.
    tiers : tuple of str
        An ordered outcome's names, lowest first.
    before : str or None
        Column of a tier's value before the start, for the shares that rise and fall.
    better : {"higher", "lower"}
        Which direction is wanted.
    goal : {"difference", "not worse", "equivalent"}
        What the experiment is to show.
    margin : float or None
        Loss (or change) that would still not matter, for the latter two, in units of the effect.

    Examples
    --------
    >>> Metric(name="leads", kind="ratio", per="visits").effect
    'the ratio of sums of leads to visits'
    """

    name: str = pydantic.Field(min_length=1)
    kind: Kind = "mean"
    per: str | None = None
    event: str | None = None
    until: float | None = pydantic.Field(default=None, gt=0, allow_inf_nan=False)
    tiers: tuple[str, ...] = ()
    before: str | None = None
    better: Literal["higher", "lower"] = "higher"
    goal: Goal = "difference"
    margin: float | None = pydantic.Field(default=None, gt=0, allow_inf_nan=False)

    @pydantic.model_validator(mode="after")
    def _whole(self) -> Self:
        needs = {"per": "ratio", "event": "time", "until": "time", "tiers": "tier"}
        for key, kind in needs.items():
            if (self.kind == kind) != bool(getattr(self, key)):
                raise ValueError(
                    f"{self.name} is a {self.kind}: {'give' if self.kind == kind else 'leave out'} {key!r}, which belongs to a {kind}"
                )
        if self.before and self.kind != "tier":
            raise ValueError(f"{self.name} is a {self.kind}: leave out 'before', which belongs to a tier")
        if len(set(self.tiers)) != len(self.tiers) or len(self.tiers) == 1:
            raise ValueError(f"tiers of {self.name} must be two or more, each named once, lowest first")
        if (self.goal == "difference") != (self.margin is None):
            raise ValueError(f"{self.name}: a margin belongs to the goals 'not worse' and 'equivalent', and to them only")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns it is made of."""
        return tuple(column for column in (self.name, self.per, self.event) if column)

    @property
    def effect(self) -> str:
        """What is compared, in words."""
        said = f"{_KINDS[self.kind]} {self.name}" if self.kind == "tier" else f"{_KINDS[self.kind]} of {self.name}"
        if self.per:
            return f"{said} to {self.per}"
        return said + (f" up to {say_number(self.until)}" if self.until else "")


class Variant(Spec):
    """What a share of the units gets.

    Parameters
    ----------
    name : str
        As in the data.
    share : float
        Share of the units, up to a common factor.
    on : tuple of int
        Of a stepped wedge or a crossover: 1 for each quarter in which who is dealt it has the tactic, else 0.
    """

    name: str = pydantic.Field(min_length=1)
    share: float = pydantic.Field(default=1.0, gt=0, allow_inf_nan=False)
    on: tuple[Literal[0, 1], ...] = ()


class Looks(Spec):
    """When one may look, and when one may stop.

    Parameters
    ----------
    planned : int
        Looks, the last one included.
    stopping : {"fixed", "group sequential", "always valid"}
        One look at the end; looks at set times with an error that is spent over them; or looks whenever one likes.
    spending : {"obrien_fleming", "pocock", "linear", "kim_demets", "hwang_shih_decani"}
        How the error is spent: late, evenly, in proportion to the information, or by ``gamma``.
    gamma : float
        Of Hwang, Shih and DeCani: -4 is late, 1 is even. Of Kim and DeMets a power of the information: 1 is in proportion, 3 is late.
    shares : tuple of float
        Share of all information at each look, where looks are not evenly spread; rising to 1.
    give_up : bool
        Whether each look also says below which value the material effect can hardly be found any more. Heeding it is free: the
        error of finding something where nothing is holds either way.
    """

    planned: int = pydantic.Field(default=1, ge=1, le=20)
    stopping: Stopping = "fixed"
    spending: Spending = "obrien_fleming"
    gamma: float = pydantic.Field(default=-4.0, ge=-40, le=10)
    shares: tuple[float, ...] = ()
    give_up: bool = False

    @pydantic.model_validator(mode="after")
    def _agree(self) -> Self:
        if (self.stopping == "group sequential") != (self.planned > 1) and self.stopping != "always valid":
            raise ValueError("several looks need stopping: group sequential (or always valid), and one look needs stopping: fixed")
        if self.shares and (
            len(self.shares) != self.planned or self.shares[-1] != 1 or any(b <= a for a, b in itertools.pairwise((0.0, *self.shares)))
        ):
            raise ValueError(f"shares must be {plural(self.planned, 'number')} that rise from above 0 to 1, one for each look")
        if self.gamma != -4.0 and self.spending not in ("kim_demets", "hwang_shih_decani"):
            raise ValueError("gamma belongs to spending: hwang_shih_decani or kim_demets")
        if self.spending == "kim_demets" and self.gamma <= 0:
            raise ValueError("spending: kim_demets spends a power of the information; give a gamma above 0 (1 in proportion, 3 late)")
        if self.give_up and self.stopping != "group sequential":
            raise ValueError("give_up belongs to stopping: group sequential")
        return self

    @property
    def information(self) -> tuple[float, ...]:
        """Share of all information at each look."""
        return self.shares or tuple((look + 1) / self.planned for look in range(self.planned))


class Spillover(Spec):
    """What units share through which one variant may reach another's units, and what is done about it.

    Parameters
    ----------
    between : str
        Column of what they share: a manager, a region, a parent company.
    rule : {"cluster", "buffer"}
        Units that share it get one variant together (the experiment's cluster holds them whole); or only one thing of each is
        dealt a variant, chosen by chance, and the others stay out as a buffer.
    """

    between: str = pydantic.Field(min_length=1)
    rule: Rule = "cluster"


class Experiment(Spec):
    """The whole of an experiment, as it is declared before it runs; its digest goes with the assignment.

    Parameters
    ----------
    name : str
        Short name, for files and the registry.
    hypothesis : str
        What is expected, in a sentence.
    tactic : str
        What is tried, as the verdict's subject.
    stakes : Stakes
        Unit, worth and cost of the first metric.
    metrics : tuple of Metric
        What decides (the first), and what else is read.
    variants : tuple of Variant
        The control first.
    unit : str
        Column of who is randomised and read; of schedules with a row for each quarter, named in the column ``quarter``.
    cluster : str or None
        Column of groups that get one variant together (managers), or whose units are alike.
    strata : tuple of str
        Columns within which variants are dealt.
    pre : tuple of str
        Columns known before the start, for adjusting the outcome and for balance.
    dealing : {"complete", "pairs", "rerandomised"}
        How variants are dealt within strata.
    accept : float
        Share of deals that rerandomisation accepts.
    looks : Looks
        When one may look.
    exclusions : tuple of str
        Units that stay out.
    quarters : int
        How long it runs.
    spillover : Spillover or None
        Through what one variant may reach units of another, and the rule against it.
    exposure : str or None
        Column of the quarters for which each unit was watched.
    by : str or None
        Column of groups (the tier before the start) in which the effect is read besides, pooled.

    Examples
    --------
    >>> dinner = Experiment(name="dinner", hypothesis="A dinner brings leads.", tactic="Dinner", stakes=Stakes(unit="leads"),
    ...                     metrics=(Metric(name="leads", kind="count"),), cluster="manager", strata=("tier",))
    >>> print(dinner.page)
    Hypothesis: A dinner brings leads.
    Variants: control (50 %) and treatment (50 %).
    Dealt: by manager, within tier.
    Decided by: the mean count of leads, higher is better.
    Read: as dealt (intention to treat), after 1 quarter.
    Looks: one, at the end.
    """

    name: str = pydantic.Field(min_length=1)
    hypothesis: str = pydantic.Field(min_length=1)
    tactic: str = pydantic.Field(min_length=1)
    stakes: Stakes
    metrics: tuple[Metric, ...] = pydantic.Field(min_length=1)
    variants: tuple[Variant, ...] = (Variant(name="control"), Variant(name="treatment"))
    unit: str = "partner"
    cluster: str | None = None
    strata: tuple[str, ...] = ()
    pre: tuple[str, ...] = ()
    dealing: Dealing = "complete"
    accept: float = pydantic.Field(default=0.05, gt=0, lt=1)
    looks: Looks = Looks()
    exclusions: tuple[str, ...] = ()
    quarters: int = pydantic.Field(default=1, ge=1, le=40)
    spillover: Spillover | None = None
    exposure: str | None = None
    by: str | None = None

    @pydantic.field_validator("name")
    @classmethod
    def _a_file_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
            raise ValueError("the name goes into file names: use letters, digits, '-', '_' and '.'")
        return name

    @pydantic.model_validator(mode="after")
    def _possible(self) -> Self:
        if len(self.variants) < 2:
            raise ValueError("variants must be two or more, the control first")
        for noun, names in (
            ("variants", [variant.name.casefold() for variant in self.variants]),
            ("metrics", [metric.name for metric in self.metrics]),
            ("strata", list(self.strata)),
            ("pre", list(self.pre)),
            ("exclusions", list(self.exclusions)),
        ):
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise ValueError(f"{noun} name {twice!r} twice")
        if self.scheduled and any(len(variant.on) != self.quarters for variant in self.variants):
            raise ValueError(f"on: give every variant 1 or 0 for each of {plural(self.quarters, 'quarter')}, or none of them")
        if self.scheduled:
            self._schedule_possible()
        if self.dealing != "complete" and not self.pre:
            raise ValueError(f"dealing: {self.dealing} needs columns to balance; name them in pre")
        outcomes = {column for metric in self.metrics for column in metric.columns}
        both = outcomes & {*self.pre, *self.strata, self.unit, self.by}
        if both:
            raise ValueError(f"{sorted(both)[0]!r} is an outcome, so it cannot be known before the start; name another column")
        if self.spillover and self.spillover.rule == "cluster" and self.cluster is None:
            between = self.spillover.between
            raise ValueError(f"spillover: units of one {between} get one variant together only if dealt so; give cluster: {between}")
        return self

    def _schedule_possible(self) -> None:
        if self.dealing == "pairs" or self.looks.planned > 1 or self.by or self.exposure:
            raise ValueError("on: a schedule is dealt without pairs, and read once, at its end, without 'by' and 'exposure'")
        other = next((metric for metric in self.metrics if metric.kind not in EACH_QUARTER), None)
        if other is not None:
            raise ValueError(
                f"on: a schedule is read quarter by quarter, and {other.name} is a {other.kind}; take {say_list(EACH_QUARTER)}"
            )
        schedules = [variant.on for variant in self.variants]
        if not any(len(set(quarter)) > 1 for quarter in zip(*schedules, strict=True)):
            raise ValueError("on: in every quarter all variants are on or all off, so that it cannot be told from the quarter")

    @property
    def control(self) -> str:
        """Name of the variant that the others are compared with."""
        return self.variants[0].name

    @property
    def scheduled(self) -> bool:
        """Whether variants are schedules of quarters with and without the tactic."""
        return any(variant.on for variant in self.variants)

    @property
    def digest(self) -> str:
        """SHA-256 of everything that was declared."""
        # what was left at its default says nothing, so that keys added later do not make old files look edited
        declared = self.model_dump(mode="json", exclude_defaults=True)
        return hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest()

    @property
    def page(self) -> str:
        """The pre-registration, a line for each part."""
        total = sum(variant.share for variant in self.variants)
        shares = [
            f"{variant.name} ({say_share(variant.share / total)}{': ' if variant.on else ''}{' '.join(map(str, variant.on))})"
            for variant in self.variants
        ]
        dealt = f"by {self.cluster or self.unit}" + (f", within {say_list(self.strata)}" if self.strata else "")
        dealt += {"complete": "", "pairs": f", in groups alike in {say_list(self.pre)}"}.get(
            self.dealing, f", again until {say_list(self.pre)} are balanced"
        )
        first, *others = self.metrics
        spill = {"cluster": "get one variant together", "buffer": "have one in the experiment, the others stay out"}
        margin = "" if first.margin is None else f", to show that it is {first.goal} (margin {say_number(first.margin)})"
        looks = {
            "fixed": "one, at the end",
            "group sequential": f"{self.looks.planned}, error spent {SPENT[self.looks.spending]}"
            + (", with a boundary for giving up" if self.looks.give_up else ""),
            "always valid": "at any time, always valid",
        }[self.looks.stopping]
        parts = {
            "Hypothesis": self.hypothesis,
            "Variants": say_list(shares),
            "Dealt": dealt,
            "Spill-over": f"units of one {self.spillover.between} {spill[self.spillover.rule]}" if self.spillover else "",
            "Decided by": f"{first.effect}, {first.better} is better{margin}",
            "Read besides": say_list([metric.effect for metric in others]) if others else "",
            "Read": (
                f"as scheduled (intention to treat), over what each quarter and each {self.cluster or self.unit} are like"
                if self.scheduled
                else f"as dealt (intention to treat), after {plural(self.quarters, 'quarter')}"
            )
            + (f", adjusted for {say_list(self.pre)}" if self.pre else ""),
            "Read by": f"{self.by}, pooled" if self.by else "",
            "Looks": looks,
        }
        return "\n".join(sentence(f"{name}: {text}") for name, text in parts.items() if text).replace("\u00a0", " ")
