"""What every request passes and every answer carries: rate, host, method, size, security headers, counters."""

import ipaddress

import pytest

from nowcast.core.errors import FileError, SettingsError
from nowcast.serve import shelf
from nowcast.serve.rate import RateLimit
from nowcast.serve.settings import Limits, ServeSettings
from tests.fakes.served import Client, write_known, write_service


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_service(tmp_path_factory.mktemp("guard"))


def test_a_bucket_empties_and_fills_again():
    now = [0.0]
    limit = RateLimit(2.0, 3, clock=lambda: now[0])
    assert [limit.wait_seconds("1.2.3.4") for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert limit.wait_seconds("1.2.3.5") == 0.0
    now[0] = 0.5
    assert limit.wait_seconds("1.2.3.4") == 0.0
    assert limit.wait_seconds("1.2.3.4") == 0.5
    now[0] = 100.0
    assert [limit.wait_seconds("1.2.3.4") for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_one_network_is_one_asker_and_many_do_not_fill_the_memory():
    limit = RateLimit(1.0, 1, clock=lambda: 0.0)
    assert limit.wait_seconds("2001:db8::1") == 0.0
    assert limit.wait_seconds("2001:db8::2") == 1.0
    assert limit.wait_seconds("2001:db8:0:1::2") == 0.0
    for k in range(12_000):
        limit.wait_seconds(str(ipaddress.ip_address(k)))
    assert len(limit._held) == 10_000
    assert limit.wait_seconds(str(ipaddress.ip_address(11_999))) == 1.0
    assert limit.wait_seconds("0.0.0.0") == 0.0
    assert RateLimit(0.0, 1).wait_seconds("1.2.3.4") == 0.0


def test_too_many_requests_are_told_when_to_come_again(folder):
    client = Client(folder, rate=0.01, burst=2)
    codes = [client.ask("/conformance").status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    refused = client.ask("/conformance")
    assert refused.json()["code"] == "TooManyRequests"
    assert 1 <= int(refused.headers["retry-after"]) <= 100
    assert client.ask("/health").status_code in (200, 503)
    other = Client(folder, address="10.0.0.2", rate=0.01, burst=1)
    assert other.ask("/conformance").status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"])
def test_it_only_reads(folder, method):
    answer = Client(folder).ask("/collections/nowcast/area", method=method)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
    assert answer.json()["code"] == "MethodNotAllowed"


def test_head_has_the_headers_alone(folder):
    client = Client(folder)
    for path in ("/health", "/tiles/reflectivity/5/16/11.png", "/status.json", "/"):
        full, head = client.ask(path), client.ask(path, method="HEAD")
        assert head.content == b""
        assert head.headers["content-length"] == full.headers["content-length"]


def test_other_names_of_this_machine_are_refused(folder):
    client = Client(folder)
    for name in ("evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example:8080"):
        refused = client.ask("/health", headers={"Host": name})
        assert (refused.status_code, refused.json()["code"]) == (421, "UnknownHost")
    for name in ("localhost:8080", "127.0.0.1", "[::1]:8080", "LOCALHOST"):
        assert client.ask("/conformance", headers={"Host": name}).status_code == 200
    named = Client(folder, allow_hosts=("radar.example",))
    assert named.ask("/conformance", headers={"Host": "radar.example"}).status_code == 200
    assert named.ask("/conformance", headers={"Host": "evil.example"}).status_code == 421
    opened = Client(folder, host="0.0.0.0")
    assert opened.ask("/conformance", headers={"Host": "any.example"}).status_code == 200


def test_a_request_has_a_size(folder):
    client = Client(folder, limits=Limits(query_bytes=100))
    for path, query in (
        ("/collections/nowcast/position", {"coords": "POINT(" + "1" * 100 + " 2)"}),
        ("/latest/" + "a" * 100, {}),
    ):
        answer = client.ask(path, **query)
        assert (answer.status_code, answer.json()["code"]) == (414, "TooLarge")


@pytest.mark.parametrize(
    "path", ["/", "/health", "/tiles/reflectivity/5/16/11.png", "/nothing", "/status.json"]
)
def test_every_answer_has_the_headers(folder, path):
    headers = Client(folder).ask(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers
    shared = Client(folder, allow_origin="https://map.example").ask(path).headers
    assert shared["access-control-allow-origin"] == "https://map.example"
    assert shared["cross-origin-resource-policy"] == "cross-origin"


def test_health_says_how_it_is(folder, tmp_path):
    found = Client(folder).ask("/health").json()
    assert found["status"] == "ok"
    assert found["forecast_reference_time"] == "2025-03-22T23:30:00Z"
    assert found["service"] == {"healthy": False, "complaints": ["late"]}
    stale = Client(folder, stale_minutes=30.0).ask("/health")
    assert (stale.status_code, stale.json()["status"]) == (503, "stale")
    empty = Client(tmp_path).ask("/health")
    assert (empty.status_code, empty.json()["status"]) == (503, "no forecast")
    assert Client(tmp_path).ask("/tiles/reflectivity/5/16/11.png").status_code == 503
    page = Client(tmp_path).ask("/", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert "no forecast here yet" in page.text


def test_metrics_count_by_part_and_hold_those_of_the_service(folder):
    client = Client(folder)
    client.ask("/tiles/reflectivity/5/16/11.png")
    client.ask("/tiles/snow/5/16/11.png")
    client.ask("/made-up-part-1")
    client.ask("/made-up-part-2")
    text = client.ask("/metrics").text
    assert 'nowcast_serve_requests_total{part="tiles",status="200"} 1\n' in text
    assert 'nowcast_serve_requests_total{part="tiles",status="404"} 1\n' in text
    assert 'nowcast_serve_requests_total{part="files",status="404"} 2\n' in text
    assert 'nowcast_healthy{service="test"} 0\n' in text
    assert "nowcast_serve_forecast_age_seconds" in text
    assert "made-up" not in text


def test_a_fault_of_the_package_is_one_line_without_a_trace(folder, monkeypatch, caplog):
    def broken(*_):
        raise ZeroDivisionError("secret of the machine")

    client = Client(folder)
    monkeypatch.setattr(shelf.Shelf, "latest", broken)
    answer = client.ask("/tiles/reflectivity/5/16/11.png")
    assert (answer.status_code, answer.json()["code"]) == (500, "ServerError")
    assert "secret" not in answer.text
    assert "secret of the machine" in caplog.text


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"place": "absent"}, FileError),
        ({"port": 70_000}, SettingsError),
        ({"port": -1}, SettingsError),
        ({"rate": -1.0}, SettingsError),
        ({"rate": float("nan")}, SettingsError),
        ({"burst": 0}, SettingsError),
        ({"stale_minutes": 0.0}, SettingsError),
        ({"z_r_name": "nobody"}, SettingsError),
        ({"allow_origin": "example.org"}, SettingsError),
        ({"allow_origin": "https://a\r\nX: y"}, SettingsError),
    ],
)
def test_wrong_settings_are_one_line(tmp_path, change, error):
    path = write_known(tmp_path / "a.nc")
    place = tmp_path / change["place"] if "place" in change else path
    with pytest.raises(error) as told:
        ServeSettings(**{**change, "place": place})
    assert "\n" not in str(told.value)
