"""Any change of the first kilobytes of a radar file: it is in, or named in a line, and the archive is sound."""

import gzip
import json
import re

import numpy as np
import pytest
from hypothesis import strategies as st

from nowcast.archive.reader import Archive
from nowcast.core.field import HIGHEST_DBZ
from nowcast.core.scaling import NO_ECHO_DBZ
from tests.fakes import cf, grib2, knmi, odim, pictures, polar, radolan
from tests.fakes.endings import TRIED, ended
from tests.fakes.geotiff import fmi_items, write_geotiff
from tests.fakes.mutations import damaged_bytes, hunt
from tests.fakes.zarr_files import as_zarr

ROLLED = np.random.default_rng(7).integers(60, 180, (900, 900)).astype(np.uint8)
RAW = np.random.default_rng(5).integers(60, 180, (6, 8)).astype(np.uint8)
TIMES = [np.datetime64("2025-03-22T12:00"), np.datetime64("2025-03-22T12:10")]


def grey(path):
    return pictures.write_mch(path, np.random.default_rng(1).integers(0, 120, (640, 710)))


def store(path):
    cf.scene().write(path.with_name("scene.nc"))
    return as_zarr(path.with_name("scene.nc"), zipped=True).rename(path)


FORMATS = {
    "odim_opera": lambda path: odim.write_opera(path, RAW / 10.0),
    "odim_sweden": lambda path: odim.write_sweden(path, RAW),
    "odim_belgium": lambda path: odim.write_belgium(path, RAW / 10.0),
    "knmi": lambda path: knmi.write_knmi(path, RAW),
    "pgm": lambda path: pictures.write_fmi(path, RAW, compress=False),
    "pgm.gz": lambda path: pictures.write_fmi(path, RAW),
    "gif": grey,
    "cf_italy": lambda path: cf.write_italian(path, np.stack([RAW // 2, RAW // 2]), TIMES),
    **{
        f"cf_{model}": lambda path, model=model: cf.scene(data_model=model).write(path)
        for model in ("NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF4")
    },
    "radolan.gz": lambda path: radolan.write(path, radolan.frame(ROLLED, TIMES[0])),
    "grib2": lambda path: path.write_bytes(grib2.message(RAW / 4.0, TIMES[0])),
    "geotiff": lambda path: write_geotiff(path, RAW, {"GDAL_METADATA": fmi_items(TIMES[0])}),
    "cf_zarr.zip": store,
    "pvol": lambda path: polar.write_odim(path, {0.5: polar.sweep(20.0), 2.0: polar.sweep(10.0)}),
}
POLAR = ["--polar", "method=lowest_beam,cell_km=10,radius_km=100"]
AT_ONCE = 8
QUICK = {"odim_opera", "pgm.gz", "cf_italy"}


@pytest.mark.parametrize(
    "kind", [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.slow) for kind in FORMATS]
)
def test_any_bytes_of_a_radar_file(kind, times, tmp_path):
    suffix = next((ending for ending in (".gz", ".zip") if kind.endswith(ending)), "")
    more = POLAR if kind == "pvol" else []
    whole_path = tmp_path / f"whole{suffix}"
    FORMATS[kind](whole_path)
    whole = whole_path.read_bytes()
    archive = tmp_path / "a.zarr"
    sound = ["ingest", whole_path, "--archive", archive, "--step", "10", "--workers", "1", *more]
    assert ended(sound, seconds=20)[0] == 0
    frames = {time: Archive.open(archive).dbz(time) for time in Archive.open(archive).times}
    assert any(np.isfinite(frame).any() for frame in frames.values())
    folder, round_number = tmp_path / "in", 0

    def check(data):
        nonlocal round_number
        round_number += 1
        inbox, made = folder / str(round_number), tmp_path / f"{round_number}.zarr"
        inbox.mkdir(parents=True)
        for number in range(AT_ONCE):
            inside = suffix == ".gz" and data.draw(st.booleans())  # the text that is packed, then packed again
            changed = data.draw(damaged_bytes(gzip.decompress(whole) if inside else whole, most=2))
            (inbox / f"{number}{suffix}").write_bytes(gzip.compress(changed) if inside else changed)
        command = ["ingest", inbox, "--archive", made, "--step", "10", "--workers", "1", *more]
        code, line, _ = ended(command, seconds=40)
        TRIED["radar files"] += AT_ONCE
        if code == 2:
            problems = re.match(r"nowcast ingest: (\d+) problem", line)
            TRIED["radar files, refused"] += int(problems[1]) if problems else AT_ONCE
        if not (made / "zarr.json").exists():
            assert code == 2
            return
        code, line, said = ended(["info", made, "--json"])
        assert code == 0, line
        assert json.loads(said)["frames"] == len(Archive.open(made).times)
        for time in Archive.open(made).times:
            values = Archive.open(made).dbz(time)
            known = values[np.isfinite(values)]
            assert not np.isinf(values).any()
            assert ((known >= NO_ECHO_DBZ) & (known < HIGHEST_DBZ + 1)).all()

    hunt(check, 2, times)
