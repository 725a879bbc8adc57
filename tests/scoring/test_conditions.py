"""Conditions: read as written, refused in one line, judged in three values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partnerlab.scoring import kleene, parse_condition, parse_rule
from partnerlab.scoring.conditions import facts_of
from partnerlab.scoring.evaluate import evaluate_rule


class Facts:
    """Numbers by name for one partner and some periods."""

    def __init__(self, params=None, words=None, **numbers):
        self.numbers = {name: np.atleast_2d(np.asarray(value, dtype=float)) for name, value in numbers.items()}
        self.params, self.given = params or {}, words or {}

    @property
    def shape(self):
        return next(iter(self.numbers.values())).shape

    def number(self, name):
        return self.numbers[name]

    def words(self, name):
        return np.array([self.given[name]], dtype=object)

    def param(self, name):
        return self.params[name]

    def is_attribute(self, name):
        return name in self.given


def judge(rule, **facts) -> list[int]:
    return evaluate_rule(parse_rule(rule), Facts(**facts)).ravel().tolist()


NAN = float("nan")
F, U, T = 0, 1, 2


@pytest.mark.parametrize(
    ("rule", "value", "truth"),
    [
        ("leads >= 3", 3, T),
        ("leads > 3", 3, F),
        ("leads < 3", 2, T),
        ("leads <= 3", 4, F),
        ("leads == 3", 3, T),
        ("leads != 3", 3, F),
        ("leads >= 40/6", 40 / 6, T),
        ("leads >= 20 %", 0.2, T),
        ("leads >= -1.5e1", -15, T),
        ("leads == true", 1, T),
        ("leads == false", 1, F),
        ("leads >= 3", NAN, U),
        ("leads is unknown", NAN, T),
        ("leads is known", NAN, F),
        ("not leads >= 3", NAN, U),
        ("leads >= 3 or leads is unknown", NAN, T),
        ("(leads >= 3 or leads == 1) and not leads == 5", 1, T),
        ({"at_least": 2, "of": ["leads >= 1", "leads >= 2", "leads >= 3"]}, 2, T),
        ({"not": {"any": ["leads >= 3", "leads == 1"]}}, 2, T),
        ({"leads": ">= 3"}, 3, T),
        ([], 0, T),
    ],
)
def test_a_rule_means_what_it_says(rule, value, truth):
    assert judge(rule, leads=[value]) == [truth]


def test_a_sum_of_weights_that_misses_its_line_by_rounding_meets_it():
    assert judge("score >= 0.3", score=[0.1 + 0.1 + 0.1]) == [T]
    assert judge("score > 0.3", score=[0.1 + 0.1 + 0.1]) == [F]


def test_parameters_and_words_are_looked_up():
    rule = "leads >= $many and region in ['north', 'east'] and region != 'south'"

    assert judge(rule, leads=[5], params={"many": 5}, words={"region": "north"}) == [T]
    assert judge(rule, leads=[5], params={"many": 5}, words={"region": None}) == [U]


def test_a_rule_can_be_asked_to_last():
    assert judge("leads >= 3 for 2 quarters", leads=[3, 3, 2, 3, 3]) == [U, T, F, F, T]
    assert judge("leads >= 3 for 2 of 3 quarters", leads=[3, 3, 2, 3, 0]) == [U, T, T, T, F]
    assert judge("leads >= 3 ever within 2 quarters", leads=[0, 3, 0, 0, NAN]) == [U, T, T, F, U]


def test_margin_makes_lines_harder_also_under_not():
    facts = Facts(leads=[10.5])

    assert evaluate_rule(parse_rule("leads >= 10"), facts, slack=0.1).item() == F
    assert evaluate_rule(parse_rule("not leads < 10"), facts, slack=0.1).item() == F
    assert evaluate_rule(parse_rule("leads <= 11"), facts, slack=0.1).item() == F


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("leads => 3", "cannot read '=> 3'"),
        ("leads = 3", "write == to compare"),
        ("leads", "expected one of >= > <="),
        ("leads >=", "found its end"),
        ("leads >= null", "may not be null"),
        ("leads >= many", "$parameter"),
        ("leads >= true", "needs a number"),
        ("leads >= 3 also meets", "expected 'and', 'or' or the end"),
        ("(leads >= 3", "expected ')'"),
        ("leads >= 1/0", "is not a number"),
        ("__import__('os').system('x')", "cannot read"),
        ("leads >= 3 for 5 of 4 quarters", "give 1 to 4"),
        ("and leads >= 3", "expected the name"),
        ("leads >= 3; drop", "cannot read ';"),
        ("region in north", "expected a list"),
        ("", "expected the name"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(text, says):
    with pytest.raises(ValueError, match="condition") as refusal:
        parse_condition(text)

    assert says in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("rule", [None, 3, {}, {"any": []}, {"all": 3}, {"at_least": 4, "of": ["a > 1"]}, {"of": ["a > 1"]}, {"leads": 3}])
def test_what_is_no_rule_is_refused(rule):
    with pytest.raises(ValueError, match=r"."):
        parse_rule(rule)


RULES = st.recursive(
    st.builds(
        lambda fact, operator, line: {fact: f"{operator} {line}"},
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from([">=", ">", "<=", "<", "==", "!="]),
        st.integers(0, 3),
    ),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda rules: {"all": rules}),
        st.lists(inner, min_size=1, max_size=3).map(lambda rules: {"any": rules}),
        inner.map(lambda rule: {"not": rule}),
        st.lists(inner, min_size=2, max_size=3).map(lambda rules: {"at_least": 2, "of": rules}),
    ),
    max_leaves=6,
)
VALUES = st.fixed_dictionaries({name: st.one_of(st.none(), st.integers(0, 3)) for name in "abc"})


@given(RULES, VALUES, VALUES)
def test_what_is_decided_stays_decided_whatever_the_unknown_turns_out_to_be(rule, values, truth):
    known = {name: [NAN if value is None else value] for name, value in values.items()}
    filled = {name: [(truth[name] or 0) if value is None else value] for name, value in values.items()}
    before = judge(rule, **known)[0]

    assert before in (U, judge(rule, **filled)[0])


@given(RULES)
def test_a_rule_reads_the_same_after_printing(rule):
    parsed = parse_rule(rule)
    if "at least" not in str(parsed):
        values = {name: [0, 1, 2, 3, NAN] for name in "abc"}

        assert judge(str(parsed), **values) == judge(rule, **values)


@given(RULES, VALUES)
def test_not_mirrors(rule, values):
    known = {name: [NAN if value is None else value] for name, value in values.items()}

    assert judge({"not": rule}, **known)[0] == 2 - judge(rule, **known)[0]


def test_facts_are_listed_once():
    assert facts_of(parse_rule("a > 1 and (b > 2 or a < 5)")) == ["a", "b"]


def test_kleene_tables_by_hand():
    f, u, t = (np.array([value]) for value in (kleene.FALSE, kleene.UNKNOWN, kleene.TRUE))

    assert kleene.at_least(2, [t, u, f]).item() == U
    assert kleene.at_least(2, [t, t, u]).item() == T
    assert kleene.at_least(2, [f, f, u]).item() == F


@pytest.mark.parametrize(
    ("rule", "truth"),
    [
        ("motion has 'resell'", T),
        ("motion has any of {resell, serve}", T),
        ("motion has any of ['serve', 'host']", F),
        ("motion has all of {resell, refer}", T),
        ("motion has all of {resell, serve}", F),
        ("motion has none of {serve, host}", T),
        ("motion has none of {serve, refer}", F),
        ("motion has at least 2 of {resell, refer, serve}", T),
        ("motion has at least 2 of {resell, host, serve}", F),
        ("not motion has any of {resell, serve}", F),
    ],
)
def test_sets_are_asked_for_what_they_hold(rule, truth):
    assert judge(rule, words={"motion": "resell; refer"}, leads=0) == [truth]


def test_a_set_that_is_not_known_is_unknown():
    assert judge("motion has any of {resell, serve}", words={"motion": None}, leads=0) == [U]


def test_a_set_may_be_indicators_one_for_each_word():
    held = {"certificate_azure_admin": [[2, 0, NAN]], "certificate_network": [[0, 0, 0]]}

    assert judge("certificate has any of {'azure-admin', network}", **held) == [T, F, U]
    assert judge("certificate has none of {'azure-admin', network}", **held) == [F, T, U]


def test_in_takes_braces_and_its_opposite():
    assert judge("region in {north, south}", words={"region": "south"}, leads=0) == [T]
    assert judge("region not in {north, south}", words={"region": "south"}, leads=0) == [F]
    assert judge("region not in ['north']", words={"region": None}, leads=0) == [U]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("motion has {resell}", "'any of', 'all of', 'none of', 'at least 2 of' or a 'quoted word' after 'has'"),
        ("motion has any of resell", "a list such as"),
        ("motion has any of {}", "1 of 0 words cannot be"),
        ("motion has at least 3 of {a, b}", "3 of 2 words cannot be"),
        ("region in {north, south]", "a word or '}'"),
    ],
)
def test_sets_are_refused_in_one_line(text, says):
    with pytest.raises(ValueError, match=says):
        parse_condition(text)
