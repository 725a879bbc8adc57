"""Looks at a running experiment: what the declared rule says, and what peeking would have done."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import ParameterError
from partnerlab.experiments import Experiment, Looks, Metric, Trial, estimate_looks
from partnerlab.show import plot
from partnerlab.verdicts import Stakes


def declare(**more):
    return Experiment(
        name="call", hypothesis="It helps.", tactic="A call", stakes=Stakes(unit="leads"), metrics=(Metric(name="leads"),), **more
    )


def quarters(experiment, effects, *, n=400, seed=1):
    """Trials by quarter: running means of the outcomes so far."""
    random = np.random.default_rng(seed)
    on = np.arange(n) % 2
    seen = np.cumsum([random.normal(size=n) + effect * on for effect in effects], axis=0) / np.arange(1, len(effects) + 1)[:, None]
    frames = [pd.DataFrame({"partner": range(n), "variant": np.where(on, "treatment", "control"), "leads": row}) for row in seen]
    return [Trial.from_frame(frame, experiment=experiment) for frame in frames]


FOUR = Looks(planned=4, stopping="group sequential")


def test_early_boundaries_ask_for_more():
    experiment = declare(looks=FOUR, quarters=4)
    table = estimate_looks(quarters(experiment, [0.0] * 4), experiment=experiment).table

    assert (table["boundary"] / table["std_error"]).round(2).tolist() == [
        4.39,
        2.98,
        2.37,
        2.02,
    ]  # 4.33, 2.96, 2.36, 2.01, widened for the degrees of freedom


def test_the_rule_says_stop_where_its_boundary_is_crossed():
    experiment = declare(looks=FOUR, quarters=4)
    path = estimate_looks(quarters(experiment, [1.0] * 3), experiment=experiment)

    assert path.first_crossed["look"] == 1
    assert plot(path, unit="leads").headline.startswith("The rule said stop in look 1, at look 1 of 4: 1.")


def test_a_fixed_experiment_says_what_peeking_would_have_done():
    experiment = declare(quarters=4)
    path = estimate_looks(quarters(experiment, [0.35, -0.2, -0.2, 0.0]), experiment=experiment, labels=["a", "b", "c", "d"])
    shown = plot(path)

    assert path.table["peeked"].tolist()[0]
    assert not path.table["crossed"].any()
    assert shown.headline.startswith("Peeking would have ended it in a at 0.")
    assert "what a rule for early looks would have asked" in shown.note


def test_an_interval_for_all_looks_is_wider_than_one_for_a_single_look():
    experiment = declare(looks=Looks(planned=4, stopping="always valid"), quarters=4)
    table = estimate_looks(quarters(experiment, [0.1] * 2), experiment=experiment).table

    assert (table["always_low"] < table["conf_low"]).all()
    assert table["boundary"].tolist() == pytest.approx((table["always_high"] - table["estimate"]).tolist())


def test_peeking_at_four_looks_errs_in_one_of_eight():
    experiment = declare(quarters=4)

    assert estimate_looks(quarters(experiment, [0.0]), experiment=experiment).peeking_error == pytest.approx(0.126, abs=0.003)


def test_before_the_end_a_fixed_experiment_is_not_read():
    experiment = declare(quarters=4)

    assert "to be read once, at the end" in plot(estimate_looks(quarters(experiment, [2.0, 2.0]), experiment=experiment)).headline


def test_more_looks_than_planned_are_refused():
    experiment = declare(quarters=2)
    with pytest.raises(ParameterError, match="3 looks were given and 2 are planned"):
        estimate_looks(quarters(experiment, [0.0] * 3), experiment=experiment)
    with pytest.raises(ParameterError, match="1 labels for 2 looks"):
        estimate_looks(quarters(experiment, [0.0] * 2), experiment=experiment, labels=["a"])
