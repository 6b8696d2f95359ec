"""The page of a forecast in a real browser: values are those of the file, keys reach all, links restore."""

import re

import numpy as np
import pytest

from nowcast.core.grid import Grid
from nowcast.core.rain import Z_R
from nowcast.report.palettes import palette_of
from nowcast.report.viewer.content import ShownForecast
from nowcast.report.viewer.page import render_forecast_page
from tests.fakes.accessibility import troubles_of
from tests.fakes.shown_forecast import EVIL, full_forecast, observed_frames

pytestmark = pytest.mark.slow
RELATION = Z_R["wsr88d"]
FORECAST = full_forecast()
OBSERVED = observed_frames(count=5)
GRID = Grid.of(FORECAST["reflectivity"])
DRY = "no echo"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    shown = ShownForecast(
        frames=FORECAST["reflectivity"],
        variable=FORECAST.get,
        metadata={EVIL: EVIL},
        title=f"Nowcast {EVIL}",
        model=EVIL,
        observed=OBSERVED,
        relation=RELATION,
        trained_minutes=30.0,
        notes=(EVIL,),
    )
    path = tmp_path_factory.mktemp("viewer") / "page.html"
    path.write_text(render_forecast_page(shown), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def open_page(browser, site):
    """Opens the page with a fragment; nothing is fetched, said on the console or run from the data."""
    opened, troubles, requests = [], [], []

    def make(fragment="", width=1280, height=900, scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, timezone_id="Europe/Rome"
        )
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(site + fragment)
        page.wait_for_selector("body[data-ready=yes]")
        opened.append((context, page))
        return page

    yield make
    hacked = [page.evaluate("window.hacked") for _, page in opened]
    for context, _ in opened:
        context.close()
    assert troubles == []
    assert {url.split("#")[0] for url in requests if not url.startswith("data:")} == {site}
    assert set(hacked) == {None}


def pixels(page):
    """Red, green, blue and alpha of the cells as they are painted (H, W, 4)."""
    flat = page.evaluate(
        """() => { const c = document.querySelector('#map canvas');
        const copy = new OffscreenCanvas(c.width, c.height).getContext('2d', {willReadFrequently: true});
        copy.drawImage(c, 0, 0);
        return [...copy.getImageData(0, 0, c.width, c.height).data]; }"""
    )
    return np.array(flat, np.uint8).reshape(*GRID.shape, 4)


def choose(page, **selects):
    for name, label in selects.items():
        page.locator(f"#{name}").select_option(label=label)


def until(page, condition):
    """Wait for a condition; playwright's own way of it is refused by the page's policy."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"never came: {condition}")


def wait_for(page, shown):
    until(page, f"document.querySelector('#map canvas').dataset.shown === {shown!r}")


def hover(page, row, column):
    box = page.locator("#map canvas").bounding_box()
    rows, columns = GRID.shape
    page.mouse.move(
        box["x"] + (column + 0.5) * box["width"] / columns, box["y"] + (row + 0.5) * box["height"] / rows
    )


def test_every_pixel_has_the_colour_of_the_value_of_its_cell(open_page):
    page = open_page()
    frames = {2: OBSERVED.values[2], 4: FORECAST.reflectivity.values[1]}
    for frame, values in frames.items():
        page.locator("#slider").fill(str(frame))
        wait_for(page, f"reflectivity  {frame}")
        for name, label in (("safe", "even steps"), ("radar", "radar classic")):
            choose(page, palette=label)
            page.wait_for_timeout(50)
            expected = palette_of("reflectivity", name).rgba(values)
            found = pixels(page)
            np.testing.assert_array_equal(found[..., 3], expected[..., 3])
            full = expected[..., 3] == 255
            np.testing.assert_array_equal(found[full], expected[full])
    choose(page, layer="Probability of reflectivity", variant="30 dBZ")
    wait_for(page, "exceedance_probability 30 dBZ 4")
    expected = palette_of("probability", "radar").rgba(FORECAST.exceedance_probability.values[1, 1])
    full = expected[..., 3] == 255
    np.testing.assert_array_equal(pixels(page)[full], expected[full])
    choose(page, layer="Rain rate")
    wait_for(page, "rain_rate  4")
    dbz = FORECAST.reflectivity.values[1].astype(float)
    rate = np.where(dbz <= -32, 0.0, np.minimum((10 ** (dbz / 10) / RELATION.a) ** (1 / RELATION.b), 150.0))
    expected = palette_of("rain_rate", "radar").rgba(rate)
    full = expected[..., 3] == 255
    np.testing.assert_array_equal(pixels(page)[full], expected[full])


def test_the_value_under_the_pointer_is_that_of_the_file_and_so_is_the_place(open_page):
    page = open_page()
    page.locator("#slider").fill("5")
    wait_for(page, "reflectivity  5")
    rng = np.random.default_rng(0)
    for row, column in zip(rng.integers(3, 30, 12), rng.integers(6, 44, 12), strict=True):
        hover(page, int(row), int(column))
        text = page.locator("#read-value").text_content()
        value = float(FORECAST.reflectivity.values[2, row, column])
        if value <= -32:
            assert text == DRY
        else:
            dbz, rate = re.fullmatch(r"(-?[\d.]+) dBZ \u00b7 ([\d.]+) mm/h", text).groups()
            assert float(dbz) == pytest.approx(value, abs=0.0501)
            assert float(rate) == pytest.approx(min(float(RELATION.to_rate(value)), 150), rel=0.05, abs=0.06)
        north, east = re.match(r"([\d.]+)° N, ([\d.]+)° E", page.locator("#read-where").text_content()).groups()
        lon, lat = GRID.lonlat(GRID.y[[row]], GRID.x[[column]])
        assert float(north) == pytest.approx(lat[0], abs=0.004)
        assert float(east) == pytest.approx(lon[0], abs=0.006)
    hover(page, 1, 1)
    assert page.locator("#read-value").text_content() == "not known"


def numbers(page):
    page.locator("#at-place summary").first.click()
    return [
        [cell.text_content() for cell in row.locator("th, td").all()]
        for row in page.locator("#place-table tbody tr").all()
    ]


def test_all_numbers_of_my_place_are_those_of_the_file(open_page):
    page = open_page()
    lat, lon = 45.0512, 9.8721
    y, x = GRID.yx(np.array([lon]), np.array([lat]))
    row, column = int(np.argmin(abs(GRID.y - y))), int(np.argmin(abs(GRID.x - x)))
    page.locator("#place").fill(f"{lat}, {lon}")
    page.keyboard.press("Enter")
    page.locator("#place-table tbody tr").first.wait_for(state="attached")
    assert page.locator("#place-where").text_content() == "45.051° N, 9.872° E"
    rows = numbers(page)
    assert [r[0] for r in rows] == ["\u221220", "\u221210", "now", "+10", "+20", "+30", "+40"]
    assert [r[2] for r in rows] == ["observed"] * 3 + ["forecast"] * 4
    truth = [*OBSERVED.values[:3, row, column], *FORECAST.reflectivity.values[:, row, column]]
    for told, value in zip(rows, truth, strict=True):
        assert told[3] == DRY if value <= -32 else float(told[3]) == pytest.approx(float(value), abs=1e-5)
        assert float(told[4]) == pytest.approx(min(float(RELATION.to_rate(value)), 150), abs=0.00501, rel=1e-4)
    chances = FORECAST.exceedance_probability.values[:, :, row, column]
    assert [r[5:] for r in rows[:3]] == [["\u2013", "\u2013"]] * 3
    for k, told in enumerate(rows[3:]):
        assert [float(text) for text in told[5:]] == pytest.approx(list(100 * chances[:, k]), abs=0.051)
    stills = page.locator("#place-stills dd").all_text_contents()
    assert float(stills[0].split()[0]) == pytest.approx(
        float(FORECAST.rain_sum_mean[0, row, column]), abs=0.051
    )
    bars = page.locator("#meteogram rect:not(.unknown)").count()
    assert bars == sum(float(v) > 0 for v in truth)


def test_a_town_a_click_and_the_cross_are_places_and_nonsense_is_told(open_page):
    page = open_page()
    page.locator("#place").fill("cremona")
    page.locator("#place-form button").click()
    until(page, "document.getElementById('place-name').textContent === 'Cremona'")
    for text, said in (("nowhere", "Give latitude and longitude"), ("10, 10", "off the map")):
        page.locator("#place").fill(text)
        page.keyboard.press("Enter")
        assert said in page.locator("#place-problem").text_content()
        assert page.locator("#place").get_attribute("aria-invalid") == "true"
    page.locator("#place-clear").click()
    assert not page.locator("#at-place").is_visible()
    hover(page, 10, 20)
    page.mouse.down()
    page.mouse.up()
    page.locator("#place-where").wait_for()
    lon, lat = GRID.lonlat(GRID.y[[10]], GRID.x[[20]])
    north, east = re.findall(r"[\d.]+", page.locator("#place-where").text_content())
    assert (float(north), float(east)) == (pytest.approx(lat[0], abs=0.004), pytest.approx(lon[0], abs=0.006))


def test_a_link_restores_the_view(open_page):
    page = open_page()
    page.locator("#slider").fill("4")
    choose(page, layer="Probability of reflectivity", variant="30 dBZ", palette="radar classic")
    page.locator("#place").fill("45.1, 10.0")
    page.keyboard.press("Enter")
    page.locator(".leaflet-control-zoom-in").click()
    page.locator(".leaflet-control-zoom-in").click()
    page.wait_for_timeout(700)
    link = page.locator("#link").get_attribute("href")
    assert link == "#" + page.evaluate("location.hash.slice(1)")
    again = open_page(link)
    assert again.locator("#slider").input_value() == "4"
    assert again.locator("#map-title").text_content() == "Probability of reflectivity, at least 30 dBZ"
    assert again.locator("#palette").input_value() == "radar"
    assert again.locator("#place-where").text_content() == "45.100° N, 10.000° E"
    again.wait_for_timeout(300)

    def parts(text):
        return dict(part.split("=") for part in text.lstrip("#").split("&"))

    there = parts(again.evaluate("location.hash"))
    assert {k: v for k, v in there.items() if k != "map"} == {
        k: v for k, v in parts(link).items() if k != "map"
    }
    for a, b in zip(there["map"].split("%2C"), parts(link)["map"].split("%2C"), strict=True):
        assert float(a) == pytest.approx(float(b), abs=0.002)
    wrong = open_page("#t=7&show=nothing&map=a,b,c&place=99,999&colours=x")
    assert wrong.locator("#slider").input_value() == "3"


def test_keys_alone_reach_and_work_everything(open_page):
    page = open_page()
    page.locator("#place").fill("45.1, 10.0")
    page.keyboard.press("Enter")
    page.locator("#at-place summary").first.wait_for()
    page.evaluate("document.activeElement.blur()")
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("(e => e.id || e.className || e.tagName)(document.activeElement)"))
    expected = {"map", "leaflet-control-zoom-in", "leaflet-control-zoom-out", "back", "play", "on", "slider"}
    expected |= {"layer", "palette", "whole", "link", "place", "place-clear", "SUMMARY"}
    assert expected <= reached
    page.locator("#layer").focus()
    page.keyboard.press("p")
    until(page, "document.getElementById('variant-box').hidden === false")
    page.locator("#slider").focus()
    page.keyboard.press("ArrowRight")
    assert (
        page.locator("#slider").get_attribute("aria-valuetext")
        == "+20 min, forecast, 10:20 UTC \u00b7 11:20 CET"
    )
    page.locator("#map").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(500)
    assert page.locator("#readout").is_visible()
    before = page.locator("#place-where").text_content()
    page.keyboard.press("Enter")
    until(page, f"document.getElementById('place-where').textContent !== {before!r}")
    page.keyboard.press("+")
    page.wait_for_timeout(500)


def test_time_says_what_was_observed_and_what_is_beyond_training(open_page):
    page = open_page()
    assert page.locator("#lead").text_content() == "+10 min"
    page.locator("#slider").fill("6")
    assert page.locator("#kind").text_content() == "forecast, beyond what the model was trained for"
    assert page.locator("#scale .beyond").count() == 1
    page.locator("#slider").fill("0")
    assert page.locator("#kind").text_content() == "observed"
    assert page.locator("#valid").text_content() == "09:40 UTC \u00b7 10:40 CET"
    choose(page, layer="Probability of reflectivity")
    page.locator("#absent").wait_for()
    choose(page, layer="Observed reflectivity")
    page.locator("#slider").fill("4")
    wait_for(page, "observed  4")
    expected = palette_of().rgba(OBSERVED.values[4])
    full = expected[..., 3] == 255
    np.testing.assert_array_equal(pixels(page)[full], expected[full])
    page.locator("#play").click()
    until(page, "document.getElementById('slider').value !== '4'")
    page.locator("#play").click()
    assert page.locator("#play").get_attribute("aria-pressed") == "false"


def test_text_of_the_file_stays_text(open_page):
    page = open_page()
    page.locator(".about summary").first.click()
    assert page.locator("body").inner_text().count("<img src=x onerror='window.hacked = 1'>") >= 5
    assert page.locator("img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(open_page, scheme):
    page = open_page("#place=45.1,10.0&show=exceedance_probability", scheme=scheme)
    page.locator("#at-place summary").first.wait_for()
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert troubles_of(page) == {}


@pytest.mark.parametrize("width", [390, 768, 1600])
def test_nothing_is_cut_at_any_width(open_page, width):
    page = open_page("#place=45.1,10.0", width=width, height=844)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = page.evaluate(
        """w => [...document.querySelectorAll('body *')].filter(e => !e.closest('#map, .scroll, datalist') &&
        e.getBoundingClientRect().width).filter(e => e.getBoundingClientRect().right > w + 1 ||
        e.getBoundingClientRect().left < -1).map(e => e.outerHTML.slice(0, 80))""",
        width,
    )
    assert outside == []


def test_it_prints_with_map_legend_meteogram_and_every_column(open_page):
    page = open_page("#place=45.1,10.0&t=20")
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.set_viewport_size({"width": 718, "height": 1000})
    page.emulate_media(media="print")
    for shown in ("#map canvas", "#legend ol", "#meteogram svg", "#place-table table", "#lead"):
        assert page.locator(shown).is_visible()
    for hidden in ("#slider", "#place-form", "#layer"):
        assert not page.locator(hidden).is_visible()
    assert page.evaluate("(e => e.scrollWidth <= e.clientWidth)(document.getElementById('place-table'))")
    assert page.evaluate("getComputedStyle(document.querySelector('#legend i')).printColorAdjust") == "exact"
    assert page.pdf(format="A4", print_background=False).startswith(b"%PDF")
