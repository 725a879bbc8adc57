"""Pictures: the same bytes every time, never without words, never a claim beyond its interval."""

import concurrent.futures
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import hypothesis
import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from partnerlab.errors import ParameterError, SampleError
from partnerlab.periods import Calendar
from partnerlab.show import Picture, plot, style
from partnerlab.show.canvas import draw, shorten, text_width, wrap
from partnerlab.show.curves import plot_survival
from partnerlab.show.flows import plot_matrix, plot_staying
from partnerlab.show.forecasts import plot_comparison, plot_forecast
from partnerlab.show.hazards import plot_hazard
from partnerlab.show.histories import plot_counts
from partnerlab.show.indicators import plot_distribution, plot_indicator
from partnerlab.show.marks import spread_labels
from partnerlab.show.movers import plot_movers
from partnerlab.show.quadrants import Side, draw_quadrant
from partnerlab.show.quality import plot_quality
from partnerlab.show.rivers import draw_flows

TIERS = ("KEY PARTNERS", "UNPOLISHED DIAMONDS", "DEMENTORS")
QUARTERS = [f"{year}Q{quarter}" for year in (2024, 2025, 2026) for quarter in (1, 2, 3, 4)]


def counts(*, came=3, left=2):
    rows = [(quarter, tier, 40 + place, came, left) for quarter in QUARTERS for place, tier in enumerate(TIERS)]
    return pd.DataFrame(rows, columns=["quarter", "tier", "partners", "came", "left"])


def cells(*, stay=0.8, noise=None, n=200):
    rows = []
    for source in TIERS:
        for target in (*TIERS, "lapsed"):
            share = stay if source == target else (1 - stay) / 3
            rows.append((source, target, share, 0.02, max(share - 0.04, 0), min(share + 0.04, 1), n))
    frame = pd.DataFrame(rows, columns=["from_tier", "to_tier", "estimate", "std_error", "conf_low", "conf_high", "n"])
    return frame if noise is None else frame.assign(noise=frame["estimate"] * noise, noise_low=np.nan, noise_high=np.nan)


def movers(beyond=1):
    chances = [0.0004, 0.02, 0.3, np.nan]
    frame = pd.DataFrame(
        {"partner": [f"P{index}" for index in range(4)], "from_tier": TIERS[2], "to_tier": TIERS[1], "estimate": chances, "n": 9}
    )
    return frame.assign(beyond_noise=[index < beyond for index in range(4)])


def forecast(quarter="2026Q4", shift=0.0):
    estimate = np.array([40.0, 41.0, 42.0]) + shift
    return pd.DataFrame(
        {
            "tier": TIERS,
            "quarter": quarter,
            "estimate": estimate,
            "std_error": 2.0,
            "conf_low": estimate - 4,
            "conf_high": estimate + 4,
            "n": 123,
        }
    )


def curve(rate=0.05, n=200, **group):
    time = np.arange(0, 13)
    share = np.exp(-rate * time)
    error = np.sqrt(share * (1 - share) / n)
    frame = pd.DataFrame(
        {"time": time, "estimate": share, "std_error": error, "conf_low": share - 2 * error, "conf_high": share + 2 * error}
    )
    frame["n"] = (n * share).round().astype(int)
    return frame.assign(**group)[[*group, *frame.columns]]


def hazard(high=0.03):
    share = np.where([label.endswith("Q4") for label in QUARTERS], high, 0.03)
    frame = pd.DataFrame(
        {"quarter": QUARTERS, "estimate": share, "std_error": 0.005, "conf_low": share - 0.01, "conf_high": share + 0.01, "n": 300}
    )
    frame.loc[0, ["estimate", "conf_low", "conf_high"]] = np.nan
    return frame


def findings():
    rows = [
        ("deals", "amount", "Q4", "quarantine", 5, 0.01, "below 0"),
        ("partners", "partner_id", "E1", "reject", 2, 0.004, "the key is missing"),
        ("cases", "recorded_at", "W6", "warn", 90, 0.4, "recorded late"),
    ]
    return pd.DataFrame(rows, columns=["table", "column", "rule", "grade", "rows", "share", "meaning"])


def flows():
    rows = [(source, target, 60 if source == target else 5) for source in TIERS for target in TIERS]
    return pd.DataFrame([*rows, ("joined", TIERS[2], 9), (TIERS[0], "lapsed", 3)], columns=["from_tier", "to_tier", "partners"])


def points(count=300):
    rng = np.random.default_rng(5)
    x, y = rng.poisson(3, count).astype(float), rng.uniform(0, 100, count)
    tier = np.where(x >= 4, np.where(y >= 60, TIERS[0], "GROWTH HACKERS"), np.where(y >= 60, TIERS[1], TIERS[2]))
    return pd.DataFrame({"partner": [f"P{index}" for index in range(count)], "tier": tier, "x": x, "y": y})


def quadrant(count=300):
    corners = {"high_high": TIERS[0], "low_high": TIERS[1], "high_low": "GROWTH HACKERS", "low_low": TIERS[2]}
    sides = {"x": Side(name="leads", values=np.zeros(0), line=4.0), "y": Side(name="relevance", values=np.zeros(0), line=60.0)}
    return draw_quadrant(points(count), **sides, corners=corners, margin=0.1, quarter="2026Q3", tiers=tuple(corners.values()))


HEIGHTS = dict(zip(TIERS, (3, 2, 1), strict=True))
VALUES = np.random.default_rng(1).gamma(2.0, 3.0, (80, 12))
PICTURES = {
    "counts": lambda: plot_counts(counts(), partial=["2026Q4"]),
    "matrix": lambda: plot_matrix(cells(noise=0.5), level=0.95, period="2024Q1 to 2026Q4"),
    "staying": lambda: plot_staying(
        pd.concat([cells().assign(region="DACH"), cells(stay=0.5).assign(region="Nordics")]), by="region", level=0.95, period="all"
    ),
    "movers": lambda: plot_movers(movers(), period="2026Q4", expected=(5.0, 2.0, 9.0)),
    "forecast": lambda: plot_forecast(
        forecast(), last=forecast("2026Q3", -1), now=pd.DataFrame({"tier": TIERS, "quarter": "2026Q3", "partners": [39, 60, 42]})
    ),
    "comparison": lambda: plot_comparison(
        forecast("2026Q3").assign(actual=[40, 60, 42], inside=[True, False, True], persistence=41), level=0.95, brier=(0.1, 0.2)
    ),
    "survival": lambda: plot_survival(
        pd.concat([curve(region="DACH"), curve(0.2, region="Iberia")]), by="region", level=0.95, period="all", estimand="Members"
    ),
    "hazard": lambda: plot_hazard(hazard(0.2), by="quarter", level=0.95, period="all", estimand="Leaving"),
    "quality": lambda: plot_quality(findings(), sizes={"deals": 500, "partners": 500}, period="now"),
    "flows": lambda: draw_flows(
        flows(), heights=HEIGHTS, quarters=("2026Q2", "2026Q3"), noise=cells(noise=0.5)[["from_tier", "to_tier", "noise"]]
    ),
    "quadrant": quadrant,
    "density": lambda: quadrant(4000),
    "indicator": lambda: plot_indicator(VALUES, labels=QUARTERS, name="leads", unit="leads"),
    "distribution": lambda: plot_distribution(VALUES[:, 0], name="score", quarter="2026Q4", lines={"high": 9.0}),
}


@pytest.fixture(scope="module")
def drawn():
    return {name: make() for name, make in PICTURES.items()}


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_has_its_words(drawn, name):
    picture = drawn[name]

    assert len(picture.headline) > 10
    assert len(picture.alt) > 40
    assert re.search(r"\d", picture.alt), "the alternative text holds no number"
    assert picture.caption.startswith("Units: ")
    assert "n\u00a0=" in picture.caption
    assert "Data: " in picture.caption
    assert not picture.table.empty


@pytest.mark.parametrize("name", PICTURES)
def test_every_svg_is_well_formed_and_says_what_it_shows(drawn, name):
    root = ET.fromstring(drawn[name].svg())

    assert root.get("role") == "img"
    assert root.get("aria-label") == drawn[name].alt
    assert root.find("{http://www.w3.org/2000/svg}title").text == drawn[name].headline
    assert root.get("viewBox").startswith("0 0 380 ")
    assert "system-ui" in root.get("font-family")


@pytest.mark.parametrize("name", PICTURES)
def test_no_svg_brings_styles_fonts_dates_or_requests_of_its_own(drawn, name):
    text = drawn[name].svg()

    assert "<style" not in text
    assert "font-family:" not in text
    assert "DejaVu Sans'," not in text.split(">", 1)[1]
    assert "<metadata" not in text
    assert "nan" not in re.sub(r"<text.*?</text>|<title>.*?</title>|aria-label=\"[^\"]*\"", "", text).lower()
    assert not re.findall(r"(?:href|url)\s*[=(]\s*['\"]?(?!#)(?!http://www\.w3\.org)\w+:", text)


@pytest.mark.parametrize("name", PICTURES)
def test_text_is_large_enough_on_a_phone(drawn, name):
    sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", drawn[name].svg())]

    # a phone of 360 pixels leaves 328 for the 380 units of a figure
    assert min(sizes) * 328 / 380 >= 7.7
    assert np.median(sizes) * 328 / 380 >= 8.6


@pytest.mark.parametrize("name", PICTURES)
def test_text_stays_on_the_sheet(drawn, name):
    root = ET.fromstring(drawn[name].svg())
    width = 380.0
    for node in root.iter("{http://www.w3.org/2000/svg}text"):
        turned = node.get("transform", "")
        place = re.search(r"translate\(([-\d.]+) ([-\d.]+)\)(?! rotate)", turned) if "rotate" not in turned else None
        left = float(node.get("x")) if node.get("x") else float(place[1]) if place else None
        if left is None or not node.text:
            continue
        size = float(re.search(r"font-size: ([\d.]+)px", node.get("style"))[1])
        wide = text_width(node.text, size=size)
        anchor = (re.search(r"text-anchor: (\w+)", node.get("style")) or ["", "start"])[1]
        start = left - {"start": 0, "middle": wide / 2, "end": wide}[anchor]
        # the measured font is wider than those of the stack: what runs over by a hair does not in a browser
        assert start >= -2, (name, node.text)
        assert start + wide <= width + 0.06 * wide + 2, (name, node.text)


def test_two_figures_on_a_page_never_share_an_id(drawn):
    ids = [found for picture in drawn.values() for found in re.findall(r' id="([^"]+)"', picture.svg())]

    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", PICTURES)
def test_every_reference_leads_somewhere(drawn, name):
    text = drawn[name].svg()
    ids = set(re.findall(r' id="([^"]+)"', text))

    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= ids
    assert set(re.findall(r' href="#([^"]+)"', text)) <= ids


def test_the_same_picture_is_the_same_bytes_in_another_process(drawn):
    code = "import sys; sys.path.insert(0, sys.argv[1]); import hashlib, test_pictures as t\n"
    code += "print(hashlib.sha256(''.join(make().svg() for make in t.PICTURES.values()).encode()).hexdigest())"
    folder = str(__import__("pathlib").Path(__file__).parent)

    other = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True).stdout.strip()

    import hashlib

    assert hashlib.sha256("".join(picture.svg() for picture in drawn.values()).encode()).hexdigest() == other


def test_pictures_drawn_in_threads_are_the_same(drawn):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        again = dict(zip(PICTURES, pool.map(lambda make: make().svg(), PICTURES.values()), strict=True))

    assert again == {name: picture.svg() for name, picture in drawn.items()}


def test_drawing_leaves_matplotlib_as_it_was():
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    PICTURES["counts"]()

    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("field", ["headline", "alt", "units", "period", "drawing"])
def test_a_picture_without_words_is_refused(field):
    facts = {"headline": "h", "alt": "a", "units": "u", "n": 1, "period": "p", "table": pd.DataFrame(), "drawing": "<svg/>"}

    with pytest.raises(ParameterError, match=f"a picture needs an? {field}"):
        Picture(**facts | {field: "  "})


def test_a_notebook_is_given_html_with_the_alternative_text(drawn):
    bundle = drawn["counts"]._repr_mimebundle_()

    assert drawn["counts"].alt in bundle["text/html"]
    assert bundle["text/html"].index(drawn["counts"].headline) < bundle["text/html"].index("<svg")
    assert bundle["image/svg+xml"] == drawn["counts"].svg(framed=True)
    assert drawn["counts"]._repr_mimebundle_(include={"text/plain"}).keys() == {"text/plain"}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_that_leaves_its_page_takes_its_words_along(drawn, name):
    root = ET.fromstring(drawn[name].svg(framed=True))
    said = " ".join(node.text for node in root.findall("{http://www.w3.org/2000/svg}text"))

    assert said == f"{drawn[name].headline} {drawn[name].caption}"
    assert root.get("aria-label") == drawn[name].alt


def test_words_are_escaped():
    frame = counts().replace({"DEMENTORS": 'A <b> & "c"'})
    text = plot_counts(frame).html()

    assert "<b>" not in text
    ET.fromstring(plot_counts(frame).svg())


# what a headline may say


def test_tiers_that_exchange_a_few_partners_have_not_changed():
    assert plot_counts(counts(came=5, left=2)).headline.startswith("No tier changed clearly in 2026Q4")


def test_a_tier_that_many_came_to_and_few_left_went_up():
    frame = counts(came=2, left=2)
    frame.loc[(frame["quarter"] == "2026Q4") & (frame["tier"] == "DEMENTORS"), "came"] = 30

    assert plot_counts(frame).headline == "DEMENTORS up 28 to 42 in 2026Q4; no clear change in the other tiers"


def test_moves_inside_what_noise_makes_are_not_called_movement():
    assert plot_matrix(cells(noise=0.95), level=0.95, period="all").headline.startswith("No move between tiers is clearly more frequent")


def test_moves_far_beyond_noise_are_named_with_their_numbers():
    picture = plot_matrix(cells(stay=0.4, noise=0.1), level=0.95, period="all")

    assert picture.headline.startswith("9 of 9 kinds of move are clearly more frequent than noise alone would make it; furthest above it:")
    assert "▲" in picture.svg()


def test_groups_whose_intervals_overlap_do_not_differ():
    table = pd.concat([cells(stay=0.80).assign(region="DACH"), cells(stay=0.83).assign(region="Nordics")])

    assert plot_staying(table, by="region", level=0.95, period="all").headline == "In no tier does staying differ clearly by region"


def test_groups_far_apart_differ(drawn):
    assert "kept best in DACH" in drawn["staying"].headline
    assert "least in Nordics" in drawn["staying"].headline


def test_a_forecast_around_today_is_no_change():
    now = pd.DataFrame({"tier": TIERS, "quarter": "2026Q3", "partners": [40, 40, 40]})

    assert plot_forecast(forecast(), now=now).headline == "No clear change expected in any tier from 2026Q3 to 2026Q4"


def test_a_forecast_away_from_today_is_a_change_and_last_quarters_forecast_is_marked(drawn):
    assert drawn["forecast"].headline.startswith("Expected by 2026Q4: UNPOLISHED DIAMONDS down from 60 to 41 (37 to 45)")
    assert "2 of 3 held" in drawn["forecast"].caption


def test_curves_that_lie_together_do_not_differ():
    table = pd.concat([curve(0.05, region="DACH"), curve(0.055, region="Iberia")])

    assert plot_survival(table, by="region", level=0.95, period="all", estimand="Members").headline.startswith(
        "No clear difference between groups"
    )


def test_curves_apart_differ(drawn):
    assert drawn["survival"].headline.startswith("After 4 quarters, 82\u00a0% (76 to 87) of DACH remain, against")


def test_a_flat_hazard_has_no_season():
    assert plot_hazard(hazard(), by="quarter", level=0.95, period="all", estimand="Leaving").headline.startswith(
        "No clear difference by quarter"
    )


def test_a_renewal_season_shows(drawn):
    assert drawn["hazard"].headline.startswith("The share that ends is highest in 2024Q4, 20\u00a0% (19 to 21)")
    assert "crosses mark periods with not enough data" in drawn["hazard"].caption


def test_a_season_that_a_test_found_is_the_headline_and_is_shaded():
    peak = "Q4 has the highest hazard, 20\u00a0% a quarter against 3\u00a0% in the others, more than chance would give."
    picture = plot_hazard(hazard(0.2), by="quarter", level=0.95, period="all", estimand="Leaving", peak=peak)

    assert picture.headline == peak.rstrip(".")
    assert "shaded: Q4 of each year" in picture.caption


def test_a_move_that_counts_cannot_make_is_not_called_more_frequent_than_noise():
    frame = cells(stay=0.4, noise=0.1)
    frame.loc[(frame["from_tier"] == TIERS[0]) & (frame["to_tier"] == TIERS[1]), "noise"] = 0.0
    picture = plot_matrix(frame, level=0.95, period="all")

    assert picture.headline.startswith("8 of 8 kinds of move are clearly more frequent than noise alone would make it")
    assert picture.svg().count(" ▲") == 11  # 3 kinds of staying, too


def test_movers_within_noise_are_called_so():
    picture = plot_movers(movers(beyond=0), period="2026Q4", expected=(5.0, 2.0, 9.0))

    assert picture.headline == "4 partners moved in 2026Q4 where noise alone would move 5 (2 to 9); no single move can be told from noise"


def test_a_move_that_follows_a_new_rating_is_said_apart_from_noise():
    picture = plot_movers(movers(beyond=1).assign(stated=[True, False, False, False]), period="2026Q4")

    assert picture.headline == "4 partners moved in 2026Q4; no single move can be told from noise; 1 move followed a number stated anew"


def test_a_move_by_decision_is_said_apart_from_noise():
    picture = plot_movers(movers(beyond=0).assign(decided=["", "", "", "override ended"]), period="2026Q4", expected=(5.0, 2.0, 9.0))

    assert "4 partners moved in 2026Q4, 3 of them by counts, where noise alone would move 5 (2 to 9)" in picture.headline
    assert picture.headline.endswith("; 1 move by decision")
    assert "override ended" in picture.svg()


def test_moves_of_wild_counts_stand_out_and_are_not_called_beyond_noise():
    picture = plot_movers(movers(beyond=1), period="2026Q4", sure=False)

    assert "1 of the moves stands out, from counts wilder than chance" in picture.headline
    assert "beyond noise" not in picture.headline + picture.caption


def test_flows_stand_beside_what_noise_alone_would_move(drawn):
    assert drawn["flows"].headline.startswith("30 of 210 partners changed tier from 2026Q2 to 2026Q3: no clear difference from the")


def test_an_indicator_that_did_not_move_is_called_so():
    values = np.column_stack([VALUES[:, 0], VALUES[:, 0] + np.where(np.arange(80) % 2, 1.0, -1.0)])

    assert plot_indicator(values, labels=["2026Q1", "2026Q2"], name="leads", unit="leads").headline.endswith("no clear change since 2026Q1")


def test_an_indicator_that_fell_for_the_same_partners_went_down():
    values = np.column_stack([VALUES[:, 0] + 2, VALUES[:, 0]])

    assert (
        "; down 2.00 (2.00 to 2.00) since 2026Q1 among the same partners"
        in plot_indicator(values, labels=["2026Q1", "2026Q2"], name="leads", unit="leads").headline
    )


def test_a_quarter_that_is_not_over_is_no_news():
    values = np.column_stack([VALUES[:, 0], VALUES[:, 0], VALUES[:, 0] / 3])
    picture = plot_indicator(values, labels=["2026Q1", "2026Q2", "2026Q3"], name="leads", unit="leads", partial=["2026Q3"])
    frame = counts(came=2, left=2)
    frame.loc[frame["quarter"] == "2026Q4", ["came", "left"]] = [0, 40]

    assert "in 2026Q2; no clear change since 2026Q1" in picture.headline
    assert plot_counts(frame, partial=["2026Q4"]).headline.startswith("No tier changed clearly in 2026Q3")


def test_a_few_far_outside_do_not_hide_the_rest():
    picture = plot_distribution(np.append(np.arange(500.0), 1e9), name="score", quarter="2026Q4", lines={})

    assert picture.caption.endswith("3 partners far outside drawn at the edge.")
    assert picture.table["partners"].sum() == 501
    assert (picture.table["partners"] > 5).all()


def test_clean_data_are_called_clean():
    picture = plot_quality(findings().head(0), sizes={"deals": 10}, period="now")

    assert picture.headline == "The data keep every rule of the contract"


# where there is nothing to draw


@pytest.mark.parametrize(
    "make",
    [
        lambda: plot_counts(counts().assign(partners=0)),
        lambda: plot_matrix(cells(n=0), level=0.95, period="all"),
        lambda: plot_movers(movers().head(0), period="2026Q4"),
        lambda: plot_survival(curve().assign(estimate=np.nan), by="", level=0.95, period="all", estimand="Members"),
        lambda: plot_hazard(hazard().assign(estimate=np.nan), by="quarter", level=0.95, period="all", estimand="Leaving"),
        lambda: plot_indicator(VALUES * np.nan, labels=QUARTERS, name="leads", unit="leads"),
        lambda: plot_distribution(VALUES[:, 0] * np.nan, name="score", quarter="2026Q4", lines={}),
        lambda: plot_forecast(forecast().assign(estimate=np.nan)),
    ],
)
def test_nothing_to_draw_is_said_in_one_line(make):
    with pytest.raises(SampleError) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_a_tier_with_too_few_partners_says_so():
    frame = cells()
    frame.loc[frame["from_tier"] == "DEMENTORS", ["estimate", "std_error", "conf_low", "conf_high"]] = np.nan
    frame.loc[frame["from_tier"] == "DEMENTORS", "n"] = 3
    picture = plot_matrix(frame, level=0.95, period="all")

    assert "DEMENTORS: not enough data (n\u00a0=\u00a03)" in picture.alt
    assert "enough" in picture.svg()


def test_something_that_has_no_picture_is_refused_with_what_has():
    with pytest.raises(ParameterError, match=r"nothing can be drawn of a dict; plot takes .*Agreement, .*DataQuality"):
        plot({})


# laws


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(st.lists(st.floats(0, 100), min_size=1, max_size=8), st.floats(1, 12))
def test_labels_never_cover_each_other_and_keep_their_order(places, gap):
    spread = spread_labels(places, gap=gap, low=0.0, high=100.0)
    order = np.argsort(places, kind="stable")

    assert (np.diff(np.array(spread)[order]) >= gap - 1e-6).all()
    assert min(spread) >= -1e-6
    assert max(spread) <= 100 + 1e-6


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(st.text("abcdefgh WMil", min_size=1, max_size=60), st.floats(20, 200))
def test_wrapped_and_shortened_lines_fit(text, width):
    assert all(text_width(line) <= width or line in ("…", "") for line in wrap(text, width=width))
    assert text_width(shorten(text, width=width)) <= max(width, text_width("…"))


def test_every_series_colour_can_be_read_and_told_from_paper():
    for colour in style.SERIES:
        assert style.contrast(style.readable(colour), style.PAPER) >= 4.5
        assert style.contrast(colour, style.PAPER) >= 3
    for share in np.linspace(0, 1, 21):
        shade = style.blend(float(share))
        assert style.contrast(style.readable_on(shade), shade) >= 4.5


def test_a_drawing_with_awkward_words_stays_well_formed():
    svg = draw(lambda canvas: canvas.words(5, 20, "$x_1$ <&> \"q\" 'a' ü €"), height=40, title='t <"&', alt='a "<&')

    assert ET.fromstring(svg).get("aria-label") == 'a "<&'
    assert "$x_1$" in svg


def test_the_calendar_of_a_program_is_what_is_written_below():
    calendar = Calendar(start_month=4)
    labels = calendar.labels(calendar.range("FY2025Q1", "FY2026Q4"))

    assert "FY2026Q4" in plot_indicator(VALUES[:, :8], labels=labels, name="leads", unit="leads").svg()
