"""Archives made from archives: the same bytes as if the part had been ingested, whole or not at all."""

import numpy as np
import pytest
import xarray as xr

from nowcast.archive.layout import frame_name
from nowcast.archive.packing import PACKING, encode_chunk
from nowcast.archive.reader import Archive
from nowcast.cli.main import main
from nowcast.core.errors import ArchiveError, FileError, GridError, SettingsError, TimeError
from nowcast.core.places import ObjectPath, store_of
from nowcast.workflows.archive_tools import copy_archive, crop_archive, merge_archives, thin_archive
from nowcast.workflows.check_archive import check_archive
from nowcast.workflows.ingest import ingest
from tests.fakes import cf
from tests.fakes.stores import STEP, frame, put_chunks, time_of, write_store

FACTS = ("observed_share", "wet_share", "max_dbz")


def contents(path):
    """Every chunk of an archive by time, and what is said of it."""
    found = Archive.open(path)
    facts = zip(*(found.over_time(name).tolist() for name in FACTS), strict=True)
    slots = ((found.times - found.origin) // found.step).astype(int)
    chunks = [(path / "reflectivity" / frame_name(s)).read_bytes() for s in slots.tolist()]
    return {str(t): (c, str(f)) for t, c, f in zip(found.times, chunks, facts, strict=True)}


@pytest.fixture(scope="module")
def italian(tmp_path_factory):
    """Six frames every ten minutes and every third of them, ingested; and the raw frames."""
    folder = tmp_path_factory.mktemp("italian")
    raw, times = cf.frames(6, seed=1), cf.times("2025-03-01T00:00", 6)
    cf.write_italian(folder / "all.nc", raw, times)
    cf.write_italian(folder / "third.nc", raw[::3], times[::3])
    cf.write_italian(folder / "late.nc", raw[4:], times[4:])
    for name in ("all", "third", "late"):
        ingest(
            [folder / f"{name}.nc"],
            folder / f"{name}.zarr",
            workers_count=1,
            progress=False,
            licence="CC BY-SA 4.0",
            step=np.timedelta64(30 if name == "third" else 10, "m"),
        )
    return folder


def test_thinned_is_what_ingesting_every_third_frame_gives(italian, tmp_path):
    report = thin_archive(italian / "all.zarr", np.timedelta64(30, "m"), tmp_path / "t.zarr")
    assert report.frames == 2
    assert contents(tmp_path / "t.zarr") == contents(italian / "third.zarr")
    whole, thin = Archive.open(italian / "all.zarr"), Archive.open(tmp_path / "t.zarr")
    assert (thin.step, thin.times[0]) == (3 * STEP, whole.times[0])
    kept = ("source", "licence", "measured_quantity", "z_r_relation")
    assert {k: thin.attrs.get(k) for k in kept} == {k: whole.attrs.get(k) for k in kept}
    assert thin.attrs["history"] == f"every 30 minutes of all.zarr (fingerprint {whole.fingerprint})"
    assert [(s.name, s.sha256, s.frames) for s in thin.sources] == [("all.nc", whole.sources[0].sha256, 2)]
    assert thin.done_sources() == thin.sources


def test_a_period_is_what_ingesting_it_gives_and_the_rest_can_be_ingested_later(italian, tmp_path):
    crop_archive(italian / "all.zarr", tmp_path / "c.zarr", period="2025-03-01T00:40/2025-03-01")
    assert contents(tmp_path / "c.zarr") == contents(italian / "late.zarr")
    ingest([italian / "all.nc"], tmp_path / "c.zarr", workers_count=1, progress=False)
    assert contents(tmp_path / "c.zarr") == contents(italian / "all.zarr")


def test_parts_of_the_time_merge_to_the_whole(italian, tmp_path):
    for name, period in (("a", "2025-03-01T00:00/2025-03-01T00:40"), ("b", "2025-03-01T00:30/2025-03-01")):
        crop_archive(italian / "all.zarr", tmp_path / name, period=period)
    report = merge_archives([tmp_path / "b", tmp_path / "a"], tmp_path / "m.zarr")
    assert (report.frames, report.differing) == (6, 0)
    assert contents(tmp_path / "m.zarr") == contents(italian / "all.zarr")
    merged = Archive.open(tmp_path / "m.zarr")
    assert [s.frames for s in merged.sources] == [6]
    assert merged.attrs["licence"] == "CC BY-SA 4.0"


def test_rows_and_columns_are_cut_out_with_their_places(tmp_path):
    path = write_store(tmp_path / "a.zarr", [0, 1, 4])
    crop_archive(path, tmp_path / "c.zarr", rows=(1, 4), columns=(2, 7))
    whole, part = Archive.open(path), Archive.open(tmp_path / "c.zarr")
    np.testing.assert_array_equal(part.grid.y, whole.grid.y[1:4])
    np.testing.assert_array_equal(part.grid.x, whole.grid.x[2:7])
    np.testing.assert_array_equal(part.field().values, whole.field().values[:, 1:4, 2:7])
    assert check_archive(part).sound


def test_a_box_keeps_the_cells_whose_centres_are_inside(tmp_path):
    path = write_store(tmp_path / "a.zarr", [0])
    grid = Archive.open(path).grid
    lon, lat = grid.lonlat(grid.y[[3, 1]], grid.x[[2, 5]])
    rows, columns = grid.window(lon.min() - 1e-6, lat.min() - 1e-6, lon.max() + 1e-6, lat.max() + 1e-6)
    assert (rows, columns) == ((1, 4), (2, 6))
    with pytest.raises(GridError, match="in which the grid has not 2 x 2 cells"):
        grid.window(100, 10, 101, 11)
    with pytest.raises(GridError, match="check their order"):
        grid.window(5, 50, 6, 40)


def test_a_part_that_nobody_observes_is_a_missing_frame(tmp_path):
    path = write_store(tmp_path / "a.zarr", [0, 1])
    dark = np.full((6, 8), np.nan, np.float32)
    dark[5, 7] = 20.0
    put_chunks(path, {1: dark})
    crop_archive(path, tmp_path / "c.zarr", rows=(0, 4))
    assert Archive.open(tmp_path / "c.zarr").times.tolist() == [time_of(0).astype("datetime64[ns]").item()]


@pytest.mark.parametrize(("overlap", "expected"), [("first", 0), ("fill", 1), ("max", 2)])
def test_where_times_overlap_the_first_is_preferred_and_the_difference_counted(tmp_path, overlap, expected):
    a = write_store(tmp_path / "a.zarr", [0, 1], name="a.h5")
    b = write_store(tmp_path / "b.zarr", [1, 2], name="b.h5")
    other = np.full((6, 8), 15.25, np.float32)
    put_chunks(b, {1: other})
    report = merge_archives([a, b], tmp_path / "m.zarr", overlap=overlap)
    assert (report.frames, report.differing) == (3, 1)
    merged, mine = Archive.open(tmp_path / "m.zarr"), frame(1)
    truth = [mine, np.where(np.isnan(mine), other, mine), np.fmax(mine, other)][expected]
    np.testing.assert_array_equal(PACKING.pack(merged.dbz(time_of(1))), PACKING.pack(truth))
    assert [(s.name, s.frames) for s in merged.sources] == [("a.h5", 2), ("b.h5", 1)]
    assert check_archive(merged).sound


def test_archives_that_are_not_alike_are_not_merged(tmp_path):
    a = write_store(tmp_path / "a.zarr", [0, 1])
    crop_archive(a, tmp_path / "small.zarr", rows=(0, 4))
    thin_archive(write_store(tmp_path / "b.zarr", [0, 2]), 2 * STEP, tmp_path / "slow.zarr")
    shifted = write_store(tmp_path / "s.zarr", [0], first=time_of(0) + STEP // 2)
    for other, said in (("small.zarr", "its grid is not that"), ("slow.zarr", "thin one of them first")):
        with pytest.raises(ArchiveError, match=said):
            merge_archives([a, tmp_path / other], tmp_path / "m.zarr")
    del shifted
    assert not (tmp_path / "m.zarr").exists()


def test_nothing_is_overwritten_without_being_told(tmp_path):
    a, b = write_store(tmp_path / "a.zarr", [0, 1]), write_store(tmp_path / "b.zarr", [5])
    before = contents(b)
    with pytest.raises(ArchiveError, match="say --overwrite"):
        copy_archive(a, b)
    assert contents(b) == before
    copy_archive(a, b, overwrite=True)
    assert contents(b) == contents(a)
    with pytest.raises(ArchiveError, match="is what is read"):
        copy_archive(a, a, overwrite=True)
    (tmp_path / "other").mkdir()
    with pytest.raises(ArchiveError, match="is no archive"):
        copy_archive(a, tmp_path / "other", overwrite=True)


def test_a_frame_that_cannot_be_read_ends_it_with_nothing_left_behind(tmp_path):
    a = write_store(tmp_path / "a.zarr", [0, 1])
    (a / "reflectivity" / frame_name(1)).write_bytes(b"x")
    with pytest.raises(ArchiveError, match="damaged"):
        copy_archive(a, tmp_path / "out.zarr")
    assert {p.name for p in tmp_path.iterdir()} == {"a.zarr", ".a.zarr.lock"}


def test_a_full_disk_is_one_line(tmp_path, monkeypatch):
    a = write_store(tmp_path / "a.zarr", [0, 1])

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nowcast.archive.derive.encode_chunk", full)
    with pytest.raises(FileError, match="No space left on device"):
        copy_archive(a, tmp_path / "out.zarr")
    assert not (tmp_path / "out.zarr").exists()


@pytest.mark.parametrize("harm", ["flip", "missing", "truncated", "exchanged"])
def test_a_check_finds_the_damaged_frame(tmp_path, harm, capsys):
    path = write_store(tmp_path / "a.zarr", [0, 1, 2])
    assert main(["archive", "check", str(path), "--workers", "1"]) == 0
    chunk = path / "reflectivity" / frame_name(1)
    data = chunk.read_bytes()
    if harm == "flip":
        chunk.write_bytes(data[:20] + bytes([data[20] ^ 4]) + data[21:])
    elif harm == "missing":
        chunk.unlink()
    elif harm == "truncated":
        chunk.write_bytes(data[:-3])
    else:
        chunk.write_bytes(encode_chunk(PACKING.pack(frame(40))))
    found = check_archive(path)
    assert [time for time, _ in found.damaged] == [time_of(1)]
    assert main(["archive", "check", str(path), "--workers", "1"]) == 2
    assert "3 frames checked, 1 damaged\n  2025-03-01T00:10:00Z: " in capsys.readouterr().out


def test_every_flipped_byte_of_a_chunk_is_found(tmp_path):
    path = write_store(tmp_path / "a.zarr", [0])
    chunk = path / "reflectivity" / frame_name(0)
    data = chunk.read_bytes()
    archive = Archive.open(path)
    values, found = archive.packed(time_of(0)), 0
    for place in range(len(data)):
        chunk.write_bytes(data[:place] + bytes([data[place] ^ (1 << place % 8)]) + data[place + 1 :])
        sound = check_archive(archive).sound
        found += not sound
        assert not sound or np.array_equal(archive.packed(time_of(0)), values), place  # bits that mean nothing
    assert found >= len(data) - 3


def test_a_ledger_that_promises_more_frames_is_a_fault(tmp_path):
    path = write_store(tmp_path / "a.zarr", [0, 1])
    page = path / "sources" / "0" / "zarr.json"
    page.write_text(page.read_text().replace('"frames": 2', '"frames": 3'))
    assert check_archive(path).faults == (
        "a.h5: the ledger counts 3 frames of this file, 2 are there; ingest it again",
    )


def test_the_command_makes_archives_and_says_mistakes_in_one_line(tmp_path, capsys):
    a = str(write_store(tmp_path / "a.zarr", [0, 1, 2, 3]))
    alone = ["--workers", "1"]
    out = [str(tmp_path / f"{n}.zarr") for n in range(4)]
    assert main(["archive", "thin", a, "--every", "20min", "--out", out[0], *alone]) == 0
    assert main(["archive", "crop", a, "--rows", "0:4", "--out", out[1], *alone]) == 0
    assert main(["archive", "merge", a, a, "--out", out[2], *alone]) == 0
    assert main(["archive", "copy", a, "--out", out[3], *alone]) == 0
    assert [len(Archive.open(o).times) for o in out] == [2, 4, 4, 4]
    assert contents(tmp_path / "3.zarr") == contents(tmp_path / "a.zarr")
    capsys.readouterr()
    for wrong, said in (
        (["thin", a, "--every", "15min"], "expected a multiple of the 10 minutes"),
        (["thin", a, "--every", "soon"], "such as 10min"),
        (["crop", a], "say which part"),
        (["crop", a, "--box", "1,2"], "WEST,SOUTH,EAST,NORTH"),
        (["crop", a, "--rows", "4"], "such as 0:256"),
        (["crop", a, "--rows", "5:900"], "expected at least two of 0:6"),
        (["crop", a, "--period", "2020-01-01/2020-01-02"], "no frames from"),
        (["merge", a, a, "--overlap", "all"], "one of first, fill, max"),
        (["copy", str(tmp_path / "none")], "got no archive"),
    ):
        assert main(["archive", *wrong, "--out", str(tmp_path / "w"), *alone]) == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert said in lines[-1], wrong
        assert not (tmp_path / "w").exists()


def test_a_copy_in_an_object_store_is_gone_on_with_where_it_stopped(tmp_path, monkeypatch):
    a = write_store(tmp_path / "a.zarr", list(range(5)))
    there = "memory://bucket/copy.zarr"
    write, written = ObjectPath.write_bytes, []

    def dying(place, data):
        if len(written) == 4:
            raise KeyboardInterrupt
        written.append(str(place))
        write(place, data)

    with monkeypatch.context() as patch:
        patch.setattr(ObjectPath, "write_bytes", dying)
        with pytest.raises(KeyboardInterrupt):
            copy_archive(a, there)
    with monkeypatch.context() as patch:
        patch.setattr(ObjectPath, "write_bytes", lambda p, d: (written.append(str(p)), write(p, d))[1])
        copy_archive(a, there)
    assert sorted(w for w in written if "reflectivity/c." in w) == [
        f"{there}/reflectivity/{frame_name(n)}" for n in range(5)
    ]
    store = store_of(there)
    files = {p.rpartition("copy.zarr/")[2]: store.cat_file(p) for p in store.find(there)}
    assert {k: v for k, v in files.items() if k.startswith("reflectivity/c.")} == {
        f"reflectivity/{p.name}": p.read_bytes() for p in (a / "reflectivity").glob("c.*")
    }
    assert "zarr.json" in files
    assert "unfinished.json" not in files
    with pytest.raises(ArchiveError, match="is there already"):
        copy_archive(a, there)
    assert check_archive(there).sound
    copy_archive(there, tmp_path / "back.zarr")
    assert contents(tmp_path / "back.zarr") == contents(a)


def test_asking_for_both_or_none_is_refused(tmp_path):
    a = write_store(tmp_path / "a.zarr", [0])
    with pytest.raises(SettingsError, match="expected one of both"):
        crop_archive(a, tmp_path / "o", box=(0, 0, 1, 1), rows=(0, 4))
    with pytest.raises(TimeError, match="multiple"):
        thin_archive(a, np.timedelta64(0, "m"), tmp_path / "o")


def test_the_heights_of_polar_beams_come_along(tmp_path):
    a = write_store(tmp_path / "a.zarr", [0, 1])
    heights = np.arange(48, dtype=np.float32).reshape(6, 8)
    xr.Dataset({"beam_height": (("y", "x"), heights)}).to_netcdf(a / "beam_height.nc")
    crop_archive(a, tmp_path / "c.zarr", rows=(1, 4), columns=(2, 7))
    with xr.open_dataset(tmp_path / "c.zarr" / "beam_height.nc") as kept:
        np.testing.assert_array_equal(kept["beam_height"], heights[1:4, 2:7])
