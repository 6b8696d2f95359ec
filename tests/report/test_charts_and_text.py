"""Charts by their coordinates, tables by their numbers, and nothing from outside becomes markup."""

import json
import re
from html import unescape
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from nowcast.core.score_row import ScoreRow
from nowcast.core.times import as_step
from nowcast.forecasters.base import label_forecast
from nowcast.report import frames
from nowcast.report.charts import HEIGHT, TOP, Line, line_chart
from nowcast.report.content import Case, CellMap, Comparison, SkillHorizon
from nowcast.report.frames import PageError, frames_data, label
from nowcast.report.score_tabs import ScoreTable
from nowcast.report.skill_page import SkillPage, render_skill_page
from tests.fakes.fields import geographic_grid, moving_disc, projected_grid

EVIL = "<script>alert('x')</script>\"&</title>"
NAN = float("nan")
SVG = "{http://www.w3.org/2000/svg}"


def make_case(names=("persistence",), frames=3, leads=2, grid=None, observed=True, **kw) -> Case:
    grid = grid or geographic_grid(20, 24)
    field = moving_disc(grid, frames=frames + leads)
    issued = field["time"].values[frames - 1]
    lead_times = as_step(np.timedelta64(10, "m")) * np.arange(1, leads + 1)
    values = np.repeat(field.values[frames - 1][None], leads, 0)
    said = label_forecast(values, issued, lead_times, grid)["reflectivity"]
    return Case(issued, field[:frames], dict.fromkeys(names, said), field[frames:] if observed else None, **kw)


def test_a_chart_by_its_coordinates():
    drawn = line_chart("t", [10, 20, 30], [Line("a", 0, [1.0, NAN, 0.0])], low=0.0)
    root = ET.fromstring(str(drawn).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))
    dots = [(float(c.get("cx")), float(c.get("cy"))) for c in root.iter(f"{SVG}circle")]
    assert [y for _, y in dots] == [TOP, HEIGHT - 34.0]  # 1 at the top, 0 at the foot
    path = next(iter(root.iter(f"{SVG}path"))).get("d")
    assert path.count("M") == 2  # the gap is a gap
    data = json.loads(root.get("data-chart"))
    assert data["lines"][0]["values"] == [1.0, None, 0.0]
    assert data["x"][0] == dots[0][0]


def test_a_chart_without_a_single_value_is_still_a_chart():
    assert "circle" not in line_chart("t", [10], [Line("a", 0, [NAN])])


def test_labels_of_lead_times():
    assert [label(v) for v in (0, 30, -10, 2.5)] == ["now", "+30 min", "\u221210 min", "+2.5 min"]


def test_frames_in_order_with_pictures_shared_in_the_past():
    case = make_case(("a", "b"), captions={"a": ["CSI 0.5", "CSI 0.4"]})
    data = frames_data([case])
    made = data["cases"][0]
    assert [f["lead"] for f in made["frames"]] == [-20, -10, 0, 10, 20]
    assert made["panels"] == ["Observed", "a", "b"]
    assert made["frames"][0]["panels"] == [0, 0, 0]
    assert made["frames"][3]["panels"] == [3, 4, 5]
    assert made["frames"][3]["captions"] == ["", "CSI 0.5", ""]
    assert made["frames"][3]["valid"] == "2025-03-22 10:30 UTC"
    assert made["start"] == 3
    assert len(data["images"]) == 3 + 2 * 3
    assert data["map"]["columns"] == 24


def test_what_has_not_come_yet_is_shown_as_absent():
    running = make_case(observed=False)
    assert [f["panels"][0] for f in frames_data([running])["cases"][0]["frames"]] == [0, 1, 2, -1, -1]
    partly = make_case()
    partly = Case(partly.reference_time, partly.past, partly.forecasts, partly.observed[:1])
    last = frames_data([partly])["cases"][0]["frames"]
    assert last[3]["panels"][0] >= 0
    assert last[4]["panels"][0] == -1


def test_cases_that_do_not_fit_together_are_refused():
    with pytest.raises(PageError, match="two grids"):
        frames_data([make_case(), make_case(grid=projected_grid(20, 24))])
    case = make_case(("a", "b"))
    short = {"a": case.forecasts["a"], "b": case.forecasts["b"][:1]}
    with pytest.raises(PageError, match="different lead times"):
        frames_data([Case(case.reference_time, case.past, short, case.observed)])


def test_the_table_and_the_tiles_show_the_numbers():
    scores = [
        ScoreRow("m1", "csi", 20.0, 10.0, 0.5),
        ScoreRow("m1", "csi", 20.0, None, 0.4321),
        ScoreRow("m2", "csi", 20.0, 10.0, NAN),
        ScoreRow("m2", "csi", 20.0, None, 0.6),
        ScoreRow("m1", "mae", None, 10.0, 2.0),
        ScoreRow("m1", "mae", None, None, 2.125),
    ]
    table = ScoreTable(scores)
    assert table.value("m1", "csi", 20.0, None) == 0.4321
    assert table.models == ["m1", "m2"]
    assert table.highest_csi() == [(20.0, 0.6, "m2")]
    page = render_skill_page(SkillPage("t", scores=scores))
    assert '<div class="tile"><b>0.600</b>' in page
    assert "<em>m2</em>" in page
    cells = [json.loads(unescape(c)) for c in re.findall(r'data-values="([^"]*)"', page)]
    assert cells[0] == ["0.432", "0.500"]
    assert cells[1] == ["0.600", "\u2013"]
    assert ["2.12", "2.00"] in cells


def test_nothing_from_outside_becomes_markup():
    grid = geographic_grid(20, 24)
    page = render_skill_page(
        SkillPage(
            EVIL,
            [make_case((EVIL,), name=EVIL, captions={EVIL: [EVIL, EVIL]})],
            [ScoreRow(EVIL, EVIL, 20.0, 10.0, 0.5), ScoreRow(EVIL, "csi", 20.0, None, 0.5)],
            [CellMap(EVIL, 20.0, grid, np.full((2, 3), 0.5), 10)],
            subtitle=EVIL,
            metadata={EVIL: EVIL},
            notes=[EVIL],
            comparisons=[Comparison(EVIL, EVIL, 20.0, 0.05, 0.01, 0.09, 12, 6.0, 2000, 0.95)],
            horizons=[SkillHorizon(EVIL, 30.0, 0.25, 37.4, 100.0)],
        )
    )
    assert "alert(" in page
    assert "<script>alert" not in page
    assert page.count("<script") == 2
    assert page.count("</script>") == 2
    assert page.count("</title>") == 1
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL).group(1))
    assert data["cases"][0]["panels"][1] == EVIL


def test_the_page_refers_to_nothing_outside_itself():
    page = render_skill_page(SkillPage("t", [make_case()], [ScoreRow("m", "csi", 20.0, 10.0, 0.5)]))
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]+"', page)
    assert "url(" not in page
    assert "default-src 'none'" in page


def test_parts_without_content_are_hidden():
    text = render_skill_page(SkillPage("only a title"))
    assert text.count(" hidden>") >= 3


def test_frames_are_thinned_until_the_page_is_small_enough(monkeypatch):
    whole = sum(map(len, frames_data([make_case()])["images"]))
    monkeypatch.setattr(frames, "BUDGET_BYTES", whole - 1)
    assert sum(map(len, frames_data([make_case()])["images"])) < whole


def test_the_page_marks_what_is_surely_better_and_escapes_names():
    def row(model, low, high):
        return Comparison(model, "ref", 20.0, 0.05, low, high, 12, 6.0, 2000, 0.95)

    text = render_skill_page(
        SkillPage(
            "t",
            comparisons=[row("<b>net</b>", 0.01, 0.09), row("other", -0.01, 0.09)],
            horizons=[
                SkillHorizon("net", 30.0, 0.25, 37.4, 100.0),
                SkillHorizon("other", 30.0, 0.25, np.inf, 100.0),
            ],
        )
    )
    assert "<b>net" not in text
    assert text.count('class="best"') == 1
    assert '<td class="best">+0.050 <small>+0.010 to +0.090</small></td>' in text
    assert "\u22120.010 to +0.090" in text
    assert "12 blocks of 6 hours" in text
    assert "<td>37 min</td>" in text
    assert "<td>over 100 min</td>" in text
    assert "How sure" in text
    assert "How sure" not in render_skill_page(SkillPage("t"))
