"""Laws on self-defence by state: interaction weights, imputation and two-way effects by the public door, as R (lm, sandwich) has them.

In R: ``lm(l_homicide ~ factor(state) + factor(year) + cell)`` with a cell for each year of adoption and year since it, averaged by rows;
``predict(lm(..., rows without the law), rows with it)``; errors ``vcovCL(m, state, type = "HC0", cadjust = FALSE)``.
"""

import numpy as np
import pandas as pd
import pytest

from partnerlab import TacticPanel, compare_adoption

pytestmark = pytest.mark.external

#: Years since the law: effect and error by interaction weights, effect by imputation.
WANTED = {
    "0": (0.0972153654548283, 0.0377254654798695, 0.0710706095931043),
    "1": (0.111549116027254, 0.0433575532848965, 0.0928844573707582),
    "2": (0.111566152796144, 0.0563056822117296, 0.0767730063327388),
    "3": (0.136825406695517, 0.0571604494978872, 0.10018518134216),
    "4": (0.0925865738326888, 0.0535840597968729, 0.0502468803771039),
    "partner-quarters": (0.11038303545755, 0.0386019208399148, 0.0798015471714269),
}
ROWS, STATES, YEARS, CELLS = 550, 50, 11, 50


@pytest.fixture(scope="module")
def found(external_data):
    rows = pd.read_csv(external_data / "reference" / "effects" / "data" / "castle.csv")
    panel = TacticPanel.from_frame(rows, partner="state", quarter="year", outcome="l_homicide", treated="post")
    return compare_adoption(panel).table.set_index(["estimator", "at"])


@pytest.mark.parametrize("at", WANTED)
def test_interaction_weights_and_imputation_are_those_of_r(found, at):
    estimate, error, imputed = WANTED[at]
    ours = found.loc[("interaction", at)]
    # the factor for few clusters that fixest uses, too; R was asked for none
    factor = STATES / (STATES - 1) * (ROWS - 1) / (ROWS - YEARS - CELLS)

    assert ours["estimate"] == pytest.approx(estimate, rel=1e-9)
    assert ours["std_error"] == pytest.approx(error * np.sqrt(factor), rel=1e-9)
    assert found.loc[("imputation", at), "estimate"] == pytest.approx(imputed, rel=1e-9)


def test_the_two_way_effect_is_that_of_r(found):
    ours = found.loc[("two-way", "partner-quarters")]
    factor = STATES / (STATES - 1) * (ROWS - 1) / (ROWS - YEARS - 1)

    assert ours["estimate"] == pytest.approx(0.0818116169306498, rel=1e-9)
    assert ours["std_error"] == pytest.approx(0.0576956613175439 * np.sqrt(factor), rel=1e-9)
