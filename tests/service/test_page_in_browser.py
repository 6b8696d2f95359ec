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
from tests.fakes.accessibility import troubles_of
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
    assert requests == [(service.output / "index.html").as_uri()]
    assert hacked is None


def test_the_slider_shows_each_lead_time(page):
    slider, canvas = page.locator("#slider"), page.locator("#map canvas")
    seen = []
    for i, minute in enumerate((2, 3, 4, 5), start=2):
        slider.fill(str(i))
        page.wait_for_timeout(100)
        kind = "observed" if i == 2 else "forecast"
        assert page.locator("#kind").text_content().startswith(kind)
        assert f", 12:{minute}0 UTC" in slider.get_attribute("aria-valuetext")
        assert canvas.get_attribute("data-shown") == f"reflectivity  {i}"
        seen.append(
            page.evaluate(
                """() => { const c = document.querySelector('#map canvas');
                const copy = new OffscreenCanvas(c.width, c.height).getContext('2d');
                copy.drawImage(c, 0, 0);
                return [...copy.getImageData(0, 0, c.width, c.height).data].join(); }"""
            )
        )
    assert page.evaluate("document.querySelector('#map canvas').width") == storm_grid(STORMS).shape[1]
    assert len(set(seen)) == 4


def test_play_and_pause(page):
    page.locator("#play").click()
    for _ in range(60):
        if page.locator("#lead").text_content() == "+20 min":
            break
        page.wait_for_timeout(50)
    assert page.locator("#lead").text_content() == "+20 min"
    page.locator("#play").click()
    assert page.locator("#play").get_attribute("aria-pressed") == "false"
    assert page.locator("#play").get_attribute("aria-label") == "Play"


def test_hostile_text_is_shown_as_text(page):
    said = page.locator("body").inner_text()
    assert said.count("<img src=x onerror='window.hacked=1'>") >= 3
    assert page.locator("img").count() == 0
    assert page.locator("script:not([type])").count() == 1


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
    targets = [a.get_attribute("href") for a in page.locator("#files a").all()]
    assert len(targets) == 7
    others = [a.get_attribute("href") for a in page.locator("#all-files a").all()]
    assert [other.partition("/maps/")[2] for other in others] == [f"lead_00{m}0.png" for m in (0, 1, 2, 3)]
    assert all((service.output / t).is_file() for t in targets + others)


def test_axe_finds_nothing(page):
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert troubles_of(page) == {}


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
