"""The service's page: everything escaped, usable in a browser, nothing from the network."""

import base64
import hashlib
import re
from dataclasses import replace

from nowcast.report.service_page import ServicePage, render_service_page
from nowcast.report.viewer.content import ShownForecast
from nowcast.report.viewer.page import PageParts, page_parts
from tests.fakes.shown_forecast import full_forecast

EVIL = '</script><script>document.title="owned"</script><img src=x onerror=alert(1)>"\''


SHOWN = page_parts(ShownForecast(full_forecast()["reflectivity"], lambda _: None, {}, "t", "m"))


def _page(text="a"):
    return ServicePage(
        title=f"italy {text}",
        state="healthy",
        healthy=True,
        complaints=[text],
        metadata={text: text},
        shown=replace(SHOWN, title=text, model=text, notes=(text,), metadata={text: text}),
        skill_header=("at least", text),
        skill=[(text, "0.512")],
        reference_time="2025-06-01T12:00:00Z",
        downloads=[(text, "nowcast.nc"), ("link", text)],
        age=text,
        notice=text,
    )


def test_text_from_outside_cannot_become_markup():
    html = render_service_page(_page(EVIL))
    assert "<script>document" not in html
    assert "<img src=x" not in html
    assert html.count("<script>") == 1
    assert html.count("</script>") == 2  # the other one ends the data
    assert html.count('<script type="application/json"') == 1


def test_nothing_is_loaded_from_elsewhere_and_only_the_page_s_own_script_may_run():
    html = render_service_page(_page())
    body = html.split("<body")[1].split('<script type="app')[0]
    assert not re.search(r"\b(src|srcset)=|url\(", body)
    assert not re.search(r'href="(https?:)?//', body)
    policy = html.split('Content-Security-Policy" content="')[1].split('"')[0].replace("&#39;", "'")
    (script,) = re.findall(r"<script>(.*?)</script>", html, flags=re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert f"script-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_without_a_nowcast_there_is_no_map_and_the_rest_is_there():
    html = render_service_page(replace(_page(), shown=None))
    assert "No map yet." in html
    assert "slider" not in html.split("<body")[1]
    assert "<td>0.512</td>" in html


def test_what_a_map_needs_comes_back_from_its_file():
    again = PageParts.from_json(SHOWN.as_json())
    assert render_service_page(replace(_page(), shown=again)) == render_service_page(
        replace(_page(), shown=SHOWN)
    )


def test_it_shows_state_skill_and_age():
    html = render_service_page(_page())
    assert "<td>0.512</td>" in html
    assert '<time id="reference-time" datetime="2025-06-01T12:00:00Z">' in html
    assert "(a old)" in html
