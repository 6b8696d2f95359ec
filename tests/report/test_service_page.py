"""The service's page: everything escaped, usable in a browser, nothing from the network."""

from nowcast.report.content import Picture
from nowcast.report.service_page import ServicePage, render_service_page

EVIL = '</script><script>document.title="owned"</script><img src=x onerror=alert(1)>"\''


def _page(text="a"):
    return ServicePage(
        title=f"italy {text}",
        state="healthy",
        healthy=True,
        complaints=[text],
        metadata={text: text},
        pictures=[Picture(f"m{i}.png", f"{text} frame {i}") for i in range(3)],
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
    assert html.count("</script>") == 1


def test_nothing_is_loaded_from_elsewhere():
    html = render_service_page(_page())
    assert "http://" not in html
    assert "https://" not in html


def test_it_shows_state_skill_and_age():
    html = render_service_page(_page())
    assert "<td>0.512</td>" in html
    assert '<time id="reference-time" datetime="2025-06-01T12:00:00Z">' in html
    assert "(a old)" in html
