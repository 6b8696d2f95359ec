"""The page in a real browser: the slider moves, a score is read, keys and tabs work, nothing is fetched."""

import numpy as np
import pytest

from nowcast.core.score_row import ScoreRow
from nowcast.core.times import as_step
from nowcast.forecasters.base import label_forecast
from nowcast.report.content import Case, CellMap, GroupRow, IntervalRow
from nowcast.report.diagram_content import DiagramCurve, Diagrams, RankShares, ReliabilityCurve
from nowcast.report.model_colours import KNOWN
from nowcast.report.skill_page import SkillPage, render_skill_page
from tests.fakes.fields import geographic_grid, moving_disc

EVIL = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    grid = geographic_grid(24, 30)
    cases = []
    for start in ("first", "second"):
        field = moving_disc(grid, frames=6)
        issued = field["time"].values[2]
        leads = as_step(np.timedelta64(10, "m")) * np.arange(1, 4)
        said = label_forecast(np.repeat(field.values[2][None], 3, 0), issued, leads, grid)["reflectivity"]
        forecasts = {"persistence": said, EVIL: said}
        cases.append(
            Case(
                issued,
                field[:3],
                forecasts,
                field[3:5],
                {"persistence": ["CSI 0.70", "CSI 0.60", "CSI 0.50"], EVIL: [EVIL] * 3},
                start,
            )
        )
    scores = [
        ScoreRow(model, score, threshold, lead, value + (0 if lead is None else lead / 1000))
        for model, base in (("persistence", 0.25), (EVIL, 0.375))
        for score, threshold, value in (
            ("csi", 20.0, base),
            ("csi", 30.0, 0.5 - base),
            ("mae", None, 10 * base),
        )
        for lead in (None, 10.0, 20.0, 30.0)
    ]
    maps = [
        CellMap(model, threshold, grid, np.full((3, 3), 0.5), 10)
        for model, threshold in (("persistence", 20.0), (EVIL, 20.0), ("persistence", 30.0))
    ]
    path = tmp_path_factory.mktemp("site") / "index.html"
    names, unit = ("persistence", EVIL), [0.0, 0.5, 1.0]
    diagrams = Diagrams(
        [ReliabilityCurve(m, 20.0, unit, unit, [9, 3, 1], unit, unit, 0.1) for m in names],
        [DiagramCurve(m, 20.0, unit, unit, [EVIL] * 3) for m in names],
        performance=[DiagramCurve(m, 20.0, unit, unit) for m in names],
        ranks=[RankShares(m, 20.0, [1.5, 0.5]) for m in names],
    )
    csi = [IntervalRow(m, 20.0, lead, 0.5, 0.4, 0.6, 4) for m in names for lead in (10.0, 20.0, 30.0)]
    groups = [
        GroupRow(by, f"r{i}c{i}" if by == "region" else "12", ScoreRow(m, "csi", 20.0, None, 0.5))
        for m in names
        for by in ("hour", "region")
        for i in range(12)
    ]
    page = SkillPage(
        f"Skill {EVIL}",
        cases,
        scores,
        maps,
        EVIL,
        {EVIL: EVIL},
        [EVIL],
        csi=csi,
        diagrams=diagrams,
        groups=groups,
    )
    path.write_text(render_skill_page(page), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def page(browser, site):
    context = browser.new_context(viewport={"width": 1200, "height": 900}, color_scheme="dark")
    opened = context.new_page()
    troubles, requests = [], []
    opened.on("console", lambda message: troubles.append(message.text))
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("request", lambda request: requests.append(request.url))
    opened.goto(site)
    yield opened
    asked = [url for url in requests if not url.startswith("data:") and url != site]
    hacked = opened.evaluate("window.hacked")
    context.close()
    assert troubles == []
    assert asked == []
    assert hacked is None


def test_the_slider_moves_the_frames(page):
    label = page.locator("#label")
    assert label.text_content() == "+10 min"
    before = page.locator(".panel img").first.get_attribute("src")
    page.locator("#slider").fill("4")
    assert label.text_content() == "+20 min"
    assert page.locator("#valid").text_content() == "2025-03-22 10:40 UTC"
    assert page.locator(".panel img").first.get_attribute("src") != before
    second = page.locator(".panel").nth(1)
    assert second.locator("figcaption").text_content() == "persistenceCSI 0.60"
    assert "persistence, +20 min" in second.locator("img").get_attribute("alt")
    assert page.locator("#slider").get_attribute("aria-valuetext") == "+20 min, 2025-03-22 10:40 UTC"
    assert page.evaluate("[...document.querySelectorAll('.panel img')].every(i => i.naturalWidth === 30)")
    page.locator("#slider").fill("0")
    assert label.text_content() == "\u221220 min"
    assert second.locator("small").text_content() == "observed so far"


def test_what_was_not_observed_yet_says_so(page):
    page.locator("#slider").fill("5")
    assert page.locator(".panel .absent").first.is_visible()
    assert not page.locator(".panel .absent").nth(1).is_visible()


def test_keys_and_play(page):
    page.keyboard.press("ArrowRight")
    assert page.locator("#label").text_content() == "+20 min"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert page.locator("#label").text_content() == "now"
    page.locator("#play").click()
    assert page.locator("#play").get_attribute("aria-label") == "Pause"
    expect = pytest.importorskip("playwright.sync_api").expect
    expect(page.locator("#label")).not_to_have_text("now")
    page.locator("#play").click()
    assert page.locator("#play").get_attribute("aria-pressed") == "false"


def test_another_case_can_be_chosen(page):
    page.locator("#slider").fill("4")
    page.locator("#case").select_option(label="second")
    assert page.locator("#label").text_content() == "+10 min"
    assert page.locator(".panel").count() == 3


def test_a_score_is_read_and_the_best_is_marked(page):
    table = page.locator("table.scores").first
    cells = table.locator("td")
    assert cells.all_text_contents() == ["0.250", "0.250", "0.375", "0.125"]
    assert [c.get_attribute("class") or "" for c in cells.all()] == ["", "best", "best", ""]
    page.locator("#lead").select_option(label="+30 min")
    assert cells.first.text_content() == "0.280"
    assert "+30 min" in table.locator("caption").text_content()


def test_tabs_show_one_score_at_a_time(page):
    assert not page.locator("#panel-1").is_visible()
    page.locator("#tab-1").click()
    assert page.locator("#panel-1").is_visible()
    assert not page.locator("#panel-0").is_visible()
    errors = page.locator("#panel-1 td").all_text_contents()
    assert errors == ["2.50", "3.75"]
    assert page.locator("#panel-1 td.best").text_content() == "2.50"
    page.keyboard.press("ArrowLeft")
    assert page.locator("#panel-0").is_visible()


def test_a_chart_tells_its_values_and_follows_the_slider(page):
    chart = page.locator("#panel-0 .chart").first
    marker = chart.locator(".marker")
    before = marker.get_attribute("x1")
    page.locator("#slider").fill("5")
    assert marker.get_attribute("x1") != before
    box = chart.bounding_box()
    chart.hover(position={"x": box["width"] - 20, "y": box["height"] / 2})
    assert "+30 min" in page.locator("#tip").text_content()
    assert "0.280" in page.locator("#tip").text_content()


def test_the_map_of_csi_can_be_chosen(page):
    assert page.locator(".maps:visible img").count() == 2
    page.locator("#map-threshold").select_option(label="≥ 30 dBZ")
    alt = page.locator(".maps:visible img").first.get_attribute("alt")
    assert page.locator(".maps:visible img").count() == 1
    assert alt == "Map of the CSI of persistence at 30 dBZ"


def test_diagrams_are_drawn_in_the_colours_of_the_legend_with_their_labels_apart(page):
    assert page.locator("#diagrams h3").all_text_contents() == [
        "CSI by lead time, with intervals",
        "Performance diagram",
        "Reliability",
        "ROC",
        "Rank histogram",
        "By hour of the day",
        "By region",
    ]
    told = page.locator("#diagrams .plane circle title")
    assert "persistence: probability 0.50, observed 0.50, 3 cases" in told.all_text_contents()
    mark = f"g.m{KNOWN['persistence']}"
    colours = page.evaluate(
        """(marks) => [...document.querySelectorAll(marks)].map(
        (e) => getComputedStyle(e)[e.tagName === 'path' ? 'stroke' : 'fill'])""",
        f"#diagrams {mark} circle, .models {mark} path",
    )
    assert len(set(colours)) == 1
    crossing = page.evaluate("""[...document.querySelectorAll('.plane')].flatMap((svg) => {
        const boxes = [...svg.querySelectorAll('.tick, .axis')].map((e) => e.getBoundingClientRect());
        return boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) => a.left < b.right - 1 && b.left < a.right
            - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3));
    }).length""")
    assert crossing == 0


@pytest.mark.parametrize("width", [360, 768, 1600])
def test_nothing_sticks_out_at_any_width(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_control_has_a_name(page):
    nameless = page.evaluate(
        """[...document.querySelectorAll('button, input, select, img, svg.chart, svg.plane')].filter((e) =>
        !(e.getAttribute('aria-label') || e.getAttribute('alt') || e.textContent.trim()
        || (e.labels && e.labels.length))).length"""
    )
    assert nameless == 0
