"""Conditions on arrays: every rule becomes one truth value per partner and period."""

from __future__ import annotations

import re
from typing import Protocol

import numpy as np

from partnerlab.scoring import kleene
from partnerlab.scoring.conditions import AtLeast, Compare, Flag, Known, Not, Number, Param, Rule, Sustained, Words, member_name


class Facts(Protocol):
    """What conditions are about: numbers by partner and period, words by partner, parameters."""

    @property
    def shape(self) -> tuple[int, int]:
        """Partners, periods."""
        ...

    def number(self, name: str) -> np.ndarray:
        """Give an indicator or score, shape ``(n, t)``; NaN is unknown."""
        ...

    def words(self, name: str) -> np.ndarray:
        """Give an attribute as text, shape ``(n,)``; None is unknown."""
        ...

    def param(self, name: str) -> float | np.ndarray:
        """Give a parameter, a number or an array that broadcasts to ``(n, t)``."""
        ...

    def is_attribute(self, name: str) -> bool:
        """Say whether the name is an attribute and no number."""
        ...


def evaluate_rule(rule: Rule, facts: Facts, *, slack: float = 0.0) -> np.ndarray:
    """Judge a rule for everybody.

    Parameters
    ----------
    rule : Rule
        As parsed by `parse_rule`.
    facts : Facts
        What is known.
    slack : float
        Relative margin by which every numeric line is made harder to meet (positive)
        or easier (negative); used by movement rules.

    Returns
    -------
    ndarray of int8, shape (n, t)
        Kleene truth values of `partnerlab.scoring.kleene`.
    """
    if isinstance(rule, AtLeast):
        return _joint(rule, facts, slack)
    if isinstance(rule, Not):
        return kleene.negation(evaluate_rule(rule.part, facts, slack=-slack))
    if isinstance(rule, Sustained):
        return kleene.sustained(evaluate_rule(rule.part, facts, slack=slack), met=rule.met, window=rule.window)
    if isinstance(rule, Known):
        return _known(rule, facts)
    return _comparison(rule, facts, slack)


def _joint(rule: AtLeast, facts: Facts, slack: float) -> np.ndarray:
    parts = [evaluate_rule(part, facts, slack=slack) for part in rule.parts]
    if not parts:
        return np.full(facts.shape, kleene.TRUE)
    if rule.is_all:
        return np.minimum.reduce(parts)
    return np.maximum.reduce(parts) if rule.k == 1 else kleene.at_least(rule.k, parts)


def _known(rule: Known, facts: Facts) -> np.ndarray:
    if facts.is_attribute(rule.fact):
        there = np.array([word is not None for word in facts.words(rule.fact)])[:, None]
    else:
        there = ~np.isnan(facts.number(rule.fact))
    met = there if rule.known else ~there
    return np.broadcast_to(met.astype(np.int8) * kleene.TRUE, facts.shape)


def _comparison(rule: Compare, facts: Facts, slack: float) -> np.ndarray:
    if isinstance(rule.line, Words):
        return _wording(rule, rule.line, facts)
    return kleene.compare(facts.number(rule.fact), line_of(rule, facts, slack=slack), rule.operator)


def line_of(rule: Compare, facts: Facts, *, slack: float = 0.0) -> float | np.ndarray:
    """Find the number that a comparison is made with, moved by the margin that ``slack`` asks for."""
    if isinstance(rule.line, Flag):
        return float(rule.line.value)
    if isinstance(rule.line, Words):
        return np.nan
    line = facts.param(rule.line.name) if isinstance(rule.line, Param) else float(rule.line.exact)
    if not slack or rule.operator in ("==", "!="):
        return line
    return line + (slack if rule.operator in (">=", ">") else -slack) * np.abs(line)


def _wording(rule: Compare, line: Words, facts: Facts) -> np.ndarray:
    if rule.operator in ("has", "lacks"):
        truth = _holding(rule.fact, line.words[0], facts)
        return truth if rule.operator == "has" else kleene.negation(truth)
    words = facts.words(rule.fact)
    known = np.array([word is not None for word in words])
    met = np.isin(np.where(known, words, "").astype(str), line.words)
    truth = kleene.from_bool(met if rule.operator == "==" else ~met, known)
    return np.broadcast_to(truth[:, None], facts.shape)


def _holding(fact: str, word: str, facts: Facts) -> np.ndarray:
    """Whether a set holds a word: an attribute with its words separated by ; or |, or an indicator for each word that is above 0."""
    if not facts.is_attribute(fact):
        return kleene.compare(facts.number(member_name(fact, word)), 0.0, ">")
    texts = facts.words(fact)
    known = np.array([text is not None for text in texts])
    met = np.array([text is not None and word in {part.strip() for part in re.split("[;|]", text)} for text in texts])
    return np.broadcast_to(kleene.from_bool(met, known)[:, None], facts.shape)


__all__ = ["Facts", "Number", "evaluate_rule", "line_of"]
