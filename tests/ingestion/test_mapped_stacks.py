"""Stacks of numbers: npy, npz and HDF5, SEVIR's liquid among them; nothing is unpickled."""

import pickle
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from nowcast.core.errors import NowcastError
from nowcast.core.grid import Grid
from nowcast.core.settings import build, merged, read_yaml
from nowcast.ingestion.mapped.reader import Mapped, mapped
from nowcast.ingestion.mapped.settings import Mapping
from nowcast.ingestion.mapped.sevir import vil_table

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "ingest"
RAW = np.arange(3 * 4 * 2, dtype=np.uint8).reshape(3, 4, 2) * 5
"""(row, column, time): 0 is no echo."""
RAW[2, 3, 1] = 255


def example(name="numpy", **changes):
    return build(Mapping, merged(read_yaml(CONFIGS / f"{name}.yaml"), changes))


def values(path, name="numpy", **changes):
    return Mapped(example(name, **changes)).open(path).compute(scheduler="synchronous").values


@pytest.fixture
def npy(tmp_path):
    np.save(tmp_path / "own.npy", RAW)
    return tmp_path / "own.npy"


def expected():
    dbz = RAW.astype(np.float32) / 2 - 32
    dbz[2, 3, 1] = np.nan
    return np.moveaxis(dbz, 2, 0)


def test_axes_values_times_and_place_are_those_of_the_mapping(npy):
    field = mapped(CONFIGS / "numpy.yaml").open(npy).compute(scheduler="synchronous")
    np.testing.assert_array_equal(field.values, expected())
    np.testing.assert_array_equal(
        field.time.values, np.array(["2025-03-01T12:00", "2025-03-01T12:05"], "datetime64[ns]")
    )
    np.testing.assert_allclose(Grid.of(field).y, [5_005_000, 5_003_000, 5_001_000])
    np.testing.assert_allclose(Grid.of(field).x, [300_500, 301_500, 302_500, 303_500])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    "layout", [("time", "row", "column"), ("column", "time", "row"), ("column", "row", "time")]
)
def test_any_order_of_axes_and_of_memory_gives_the_same(layout, order, tmp_path):
    now = ("row", "column", "time")
    moved = np.transpose(RAW, [now.index(name) for name in layout])
    np.save(tmp_path / "a.npy", np.asarray(moved, order=order))
    found = values(tmp_path / "a.npy", array={"layout": list(layout)})
    np.testing.assert_array_equal(found, expected())


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_named_array_of_npz_with_times_of_its_own(save, tmp_path):
    stamps = np.array(["2025-03-01T13:00", "2025-03-01T12:50"], "datetime64[s]")
    save(tmp_path / "a.npz", rain=RAW, t=stamps, minutes=np.array([20, 10]))
    reading = {"variable": "rain", "time": {"variable": "t", "start": None, "step_minutes": None}}
    field = Mapped(example(**reading)).open(tmp_path / "a.npz").compute(scheduler="synchronous")
    np.testing.assert_array_equal(field.time.values, np.sort(stamps).astype("datetime64[ns]"))
    np.testing.assert_array_equal(field.values, expected()[::-1])
    reading["time"] = {"variable": "minutes", "start": None, "units": "minutes since 2025-03-01"}
    field = Mapped(example(**reading)).open(tmp_path / "a.npz")
    assert field.time.values[0] == np.datetime64("2025-03-01T00:10", "ns")


def test_an_npy_file_is_mapped_into_memory_and_read_frame_by_frame(npy, monkeypatch):
    modes = []
    load = np.load
    monkeypatch.setattr(np, "load", lambda path, **how: modes.append(how) or load(path, **how))
    values(npy)
    assert all(how == {"mmap_mode": "r", "allow_pickle": False} for how in modes)


def test_pickles_are_never_opened(tmp_path):
    np.save(tmp_path / "p.npy", np.array([{"a": 1}], object), allow_pickle=True)
    (tmp_path / "plain.npy").write_bytes(b"\x93NUMPY\x01\x00" + pickle.dumps([1]))
    np.savez(tmp_path / "p.npz", a=np.array([{"a": 1}], object))
    for name in ("p.npy", "plain.npy", "p.npz"):
        with pytest.raises(NowcastError, match=name):
            values(tmp_path / name)


@pytest.mark.parametrize("percent", range(0, 100, 7))
def test_no_cut_stack_is_taken_for_whole(percent, npy, tmp_path):
    np.savez(tmp_path / "a.npz", RAW)
    for path in (npy, tmp_path / "a.npz"):
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) * percent // 100])
        with pytest.raises(NowcastError, match=path.name):
            values(path)


def test_an_npz_that_declares_more_than_may_be_is_not_unpacked(tmp_path):
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (100000, 100000), }"
    header += b" " * (118 - len(header) % 64) + b"\n"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as packed:
        packed.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(100))
    with pytest.raises(NowcastError, match=r"a: got 10000000000 bytes of uint8, expected numbers of at most"):
        values(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"array": {"layout": ["row", "column"]}}, "array.layout: got ['row', 'column'], expected names for"),
        ({"array": {"layout": ["row", "row", "time"]}}, "expected each name once"),
        (
            {"array": {"layout": ["row", "column", "level"]}},
            "select: got nothing, expected an index of 'level'",
        ),
        (
            {"array": {"layout": ["row", "column", "level"]}, "select": {"level": 2}},
            "select.level: got 2, expected 0 to 1",
        ),
        ({"select": {"level": 2}}, "select: got ['level'], expected some of []"),
        ({"variable": "rain"}, "holds one array without a name, expected 'rain'"),
        ({"time": {"step_minutes": None}}, "holds 2 frames and one time"),
        ({"unit": None}, "unit: got nothing, expected that of the values of own.npy"),
        ({"offset": -90}, "values: got -87.5 dBZ, expected at least -50 dBZ, or not_observed or no_echo"),
    ],
)
def test_what_does_not_fit_a_stack_is_one_line(changes, said, npy):
    with pytest.raises(NowcastError) as caught:
        values(npy, **changes)
    assert said in str(caught.value)


@pytest.fixture
def sevir(tmp_path):
    """Two events of 49 frames; the second holds the codes 0 to 255 in its first frame."""
    vil = np.zeros((2, 16, 16, 49), np.uint8)
    vil[1, :, :, 0] = np.arange(256).reshape(16, 16)
    with h5py.File(tmp_path / "SEVIR_VIL.h5", "w") as file:
        file.create_dataset("vil", data=vil, chunks=(1, 16, 16, 49))
        file["id"] = np.array([b"S1", b"S2"])
    return tmp_path / "SEVIR_VIL.h5"


def test_an_event_of_sevir_becomes_reflectivity_by_the_stated_depth(sevir):
    field = Mapped(example("sevir", select={"event": 1})).open(sevir)
    assert field.shape == (49, 16, 16)
    assert field.attrs["quantity"] == "VIL over 4 km"
    codes = field[0].compute(scheduler="synchronous").values[::-1].reshape(-1)
    assert (codes[:6] == -32.0).all()
    assert np.isnan(codes[255])
    assert (np.diff(codes[6:255]) > 0).all()
    # 1 kg m-2 in 4 km: Z = (1 / (3.44e-6 * 4000))^(7/4) = 1817 mm^6 m-3
    assert np.interp(1.0, vil_table()[6:255], codes[6:255]) == pytest.approx(32.6, abs=0.1)
    assert (field[1].compute(scheduler="synchronous").values == -32.0).all()
    deeper = Mapped(example("sevir", select={"event": 1}, array={"column_depth_km": 8.0})).open(sevir)
    assert (codes[100] - deeper[0].compute(scheduler="synchronous").values[::-1].reshape(-1)[100]) == (
        pytest.approx(17.5 * np.log10(2), abs=1e-3)
    )


def test_codes_of_liquid_are_those_of_the_digital_product():
    table = vil_table()
    assert table[[0, 5, 6, 18, 19, 254]] == pytest.approx(
        [0, 0, 4 / 90.66, 16 / 90.66, 0.18863, 79.3], rel=2e-3
    )


def test_liquid_without_a_depth_is_refused(sevir):
    with pytest.raises(NowcastError, match=r"array.column_depth_km: got None, expected the depth of the"):
        values(sevir, "sevir", array={"column_depth_km": None})
    with pytest.raises(NowcastError, match=r"variable: got 'vis', expected one of id, vil"):
        values(sevir, "sevir", variable="vis")
    with pytest.raises(NowcastError, match=r"expected some of \['event'\]"):
        values(sevir, "sevir", select={"events": 1})


def test_hdf5_that_reaches_outside_itself_is_not_read(tmp_path, sevir):
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["vil"] = h5py.ExternalLink(str(sevir), "vil")
    with pytest.raises(NowcastError, match="links to another file"):
        values(tmp_path / "link.h5", "sevir")
