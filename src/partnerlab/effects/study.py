"""A study is declared before it is run: which tactic, for whom, compared with whom, judged by what, and known when."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import pydantic

from partnerlab.errors import ParameterError, nearest
from partnerlab.specs import Spec
from partnerlab.verdicts import Stakes
from partnerlab.words import plural, say_list, sentence

Comparison = Literal["not_yet", "never"]
#: Outcomes that are moves between tiers, read from their history; "reached Gold" is to hold Gold or better at the quarter's end.
MOVES = ("moved up", "moved down", "lapsed")
REACHED = "reached "


class Known(Spec):
    """A covariate and when it is known; nothing known only after time zero can be meant.

    Parameters
    ----------
    name : str
        Of the covariate.
    at : {"start", "end"}
        Whether a quarter's value is known when the quarter begins, or only when it ends (a sum over the quarter).
    lag : int
        Quarters before time zero from which it is taken; 0 only for what is known at the start.

    Examples
    --------
    >>> Known(name="health", at="start", lag=0).said
    'health at the start of the quarter'
    >>> Known(name="visits").lag
    1
    """

    name: str
    at: Literal["start", "end"] = "end"
    lag: int = 1

    @pydantic.model_validator(mode="after")
    def _no_look_ahead(self) -> Self:
        if self.lag < 0:
            raise ValueError(
                f"{self.name} is taken {plural(-self.lag, 'quarter')} after time zero, when the tactic has already worked; use lag: 1"
            )
        if self.lag == 0 and self.at == "end":
            raise ValueError(
                f"{self.name} is known only when the quarter of time zero ends, so it may hold what the tactic did; "
                "say lag: 1, or at: start if it is known when the quarter begins"
            )
        return self

    @property
    def said(self) -> str:
        """In words."""
        if self.lag == 0:
            return f"{self.name} at the start of the quarter"
        return f"{self.name} {plural(self.lag, 'quarter')} before"


class TacticStudy(Spec):
    """One question put to watched data: what one tactic did to one outcome.

    Parameters
    ----------
    tactic : str
        The tactic in people's words.
    stakes : Stakes
        Unit of the outcome, its worth, and the tactic's cost.
    tiers, regions : tuple of str
        Who is eligible, by tier and region before time zero; all if empty.
    untreated_for : int
        Quarters without the tactic that a partner must have behind it at time zero.
    delay : int
        Quarters in which it cannot yet do anything, by what it is: a lead given away is worked on in the next quarter. Results of
        these quarters count as known before it worked, and say what managers saw when they chose.
    horizon : int
        Quarters after the first in which it can work at which the outcome is read; 0 is that quarter itself.
    comparison : {"not_yet", "never"}
        For a tactic that stays on: whom adopters are compared with.
    covariates : tuple of Known
        What managers may have looked at, known before time zero; earlier outcomes and treatments come in by themselves.
    minimum : int
        Treated partners, and partners to compare with, that a verdict needs.
    indicator, outcome : str
        Indicators of a panel that count the tactic and what came of it; see `build_study_panel`. The outcome may be a move of tiers
        instead: "moved up", "moved down", "lapsed", or "reached" and a tier, of partners that hold one when the quarter begins; name
        the tiers that can make the move as eligible. Who lapsed is asked with a ``delay``: nothing is counted of a quarter in which
        a partner leaves.
    others : tuple of str
        Indicators of tactics that ran beside, for which the comparison is adjusted.
    stays : bool
        Whether a partner that once had it has it from then on, such as a portal of which only the first login is logged.

    Examples
    --------
    >>> study = TacticStudy(tactic="Dinner", stakes=Stakes(unit="leads"), tiers=("Gold",), covariates=(Known(name="visits"),))
    >>> print(study.target_trial)
    Eligible: partners of tier Gold.
    Time zero: the start of each quarter in which a partner is eligible.
    Strategies: have Dinner in that quarter, or not.
    Assignment in the trial: by chance within partners alike in earlier leads, earlier Dinner, tier and visits 1 quarter before.
    Outcome: leads of the same quarter.
    Effect: on the partners that had it (ATT).
    """

    tactic: str = pydantic.Field(min_length=1)
    stakes: Stakes
    tiers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    untreated_for: int = pydantic.Field(default=0, ge=0)
    delay: int = pydantic.Field(default=0, ge=0)
    horizon: int = pydantic.Field(default=0, ge=0)
    comparison: Comparison = "not_yet"
    covariates: tuple[Known, ...] = ()
    minimum: int = pydantic.Field(default=20, ge=2)
    indicator: str = ""
    outcome: str = ""
    others: tuple[str, ...] = ()
    stays: bool = False

    @pydantic.model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [known.name for known in self.covariates]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"covariates name {twice!r} twice")
        if self.indicator and self.indicator in self.others:
            raise ValueError(f"others name {self.indicator!r}, which is the tactic itself; drop it")
        return self

    @property
    def asks_move(self) -> bool:
        """Whether the outcome is a move between tiers."""
        return self.outcome in MOVES or self.outcome.startswith(REACHED)

    @property
    def idle(self) -> str:
        """When it can do nothing yet, in words; empty without a delay."""
        return "" if not self.delay else "in its own quarter" if self.delay == 1 else f"in its first {plural(self.delay, 'quarter')}"

    @property
    def target_trial(self) -> str:
        """The randomised trial that the study emulates, a line for each part."""
        who = [f"of {noun} {say_list(names)}" for noun, names in (("tier", self.tiers), ("region", self.regions)) if names]
        if self.untreated_for:
            who.append(f"without {self.tactic} for {plural(self.untreated_for, 'quarter')}")
        if self.stays:
            alike, begins = [known.said for known in self.covariates], f"take up {self.tactic} in that quarter and keep it, or not yet"
        else:
            alike, begins = [f"earlier {self.stakes.unit}", f"earlier {self.tactic}", "tier"], f"have {self.tactic} in that quarter, or not"
            alike += [known.said for known in self.covariates]
        alike += (
            [f"what else they had in the quarter ({say_list([name.replace('_', ' ') for name in self.others])})"] if self.others else []
        )
        after = self.delay + self.horizon
        when = "of the same quarter" if after == 0 else f"{plural(after, 'quarter')} later"
        when = ("of each quarter since" if not self.delay else f"of each quarter from {when} on") if self.stays else when
        parts = {
            "Eligible": f"partners {', '.join(who)}" if who else "all partners",
            "Time zero": "the start of each quarter in which a partner is eligible"
            + (
                f"; {self.idle} it can do nothing, so that results of {'it' if self.delay == 1 else 'these'} count as earlier"
                if self.delay
                else ""
            ),
            "Strategies": begins,
            "Assignment in the trial": f"by chance within partners alike in {say_list(alike)}" if alike else "by chance",
            "Outcome": f"{self.stakes.unit} {when}",
            "Effect": "on the partners that had it (ATT)",
        }
        return "\n".join(sentence(f"{name}: {text}") for name, text in parts.items())


class Studies(Spec):
    """The studies of one program, as one YAML file declares them.

    Parameters
    ----------
    indicators : str
        Shipped indicators, or the path of a YAML file, that the studies count tactics and outcomes by.
    studies : tuple of TacticStudy
        Each names its indicator and outcome.

    Examples
    --------
    >>> demo = Studies.load("demo")
    >>> demo["training"].delay
    1
    """

    shipped: ClassVar[str | None] = "partnerlab.effects.studies"

    indicators: str = "tactics"
    studies: tuple[TacticStudy, ...] = pydantic.Field(min_length=1)

    @pydantic.model_validator(mode="after")
    def _each_counts_something(self) -> Self:
        for study in self.studies:
            if not study.indicator or not study.outcome:
                raise ValueError(f"the study of {study.tactic} names no {'outcome' if study.indicator else 'indicator'}; add it")
        names = [study.indicator for study in self.studies]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two studies are of {twice!r}; keep one")
        return self

    def __getitem__(self, indicator: str) -> TacticStudy:
        """Find the study of a tactic by its indicator, ParameterError if there is none."""
        found = {study.indicator: study for study in self.studies}
        if indicator not in found:
            raise ParameterError(f"no study is of {indicator!r}{nearest(indicator, found)}", study=indicator)
        return found[indicator]
