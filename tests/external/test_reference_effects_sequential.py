"""Always-valid intervals and the mixture test, as published."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t

from partnerlab.experiments import Trial, analyze_experiment
from partnerlab.stats.trials import sequential

pytestmark = pytest.mark.external


@pytest.fixture(scope="module")
def values(external_data):
    return json.loads((external_data / "reference" / "effects" / "cases" / "C20_sequential.json").read_text())["values"]


def test_the_mixture_test_equals_its_closed_form(values):
    for case in values["msprt"]["cases"]:
        n = np.array([case["n"]])
        ratio = sequential.mixture_ratio(n, np.array([case["d"]]), variance=case["s2"], tau2=case["tau2"])
        half = sequential.mixture_half_width(n, variance=case["s2"], tau2=case["tau2"], alpha=0.05)

        np.testing.assert_allclose(ratio, case["Lambda"], rtol=1e-10)
        np.testing.assert_allclose(1 / ratio, case["p"], rtol=1e-10)
        np.testing.assert_allclose(half, case["ci_half"], rtol=1e-10)


def test_a_relative_confidence_sequence_equals_growthbooks(values):
    wanted = values["seq_rel_tune1000"]
    (n_a, sum_a, square_a), (n_b, sum_b, square_b) = (3000, 1396.87, 52377.9767), (3461, 2422.7, 134698.29)
    mean_a, mean_b = sum_a / n_a, sum_b / n_b
    var_a, var_b = (square_a - sum_a**2 / n_a) / (n_a - 1) / n_a, (square_b - sum_b**2 / n_b) / (n_b - 1) / n_b
    lift, error = mean_b / mean_a - 1, np.sqrt(var_b / mean_a**2 + var_a * mean_b**2 / mean_a**4)
    rho = sequential.mixing_rate(alpha=0.05, best_at=1000)

    half = sequential.sequence_half_width(n_a + n_b, error, alpha=0.05, rho=rho)

    assert rho == pytest.approx(wanted["rho"], abs=1e-10)
    np.testing.assert_allclose([lift - half, lift + half], wanted["ci"], atol=1e-5)
    assert sequential.sequence_p_value(n_a + n_b, lift / error, rho=rho) == wanted["p"]


def _values(n, total, squares):
    """Some values with these sums."""
    shape = norm.ppf((np.arange(n) + 0.5) / n)
    mean = total / n
    return mean + (shape - shape.mean()) / shape.std() * np.sqrt(squares / n - mean**2)


def test_one_look_at_the_same_arms_gives_growthbooks_difference_and_lift(values):
    control, treated = _values(3407, 1396.87, 52377.9767), _values(3461, 2422.7, 134698.29)
    frame = pd.DataFrame({"y": np.concatenate([control, treated]), "arm": np.repeat(["a", "b"], [len(control), len(treated)])})
    row = analyze_experiment(Trial.from_frame(frame, unit=None, outcomes=["y"], variant="arm"), draws=0).table.iloc[0]
    plain, lift = values["fixed_abs"], values["fixed_rel"]
    reach = row["relative_high"] - row["relative"]

    np.testing.assert_allclose([row["estimate"], row["conf_low"], row["conf_high"]], [plain["est"], *plain["ci"]], atol=1e-5)
    np.testing.assert_allclose([row["relative"], row["relative_low"], row["relative_high"]], [lift["est"], *lift["ci"]], atol=1e-5)
    np.testing.assert_allclose(row["p_value"], plain["p"], atol=1e-6)
    np.testing.assert_allclose(2 * t.sf(row["relative"] / (reach / t.ppf(0.975, row["df"])), row["df"]), lift["p"], atol=1e-6)
