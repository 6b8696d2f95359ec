"""Scores by hour and by region: parts of the sums, what counts as observed in them, and the table."""

import csv
import io

import numpy as np
import pyproj
import pytest

from nowcast.core.errors import NowcastError
from nowcast.evaluation.grouping import Grouping, area_masks, blocks_of_grid, grouped_by, groups_csv
from nowcast.forecasters.persistence import Persistence
from nowcast.scores.base import add
from nowcast.scores.catalog import build_metrics
from nowcast.scores.categorical import Csi
from nowcast.workflows.verify import verify_period
from tests.fakes.fields import moving_disc, projected_grid
from tests.fakes.forecasters import Probable
from tests.fakes.memory_archive import MemoryArchive

DAY = np.datetime64("2025-03-22", "ns"), np.datetime64("2025-03-23", "ns")
ASKED = ["csi", "brier", "crps", "mae", "fss_17"]


@pytest.fixture(scope="module")
def found():
    field = moving_disc(projected_grid(), frames=16, velocity=(0.5, 1.5))
    field.values[:, :, 50:] = np.nan
    regions = {**blocks_of_grid((48, 64), (1.0, 1.0), 25.0), "disc": np.hypot(*np.mgrid[-16:32, -19:45]) < 14}
    return (
        field,
        regions,
        verify_period(
            MemoryArchive(field),
            [Persistence(), Probable()],
            *DAY,
            lead_times=2,
            stride=2,
            thresholds=[20.0, 30.0],
            scores=ASKED,
            grouping=Grouping(True, regions),
        ),
    )


def value(found, by, group, *key):
    (row,) = [r for r in found.groups if (r.by, r.group, *r.score[:4]) == (by, group, *key)]
    return row.score.value


def test_a_region_is_scored_as_if_nothing_else_were_observed(found):
    field, regions, verified = found
    starts = [field["time"].values.tolist().index(int(t.astype(np.int64))) for t in verified.reference_times]
    for region in ("disc", "r1c2"):
        for metric in build_metrics([20.0], ["csi", "mae", "fss_17"]):
            sums: dict = {}
            for start in starts:
                observed = np.where(regions[region], field.values[start + 2], np.nan)[None]
                sums = add(sums, metric.sums(field.values[start][None], observed))
            threshold = getattr(metric, "threshold_dbz", None)
            if metric.name != "fss_17":  # of windows that lie wholly in the rectangle around a region
                got = value(verified, "region", region, "persistence", metric.name, threshold, 20.0)
                assert got == pytest.approx(metric.value(sums)[0], nan_ok=True), (region, metric)


def test_blocks_add_up_to_the_whole_and_what_was_never_observed_is_left_out(found):
    _, regions, verified = found
    names = {row.group for row in verified.groups if row.by == "region"}
    assert set(regions) == {f"r{i}c{j}" for i in (1, 2) for j in (1, 2, 3)} | {"disc"}
    assert names == set(regions)
    pixels = {(i, j): 24 * columns for i in (1, 2) for j, columns in ((1, 21), (2, 22), (3, 7))}
    for model in ("persistence", "probable"):
        for score, threshold in (("mae", None), ("crps", None), ("brier", 30.0)):
            parts = [value(verified, "region", f"r{i}c{j}", model, score, threshold, 10.0) for i, j in pixels]
            whole = verified.value(model, score, threshold, 10.0)
            assert np.average(parts, weights=list(pixels.values())) == pytest.approx(whole)


def test_hours_are_those_of_the_forecast_reference_time_and_add_up(found):
    field, _, verified = found
    hours = verified.reference_times.astype("datetime64[h]").astype(int) % 24
    assert sorted({row.group for row in verified.groups if row.by == "hour"}) == ["10", "11", "12"]
    for hour in (10, 11, 12):
        sums: dict = {}
        for reference in verified.reference_times[hours == hour]:
            start = field["time"].values.tolist().index(int(reference.astype(np.int64)))
            sums = add(sums, Csi(30.0).sums(field.values[start][None], field.values[start + 1][None]))
        got = value(verified, "hour", str(hour), "persistence", "csi", 30.0, 10.0)
        assert got == Csi(30.0).value(sums)[0]


def test_the_table_has_the_columns_of_the_scores_behind_the_group(found):
    rows = list(csv.DictReader(io.StringIO(groups_csv(found[2].groups))))
    assert list(rows[0]) == ["by", "group", "model", "score", "threshold_dbz", "lead_minutes", "value"]
    assert {(r["by"], r["group"]) for r in rows} >= {("hour", "10"), ("region", "disc"), ("region", "r2c3")}
    (one,) = [r for r in rows if tuple(r.values())[:6] == ("region", "disc", "probable", "brier", "20", "mean")]
    expected = value(found[2], "region", "disc", "probable", "brier", 20.0, None)
    assert float(one["value"]) == pytest.approx(expected)


def test_regions_of_coverage_alone():
    field = moving_disc(projected_grid(), frames=8)
    field.values[:, :, :32] = np.nan
    verified = verify_period(
        MemoryArchive(field),
        [Persistence()],
        *DAY,
        lead_times=1,
        thresholds=[20.0],
        scores=["mae"],
        grouping=grouped_by(["region"], (48, 64), (1.0, 1.0), region_km=32.0),
    )
    assert {row.group for row in verified.groups} == {"r1c2", "r2c2"}
    assert {row.score.score for row in verified.groups} == {"mae"}


def test_areas_of_a_file_are_regions_by_their_names():
    grid = projected_grid()
    to_lat_lon = pyproj.Transformer.from_crs(grid.crs, 4326, always_xy=True)

    def area(name, rows, columns):
        corners = [(rows[i], columns[j]) for i, j in ((0, 0), (0, 1), (1, 1), (1, 0), (0, 0))]
        outline = [to_lat_lon.transform(grid.x[column] + 100, grid.y[row] + 100) for row, column in corners]
        return {
            "type": "Feature",
            "properties": {"name": name},
            "geometry": {"type": "Polygon", "coordinates": [outline]},
        }

    features = [area("hills", (10, 20), (5, 40)), area("coast", (30, 44), (50, 60))]
    masks = area_masks(grid, {"type": "FeatureCollection", "features": features})
    assert list(masks) == ["hills", "coast"]
    expected = np.zeros((48, 64), bool)
    expected[10:20, 6:41] = True
    np.testing.assert_array_equal(masks["hills"], expected)
    assert masks["coast"].sum() == 14 * 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": ["minute"]}, "--by: got 'minute', expected one of hour, region"),
        ({"by": ["region"], "region_km": 0.0}, "--region-km: got 0"),
        ({"by": [], "regions": {"alps": np.ones((2, 3), bool)}}, r"region alps: got a mask of \(2, 3\)"),
        ({"by": [], "regions": {"sea": np.zeros((48, 64), bool)}}, "region sea: got nothing of it"),
    ],
)
def test_mistakes_are_one_line(arguments, message):
    with pytest.raises(NowcastError, match=message):
        grouped_by(shape=(48, 64), cell_km=(1.0, 1.0), **arguments)
