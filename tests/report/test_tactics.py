"""Tactics for their pages: which studies a program has, all of them analysed, and never against the truth it was made from."""

import dataclasses

import pytest

from partnerlab import Stakes, Studies, TacticStudy, assign_tiers, build_panel, build_study_panel, plan_next_partners
from partnerlab.errors import MissingTableError, ParameterError, SampleError
from partnerlab.intake import Program, connect
from partnerlab.intake.simulate import Truth, simulate_program, true_effects
from partnerlab.report import load_request, read_result
from partnerlab.report.tactics import (
    analyze_tactics,
    choose_study,
    compare_studied,
    compare_tiers,
    count_tactics,
    design_settling,
    load_studies,
    name_partners,
    pool_studied,
    tabulate_actions,
    tabulate_next,
    tabulate_studied,
    weigh_analysis,
)
from partnerlab.results import Evidence
from partnerlab.show import plot, tabulate

#: Study of the demo program -> tactic of the truth.
MADE_AS = {"co-marketing": "co_marketing", "shared lead": "lead_share", "e-mail": "email"}


@pytest.fixture(scope="module")
def truth():
    return Truth()


@pytest.fixture(scope="module")
def ask(truth):
    return load_request(source=simulate_program(truth, seed=7).source())


@pytest.fixture(scope="module")
def counted(ask):
    return count_tactics(ask)


@pytest.fixture(scope="module")
def history(ask):
    return assign_tiers(build_panel(ask.source, first=ask.first, last=ask.quarter), ask.scheme, overrides=ask.overrides)


@pytest.fixture(scope="module")
def studied(ask, counted, history):
    return analyze_tactics(counted, studies=load_studies(ask, panel=counted), history=history)


def test_the_demo_program_has_the_studies_that_ship_for_it(ask, counted):
    assert load_studies(ask, panel=counted) == Studies.load("demo")


def test_a_program_of_another_name_gets_a_study_of_each_tactic_it_used(ask, counted):
    other = dataclasses.replace(ask, program="acme")
    studies = load_studies(other, panel=count_tactics(other)).studies

    assert {study.indicator for study in studies} == {"training", "co_marketing", "event", "lead_share", "meeting", "call", "email"}
    assert all(study.outcome == "leads" and study.stakes.value is None for study in studies)


def test_a_programs_own_file_comes_first(ask, counted, tmp_path, monkeypatch):
    (tmp_path / "studies").mkdir()
    line = "studies:\n  - {tactic: visit, indicator: meeting, outcome: leads, stakes: {unit: leads}}\n"
    (tmp_path / "studies" / "demo.yaml").write_text(line)
    monkeypatch.chdir(tmp_path)

    assert [study.tactic for study in load_studies(ask, panel=counted).studies] == ["visit"]
    assert count_tactics(ask).indicators.names == ("meeting", "leads")


def test_a_program_without_activities_is_told_so():
    tables = {
        "partners": [{"partner_id": "a", "joined_at": "2025-01-01"}],
        "leads": [{"lead_id": "1", "partner_id": "a", "direction": "submitted", "created_at": "2026-01-05", "disposition": "accepted"}],
    }
    import pandas as pd

    frames = {name: pd.DataFrame(rows) for name, rows in tables.items()}
    request = load_request(source=connect(frames, program=Program(data_until="2026-07-01")), first="2026Q1")

    with pytest.raises(MissingTableError, match="activities"):
        count_tactics(request)


def test_the_first_study_that_enough_partners_had_is_looked_at(counted):
    studies = Studies.load("demo")

    assert choose_study(studies, panel=counted).tactic == "training"
    assert choose_study(studies, panel=counted, tactic="dinner").indicator == "event"
    with pytest.raises(ParameterError, match="did you mean 'dinner'"):
        choose_study(studies, panel=counted, tactic="diner")


def test_a_tactic_that_too_few_had_is_no_study(counted):
    few = counted.select(counted.partners < counted.partners[10])

    with pytest.raises(SampleError, match="none of 7 tactics was used with 20 partners"):
        choose_study(Studies.load("demo"), panel=few)


def test_no_verdict_contradicts_the_truth_the_program_was_made_from(studied, truth):
    effects = true_effects(truth, draws=50_000)
    by_tactic = {
        name: float((part["extra_leads"] * part["treated"]).sum() / part["treated"].sum()) for name, part in effects.groupby("tactic")
    }
    for analysis in studied.analyses:
        verdict = analysis.verdict
        made = by_tactic.get(MADE_AS.get(verdict.tactic, verdict.tactic))
        if made is None or verdict.earned is not Evidence.B:
            continue
        assert verdict.conf_low <= made <= verdict.conf_high, verdict.statement
        assert (made > 0) == (verdict.finding == "raised"), verdict.statement


def test_what_truly_works_is_found_where_a_design_is_left(studied):
    earned = {analysis.verdict.tactic: analysis.verdict.earned for analysis in studied.analyses}

    assert earned["training"] is Evidence.B


def test_what_does_nothing_is_not_flagged_though_the_naive_comparison_is_loud(studied):
    for name in ("dinner", "e-mail"):
        analysis = next(one for one in studied.analyses if one.verdict.tactic == name)
        naive = analysis.table.set_index("reading").loc["naive"]

        assert naive["conf_low"] > 0
        assert analysis.verdict.earned in (Evidence.C, Evidence.D)


def test_each_tactic_has_a_line_with_its_verdict(studied):
    table = tabulate_studied(studied)

    assert len(table) == 7
    assert set(table["grade"]) <= {"B", "C", "D"}
    assert all(says.endswith(".") for says in table["says"])


@pytest.fixture(scope="module")
def compared(studied):
    return compare_studied(studied, seed=7)


def test_a_verdict_among_many_is_pooled_and_says_how_many_were_looked_at(studied):
    pooled = {verdict.tactic: verdict for verdict in pool_studied(studied)}

    assert all(verdict.cells == 7 and verdict.pooled for verdict in pooled.values())
    assert pooled["training"].earned is Evidence.B


def test_no_cell_that_is_named_contradicts_the_truth(compared, truth):
    effects = true_effects(truth, draws=50_000)
    nothing = {name for name, part in effects.groupby("tactic") if (part["rate_ratio"] == 1).all()}
    named = compared.flagged

    assert nothing == {"dinner", "email"}
    assert not {MADE_AS.get(tactic, tactic) for tactic in named["tactic"]} & nothing
    for _, row in named.iterrows():
        made = effects[effects["tactic"] == MADE_AS.get(row["tactic"], row["tactic"])]["extra_leads"]
        assert row["finding"] == "raised"
        assert row["conf_low"] <= made.max(), row["statement"]
        assert made.min() <= row["conf_high"], row["statement"]


def test_every_tactic_in_every_tier_has_something_to_do(compared):
    actions = tabulate_actions(compared)

    assert set(actions["do"]) <= {"keep", "extend", "stop", "test"}
    assert len(compared.table) == 28
    assert actions["do"].tolist() == sorted(actions["do"], key=["keep", "extend", "stop", "test"].index)


def test_a_tactic_settled_over_all_tiers_says_why_it_is_tested_in_some(compared, studied):
    def settle(analysis, *, cost):
        sure = {"estimate": 3.0, "std_error": 0.1, "grade": "B", "doubts": (), "stakes": Stakes(unit="leads", value=100.0, cost=cost)}
        return dataclasses.replace(analysis, verdict=dataclasses.replace(analysis.verdict, **sure))

    first, second, *others = studied.analyses
    settled = dataclasses.replace(studied, analyses=(settle(first, cost=1.0), settle(second, cost=1e6), *others))
    asked = {one.tactic: one.action for one in pool_studied(settled)}
    tests = compared.table.assign(action="test")
    why = tabulate_actions(dataclasses.replace(compared, table=tests), studied=settled).set_index("tactic")["why"]

    assert why[first.verdict.tactic].startswith("Over all tiers together it is kept (")
    assert "give no more of it. One tier alone tells too little here" in why[second.verdict.tactic]
    assert {tactic for tactic, said in why.items() if said.startswith("Over all")} == {one for one in asked if asked[one] != "test"}


def test_what_was_overturned_has_no_grade_left_on_its_pictures(studied):
    for analysis in studied.analyses:
        assert analysis.evidence == max(analysis.evidence, analysis.verdict.earned)
        assert not (analysis.verdict.doubts and plot(analysis).headline.startswith("Grade B"))


def test_no_reason_left_open_is_code_speech(compared):
    assert not compared.table["statement"].str.contains("untreated_for").any()


def test_the_page_is_read_in_a_few_sentences(compared):
    said = read_result(compared)

    assert said[0].startswith("Of 28 cells looked at, ")
    assert "a test by lot would tell" in said[-1]


def test_one_tactic_is_pooled_over_its_tiers(studied):
    cells = compare_tiers(studied.analyses[0], seed=7)

    assert cells.keys == ["tier"]
    assert cells.cells == 4
    assert plot(cells).n > 0
    assert plot(cells).units.startswith("leads per partner-quarter")


def test_the_picture_of_the_page_has_a_box_for_each_cell(compared):
    shown = plot(compared)

    assert shown.headline.startswith("Of 28 cells looked at, ")
    assert shown.alt.count(" in KEY PARTNERS: ") == 7
    assert "grey numbers are not effects" in shown.note
    assert tabulate(compared).heads[:4] == ("tactic", "tier", "pooled", "95\xa0% interval")


def test_a_check_that_overturns_a_finding_takes_its_grade(studied):
    place = next(place for place, one in enumerate(studied.analyses) if one.verdict.tactic == "training")
    analysis, card = studied.analyses[place], studied.cards[place]
    assert weigh_analysis(analysis, card=card).verdict.earned is Evidence.B

    table = card.table
    table.loc[table["check"] == "placebo", "stands"] = False
    fallen = weigh_analysis(analysis, card=dataclasses.replace(card, table=table)).verdict

    assert fallen.earned is Evidence.D
    assert "placebo" in fallen.statement


def test_a_test_that_would_settle_it_is_sized_from_the_partners_at_hand(counted, history):
    study = Studies.load("demo")["training"]
    sizes = design_settling(build_study_panel(counted, study=study, history=history), study=study)
    said = " ".join(read_result(sizes))

    assert sizes.table["estimate"].is_monotonic_decreasing or sizes.table.groupby("n")["estimate"].min().is_monotonic_decreasing
    assert said.startswith("Dealt by lot among 381 partners")


def test_a_study_is_read_as_the_test_it_stands_in_for():
    said = read_result(Studies.load("demo")["training"])

    assert said[0] == "What did training do to leads? This is the test by lot that the study stands in for."
    assert said[-1].endswith("it pays from 0.353 leads per partner-quarter on.")


def test_without_a_worth_nothing_is_said_of_money(studied):
    bare = TacticStudy(tactic="call", stakes=Stakes(unit="leads"))
    verdict = dataclasses.replace(studied.analyses[0].verdict, stakes=bare.stakes)

    assert "No worth of leads is stated, so nothing is said of money." in read_result(verdict)


def test_what_may_be_said_names_partners_managers_and_what_would_overturn_it(studied):
    said = " ".join(read_result(studied.analyses[0].verdict))

    assert "Behind it stand 289 partners with 11 managers" in said
    assert "It would be overturned by" in said
    assert "It pays with a probability of" in said


def test_whom_to_give_it_next_is_a_list_of_partners_by_name(counted, history, studied):
    study = Studies.load("demo")["training"]
    panel = build_study_panel(counted, study=study, history=history)
    following = plan_next_partners(panel, analysis=studied.analyses[0], seed=7)
    names = name_partners(history)
    view = tabulate_next(following, history=history, limit=5)

    assert view.heads[:4] == ("partner", "tier", "expected leads more per partner-quarter", "rows like it with the tactic")
    assert {row[0] for row in view.rows} <= set(names.values())
    assert read_result(following)[0].startswith("Of 343 partners without training now, ")


def test_where_no_partner_is_expected_to_pay_the_list_says_where_that_begins(counted, history, studied):
    study = Studies.load("demo")["training"]
    panel = build_study_panel(counted, study=study, history=history)
    following = plan_next_partners(panel, analysis=studied.analyses[0], seed=7)
    none = dataclasses.replace(following, table=following.table.assign(chosen=False, estimate=0.1), break_even=2.5)

    assert read_result(none)[1] == "For none of them is it expected to pay: that begins at 2.5 leads."


def test_a_tactic_without_a_cost_pays_by_whatever_it_brings():
    said = read_result(TacticStudy(tactic="portal", outcome="leads", stakes=Stakes(unit="leads", value=100.0, currency="EUR")))[-1]

    assert said == "One of leads more is taken to be worth EUR 100, the tactic to cost nothing: whatever it brings pays."


def test_of_a_tactic_that_cannot_be_told_nobody_is_named(counted, history, studied):
    study = Studies.load("demo")["event"]
    dinner = next(one for one in studied.analyses if one.study.tactic == "dinner")
    following = plan_next_partners(build_study_panel(counted, study=study, history=history), analysis=dinner)

    assert read_result(following)[0].startswith("Nobody can be named: ")
    with pytest.raises(SampleError, match="nothing can be expected of giving it to anybody"):
        tabulate_next(following)


def test_what_is_said_of_several_tiers_names_the_tier_whose_numbers_it_gives(compared):
    actions = tabulate_actions(compared)
    cells = compared.table.set_index(["tactic", "tier"])["statement"]

    for row in actions.itertuples():
        tiers = [tier for tier in compared.table["tier"].unique() if tier in row.tiers]
        own = {cells[row.tactic, tier] for tier in tiers}
        assert row.why.startswith(tuple(f"In {tier}, which had it most: " for tier in tiers)) == (len(own) > 1), row.why


def test_tactics_in_doubt_are_pooled_apart_from_those_that_stand(studied):
    """What is biased must not move what is not: shifting a doubted tactic leaves the sound ones where they were."""
    sound = {one.verdict.tactic for one in studied.analyses if one.verdict.grade is Evidence.B and not one.verdict.doubts}
    shifted = tuple(
        one if one.verdict.tactic in sound
        else dataclasses.replace(one, verdict=dataclasses.replace(one.verdict, estimate=one.verdict.estimate + 9))
        for one in studied.analyses
    )  # fmt: skip
    before, after = pool_studied(studied), pool_studied(dataclasses.replace(studied, analyses=shifted))

    assert 0 < len(sound) < len(shifted)
    for one, other in zip(before, after, strict=True):
        assert (one.estimate == other.estimate) == (one.tactic in sound)


def test_a_card_does_not_say_again_what_the_analysis_said(studied):
    analysis = studied.analyses[0]
    card = studied.cards[0]
    table = card.table
    table.loc[table["check"].isin(["balance", "placebo"]), "stands"] = False
    doubted = dataclasses.replace(analysis.verdict, doubts=("readings differ", "the two sides are not alike: balance fails"))
    said = weigh_analysis(dataclasses.replace(analysis, verdict=doubted), card=dataclasses.replace(card, table=table)).verdict.doubts

    assert len(said) > 2
    assert not any(doubt.startswith("balance: ") for doubt in said)
    assert said[-1].startswith("placebo: ")
