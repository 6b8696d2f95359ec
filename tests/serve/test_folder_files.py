"""Files of a folder: what is public is given, whole or in part; nothing else of the machine is."""

import base64
import hashlib
import os

import pytest

from tests.fakes.served import Client, write_known, write_service

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
LATEST = "issued/20250322T233000Z"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("files")
    (root / "secret.json").write_text("secret")
    made = write_service(root / "out")
    (made / ".work").mkdir()
    (made / ".work" / "half.json").write_text("secret")
    (made / "private").mkdir()
    (made / "private" / "a.json").write_text("secret")
    (made / "link.json").symlink_to(root / "secret.json")
    (made / "issued" / "up").symlink_to(root)
    (made / "issued" / "hidden").symlink_to(made / ".work")
    os.mkfifo(made / "pipe.json")
    (made / LATEST / "maps").mkdir()
    (made / LATEST / "maps" / "a.png").write_bytes(bytes(range(200)))
    return made


@pytest.fixture(scope="module")
def client(folder):
    return Client(folder)


def test_the_page_and_the_products(client, folder):
    page = client.ask("/", headers=HTML)
    assert page.content == (folder / "index.html").read_bytes()
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert client.ask("/index.html").content == page.content
    assert client.ask("/latest/nowcast.nc").content == (folder / LATEST / "nowcast.nc").read_bytes()
    assert client.ask(f"/{LATEST}/maps/a.png").headers["content-type"] == "image/png"
    assert client.ask("/status.json").json()["healthy"] is False


def test_only_the_scripts_of_the_page_itself_may_run(client):
    digest = base64.b64encode(hashlib.sha256(b"let a = 1;").digest()).decode()
    policy = client.ask("/", headers=HTML).headers["content-security-policy"]
    assert f"script-src 'sha256-{digest}';" in policy
    assert "unsafe-inline' 'sha" not in policy


ATTACKS = [
    "/../secret.json",
    "/latest/../../secret.json",
    "/%2e%2e/secret.json",
    "/latest/%2e%2e/%2e%2e/secret.json",
    "/..%2fsecret.json",
    "/latest/..%2f..%2fsecret.json",
    "/%252e%252e/secret.json",
    "/..%5csecret.json",
    "/latest\\..\\..\\secret.json",
    "//etc/passwd",
    "//secret.json",
    "/%2fetc%2fpasswd",
    "/etc/passwd",
    "/file:///etc/passwd",
    "/link.json",
    "/issued/up/secret.json",
    "/issued/hidden/half.json",
    "/.work/half.json",
    "/private/a.json",
    "/latest/.%00/a.json",
    "/secret.json%00.png",
    "/latest%00/nowcast.nc",
    "/%00",
    "/ledger.sqlite",
    "/ledger.sqlite%00.json",
    "/latest",
    "/latest/",
    "/issued/",
    "/latest//nowcast.nc",
    "/latest/./nowcast.nc",
    "/pipe.json",
    "/%c0%ae%c0%ae/secret.json",
    "/%ff%fe.json",
    "/" + "a/" * 300 + "b.json",
    "/latest/" + "a" * 300 + ".json",
]


@pytest.mark.parametrize("path", ATTACKS)
def test_no_path_leads_elsewhere(client, path):
    status, body = client.raw(path)
    assert status == 404
    assert b"secret" not in body.replace(b"secret.json", b"")
    assert b"root:" not in body


@pytest.mark.parametrize("name", ["..", "%2e%2e", "/etc/passwd", "a\0b", "issued/20250322T233000Z"])
def test_no_name_of_a_nowcast_leads_elsewhere(client, name):
    status, body = client.raw("/tiles/reflectivity/5/16/11.png", b"instance=" + name.encode())
    assert (status, b"NotFound" in body) == (404, True)


def test_one_file_alone_is_served(tmp_path):
    write_known(tmp_path / "a.nc")
    write_known(tmp_path / "b.nc")
    (tmp_path / "index.html").write_text("another page")
    client = Client(tmp_path / "a.nc")
    assert client.ask("/a.nc").content == (tmp_path / "a.nc").read_bytes()
    assert client.raw("/b.nc")[0] == 404
    assert client.raw("/index.html")[0] == 404
    assert b"another page" not in client.ask("/", headers=HTML).content


def test_the_page_beside_a_file_is_its_page_unless_it_is_older(tmp_path):
    path = write_known(tmp_path / "a.nc")
    client = Client(path)
    page = tmp_path / "a.html"
    page.write_text("<!doctype html><title>beside</title>")
    os.utime(path, (1000, 1000))
    os.utime(page, (1001, 1001))
    assert client.ask("/", headers=HTML).content == page.read_bytes()
    os.utime(page, (999, 999))
    assert "rain_rate" in client.ask("/", headers=HTML).text
    assert client.raw("/b.html")[0] == 404


def test_parts_of_a_file(client):
    path = f"/{LATEST}/maps/a.png"
    part = client.ask(path, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, bytes(range(10, 20)))
    assert part.headers["content-range"] == "bytes 10-19/200"
    assert client.ask(path, headers={"Range": "bytes=190-"}).content == bytes(range(190, 200))
    assert client.ask(path, headers={"Range": "bytes=-5"}).content == bytes(range(195, 200))
    assert client.ask(path, headers={"Range": "bytes=100-999"}).content == bytes(range(100, 200))
    assert client.ask(path, headers={"Range": "bytes=0-1,5-6"}).content == bytes(range(200))
    assert client.ask(path, headers={"Range": "bytes=500-"}).status_code == 416
    tag = client.ask(path).headers["etag"]
    assert client.ask(path, headers={"If-None-Match": tag}).status_code == 304


def test_a_page_of_its_own_where_the_folder_has_none(tmp_path):
    client = Client(write_known(tmp_path / "a.nc"))
    page = client.ask("/", headers=HTML)
    assert page.status_code == 200
    for word in ("rain_rate", "exceedance_probability", "request=GetMap", "CC BY 4.0", "2025-03-22T23:30:00Z"):
        assert word in page.text
    assert "script-src 'none'" in page.headers["content-security-policy"]
    assert client.ask("/", headers={"Accept": "application/json"}).json()["title"] == "Radar nowcasts"
