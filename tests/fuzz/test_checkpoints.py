"""Any change of a checkpoint's description or of its bytes is one line, or the forecast is what it was."""

import copy
import json
import struct

import netCDF4
import numpy as np
import pytest
from hypothesis import strategies as st

from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.models import weights_file
from nowcast.models.checkpoint import pack, save
from tests.fakes.endings import ended
from tests.fakes.mutations import damaged_bytes, damaged_json, hunt
from tests.fakes.small_archive import write_archive
from tests.models.test_checkpoint import a_network, meta

WITHOUT_EFFECT = {"future", "data_fingerprint", "experiment", "provenance", "size"}
KINDS = ("a.ckpt", "a.safetensors")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("fuzz"), frames=6)[0]


def content():
    return pack(a_network().state_dict(), meta(grid_km=None))


def write(path, found):
    if path.suffix == ".ckpt":
        save(path, found)
        return
    plain = json.dumps(found["nowcast"])  # NaN and all, which the package's own writer would keep as well
    weights_file.write(path, found)
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"]["nowcast"] = plain
    new = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(new)) + new + data[8 + length :])


def forecast(path, archive, out):
    out.unlink(missing_ok=True)
    code, line, _ = ended(
        ["forecast", "--archive", archive, "--model", path, "--leads", "2", "--out", out],
        kind=f"checkpoints {path.suffix}",
    )
    if code == 2:
        assert not out.exists()
        return None
    assert not line
    with netCDF4.Dataset(out) as file:
        return file["reflectivity"][:].filled(np.nan)


@pytest.mark.parametrize("name", KINDS)
def test_any_description(name, times, archive, tmp_path):
    path, out = tmp_path / name, tmp_path / "o.nc"
    write(path, content())
    sound = forecast(path, archive, out)
    assert sound.shape == (2, 24, 32)

    def check(data):
        found = content()
        changed, where = data.draw(damaged_json(copy.deepcopy(found["nowcast"])))
        write(path, {**found, "nowcast": changed})
        got = forecast(path, archive, out)
        if got is None:
            return
        assert {place[0] for place in where} <= {
            *WITHOUT_EFFECT,
            "scaling",
            "step_seconds",
            "grid_km",
            "past",
            "model",
            "lagrangian",
            "exceedance_probability",
            "settings",
            "format_version",
            "channels",
        }
        assert not np.isinf(got).any()
        assert np.nanmin(got) >= NO_ECHO_DBZ - 0.01
        if {place[0] for place in where} <= WITHOUT_EFFECT:
            np.testing.assert_array_equal(got, sound)

    hunt(check, 60, times)


@pytest.mark.parametrize("name", KINDS)
def test_any_bytes(name, times, archive, tmp_path):
    """Weights have no checksum of their own: what is read has them, whole and finite, or nothing is."""
    path, out = tmp_path / name, tmp_path / "o.nc"
    write(path, content())
    whole = path.read_bytes()

    def check(data):
        end = data.draw(st.booleans())  # a zip begins at its end
        damaged = data.draw(damaged_bytes(whole[::-1] if end else whole))
        path.write_bytes(damaged[::-1] if end else damaged)
        got = forecast(path, archive, out)
        assert got is None or not np.isinf(got).any()

    hunt(check, 60, times)
