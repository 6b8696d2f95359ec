"""The service's page: everything escaped, usable in a browser, nothing from the network."""

from nowcast.report.service_page import Picture, ServicePage, render, write_service_page

EVIL = '</script><script>document.title="owned"</script><img src=x onerror=alert(1)>"\''


def _page(text="a"):
    return ServicePage(
        title=f"italy {text}", state="healthy", healthy=True, complaints=[text],
        facts=[("model", text)], pictures=[Picture(f"m{i}.png", f"{text} frame {i}") for i in range(3)],
        skill_header=("at least", "nowcast"), skill=[("20 dBZ", "0.512")],
        issued="2025-06-01T12:00:00Z", downloads=[(text, "nowcast.nc")],
    )


def test_text_from_outside_cannot_become_markup():
    html = render(_page(EVIL))
    assert "<script>document" not in html
    assert "<img src=x" not in html
    assert html.count("<script>") == 1
    assert html.count("</script>") == 1


def test_nothing_is_loaded_from_elsewhere():
    html = render(_page())
    assert "http://" not in html
    assert "https://" not in html


def test_it_appears_whole(tmp_path):
    write_service_page(tmp_path / "index.html", _page())
    assert [p.name for p in tmp_path.iterdir()] == ["index.html"]
    assert "0.512" in (tmp_path / "index.html").read_text()
