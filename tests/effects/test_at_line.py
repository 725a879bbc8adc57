"""What a line does: the jump, the checks that can fail, coarse scores, refusals."""

import numpy as np
import pandas as pd
import pytest

from partnerlab import estimate_at_line
from partnerlab.errors import MissingTableError, ParameterError, PartnerlabError, SampleError
from partnerlab.results import Evidence
from partnerlab.stats.causes.discontinuity import best_bandwidth, estimate_jump


def _world(seed=2, n=1500, jump=1.0, lifted=0.0, size=0.0, fake=0.0):
    """Scores 0 to 100, a line at 60; lifted: share of those just below that lift themselves over it."""
    rng = np.random.default_rng(seed)
    score = rng.uniform(0, 100, n)
    score = np.where((score > 54) & (score < 60) & (rng.random(n) < lifted), score + 6, score)
    above = score >= 60
    leads = 0.02 * score + np.sin(score / 15) + jump * above + fake * (score >= np.median(score[~above])) + rng.normal(0, 0.8, n)
    return pd.DataFrame({"score": score, "leads": leads, "size": rng.normal(size=n) + size * above, "tier_up": above})


def _found(rows, **more):
    return estimate_at_line(rows, score="score", line=60, outcome="leads", covariates=["size"], **more)


@pytest.fixture(scope="module")
def found():
    return _found(_world())


def test_the_headline_is_the_bias_corrected_jump_of_the_array_function(found):
    rows = _world()
    x, y = rows["score"].to_numpy(), rows["leads"].to_numpy()
    jump = estimate_jump(x, y, line=60, bandwidth=best_bandwidth(x, y, line=60))

    assert found.effect["estimate"] == pytest.approx(jump.estimate)
    assert found.effect["std_error"] == pytest.approx(jump.std_error)
    assert (found.below, found.above, found.effect["n"]) == (jump.below, jump.above, jump.below + jump.above)


def test_a_clean_line_earns_b_and_shows_every_reading_beside(found):
    assert found.evidence is Evidence.B
    assert found.keys == ["reading", "about"]
    assert found.table["reading"].tolist() == [
        "effect", "plain", "half bandwidth", "double bandwidth", "donut", "covariate", "placebo line", "placebo line", "density",
    ]  # fmt: skip
    assert "just below score = 60 to just above it" in found.estimand


def test_an_effect_that_hangs_on_rows_put_onto_the_line_is_caught_by_leaving_them_out():
    """Friends with good results were put onto the line from elsewhere: they sit on it and make the jump."""
    rows = _world(n=4000, jump=0.0)
    friends = _world(seed=5, n=120, jump=0.0).assign(score=np.linspace(60, 60.6, 120), tier_up=True)
    rows = pd.concat([rows, friends.assign(leads=friends["leads"] + 2.0)], ignore_index=True)
    found = _found(rows)
    table = found.table.set_index("reading")

    assert {check.name: check.passed for check in found.checks}["nearest rows"] is False
    assert table.loc["effect", "estimate"] > 3 * abs(table.loc["donut", "estimate"])
    assert found.evidence is Evidence.D


@pytest.mark.parametrize(
    ("given", "check"),
    [({"lifted": 0.9}, "no heaping"), ({"size": 1.5}, "covariates"), ({"fake": 3.0}, "placebo lines")],
    ids=["lifted over", "other partners", "jumps elsewhere"],
)
def test_each_check_can_fail_and_takes_the_grade_away(given, check):
    found = _found(_world(n=3000, **given))

    assert check in [item.name for item in found.checks if item.passed is False]
    assert found.evidence is Evidence.D


def test_a_coarse_score_is_a_doubt_and_its_density_is_not_judged():
    rows = _world(n=4000)
    found = _found(rows.assign(score=np.floor(rows["score"] / 5) * 5), bandwidth=40)
    checks = {check.name: check for check in found.checks}

    assert checks["fine score"].passed is False
    assert "7 different values" in checks["fine score"].detail
    assert checks["no heaping"].passed is None
    assert found.evidence is Evidence.D


def test_the_order_of_rows_does_not_matter(found):
    again = _found(_world().sample(frac=1, random_state=0))

    pd.testing.assert_frame_equal(again.table, found.table)


def test_rows_without_score_or_outcome_leave_and_are_counted(found):
    rows = _world()
    more = pd.concat([rows, rows.iloc[:3].assign(leads=np.nan)], ignore_index=True)
    again = _found(more)

    assert again.effect["estimate"] == pytest.approx(found.effect["estimate"])
    assert again.checks[-1].detail == "3 of 1503 rows without score or outcome left"


def test_partners_seen_twice_are_clustered():
    rows = _world().assign(partner=np.arange(1500))
    twice, once = _found(pd.concat([rows, rows]), cluster="partner", bandwidth=20), _found(rows, bandwidth=20)

    assert twice.effect["std_error"] == pytest.approx(once.effect["std_error"], rel=1e-6)


@pytest.mark.parametrize(
    ("spoil", "more", "error", "says"),
    [
        (lambda rows: rows.rename(columns={"score": "scores"}), {}, MissingTableError, "did you mean 'scores'"),
        (
            lambda rows: rows.assign(tier_up=rows["tier_up"] ^ (rows.index < 4)),
            {"treated": "tier_up"},
            SampleError,
            "4 rows of 1500 do not",
        ),
        (lambda rows: rows[rows["score"] < 60], {}, SampleError, "too few rows on a side of 60 .* 0 above"),
        (lambda rows: rows, {"bandwidth": 0.1}, SampleError, "too few rows on a side of 60 within 0.1"),
        (lambda rows: rows, {"bandwidth": -1}, ParameterError, "above 0"),
    ],
    ids=["no column", "not sharp", "one side", "too narrow", "bandwidth"],
)
def test_lines_that_cannot_be_read_are_refused_in_one_line(spoil, more, error, says):
    with pytest.raises(error, match=says):
        _found(spoil(_world()), **more)


def test_a_line_that_does_nothing_seldom_seems_to():
    hits = []
    for seed in range(80):
        rows = _world(seed=seed, n=800, jump=0.0)
        x, y = rows["score"].to_numpy(), rows["leads"].to_numpy()
        jump = estimate_jump(x, y, line=60, bandwidth=best_bandwidth(x, y, line=60))
        hits.append(abs(jump.estimate) > 1.96 * jump.std_error)

    assert np.mean(hits) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 80)


def test_a_line_with_three_clusters_near_it_or_fewer_is_refused():
    rng = np.random.default_rng(5)
    rows = pd.DataFrame({"score": rng.uniform(0, 100, 900), "leads": rng.normal(size=900)})

    for clusters in (1, 3):
        with pytest.raises(SampleError, match="no error can be read"):
            estimate_at_line(rows.assign(manager=np.arange(900) % clusters), score="score", line=60, outcome="leads", cluster="manager")


def test_a_line_read_from_words_infinities_or_nothing_is_refused_in_one_line():
    rows = pd.DataFrame({"score": np.arange(100.0), "leads": np.arange(100.0)})

    for leads, said in (("many", "expected numbers"), (np.inf, "infinite"), (np.nan, "none of 100 has score and leads")):
        with pytest.raises(PartnerlabError, match=said):
            estimate_at_line(rows.assign(leads=leads), score="score", line=60, outcome="leads")
