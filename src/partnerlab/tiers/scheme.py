"""Tier schemes: one reviewed, versioned file that computes and explains tiers."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import pydantic

from partnerlab.errors import SpecError, nearest
from partnerlab.scoring.conditions import Rule, RuleField, facts_of, sets_of
from partnerlab.scoring.scorecard import Amount, Score, Scorecard
from partnerlab.specs import Document, Name, Spec, misplaced, read_spec_file
from partnerlab.tiers import schemes
from partnerlab.tiers.classify import Bands, Classify, Ladder, Quadrant, Recorded
from partnerlab.tiers.movement import Movement
from partnerlab.tiers.over import Over
from partnerlab.tiers.playbook import Entry, facts_asked, tactics_of
from partnerlab.tiers.references import check_facts, check_parameters

Words = str | tuple[str, ...]


class Effective(Spec):
    """From when until when a version holds."""

    from_: date | None = pydantic.Field(default=None, alias="from")
    until: date | None = None

    @pydantic.model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        if self.from_ and self.until and self.until <= self.from_:
            raise misplaced(f"the version ends ({self.until}) before it begins ({self.from_}); mend one of the two", "until")
        return self


class RegionalStandard(Spec):
    """Other parameters for some partners: who, what, approved by whom, why, until when.

    Parameters
    ----------
    where : mapping of attribute to value or values
        Whom it is for.
    set : mapping of parameter to number
        New values.
    scale : mapping of parameter to number
        Factors.
    approved_by, reason : str
        On whose word and why.
    from_, until : date or None
        Half open; applies to periods whose last day lies inside.
    """

    where: dict[str, Words] = pydantic.Field(min_length=1)
    set: dict[str, Amount] = pydantic.Field(default_factory=dict)
    scale: dict[str, Amount] = pydantic.Field(default_factory=dict)
    approved_by: str
    reason: str
    from_: date | None = pydantic.Field(default=None, alias="from")
    until: date | None = None

    @pydantic.model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.set and not self.scale:
            raise ValueError("an override sets or scales at least one parameter")
        if self.from_ and self.until and self.until <= self.from_:
            raise misplaced(f"the override ends ({self.until}) before it begins ({self.from_}); mend one of the two", "until")
        return self


class Label(Spec):
    """A word beside the tier, for everybody who meets a rule, or several by what a partner's deals are; labels may overlap.

    Parameters
    ----------
    when : rule or None
        Who gets the label.
    shares : mapping of label to indicator
        In place of a rule: labels of one kind, each with the indicator that counts its deals:
        ``{reseller: deals_fulfilled_4q, referral: deals_sourced_4q}``. A deal may count for several.
    share_at_least : number
        Share of the counted deals from which a partner gets the label.
    min_n : int
        With fewer deals than this no label is given.
    meaning : str
        For people.
    """

    when: RuleField | None = None
    shares: dict[Name, Name] = pydantic.Field(default_factory=dict)
    share_at_least: Amount | None = None
    min_n: int = pydantic.Field(default=5, ge=1, strict=True)
    meaning: str = ""

    @pydantic.model_validator(mode="after")
    def _rule_or_shares(self) -> Self:
        if (self.when is None) == (not self.shares):
            raise ValueError("a label has either when: rule, or shares: {reseller: deals_fulfilled_4q, referral: deals_sourced_4q}")
        if (self.share_at_least is None) != (not self.shares):
            raise ValueError("'shares' and 'share_at_least' go together: from which share of the deals on?")
        if len(self.shares) == 1:
            raise ValueError("shares of one kind of deal are always all; name two kinds or more, or write when: rule")
        least = self.share_at_least
        if least is not None and not isinstance(least, str) and not 0 < least <= 1:
            raise ValueError(f"a share lies between 0 and 1, not {float(least):g}; write 0.1 or '10 %'")
        return self

    def names(self, key: str) -> list[str]:
        """Give the labels that it can put beside a tier."""
        return list(self.shares) or [key]


#: Figures of a program for which a scheme can set a target, besides the share of each of its tiers.
FIGURES = ("active_partners", "changed_tier", "lapse_rate", "revenue", "leads", "deals_won")


class Target(Spec):
    """What a program aims at: a number (a share between 0 and 1, a count, money in the program's currency), and why."""

    value: float
    why: str = ""


class TierScheme(Spec):
    """How a program makes tiers, in one file.

    Parameters
    ----------
    scheme, version : str
        Together the name under which tiers are published.
    title : str
        For people.
    effective : Effective
        From when until when it holds; ``notes`` of a history say which periods lie outside.
    supersedes : str or None
        Name and version that it replaces, for people.
    indicators : str
        Where its indicators are declared: a shipped name, or a YAML file beside the scheme.
    params : mapping of name to number
        What the words of the program mean: "minimum", "high", "consistent".
    overrides : list of RegionalStandard
        Where other parameters apply.
    scores : mapping of name to Score
        Scores that the rules ask for; ``goal`` picks their weights.
    classify : Quadrant, Ladder, Bands or Recorded
        The rule.
    over : Over or None
        The rule classifies each unit of a partner (region, portfolio); a partner is where its best unit is, or in a
        tier that asks for several units at a level.
    movement : Movement
        From the tier that the data say to the tier that is held.
    labels : mapping of name to Label
        Words beside the tier.
    targets : mapping of tier or figure to number
        What the program aims at: the share of rated partners in a tier, or one of the figures of page one
        (`partnerlab.tiers.scheme.FIGURES`) in a quarter; ``{value:, why:}`` says why.
    playbook : mapping of tier to tactics
        What is owed to each tier: names of tactics, or ``{tactic: training, per_quarter: 1, delivered_by: trainings}``;
        ``{autopilot_after: {tactic_rounds: 3, response: none, measured_by: leads}}`` says when effort stops.
    glossary : mapping of word to meaning
        Every tier and every indicator, score and parameter in plain words.
    appeal : str
        How a partner says that its tier is wrong; the end of every explanation.

    Raises
    ------
    SpecError
        From YAML: naming file, line, key and remedy.

    Examples
    --------
    >>> TierScheme.load("rating").name_version
    'rating@1'
    >>> TierScheme.load("quadrant").tiers
    ('KEY PARTNERS', 'UNPOLISHED DIAMONDS', 'GROWTH HACKERS', 'DEMENTORS')
    """

    shipped: ClassVar[str | None] = "partnerlab.tiers.schemes"

    scheme: Name
    version: Annotated[
        Name,
        pydantic.BeforeValidator(lambda given: str(given) if type(given) in (int, float) else given),
        pydantic.WithJsonSchema({"type": ["string", "number"]}),
    ] = "1"
    title: str = ""
    effective: Effective = Effective()
    supersedes: str | None = None
    unit: Literal["partner"] = "partner"
    cadence: Literal["quarter", "month"] = "quarter"
    indicators: Name = "standard"
    goal: str | None = None
    params: dict[str, Amount | pydantic.StrictBool] = pydantic.Field(default_factory=dict)
    overrides: tuple[RegionalStandard, ...] = ()
    scores: dict[str, Score] = pydantic.Field(default_factory=dict)
    classify: Classify
    over: Over | None = None
    movement: Movement = Movement()
    labels: dict[Name, Label] = pydantic.Field(default_factory=dict)
    targets: dict[str, float | Target] = pydantic.Field(default_factory=dict)
    playbook: dict[str, tuple[Entry, ...]] = pydantic.Field(default_factory=dict)
    glossary: dict[str, str] = pydantic.Field(default_factory=dict)
    appeal: str = ""

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Load from a YAML file, or by name from the schemes that ship: quadrant, rating, recorded.

        Raises
        ------
        SpecError
            Naming file, line, key and remedy.
        """
        document = read_spec_file(path, package=cls.shipped)
        scheme = cls.from_document(document)
        folder = Path(str(path)).parent if str(path).endswith((".yaml", ".yml")) else Path(schemes.__file__).parent
        beside = folder / scheme.indicators
        if scheme.indicators.endswith((".yaml", ".yml")) and not Path(scheme.indicators).is_absolute():
            scheme = scheme.model_copy(update={"indicators": str(beside)})
        check_facts(scheme, document)
        return scheme

    @classmethod
    def from_document(cls, document: Document) -> Self:
        """Check a parsed YAML document; the line of each mistake is known."""
        if isinstance(document.data, dict):
            cls._point_out_nulls(document)
        return super().from_document(document)

    @staticmethod
    def _point_out_nulls(document: Document) -> None:
        """Refuse a threshold without a value: a decision that nobody took."""
        for name, value in (document.data.get("params") or {}).items() if isinstance(document.data.get("params"), dict) else ():
            if value is None:
                line = document.line(("params", name))
                raise SpecError(f"{document.name}, line {line}, params.{name}: has no value; set a number", line=line, key=f"params.{name}")

    @pydantic.field_validator("params", mode="before")
    @classmethod
    def _plain_params(cls, given: Any) -> Any:
        for name, value in given.items() if isinstance(given, dict) else ():
            if isinstance(value, str) and value.startswith("$"):
                raise ValueError(f"parameter {name!r} must be a number, not another parameter")
        return given

    @pydantic.model_validator(mode="after")
    def _names_hang_together(self) -> Self:
        check_parameters(self)
        if isinstance(self.classify, Ladder):
            self.classify.check_scales()
        if self.supersedes == self.name_version:
            raise misplaced(f"{self.name_version} cannot supersede itself; raise version", "supersedes")
        self._check_over()
        self._check_playbook()
        self._check_labels()
        self._check_movement()
        self._check_scorecard()
        self._check_targets()
        return self

    def _check_over(self) -> None:
        if self.over is None:
            return
        if not isinstance(self.classify, Ladder | Bands):
            raise misplaced(f"over counts levels of a ladder or bands; it does not go with kind: {self.kind}", "over")
        ranked = next((part.name for score in self.scores.values() for part in score.walk() if "percentile" in (part.shape or {})), None)
        if ranked is not None:
            raise misplaced(f"over does not go with percentile ({ranked}): a rank is among partners, not their {self.over.plural}", "over")
        self.over.check(self.classify)

    def _check_playbook(self) -> None:
        for tier, entries in self.playbook.items():
            if self.tiers and tier not in self.tiers:
                raise misplaced(f"playbook names {tier!r}, which is not a tier{nearest(tier, self.tiers)}", "playbook", tier)
            names = [tactic.tactic for tactic in tactics_of(entries)]
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice:
                at = max(place for place, entry in enumerate(entries) if getattr(entry, "tactic", None) == twice)
                raise misplaced(f"playbook.{tier} lists {twice!r} twice; keep one", "playbook", tier, at)

    def _check_labels(self) -> None:
        twice = next((name for name in self.label_names if self.label_names.count(name) > 1), None)
        if twice:
            raise misplaced(f"label {twice!r} stands twice; give each its own name", "labels", word=twice)

    def _check_targets(self) -> None:
        known = (*self.tiers, *FIGURES)
        for name, aim in self.targets.items():
            share = name not in FIGURES or name in ("changed_tier", "lapse_rate")
            if name not in known and self.tiers:
                raise misplaced(f"targets names {name!r}, which is neither a tier nor a figure{nearest(name, known)}", "targets", name)
            if share and not 0 <= _number(aim) <= 1:
                raise misplaced(f"targets.{name} is a share between 0 and 1, not {_number(aim):g}; write 0.2", "targets", name)

    def _check_movement(self) -> None:
        if self.kind == "recorded":
            if not self.movement.moves_freely:
                raise misplaced("recorded tiers are taken as they are; remove movement, or classify from data", "movement")
            return
        ranks = [rank for rank in self.ranks if rank is not None]
        if (self.movement.max_step_down or self.movement.max_step_up) and len(set(ranks)) < len(ranks):
            said = "movement.max_step needs tiers of different rank; two tiers of this scheme are equally high: remove it, or give rank"
            raise misplaced(said, "movement", "max_step_down" if self.movement.max_step_down else "max_step_up")
        if self.kind == "quadrant" and self.movement.margin and self.movement.ever_within > 1:
            said = "on a quadrant movement.margin and movement.ever_within contradict one another; keep one of the two"
            raise misplaced(said, "movement", "ever_within")
        if self.kind == "quadrant" and self.movement.margin and len(set(self.classify.cells.values())) < len(self.classify.cells):  # type: ignore[union-attr]
            raise misplaced("movement.margin on a quadrant needs four different tiers; two cells share a name", "movement", "margin")

    def _check_scorecard(self) -> None:
        goals = list(dict.fromkeys(goal for score in self.scores.values() for goal in score.weights_by_goal))
        if goals and self.goal is None:
            raise misplaced(f"weights depend on the goal: set goal to one of {', '.join(goals)}", "scores", word="weights_by_goal")
        if self.goal is not None and self.goal not in goals:
            hint = nearest(self.goal, goals) if goals else "; remove it, or give a score weights_by_goal"
            raise misplaced(f"goal {self.goal!r} has no weights{hint}", "goal")

    @property
    def name_version(self) -> str:
        """Name under which tiers are published."""
        return f"{self.scheme}@{self.version}"

    @property
    def kind(self) -> str:
        """How it classifies: quadrant, ladder, bands or recorded."""
        return self.classify.kind

    @property
    def standing(self) -> Quadrant | Ladder | Bands | Recorded:
        """The rule about partners: the classification itself or, over units, how many units each tier asks for."""
        return self.classify if self.over is None else self.over.standing(self.classify)  # type: ignore[arg-type]

    def of_units(self) -> TierScheme:
        """Give the scheme of single units, for a panel whose rows are units (`Panel.units`)."""
        return self.model_copy(update={"over": None, "playbook": {}, "targets": {}, "labels": {}})

    @property
    def unit_column(self) -> str | None:
        """What the panel must be built over, if it must: the ``unit`` of `build_panel`."""
        return None if self.over is None else self.over.unit

    @property
    def tiers(self) -> tuple[str, ...]:
        """Tiers, best first; empty for recorded tiers whose order the program gives."""
        return self.standing.tiers

    @property
    def ranks(self) -> tuple[int | None, ...]:
        """Height of each tier; None stands outside the order."""
        return self.standing.ranks if not isinstance(self.classify, Recorded) else ()

    @property
    def scorecard(self) -> Scorecard | None:
        """The scores with their goal."""
        return Scorecard(scores=self.scores, goal=self.goal) if self.scores else None

    @property
    def goals(self) -> dict[str, float]:
        """Share that each tier should have, for those with a goal."""
        steps = self.classify.steps if isinstance(self.classify, Ladder | Bands) else ()
        goals = {name: float(share.goal) for name, _, share in steps if share and share.goal is not None}
        return goals | {name: _number(aim) for name, aim in self.targets.items() if name not in FIGURES}

    @property
    def aims(self) -> dict[str, float]:
        """Target of each figure of a quarter, for those that have one."""
        return {name: _number(aim) for name, aim in self.targets.items() if name in FIGURES}

    @property
    def sets(self) -> dict[str, list[str]]:
        """Sets that rules ask for, and the indicators that say what each holds where it is no attribute of partners."""
        return self._sets([*self._rules(), *(label.when for label in self.labels.values() if label.when is not None)])

    def _rules(self) -> list[Rule]:
        """Rules that decide tiers and scores."""
        gates = [part.requires for score in self.scores.values() for part in score.walk() if part.requires is not None]
        return [*(rule for _, rule in self.classify.rules()), *gates]

    @staticmethod
    def _sets(rules: list[Rule]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for rule in rules:
            for fact, members in sets_of(rule).items():
                found[fact] = list(dict.fromkeys([*found.get(fact, ()), *members]))
        return found

    def needs(self) -> list[str]:
        """Names of the indicators and attributes that the scheme asks of a panel, each once."""
        names = list(self.classify.names())
        names += [fact for rule in (self.over.rules if self.over else ()) for fact in facts_of(rule)]
        for score in self.scores.values():
            names += score.needs()
        names += [attribute for standard in self.overrides for attribute in standard.where]
        names += [name for members in self._sets(self._rules()).values() for name in members]
        return [name for name in dict.fromkeys(names) if name not in self._made]

    def needs_beside(self) -> list[str]:
        """Names of what labels and playbook ask of a panel and the tiers do not, each once."""
        rules = [label.when for label in self.labels.values() if label.when is not None]
        names = [fact for rule in rules for fact in facts_of(rule)]
        names += [name for members in self._sets(rules).values() for name in members]
        names += [fact for label in self.labels.values() for fact in label.shares.values()]
        names += [fact for entries in self.playbook.values() for fact in facts_asked(entries)]
        known = {*self._made, *self.needs()}
        return [name for name in dict.fromkeys(names) if name not in known]

    @property
    def _made(self) -> set[str]:
        """Names that the scheme's own scores make."""
        return {*self.scores, *(part.name for score in self.scores.values() for part in score.walk() if part.name != part.metric)}

    @property
    def label_names(self) -> tuple[str, ...]:
        """Labels that a partner can get beside its tier."""
        return tuple(name for key, label in self.labels.items() for name in label.names(key))


def _number(aim: float | Target) -> float:
    return aim.value if isinstance(aim, Target) else aim


__all__ = ["Label", "Quadrant", "RegionalStandard", "TierScheme"]
