"""The page of tactics by tiers: what its cells are, what is named, what is refused."""

import dataclasses

import numpy as np
import pytest

from partnerlab import compare_tactics, estimate_by_tier, simulate_world
from partnerlab.effects import Known, TacticPanel, TacticStudy, analyze_tactic, estimate_adoption
from partnerlab.errors import SampleError

HEALTH = (Known(name="health", at="start", lag=0),)


def _analyse(world, seed, name, *, null=False, **asked):
    frame = simulate_world(world, seed=seed, null=null).to_frame()
    panel = TacticPanel.from_frame(frame, manager="manager", tier="tier", covariates=["health"])
    stakes = {"unit": "leads", "value": 100, "cost": 5, "currency": "EUR"} | asked.pop("stakes", {})
    return panel, analyze_tactic(panel, study=TacticStudy(tactic=name, stakes=stakes, covariates=HEALTH, **asked))


@pytest.fixture(scope="module")
def analyses():
    made = [("B", 1, "Dinner", False), ("B", 3, "Training", False), ("B", 5, "Webinar", True), ("A", 6, "Portal", True)]
    return [_analyse(world, seed, name, null=null)[1] for world, seed, name, null in made]


@pytest.fixture(scope="module")
def page(analyses):
    return compare_tactics(analyses)


def test_what_works_is_named_and_what_does_nothing_is_not(page):
    assert (page.cells, page.keys) == (12, ["tactic", "tier"])
    assert set(page.flagged["tactic"]) == {"Dinner", "Training"}
    assert (page.flagged["p_adjusted"] < 0.05).all()
    assert page.table["best"].sum() == pytest.approx(1)
    assert page.table.loc[page.table["best"].idxmax(), "tactic"] in ("Dinner", "Training")


def test_cells_are_those_of_the_tiers_pooled_as_anybody_would(page, analyses):
    import pandas as pd

    cells = pd.concat([one.tiers.assign(tactic=one.study.tactic) for one in analyses], ignore_index=True)
    pooled = estimate_by_tier(cells, df="df", scale="scale").table

    assert page.table["estimate"].to_numpy() == pytest.approx(pooled["estimate"].to_numpy(), nan_ok=True)
    assert page.table["conf_high"].to_numpy() - page.table["conf_low"].to_numpy() == pytest.approx(
        pooled["conf_high"].to_numpy() - pooled["conf_low"].to_numpy(), nan_ok=True
    )


def test_a_tactic_that_pays_where_few_have_it_is_extended(page):
    named = page.table[page.table["finding"] == "raised"]

    assert set(named["action"]) <= {"extend", "keep"}
    assert (named["action"].eq("extend") == (named["covered"] < 0.5)).all()


def test_a_clear_cell_that_false_discoveries_take_away_says_so(analyses):
    loud = analyses[0]
    tiers = loud.tiers.assign(estimate=[0.5, 0.5, 0.5], std_error=[0.26, 0.26, 0.26], df=29.0)
    quiet = [dataclasses.replace(one, tiers=one.tiers.assign(estimate=0.0)) for one in analyses[1:]]
    page = compare_tactics([dataclasses.replace(loud, tiers=tiers), *quiet])

    assert page.flagged.empty
    assert all("could be the luckiest of 12" in say for say, low in page.table[["statement", "conf_low"]].to_numpy() if low > 0)


def test_a_doubt_on_the_tactic_reaches_each_of_its_cells(analyses):
    doubted = dataclasses.replace(analyses[0], verdict=dataclasses.replace(analyses[0].verdict, doubts=("readings disagree",)))
    page = compare_tactics([doubted, *analyses[1:]])

    assert set(page.table.loc[page.table["tactic"] == "Dinner", "grade"]) == {"D"}
    assert "in doubt: Dinner" in page.checks[-1].detail


def test_what_is_in_doubt_does_not_rub_off_on_the_others(analyses):
    """Doubted cells far off are pooled by themselves; the others read as if they were not there, but each p-value pays for all."""
    wild = dataclasses.replace(
        analyses[0],
        tiers=analyses[0].tiers.assign(estimate=9.0),
        verdict=dataclasses.replace(analyses[0].verdict, doubts=("readings disagree",)),
    )
    page, alone = compare_tactics([wild, *analyses[1:]]), compare_tactics(analyses[1:])
    rest = page.table[page.table["tactic"] != "Dinner"].reset_index(drop=True)

    assert rest["estimate"].to_numpy() == pytest.approx(alone.table["estimate"].to_numpy(), nan_ok=True)
    assert (page.cells, alone.cells) == (12, 9)
    assert page.table.loc[page.table["tactic"] == "Dinner", "best"].isna().all()
    assert rest["best"].sum() == pytest.approx(1)


def test_tiers_of_adoption_are_those_of_each_tier_by_itself():
    panel, found = _analyse("A", 6, "Portal")
    alone = estimate_adoption(panel, study=found.study.model_copy(update={"tiers": ("Silver",)})).at("overall")
    cell = found.tiers.set_index("tier").loc["Silver"]

    assert [cell["estimate"], cell["std_error"]] == pytest.approx([alone["estimate"], alone["std_error"]])
    assert 0 < cell["covered"] < 1


def test_a_study_of_one_tier_and_a_panel_without_tiers_have_one_cell():
    _, found = _analyse("B", 1, "Dinner", tiers=("Bronze",))
    frame = simulate_world("B", seed=1).to_frame()
    bare = TacticPanel.from_frame(frame, manager="manager", covariates=["health"])
    whole = analyze_tactic(bare, study=found.study.model_copy(update={"tiers": ()}))

    assert found.tiers["tier"].tolist() == ["Bronze"]
    assert np.isfinite(found.tiers["estimate"]).all()
    assert whole.tiers[["tier", "estimate"]].to_numpy().tolist() == [["all", whole.effects.headline()["estimate"]]]


def test_pages_that_cannot_be_read_are_refused_in_one_line(analyses):
    with pytest.raises(SampleError, match="no analysis was given"):
        compare_tactics([])
    with pytest.raises(SampleError, match="Dinner was analysed twice"):
        compare_tactics([analyses[0], analyses[0]])
    with pytest.raises(SampleError, match=r"read at other levels than 0\.9"):
        compare_tactics(analyses, level=0.9)
    with pytest.raises(SampleError, match="no tactic has a tier with enough data"):
        compare_tactics([dataclasses.replace(analyses[0], tiers=analyses[0].tiers.assign(estimate=np.nan))])
    with pytest.raises(SampleError, match="effects on leads and money cannot be pooled"):
        compare_tactics([analyses[0], _analyse("B", 3, "Call", stakes={"unit": "money"})[1]])


def test_a_page_of_one_tactic_is_read_like_any_other(analyses):
    page = compare_tactics(analyses[:1])
    blind = dataclasses.replace(analyses[1], tiers=analyses[1].tiers.assign(estimate=np.nan))
    with_blind = compare_tactics([analyses[0], blind])

    assert (page.cells, with_blind.cells) == (3, 6)
    assert with_blind.table["estimate"].isna().sum() == 3


def test_an_association_is_not_passed_as_free_of_doubt(analyses):
    only = dataclasses.replace(analyses[1].verdict, grade="C", limits=("nobody knows how they chose",))
    beside = compare_tactics([analyses[0], dataclasses.replace(analyses[1], verdict=only, evidence="C"), analyses[2]])
    sound = compare_tactics(analyses[:2])

    assert [check.passed for check in beside.checks if check.name == "analyses"] == [False]
    assert [check.detail for check in beside.checks if check.name == "analyses"] == ["an association only: Training"]
    assert [check.passed for check in sound.checks if check.name == "analyses"] == [True]
