"""Regridding: what is constant stays so, sums stay, what is not observed stays not observed, the first wins."""

import numpy as np
import pyproj
import pytest

from nowcast.archive.reader import Archive
from nowcast.cli.main import main
from nowcast.core.errors import ArchiveError, GridError, SettingsError
from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.ingestion.regridding.frames import regridded
from nowcast.ingestion.regridding.settings import ResampleSettings, resample_settings
from nowcast.ingestion.regridding.target import wanted_grid
from nowcast.ingestion.regridding.weights import weights
from nowcast.workflows.check_archive import check_archive
from nowcast.workflows.ingest import ingest
from tests.fakes import cf

LAEA = pyproj.CRS.from_epsg(3035).to_wkt()
DEGREES = pyproj.CRS.from_epsg(4326).to_wkt()


def metres(rows, columns, size=1000.0, north=3e6, west=4e6):
    return Grid(LAEA, north - size * (np.arange(rows) + 0.5), west + size * (np.arange(columns) + 0.5))


def degrees(rows=60, columns=80, step=0.02):
    return Grid(DEGREES, 50.0 - step * np.arange(rows), 9.0 + step * np.arange(columns))


def put(dbz, source, target, method, **settings):
    return regridded(
        np.asarray(dbz, np.float32), weights(source, target, method), ResampleSettings(method, **settings)
    )


@pytest.mark.parametrize("method", ["nearest", "mean", "conservative"])
@pytest.mark.parametrize("mean_in", ["z", "dbz"])
def test_a_constant_field_stays_constant(method, mean_in):
    source = degrees()
    target = wanted_grid("EPSG:3035@3km").over([source])
    found = put(np.full(source.shape, 23.5), source, target, method, mean_in=mean_in)
    known = found[~np.isnan(found)]
    assert known.size > 0.7 * found.size
    np.testing.assert_allclose(known, 23.5, atol=1e-4)
    dry = put(np.full(source.shape, NO_ECHO_DBZ), source, target, method, mean_in=mean_in)
    assert set(dry[~np.isnan(dry)].tolist()) == {NO_ECHO_DBZ}
    assert np.isnan(put(np.full(source.shape, np.nan), source, target, method, mean_in=mean_in)).all()


@pytest.mark.parametrize("method", ["nearest", "mean", "conservative"])
def test_onto_itself_nothing_changes(method):
    rng = np.random.default_rng(1)
    for grid in (metres(9, 7), degrees(9, 7)):
        dbz = rng.uniform(-20, 60, grid.shape).astype(np.float32)
        dbz[2, 3], dbz[4, :2] = np.nan, NO_ECHO_DBZ
        np.testing.assert_allclose(put(dbz, grid, grid, method), dbz, atol=0 if method == "nearest" else 1e-4)


def test_means_of_four_cells_by_hand():
    source, target = metres(4, 4), metres(2, 2, 2000.0)
    dbz = np.full((4, 4), NO_ECHO_DBZ, np.float32)
    dbz[:2, :2] = [[30.0, 30.0], [20.0, NO_ECHO_DBZ]]
    dbz[:2, 2:] = [[40.0, np.nan], [40.0, np.nan]]
    dbz[2:, :2] = [[40.0, np.nan], [np.nan, np.nan]]
    for method in ("mean", "conservative"):
        in_z = put(dbz, source, target, method)
        np.testing.assert_allclose(in_z, [[10 * np.log10(525.0), 40.0], [np.nan, NO_ECHO_DBZ]], atol=1e-4)
        in_dbz = put(dbz, source, target, method, mean_in="dbz", observed_share=0.25)
        np.testing.assert_allclose(in_dbz, [[12.0, 40.0], [40.0, NO_ECHO_DBZ]], atol=1e-4)


def test_a_mean_below_the_lowest_dbz_is_no_echo():
    dbz = np.full((4, 4), NO_ECHO_DBZ, np.float32)
    dbz[0, 0] = -31.0
    assert put(dbz, metres(4, 4), metres(2, 2, 2000.0), "mean")[0, 0] == NO_ECHO_DBZ


def test_overlaps_of_shifted_cells_by_hand():
    source, target = metres(4, 4), metres(2, 2, 1000.0, north=3e6 - 250.0, west=4e6 + 1250.0)
    way = weights(source, target, "conservative").matrix.toarray()
    np.testing.assert_allclose(way[0].reshape(4, 4)[:2, 1:3], [[0.5625, 0.1875], [0.1875, 0.0625]], atol=1e-6)
    assert np.isclose(way[0].sum(), 1.0)


def test_conservative_sums_stay():
    source = degrees()
    target = wanted_grid("EPSG:3035@1700m").over([source])
    way = weights(source, target, "conservative").matrix
    z = np.random.default_rng(2).gamma(0.3, 1000.0, source.shape).reshape(-1)
    y, x = np.meshgrid(
        source.y[0] + 0.01 - 0.02 * np.arange(61), source.x[0] - 0.01 + 0.02 * np.arange(81), indexing="ij"
    )
    v, u = target.yx(x, y)
    shift = (
        [a[:-1, :-1] for a in (u, v)],
        [a[:-1, 1:] for a in (u, v)],
        [a[1:, 1:] for a in (u, v)],
        [a[1:, :-1] for a in (u, v)],
    )
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(shift, (*shift[1:], shift[0]), strict=True)) / -2
    assert np.isclose((way @ z).sum() * 1700.0**2, (z * area.reshape(-1)).sum(), rtol=1e-5)
    np.testing.assert_allclose(way.sum(axis=0) * 1700.0**2, area.reshape(-1), rtol=1e-5)
    assert way.sum(axis=1).max() < 1 + 1e-5


def test_not_observed_stays_and_beyond_the_source_nothing_is():
    source, target = metres(8, 8), metres(12, 12, north=3e6 + 2000.0, west=4e6 - 2000.0)
    dbz = np.full((8, 8), 15.0, np.float32)
    dbz[3:5, 3:5] = np.nan
    for method in ("nearest", "mean", "conservative"):
        found = put(dbz, source, target, method)
        expected = np.pad(np.isnan(dbz), 2, constant_values=True)
        np.testing.assert_array_equal(np.isnan(found), expected)


def test_grids_that_do_not_overlap_are_refused():
    with pytest.raises(GridError, match="do not overlap"):
        weights(metres(4, 4), metres(4, 4, north=1e6), "mean")


def test_a_code_and_a_size_cover_the_source_in_whole_multiples():
    source = degrees()
    grid = wanted_grid("EPSG:3035@2km").over([source])
    west, east, south, north = grid.extent
    assert all(abs(v / 2000.0 - round(v / 2000.0)) < 1e-9 for v in (west, east, south, north))
    lon, lat = np.meshgrid([source.extent[0], source.extent[1]], [source.extent[2], source.extent[3]])
    y, x = grid.yx(lon, lat)
    assert west <= x.min() < west + 2e4
    assert (x.max() <= east, y.max() <= north, y.min() >= south) == (True, True, True)
    assert wanted_grid("EPSG:4326@0.1deg").over([source]).spacing == pytest.approx((0.1, 0.1))


def test_a_grid_of_a_file_and_of_an_archive(tmp_path):
    path = tmp_path / "g.yaml"
    path.write_text("crs: EPSG:3035\ncell: 1km\nbounds: [4000000, 2990000, 4005000, 3000000]\n")
    assert wanted_grid(path).over([]).matches(metres(10, 5))
    path.write_text("crs: EPSG:3035\ncell: 1000\nwest: 4000000\nnorth: 3000000\nrows: 10\ncolumns: 5\n")
    assert wanted_grid(str(path)).over([]).matches(metres(10, 5))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("EPSG:999999@1km", "which PROJ does not know"),
        ("EPSG:3035@0km", "expected 1 to 1e+06 metres"),
        ("EPSG:3035@1deg", "expected one in metres"),
        ("EPSG:4326@1km", "expected one in degrees"),
        ("EPSG:4978@1km", "expected"),
        ("italy", "a YAML file, an archive, or"),
        ("EPSG:2227@1km", "expected metres"),
    ],
)
def test_a_wrong_grid_is_one_line(text, said):
    with pytest.raises((GridError, SettingsError)) as error:
        wanted_grid(text)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("crs: [", "g.yaml"),
        ("cell: 1km\n", "crs"),
        ("crs: EPSG:3035\ncell: 1km\nsize: 3\n", "size"),
        ("crs: EPSG:3035\ncell: 1km\nbounds: [1, 2, 0, 3]\n", "check their order"),
        (
            "crs: EPSG:3035\ncell: 1km\nbounds: [0, 0, 1e8, 1e8]\n",
            "would have 100000 x 100000 cells (40 GB a frame)",
        ),
        ("crs: EPSG:3035\ncell: 1km\nbounds: [0, 0, 1500, 3000]\n", "whole numbers of cells"),
        ("crs: EPSG:3035\ncell: 1km\nrows: 5\n", "a part of an extent"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path, text, said):
    path = tmp_path / "g.yaml"
    path.write_text(text)
    with pytest.raises((GridError, SettingsError)) as error:
        wanted_grid(path)
    assert said in str(error.value)


def test_settings_are_read_and_refused():
    assert resample_settings("mean,mean_in=dbz") == ResampleSettings("mean", "dbz")
    assert resample_settings("conservative,observed_share=0.8").observed_share == 0.8
    for text in ("cubic", "mean,mean_in=rain", "mean,observed_share=0", "mean,share=1"):
        with pytest.raises(SettingsError):
            resample_settings(text)


def run(paths, archive, **settings):
    return ingest(paths, archive, workers_count=1, progress=False, step=np.timedelta64(10, "m"), **settings)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two sources on grids of one degree system that overlap by three columns."""
    folder = tmp_path_factory.mktemp("two")
    times = cf.times("2025-03-01", 2)
    cf.write_italian(folder / "a.nc", cf.frames(2, (8, 10), seed=1), times)
    cf.write_italian(folder / "b.nc", cf.frames(2, (8, 10), seed=2), times, west=cf.WEST + 7.4 * cf.DX)
    for name in "ab":
        run([folder / f"{name}.nc"], folder / f"{name}.zarr")
    return folder


def test_an_archive_says_how_it_was_regridded_and_later_files_follow(two, tmp_path, capsys):
    a = Archive.open(two / "a.zarr")
    target = tmp_path / "t.zarr"
    report = run([two / "a.nc"], target, grid="EPSG:3035@2km", resample="conservative")
    assert (report.frames, report.problems) == (2, ())
    made = Archive.open(target)
    truth = put(a.dbz(a.times[0]), a.grid, made.grid, "conservative")
    np.testing.assert_allclose(made.dbz(made.times[0]), truth, atol=0.006)
    assert made.attrs["regridding"]["grid"] == "EPSG:3035@2km"
    assert made.attrs["regridding"]["resample"] == "conservative,mean_in=z,observed_share=0.5"
    assert len(made.attrs["regridding"]["sources"]) == 1
    assert run([two / "b.nc"], target).same == 2  # it lies on the grid with cells that the first observes
    assert len(Archive.open(target).attrs["regridding"]["sources"]) == 2
    assert main(["info", str(target)]) == 0
    assert (
        "regridded conservative,mean_in=z,observed_share=0.5 onto EPSG:3035@2km from 8 x 10 cells"
        in capsys.readouterr().out
    )
    assert check_archive(target).sound
    for wrong in ({"grid": "EPSG:3035@4km"}, {"resample": "mean"}):
        with pytest.raises(SettingsError, match="the archive's own"):
            run([two / "b.nc"], target, **wrong)
    with pytest.raises(SettingsError, match="without --grid"):
        run([two / "a.nc"], tmp_path / "none.zarr", resample="mean")


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_of_two_sources_the_first_wins_where_it_observes(two, tmp_path, order):
    target = tmp_path / "t.zarr"
    paths = [two / f"{name}.nc" for name in order]
    report = run(paths, target, grid="EPSG:3035@2km")
    assert (report.frames, report.replaced, report.problems) == (2, 2, ())
    made = Archive.open(target)
    time = made.times[1]
    sources = [Archive.open(two / f"{name}.zarr") for name in order]
    first, second = (put(s.dbz(time), s.grid, made.grid, "nearest") for s in sources)
    both = ~np.isnan(first) & ~np.isnan(second)
    assert (first[both] != second[both]).any()
    np.testing.assert_array_equal(made.dbz(time), np.where(np.isnan(first), second, first))
    before = {p: p.stat().st_mtime_ns for p in target.rglob("c.*")}
    again = run(paths, target)
    assert (again.known_files, again.frames, again.replaced) == (2, 0, 0)
    assert {p: p.stat().st_mtime_ns for p in target.rglob("c.*")} == before


def test_a_source_nowhere_on_the_grid_is_a_problem_and_the_rest_goes_in(two, tmp_path, capsys):
    cf.write_italian(tmp_path / "far.nc", cf.frames(2, (8, 10)), cf.times("2025-03-01T02:00", 2), west=60.0)
    grid = str(two / "a.zarr")
    target = str(tmp_path / "t.zarr")
    code = main(
        [
            "ingest",
            str(two / "a.nc"),
            str(tmp_path / "far.nc"),
            "--archive",
            target,
            "--grid",
            grid,
            "--workers",
            "1",
        ]
    )
    assert code == 2
    assert "do not overlap" in capsys.readouterr().err
    held, like = Archive.open(target), Archive.open(grid)
    np.testing.assert_array_equal(held.field().values, like.field().values)


def test_what_an_archive_says_of_its_regridding_is_checked(two, tmp_path):
    target = tmp_path / "t.zarr"
    run([two / "a.nc"], target, grid="EPSG:3035@2km")
    root = target / "zarr.json"
    root.write_text(root.read_text().replace('"resample": "nearest"', '"resample": 7'))
    with pytest.raises(ArchiveError, match="expected how it was regridded"):
        run([two / "b.nc"], target)
