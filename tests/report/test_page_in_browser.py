"""The page in a real browser: the slider moves, a score is read, keys and tabs work, nothing is fetched."""

import pytest

from nowcast.report.model_colours import KNOWN
from nowcast.report.skill_page import render_skill_page
from tests.fakes.skill_page import full_skill_page


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    path = tmp_path_factory.mktemp("site") / "index.html"
    path.write_text(render_skill_page(full_skill_page()), encoding="utf-8")
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
    widths = page.evaluate("[...document.querySelectorAll('.panel img')].map((i) => i.naturalWidth)")
    assert widths == [30, 30, 15, 30]  # probabilities are smooth: half as many columns
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
    assert page.locator(".panel").count() == 4


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


def test_score_threshold_and_lead_time_of_the_maps_can_be_chosen(page):
    shown = page.locator("#map-figures img")
    assert shown.count() == 2
    page.locator("#map-threshold").select_option(label="≥ 30 dBZ")
    assert shown.count() == 1
    assert shown.first.get_attribute("alt") == "Map of the CSI at 30 dBZ, all lead times, of persistence"
    page.locator("#map-score").select_option(label="GDL")
    assert not page.locator("#map-threshold").is_visible()
    assert shown.count() == 2
    together = shown.first.get_attribute("src")
    page.locator("#map-lead").select_option(label="+20 min")
    assert shown.first.get_attribute("alt") == "Map of the GDL, +20 min, of persistence"
    assert shown.first.get_attribute("src") != together
    assert page.locator("#ramp-unit").text_content() == "dB, less is better"
    assert page.locator("#ramp li").count() == 10
    box, sheet = (page.locator(f"#map-figures {what}").first.bounding_box() for what in ("img", ".sheet"))
    assert box["width"] / sheet["width"] == pytest.approx(1.0, abs=0.02)
    assert box["height"] / sheet["height"] == pytest.approx(30 / 24, abs=0.02)  # the last block is narrower


def test_a_map_is_enlarged_by_keys_and_by_click_and_goes_on_in_time(page):
    page.locator("#panels .zoom").nth(1).focus()
    page.keyboard.press("Enter")
    small = page.locator(".panel .sheet").first.bounding_box()["width"]
    assert page.locator("#zoom .sheet").bounding_box()["width"] > 1.5 * small
    assert page.locator("#zoom-title").text_content() == "persistence"
    before = page.locator("#zoom-note").text_content()
    page.keyboard.press("ArrowRight")
    assert page.locator("#zoom-note").text_content() != before
    assert page.locator("#zoom-note").text_content().startswith(page.locator("#label").text_content())
    page.keyboard.press("Escape")
    assert not page.locator("#zoom").is_visible()
    assert page.evaluate("document.activeElement.className") == "zoom"
    page.locator("#map-figures .zoom").first.click()
    assert page.locator("#zoom-title").text_content() == "CSI at 20 dBZ, persistence"
    page.locator("#zoom-close").click()
    assert not page.locator("#zoom").is_visible()


def test_probabilities_stand_beside_the_field_and_begin_with_the_forecast(page):
    assert page.locator(".panel figcaption > span").all_text_contents()[:3] == [
        "Observed",
        "persistence",
        "persistence, P(≥ 20 dBZ)",
    ]
    probability = page.locator(".panel").nth(2)
    before = probability.locator("img").get_attribute("src")
    page.locator("#probability").select_option(label="≥ 30 dBZ")
    assert probability.locator("figcaption").text_content() == "persistence, P(≥ 30 dBZ)"
    assert probability.locator("img").get_attribute("src") != before
    assert "probability on a map" in probability.locator("img").get_attribute("alt")
    page.locator("#slider").fill("0")
    assert probability.locator(".absent").text_content() == "begins with the forecast"
    assert probability.locator(".absent").is_visible()
    assert page.get_by_text("looks smoother than reflectivity").is_visible()


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
