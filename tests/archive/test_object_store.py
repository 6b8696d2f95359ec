"""Archives, forecast files and hindcasts on an object store: an S3 server on this machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nowcast.archive.reader import Archive
from nowcast.core.errors import ArchiveError, FileError, MissingExtraError
from nowcast.core.places import ObjectPath, local_only, place_of
from nowcast.products.cf_netcdf import read_forecast
from nowcast.products.hindcast_zarr import open_hindcast
from nowcast.workflows.hindcast import hindcast
from nowcast.workflows.ingest import ingest
from tests.fakes.small_archive import write_archive

ROOT = Path(__file__).resolve().parents[2]
DAY = "2025-03-22/2025-03-22"


def test_addresses_and_paths_are_told_apart(tmp_path, monkeypatch):
    assert str(place_of("s3://bucket/a.zarr/")) == "s3://bucket/a.zarr"
    assert place_of(tmp_path / "a.zarr") == tmp_path / "a.zarr"
    assert place_of("s3:/bucket/a.zarr") == ObjectPath("s3://bucket/a.zarr"), "as pathlib leaves it"
    assert place_of("file:///data/a.zarr") == place_of("/data/a.zarr")
    assert (place_of("gs://b/a.zarr") / "x").name == "x"
    with pytest.raises(FileError, match=r"archive: got s3://b/a, expected a path of this machine; copy it"):
        local_only("s3://b/a", "archive", "copy it")
    with pytest.raises(FileError, match="store of an unknown kind"):
        Archive.open("nonsense://bucket/a.zarr")

    def absent(url):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", absent)
    with pytest.raises(MissingExtraError, match=r"s3:// needs the library 's3fs'.*'nowcast\[s3\]'"):
        Archive.open("s3://bucket/a.zarr")


def test_an_archive_is_not_ingested_into_an_object_store(tmp_path):
    with pytest.raises(FileError, match=r"got s3://b/a.zarr, expected a path of this machine; an archive that"):
        ingest([tmp_path], "s3://b/a.zarr", progress=False)


def test_an_archive_in_the_memory_of_this_process(tmp_path):
    import fsspec

    local, _ = write_archive(tmp_path, 7)
    store = fsspec.filesystem("memory")
    store.put(str(local), "/there/disc.zarr", recursive=True)
    try:
        here, there = Archive.open(local), Archive.open("memory://there/disc.zarr")
        assert there.fingerprint == here.fingerprint
        assert there.times.tolist() == here.times.tolist()
        assert (there.packed(there.times[-1]) == here.packed(here.times[-1])).all()
        store.pipe_file("/there/disc.zarr/zarr.json", b"{")
        with pytest.raises(ArchiveError, match="is not JSON"):
            Archive.open("memory://there/disc.zarr")
        with pytest.raises(ArchiveError, match="got no archive"):
            Archive.open("memory://there/none.zarr")
        made = [hindcast(here, "persistence", DAY, "memory://there/h.zarr", lead_times=2).made for _ in "12"]
        assert made == [3, 0]
        assert open_hindcast("memory://there/h.zarr").attrs["hindcast_complete"] == "yes"
    finally:
        store.rm("/there", recursive=True)


@pytest.fixture
def bucket(monkeypatch):
    pytest.importorskip("s3fs")
    moto, boto3 = pytest.importorskip("moto.server"), pytest.importorskip("boto3")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in (
        ("AWS_ENDPOINT_URL", f"http://{host}:{port}"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("PYTHONPATH", str(ROOT)),
    ):
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="radar")
    yield client
    client.close()
    server.stop()


def _put(bucket, folder, key):
    for path in folder.rglob("*"):
        if path.is_file():
            bucket.put_object(Bucket="radar", Key=f"{key}/{path.relative_to(folder)}", Body=path.read_bytes())


def _get(bucket, key, folder):
    for page in bucket.get_paginator("list_objects_v2").paginate(Bucket="radar", Prefix=key):
        for found in page.get("Contents", []):
            path = folder / found["Key"]
            path.parent.mkdir(parents=True, exist_ok=True)
            bucket.download_file("radar", found["Key"], str(path))
    return folder / key


COMMANDS = """
import json, sys
from nowcast.cli.main import main
sys.exit([main(command) for command in json.loads(sys.argv[1])] != json.loads(sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of botocore
def test_forecast_verify_hindcast_and_info_on_s3(tmp_path, bucket):
    """In a process of its own: the sessions of s3fs last as long as a process."""
    local, _ = write_archive(tmp_path, 12)
    _put(bucket, local, "disc.zarr")
    remote, common = "s3://radar/disc.zarr", ["--model", "persistence", "--period", DAY, "--leads", "2"]
    scores = ["--models", "persistence", "--period", DAY, "--leads", "2", "--workers", "1"]
    commands = [
        ["info", remote],
        ["forecast", "--archive", remote, "--model", "persistence", "--out", "s3://radar/f.nc"],
        ["verify", "--archive", remote, *scores, "--out", str(tmp_path / "remote")],
        ["verify", "--archive", str(local), *scores, "--out", str(tmp_path / "local")],
        ["hindcast", "--archive", remote, *common, "--out", "s3://radar/h.zarr", "--workers", "2"],
        ["hindcast", "--archive", remote, *common, "--out", str(tmp_path / "h.zarr"), "--workers", "1"],
        ["info", "s3://absent/a.zarr"],
    ]
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, json.dumps(commands), json.dumps([0] * 6 + [2])],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "s3://absent/a.zarr: got no archive" in done.stderr
    assert read_forecast(_get(bucket, "f.nc", tmp_path / "got")).sizes["lead_time"] == 10
    tables = [(tmp_path / place / "scores.csv").read_text() for place in ("remote", "local")]
    assert tables[0] == tables[1]
    one, other = open_hindcast(_get(bucket, "h.zarr", tmp_path / "got")), open_hindcast(tmp_path / "h.zarr")
    assert one.sizes["forecast_reference_time"] == 8
    assert one.drop_attrs().equals(other.drop_attrs())
