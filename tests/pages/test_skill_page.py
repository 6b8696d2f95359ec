"""The skill page for everybody: keys alone, contrast as axe-core finds it, paper, a phone."""

import re
import zlib

import pytest

from nowcast.report.coastlines import as_path
from nowcast.report.palettes import palette_of
from nowcast.report.skill_page import SkillPage, render_skill_page
from tests.fakes.accessibility import troubles_of
from tests.fakes.skill_page import full_skill_page

pytestmark = pytest.mark.slow
PAPER = {"width": 718, "height": 1000}
"""A4 upright with margins of a centimetre, in CSS pixels."""
REACHABLE = "a[href], button, select, input, summary, .chart, .plane, .scroll.over"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    path = tmp_path_factory.mktemp("site") / "index.html"
    path.write_text(render_skill_page(full_skill_page()), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(browser, site):
    """Open the page so wide, in such a scheme; whatever the console says or is asked for fails the test."""
    contexts, troubles = [], []

    def open_page(width, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: troubles.extend(_outside(request.url, site)))
        page.goto(site)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def _outside(url, site):
    return [] if url.startswith("data:") or url.partition("#")[0] == site else [url]


@pytest.mark.parametrize(("width", "scheme"), [(1360, "light"), (1360, "dark"), (390, "light")])
def test_axe_finds_nothing_on_the_page_and_in_the_enlarged_map(opened, width, scheme):
    page = opened(width, scheme)
    page.locator("summary").click()
    assert troubles_of(page) == {}
    page.locator(".zoom").first.click()
    assert troubles_of(page) == {}
    page.keyboard.press("Escape")
    page.locator(".note").first.evaluate("(e) => e.style.color = '#9aa'")
    assert set(troubles_of(page)) == ({"color-contrast"} if scheme == "light" else set())


@pytest.mark.parametrize("width", [1360, 390])
def test_keys_alone_reach_everything(opened, width):
    page = opened(width)
    tabs = page.locator("[role=tab]").count()
    wanted = page.evaluate(
        """(what) => [...document.querySelectorAll(what)]
            .filter((e) => e.checkVisibility() && !e.closest('dialog'))
            .map((e, i) => { e.dataset.number = i; return i; }).length""",
        REACHABLE,
    )
    reached = []
    for _ in range(wanted + 10):
        page.keyboard.press("Tab")
        number = page.evaluate("document.activeElement.dataset.number")
        if number is None:
            break
        reached.append(int(number))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert len(reached) == len(set(reached)) == wanted - (tabs - 1)  # of tabs one; arrow keys reach the others
    page.locator("[role=tab]").first.focus()
    for key in range(tabs):
        assert page.evaluate("document.activeElement.id") == f"tab-{key}"
        page.keyboard.press("ArrowRight")


def test_keys_tell_the_values_of_charts_and_diagrams_and_fold_and_choose(opened):
    page = opened(1360)
    tip = page.locator("#tip")
    page.locator("#panel-0 .chart").first.focus()
    page.keyboard.press("ArrowLeft")
    assert "+30 min" in tip.text_content()
    page.keyboard.press("ArrowRight")
    assert "+10 min" in tip.text_content()
    assert "0.260" in tip.text_content()
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    reliability = page.locator(".plane[aria-label^='Reliability']").first
    reliability.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert tip.text_content() == "persistence: probability 0.50, observed 0.50, 3 cases"
    page.keyboard.press("Tab")
    assert not tip.is_visible()
    page.locator("summary").focus()
    assert not page.locator("#about dl").is_visible()
    page.keyboard.press("Enter")
    assert page.locator("#about dl").is_visible()
    page.locator("#map-score").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator("#map-figures small").first.text_content() == "GDL, all lead times"
    page.locator("#map-figures .zoom").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    assert page.locator("#zoom-note").text_content() == "+20 min"


def test_paper_shows_every_tab_column_and_legend(opened, tmp_path):
    page = opened(PAPER["width"], "dark")
    page.emulate_media(media="print")
    page.set_viewport_size(PAPER)
    assert page.evaluate("document.documentElement.scrollWidth") <= PAPER["width"]
    cut = page.evaluate(
        """[...document.querySelectorAll('table, th, td, .legend, figure')].filter((e) => e.checkVisibility()
            && e.getBoundingClientRect().right > innerWidth + 1).length"""
    )
    assert cut == 0
    for panel in page.locator("[role=tabpanel]").all():
        assert panel.is_visible()
        assert panel.locator("h3.printed").is_visible()
        assert panel.locator("th, td").last.is_visible()
    assert page.locator("#about dl").is_visible()
    for legend in ("#legend-dbz", "#legend-probability", "#legend-maps"):
        assert page.locator(f"{legend} li i").last.is_visible()
    for hidden in ("#play", "[role=tablist]", ".zoom >> nth=0"):
        assert not page.locator(hidden).is_visible()
    page.emulate_media()
    painted = _fills(page.pdf(format="A4", margin=dict.fromkeys(("top", "bottom", "left", "right"), "10mm")))
    for palette in (palette_of(), palette_of("probability")):
        for colour in palette.rgb() / 255:
            assert min(max(abs(a - b) for a, b in zip(colour, fill, strict=True)) for fill in painted) < 0.003


def _fills(pdf):
    """Red, green and blue of everything that a PDF fills."""
    streams = re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    texts = []
    for stream in streams:
        try:
            texts.append(zlib.decompressobj().decompress(stream))
        except zlib.error:
            continue  # a picture or a font
    number = rb"(\d*\.?\d+)"
    found = re.findall(rb"\s".join([number] * 3) + rb"\s+rg\b", b"\n".join(texts))
    return {tuple(float(part) for part in fill) for fill in found}


def test_a_phone_shows_everything_and_says_what_scrolls(opened):
    page = opened(390)
    page.locator("summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    outside = page.evaluate(
        """[...document.querySelectorAll('body *')]
            .filter((e) => e.checkVisibility() && !e.closest('.scroll, svg'))
            .filter((e) => e.getBoundingClientRect().right > 391).map((e) => e.outerHTML.slice(0, 90))"""
    )
    assert outside == []
    cut = page.evaluate(
        """[...document.querySelectorAll('body *')].filter((e) => e.checkVisibility() && e.childNodes.length
            && !e.matches('.scroll, svg, svg *, select, option, .sheet')
            && getComputedStyle(e).overflowX === 'hidden' && e.scrollWidth > e.clientWidth + 1)
            .map((e) => e.outerHTML.slice(0, 90))"""
    )
    assert cut == []
    regions = page.locator(".scroll", has=page.locator("caption", has_text="by region"))
    assert "over" in regions.get_attribute("class").split()
    hint = regions.locator("caption span").first
    assert "scroll sideways" in hint.evaluate("(e) => getComputedStyle(e, '::after').content")
    assert hint.bounding_box()["x"] + hint.bounding_box()["width"] <= 390
    regions.focus()
    page.keyboard.press("End")
    page.wait_for_function("document.querySelector('.scroll.end') !== null")
    assert regions.locator("tbody th").first.bounding_box()["x"] >= 0  # the name stays in view
    page.set_viewport_size({"width": 1360, "height": 900})
    page.wait_for_function("document.querySelectorAll('.scroll.over').length === 0")


def test_a_page_of_maps_alone_has_coasts_and_no_slider(browser, tmp_path):
    full = full_skill_page()
    path = tmp_path / "index.html"
    path.write_text(render_skill_page(SkillPage("maps", maps=full.maps)), encoding="utf-8")
    page = browser.new_page()
    troubles = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto(path.as_uri())
    assert page.locator("#map-figures img").count() == 2
    lines = page.evaluate("[...document.querySelectorAll('#coast, #border')].map((e) => e.getAttribute('d'))")
    assert lines == [as_path(full.maps[0].grid, kind) for kind in ("coast", "border")]
    assert page.locator("#map-figures svg").first.get_attribute("viewBox") == "0 0 30 24"
    assert not page.locator("#viewer").is_visible()
    assert page.locator("nav a").all_text_contents() == ["Maps of scores", "What this is made of"]
    page.close()
    assert troubles == []
