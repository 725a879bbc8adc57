"""Effects by group and time with one base period, balanced, cut and weighted, for tests/reference/test_staggered.py; csdid 0.4.3.

Run in this folder. Writes csdid.csv.
"""

import numpy as np
import pandas as pd


def main() -> None:
    """Write csdid.csv from rows.csv; the peer is no part of the tests' environment."""
    from csdid.att_gt import ATTgt

    rows = pd.read_csv("rows.csv")
    rows["leads"] = rows["leads"].fillna(0.1 * rows["quarter"])
    rows["first"] = rows["start"].where(rows["start"] < 99, 0)
    rows["lasting"] = np.cos(rows["partner"])
    rows["mass"] = 1 + rows["partner"] % 5 / 4
    found = []
    for score, weighted in (("reg", False), ("reg", True), ("dr", True)):
        model = ATTgt(
            yname="leads", tname="quarter", idname="partner", gname="first", data=rows, control_group=["notyettreated"],
            xformla="leads~lasting", weights_name="mass" if weighted else None,
        ).fit(est_method=score, base_period="universal", bstrap=False)  # fmt: skip
        for case, options in (("all", {}), ("balance 3", {"balance_e": 3}), ("-3 to 2", {"min_e": -3, "max_e": 2})):
            one = model.aggte(typec="dynamic", bstrap=False, cband=False, **options).atte
            found.append((score, weighted, case, "overall", one["overall_att"], one["overall_se"]))
            parts = zip(one["egt"], one["att_egt"], np.asarray(one["se_egt"]).ravel(), strict=True)
            found += [(score, weighted, case, str(int(at)), effect, error) for at, effect, error in parts]
        for kind in ("simple", "group", "calendar"):
            one = model.aggte(typec=kind, bstrap=False, cband=False).atte
            found.append((score, weighted, kind, "overall", one["overall_att"], one["overall_se"]))
    table = pd.DataFrame(found, columns=["score", "weighted", "case", "at", "estimate", "std_error"])
    table.to_csv("csdid.csv", index=False, float_format="%.12g")


if __name__ == "__main__":
    main()
