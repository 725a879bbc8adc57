"""Who stays longer: by hand, shared partners, refusals."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import ParameterError, SampleError
from partnerlab.spells import Spells
from partnerlab.survival import compare_incidence, compare_survival

TABLE = pd.DataFrame({"partner": list("abcdef"), "duration": [1, 2, 3, 4, 5, 6], "event": True, "region": list("nnsnss")})


def spells(frame=TABLE):
    return Spells.from_frame(frame)


def test_the_difference_is_that_of_the_mean_times_up_to_the_limit():
    row = compare_survival(spells(), by="region", reference="s", tau=4.0).table.iloc[0]

    # 1, 2, 4 against 3, 4, 4
    assert row["region"] == "n"
    assert row["estimate"] == pytest.approx(7 / 3 - 11 / 3)
    assert row["std_error"] == pytest.approx(np.sqrt((np.var([1, 2, 4]) + np.var([3, 4, 4])) / 3))


def test_a_partner_in_both_groups_does_not_count_twice():
    # every partner has one spell in each group, of the same length: the difference is known exactly
    both = pd.concat([TABLE.assign(region="n", spell=1), TABLE.assign(region="s", spell=2)])

    row = compare_survival(spells(both), by="region", tau=4.0).table.iloc[0]

    assert row["estimate"] == pytest.approx(0.0)
    assert row["std_error"] == pytest.approx(0.0, abs=1e-12)


def test_swapping_the_reference_turns_the_sign():
    one, other = (compare_survival(spells(), by="region", reference=name, tau=4.0).table.iloc[0] for name in "ns")

    assert one["estimate"] == pytest.approx(-other["estimate"])
    assert one["p_value"] == pytest.approx(other["p_value"])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"by": "regoin"}, "did you mean 'region'"),
        ({"by": "region", "reference": "w"}, "no group 'w'"),
        ({"by": "region", "weights": "petto"}, "did you mean 'peto'"),
        ({"by": "region", "strata": "size"}, "no attribute 'size'"),
    ],
)
def test_what_does_not_exist_is_refused(asked, message):
    with pytest.raises(ParameterError, match=message):
        compare_survival(spells(), **asked)


def test_one_group_has_nothing_to_compare():
    with pytest.raises(SampleError, match="1 group"):
        compare_survival(spells(TABLE.assign(region="n")), by="region")


def test_a_difference_of_nothing_seen_in_either_group_has_no_interval():
    frame = pd.DataFrame(
        {"partner": range(12), "duration": [1, 2, 3] * 4, "event": ["up"] * 4 + ["down"] * 8, "tier": list("aabb" + "ccbbaabb")}
    )

    row = compare_incidence(Spells.from_frame(frame), by="tier", reference="c", at=3.0).table.set_index(["cause", "tier"])

    assert np.isfinite(row.loc[("up", "a"), "std_error"])
    frame = frame.assign(event=np.where(frame["tier"] == "a", "down", frame["event"]))
    row = compare_incidence(Spells.from_frame(frame), by="tier", reference="c", at=3.0).table.set_index(["cause", "tier"])
    assert row.loc[("up", "a"), ["std_error", "conf_low", "conf_high", "p_value"]].isna().all()
    assert row.loc[("up", "a"), "estimate"] == 0
