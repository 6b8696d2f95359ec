"""Zarr stores as radar files: versions, chunks that are not there, and stores that would do harm."""

import gzip
import json
import shutil
import warnings

import numpy as np
import pytest
import zarr

from nowcast.archive.reader import Archive
from nowcast.core.errors import NowcastError
from nowcast.ingestion.listing import list_files, parts_of
from nowcast.ingestion.readers.catalog import find_reader
from nowcast.ingestion.readers.cf_zarr import CfZarr
from nowcast.workflows.ingest import ingest
from tests.fakes import cf
from tests.fakes.zarr_files import as_zarr


@pytest.fixture
def day(tmp_path):
    raw = cf.frames(3)
    return cf.write_italian(tmp_path / "day.nc", raw, cf.times("2025-03-01T12:00", 3)), cf.truth(raw)


def read(path):
    return find_reader(path).open(path).compute(scheduler="synchronous")


@pytest.mark.parametrize(("version", "zipped"), [(2, False), (3, False), (2, True), (3, True)])
def test_both_versions_in_folders_and_zips_hold_what_the_netcdf_does(version, zipped, day):
    path, truth = day
    store = as_zarr(path, version, zipped)
    field = read(store)
    np.testing.assert_array_equal(field.values, truth)
    assert field.attrs["source"] == "Dipartimento (test)"
    assert find_reader(store).name == "cf_zarr"


def test_a_store_among_files_is_one_file_and_the_same_store_is_known_the_next_time(day, tmp_path):
    path, truth = day
    store = as_zarr(path, 3)
    found, problems = list_files([tmp_path])
    assert (found, problems) == ([path, store], [])
    first = ingest([store], tmp_path / "a.zarr", 1, False)
    assert (first.frames, first.files, first.problems) == (3, 1, ())
    again = ingest([store], tmp_path / "a.zarr", 1, False)
    assert (again.frames, again.known_files) == (0, 1)
    opened = Archive.open(tmp_path / "a.zarr")
    np.testing.assert_array_equal(opened.frames(opened.times).values, truth)


def test_a_store_that_has_grown_is_read_again(day, tmp_path):
    path, _ = day
    short = as_zarr(path, 3, frames=slice(0, 2))
    ingest([short], tmp_path / "a.zarr", 1, False)
    shutil.rmtree(short)
    assert as_zarr(path, 3) == short
    report = ingest([short], tmp_path / "a.zarr", 1, False)
    assert (report.frames, report.same, report.problems) == (1, 2, ())


def test_a_chunk_that_is_not_there_is_not_observed(day):
    store = as_zarr(day[0], 2)
    chunk = next(p for p in parts_of(store) if p.parent.name == "reflectivity" and p.name[0].isdigit())
    chunk.unlink()
    assert np.isnan(read(store).values).all()


def test_archives_of_the_package_are_no_radar_files(day, tmp_path):
    ingest([day[0]], tmp_path / "a.zarr", 1, False)
    report = ingest([tmp_path / "a.zarr"], tmp_path / "b.zarr", 1, False)
    assert "is an archive of nowcast, expected radar files" in str(report.problems[0])


def edit(store, name, change):
    """Change the metadata of an array of version 3 wherever they stand."""
    document = json.loads((store / name / "zarr.json").read_text())
    change(document)
    (store / name / "zarr.json").write_text(json.dumps(document))


def pickled(document):
    document["codecs"].append({"name": "numcodecs.pickle", "configuration": {}})


def huge(document):
    document["chunk_grid"]["configuration"]["chunk_shape"] = [1, 40_000, 40_000]


def negative(document):
    document["shape"] = [3, -6, 8]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (pickled, "codec of reflectivity/zarr.json: got 'numcodecs.pickle', expected one of"),
        (huge, "chunks of reflectivity/zarr.json: got 1600000000 values"),
        (negative, "shape of reflectivity/zarr.json: got [3, -6, 8]"),
    ],
)
def test_metadata_that_would_do_harm_are_refused_before_anything_is_decoded(change, said, day):
    store = as_zarr(day[0], 3)
    edit(store, "reflectivity", change)
    with pytest.raises(NowcastError) as caught:
        CfZarr().open(store)
    assert said in str(caught.value)


def test_links_out_of_the_store_are_not_followed(day, tmp_path):
    store = as_zarr(day[0], 3)
    secret = tmp_path / "secret"
    secret.write_bytes(b"x" * 100)
    (store / "reflectivity" / "link").symlink_to(secret)
    with pytest.raises(NowcastError, match="is a link, expected a store that holds its own data"):
        CfZarr().open(store)


def test_a_chunk_that_unpacks_to_far_more_than_it_may_is_not_unpacked(tmp_path):
    """Sixty-four megabytes of zeros in gzip, where a chunk has 48 values."""
    store = tmp_path / "b.zarr"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        group = zarr.open_group(store, mode="w", zarr_format=2)
    shape = {"time": 1, "lat": 6, "lon": 8}
    for name, dims, values in (
        ("time", ("time",), [0]),
        ("lat", ("lat",), 47 - 0.01 * np.arange(6)),
        ("lon", ("lon",), 6 + 0.01 * np.arange(8)),
        ("dbz", tuple(shape), None),
    ):
        size = [shape[d] for d in dims]
        array = group.create_array(
            name, shape=size, dtype="f8", chunks=size, compressors={"id": "gzip", "level": 1}
        )
        array.attrs["_ARRAY_DIMENSIONS"] = list(dims)
        array[...] = 20.0 if values is None else values
    group["time"].attrs["units"] = "minutes since 2025-03-01"
    group["lat"].attrs["units"], group["lon"].attrs["units"] = "degrees_north", "degrees_east"
    group["dbz"].attrs["units"] = "dBZ"
    assert (read(store).values == 20.0).all()
    (store / "dbz" / "0.0.0").write_bytes(gzip.compress(bytes(1 << 26), 1))
    with pytest.raises(NowcastError, match=r"chunk dbz/0\.0\.0: got \d+ packed bytes, expected no more than"):
        read(store)
