"""A real `nowcast serve` process, asked by OWSLib, a browser and raw sockets."""

import contextlib
import re
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest
from owslib.ogcapi.edr import EnvironmentalDataRetrieval
from owslib.wms import WebMapService

from nowcast.service.publish import point_latest
from tests.fakes.place_forecast import CELL
from tests.fakes.served import GRIDS, colours, place_of, write_known, write_service

pytestmark = pytest.mark.slow
WET = "2025-03-22T23:50:00Z"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_service(tmp_path_factory.mktemp("real") / "out")


@contextlib.contextmanager
def started(place, log):
    """A server on a free port: yields its address; it stops when it is told to, and had no fault."""
    command = [sys.executable, "-m", "nowcast.cli.main", "serve", str(place), "--port", "0"]
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as made,
    ):
        try:
            line = made.stdout.readline()
            found = re.match(r"(http://127\.0\.0\.1:\d+)/ serves .*: only this machine can reach it", line)
            assert found, line + log.read_text()
            yield found[1]
        finally:
            made.send_signal(signal.SIGTERM)
            assert made.wait(20) in (0, -signal.SIGTERM)
    assert "Traceback" not in log.read_text()


@pytest.fixture(scope="module")
def address(folder):
    with started(folder, folder.parent / "log") as found:
        yield found


def test_httpx_reads_what_owslib_and_curl_would(address):
    with httpx.Client(base_url=address) as client:
        assert client.get("/health").json()["status"] == "ok"
        lon, lat = place_of(GRIDS["projected"])
        query = {"coords": f"POINT({lon} {lat})", "parameter-name": "rain_rate", "datetime": WET}
        found = client.get("/collections/nowcast/position", params=query).json()
        assert found["ranges"]["rain_rate"]["values"] == [pytest.approx(2.0, rel=2e-3)]
        answer = client.get("/collections/nowcast/position", params={**query, "parameter-name": ""})
        assert answer.headers["content-encoding"] == "gzip"
        assert "server" not in answer.headers
        assert client.get("/latest/nowcast.nc", headers={"Range": "bytes=1-3"}).content == b"HDF"


@pytest.mark.parametrize("version", ["1.3.0", "1.1.1"])
def test_owslib_as_a_map_client(address, version):
    service = WebMapService(f"{address}/wms", version=version)
    assert {"reflectivity", "exceedance_probability", "rain_rate"} <= set(service.contents)
    layer = service["reflectivity"]
    assert set(layer.styles) == {"safe", "radar"}
    if version == "1.3.0":
        assert WET in layer.dimensions["time"]["values"]
    west, south, east, north = layer.boundingBoxWGS84
    lon, lat = place_of(GRIDS["projected"])
    assert west < lon < east
    assert south < lat < north
    picture = service.getmap(
        layers=["reflectivity"],
        styles=["radar"],
        srs="EPSG:4326",
        bbox=(lon - 0.003, lat - 0.003, lon + 0.003, lat + 0.003),
        size=(9, 9),
        format="image/png",
        transparent=True,
        time=WET,
    )
    assert colours(picture.read())[4, 4, 3] == 255
    with pytest.raises(Exception, match="snow"):
        service.getmap(layers=["snow"], srs="EPSG:4326", bbox=(9, 44, 10, 45), size=(9, 9), format="image/png")


def test_owslib_as_an_edr_client(address):
    service = EnvironmentalDataRetrieval(f"{address}/")
    assert service.data() == ["nowcast"]
    assert "rain_rate" in service.collection("nowcast")["parameter_names"]
    lon, lat = place_of(GRIDS["projected"])
    found = service.query_data(
        "nowcast", "position", coords=f"POINT({lon} {lat})", parameter_names=["rain_rate"], datetime_=WET
    )
    assert found["domain"]["domainType"] == "PointSeries"
    assert found["ranges"]["rain_rate"]["values"] == [pytest.approx(2.0, rel=2e-3)]


ATTACKS = (
    b"GET /../../../../etc/passwd HTTP/1.1",
    b"GET /latest/..%2f..%2f..%2fetc/passwd HTTP/1.1",
    b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1",
    b"GET //etc/passwd HTTP/1.1",
    b"GET file:///etc/passwd HTTP/1.1",
    b"GET http://127.0.0.1/../etc/passwd HTTP/1.1",
    b"GET /latest/%00../etc/passwd HTTP/1.1",
    b"GET /ledger.sqlite HTTP/1.1",
    b"POST /collections HTTP/1.1",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
)


def test_whatever_is_sent_it_goes_on_and_gives_nothing_away(address):
    host, port = address.removeprefix("http://").split(":")
    for line in ATTACKS:
        with socket.create_connection((host, int(port)), timeout=10) as raw:
            raw.sendall(line + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            received = b""
            try:
                while piece := raw.recv(65_536):
                    received += piece
            except ConnectionResetError:
                pass
        assert b" 200 " not in received.split(b"\r\n", 1)[0], line[:60]
        assert b"root:" not in received
        assert b"secret" not in received
    assert httpx.get(f"{address}/health").status_code == 200


def test_every_answer_is_whole_while_nowcasts_follow_each_other(address, folder):
    deadline, seen = time.monotonic() + 6.0, set()
    lon, lat = place_of(GRIDS["projected"])
    query = {"coords": f"POINT({lon} {lat})", "parameter-name": "rain_rate", "datetime": WET}
    with httpx.Client(base_url=address) as client:
        for k in range(3, 9):
            name = f"2025032{k}T000000Z"
            write_known(folder / "issued" / name / "nowcast.nc", cells={CELL: [float(k)] * 7})
            point_latest(folder, f"issued/{name}")
            answer = client.get("/collections/nowcast/position", params=query)
            assert answer.status_code == 200
            value = answer.json()["ranges"]["rain_rate"]["values"][0]
            assert value == pytest.approx(k, rel=2e-3)
            seen.add(round(value))
            if time.monotonic() > deadline:
                break
    assert len(seen) >= 2


def test_a_browser_shows_the_page_and_its_map_without_a_complaint(browser, tmp_path):
    write_known(tmp_path / "a.nc")
    with started(tmp_path / "a.nc", tmp_path / "log") as found:
        page = browser.new_context().new_page()
        told, failed = [], []
        page.on("console", lambda message: told.append(message.text))
        page.on("requestfailed", lambda request: failed.append(request.url))
        page.goto(f"{found}/")
        page.wait_for_load_state("networkidle")
        sizes = page.evaluate("[...document.images].map(i => i.naturalWidth)")
        assert sizes[0] == 720
        assert min(sizes) > 0
        shown = page.evaluate(
            "async () => { const i = new Image(); i.src = '/tiles/reflectivity/5/16/11.png'; await i.decode();"
            " return i.naturalWidth; }"
        )
        assert shown == 256
        assert (told, failed) == ([], [])


def test_an_address_that_is_taken_is_one_line(address, folder):
    port = address.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "nowcast.cli.main", "serve", str(folder), "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"127.0.0.1:{port}: got Address already in use" in done.stderr
