"""Any change of an archive's metadata or chunks is one line, or its frames come out as they went in."""

import json
import shutil

import netCDF4
import numpy as np
import pytest
from hypothesis import strategies as st

from tests.fakes.endings import ended
from tests.fakes.mutations import damaged_bytes, damaged_json, hunt
from tests.fakes.small_archive import write_archive

LEDGER = "sources/0/zarr.json"
FILES = (LEDGER, "y/c.0", "frame_status/c.0", "source/c.0", "max_dbz/c.0", "time/c.0", "reflectivity/c.3.0.0")


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """An archive of four frames and what they hold."""
    path, field = write_archive(tmp_path_factory.mktemp("sound"), frames=4)
    return path, field.values


def forecast(path, out):
    """The newest frame, as persistence gives it."""
    out.unlink(missing_ok=True)
    code, _, _ = ended(
        ["forecast", "--archive", path, "--model", "persistence", "--leads", "1", "--out", out], kind="archives"
    )
    if code == 2:
        assert not out.exists()
        return None
    with netCDF4.Dataset(out) as file:
        return file["reflectivity"][0].filled(np.nan)


def test_any_metadata(times, sound, tmp_path):
    path = shutil.copytree(sound[0], tmp_path / "a.zarr")
    whole = (path / "zarr.json").read_bytes()
    frames = forecast(path, tmp_path / "o.nc")
    np.testing.assert_allclose(frames, sound[1][3], atol=0.006)

    def check(data):
        if data.draw(st.booleans()):
            text = json.dumps(data.draw(damaged_json(json.loads(whole)))[0]).encode()
        else:
            text = data.draw(damaged_bytes(whole, first=len(whole)))
        (path / "zarr.json").write_bytes(text)
        got = forecast(path, tmp_path / "o.nc")
        if got is not None:  # the newest frame, or an older one where the metadata say it is the last
            assert any(np.allclose(got, frame, atol=0.006, equal_nan=True) for frame in sound[1])
            code, _, said = ended(["info", path, "--json"], kind="archives")
            assert code == 2 or (json.loads(said)["rows"], json.loads(said)["columns"]) == (24, 32)

    hunt(check, 60, times)


@pytest.mark.parametrize("name", FILES)
def test_any_bytes_of_a_file(name, times, sound, tmp_path):
    path = shutil.copytree(sound[0], tmp_path / "a.zarr")
    whole = (path / name).read_bytes()

    def check(data):
        (path / name).write_bytes(data.draw(damaged_bytes(whole)))
        ended(["info", path], kind="archives")
        got = forecast(path, tmp_path / "o.nc")
        assert got is None or got.shape == (24, 32)
        if got is not None and not name.startswith(("reflectivity", "y/")):
            assert any(np.allclose(got, frame, atol=0.006, equal_nan=True) for frame in sound[1])

    hunt(check, 10, times)


def test_any_ledger(times, sound, tmp_path):
    path = shutil.copytree(sound[0], tmp_path / "a.zarr")
    document = json.loads((path / LEDGER).read_bytes())

    def check(data):
        (path / LEDGER).write_text(json.dumps(data.draw(damaged_json(document))[0]))
        ended(["info", path], kind="archives")
        got = forecast(path, tmp_path / "o.nc")
        assert got is None or np.allclose(got, sound[1][3], atol=0.006, equal_nan=True)

    hunt(check, 15, times)
