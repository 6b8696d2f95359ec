"""The service's page in a real browser: the slider moves, hostile text stays text, nothing is fetched."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from nowcast.products.odim_h5 import write_composite
from nowcast.service.clock import ManualClock
from nowcast.service.ledger import Ledger
from nowcast.service.settings import ProductSettings
from nowcast.service.warning_settings import PlaceSettings, WarningSettings
from nowcast.service.web import refresh
from tests.fakes.storm_service import FRAMES, START, STORMS, StormService, storm_grid, time_of

EVIL = "</script><script>window.hacked=1</script><img src=x onerror='window.hacked=1'>\"&"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A service that got files with hostile attributes and names, and a hostile reason to fall back."""
    made = StormService(tmp_path_factory.mktemp("service"))
    for i in range(3):
        write_composite(made.inbox / f"{i}.h5", FRAMES[i], time_of(i), storm_grid(STORMS), source=f"CMT:{EVIL}")
    evil_name = made.inbox / f"{EVIL.replace('/', ' ')}\n.h5"
    evil_name.write_bytes(b"no radar file")
    row, column = np.unravel_index(int(np.nanargmax(FRAMES[2])), FRAMES[2].shape)
    grid = storm_grid(STORMS)
    lon, lat = grid.lonlat(grid.y[[row]], grid.x[[column]])
    made.settings = replace(
        made.settings,
        places=(PlaceSettings(EVIL, float(lat[0]), float(lon[0])),),
        warnings=(WarningSettings(EVIL, "reflectivity", 15.0, 0.5, 30.0, place=EVIL),),
    )
    cycle = made.cycle(
        2, model=f"{made.inbox}/{EVIL.replace('/', ' ')}.ckpt", products=ProductSettings(maps=True)
    )
    assert "\n" not in cycle.message
    assert "<img" in cycle.message
    assert "<img" in _status_page(made, START)
    return made


def _status_page(service, now):
    with closing(Ledger(service.output / "ledger.sqlite")) as ledger:
        ledger.note_cycle(now, None, "failed", 1, EVIL, {})
        refresh(service.settings, ledger, ManualClock(time_of(2)))
    return (service.output / "status.json").read_text()


@pytest.fixture
def page(browser, service):
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    opened = context.new_page()
    troubles, requests = [], []
    opened.on("console", lambda message: troubles.append(message.text))
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("requestfailed", lambda request: troubles.append(request.url))
    opened.on("request", lambda request: requests.append(request.url))
    opened.goto((service.output / "index.html").as_uri())
    yield opened
    hacked = opened.evaluate("window.hacked")
    context.close()
    assert troubles == []
    assert all(url.startswith(service.output.as_uri()) for url in requests)
    assert hacked is None


def test_the_slider_shows_each_lead_time(page):
    caption, picture = page.locator("#caption"), page.locator("#map")
    assert caption.text_content() == "observed 2025-06-01T12:20:00Z"
    seen = set()
    for i, minute in enumerate((3, 4, 5), start=1):
        page.locator("#slider").fill(str(i))
        assert caption.text_content() == f"forecast for 2025-06-01T12:{minute}0:00Z"
        page.wait_for_function("document.getElementById('map').complete")
        assert page.evaluate("document.getElementById('map').naturalWidth") > 400
        seen.add(picture.get_attribute("src"))
    assert len(seen) == 3
    assert picture.get_attribute("alt") == caption.text_content()


def test_play_and_pause(page):
    expect = pytest.importorskip("playwright.sync_api").expect
    page.locator("#play").click()
    expect(page.locator("#caption")).to_contain_text("12:30")
    page.locator("#play").click()
    assert page.locator("#play").get_attribute("aria-pressed") == "false"
    assert page.locator("#play").text_content() == "Play"


def test_hostile_text_is_shown_as_text(page):
    said = page.locator("body").inner_text()
    assert said.count("<img src=x onerror='window.hacked=1'>") >= 3
    assert page.locator("img").count() == 1
    assert page.locator("script").count() == 1


def test_places_and_warnings_stand_there_and_an_old_warning_is_taken_down(page):
    assert page.locator("#warnings").inner_text().startswith(f"{EVIL}: 15 dBZ or more within 30 min at {EVIL}")
    cells = page.locator("#places tbody td").all_inner_texts()
    assert cells[0] == EVIL
    assert "rain" in cells[-1]
    banner = page.locator(".warning")
    assert banner.get_attribute("data-until") == "2025-06-01T12:50:00Z"
    assert not banner.is_visible()


def test_an_old_page_calls_itself_out_of_date(page):
    assert page.locator("#state").text_content() == "out of date"
    assert page.locator("#age").text_content().endswith("hours old)")


def test_links_lead_to_files_of_the_nowcast(page, service):
    targets = [a.get_attribute("href") for a in page.locator("main a").all()]
    assert len(targets) == 7
    assert all((service.output / t).is_file() for t in targets)


@pytest.mark.parametrize("width", [360, 1600])
def test_nothing_sticks_out(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_before_the_first_nowcast_the_page_is_quiet(browser, tmp_path):
    made = StormService(tmp_path)
    made.cycle(0)
    context = browser.new_context()
    opened = context.new_page()
    troubles = []
    opened.on("console", lambda message: troubles.append(message.text))
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("requestfailed", lambda request: troubles.append(request.url))
    opened.goto((made.output / "index.html").as_uri())
    assert opened.locator("#state").text_content() == "needs a look"
    assert not opened.locator("#slider").is_visible()
    context.close()
    assert troubles == []
