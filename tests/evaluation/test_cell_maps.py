"""Scores on the map: by hand, and all blocks together are the score of the whole, whatever its kind."""

import math

import numpy as np
import pytest

from nowcast.evaluation.cell_maps import MAPPED, MOST_BLOCKS, CellMaps, block_of, leads_shown
from nowcast.evaluation.grouping import NowcastArrays
from nowcast.scores import cells as cells_module
from nowcast.scores.catalog import METRICS
from nowcast.scores.cells import CellSums
from nowcast.scores.spatial import Gdl

NAN = float("nan")


def nowcast(seed: int, shape=(3, 21, 20)) -> NowcastArrays:
    rng = np.random.default_rng(seed)
    dbz, observed = rng.normal(18, 12, (2, *shape)).astype(np.float32)
    observed[:, 4:9, :7] = NAN
    dbz[0, 12:14] = NAN
    return NowcastArrays(dbz, observed, {20.0: rng.random(shape).astype(np.float32)})


@pytest.mark.parametrize("rows", [1, 8, 128])
@pytest.mark.parametrize("name", MAPPED)
def test_the_sums_of_all_blocks_are_those_of_the_whole(name, rows, monkeypatch):
    monkeypatch.setattr(cells_module, "_ROWS_AT_ONCE", rows)
    metric = METRICS[name].make(20.0)
    given = nowcast(1)
    forecast = given.probabilities[20.0] if name == "brier" else given.dbz
    whole = metric.sums(forecast, given.observed)
    for block in (1, 4, 50, 300):
        cells = CellSums(metric, block)
        found = cells.sums(forecast, given.observed)
        for key, values in found.items():
            assert values.shape == (3, math.ceil(21 / block), math.ceil(20 / block))
            np.testing.assert_allclose(values.sum(axis=(1, 2)), whole[key], rtol=1e-12)
        together = {key: values.sum(axis=(1, 2)) for key, values in found.items()}
        np.testing.assert_allclose(cells.value(together), metric.value(whole), rtol=1e-12)


def test_gdl_of_blocks_by_hand():
    observed = np.array([[[10.0, 20.0, 20.0, NAN], [10.0, 10.0, 10.0, 10.0]]], np.float32)
    forecast = np.full_like(observed, 10.0)
    cells = CellSums(Gdl(), block=2)
    sums = cells.sums(forecast, observed)
    # West: 10 to the right and 10 downwards in six pairs; east: 10 downwards, and a pair of row 1 alike. Those
    # with the corner that was not observed do not count.
    assert sums["total"].tolist() == [[[20.0, 10.0]]]
    assert sums["pairs"].tolist() == [[[6.0, 2.0]]]
    np.testing.assert_allclose(cells.value(sums), [[[20 / 6, 5.0]]])


def test_maps_of_all_lead_times_together_and_of_some_by_themselves():
    maps = CellMaps([20.0, 30.0], ["pod", "gdl", "ssim", "brier"], block=10)
    first, second = nowcast(1), nowcast(2)
    maps.add(first)
    other = CellMaps([20.0, 30.0], ["pod", "gdl", "ssim", "brier"], block=10)
    other.add(second)
    maps.merge(other)
    found = maps.values(3)
    scores = {(key.score, key.threshold_dbz) for key in found}
    assert scores == {("csi", 20.0), ("csi", 30.0), ("pod", 20.0), ("pod", 30.0), ("gdl", None)} | {
        ("brier", 20.0),
        ("brier", 30.0),
    }
    assert {key.lead for key in found} == {None, 0, 1, 2}
    corner = (slice(None), slice(0, 10), slice(10, 20))
    hits = misses = 0
    for one in (first, second):
        reached, there = one.dbz[corner] >= 20, one.observed[corner] >= 20
        hits, misses = hits + (reached & there), misses + (~reached & there)
    assert found["pod", 20.0, None][0, 1] == pytest.approx(hits.sum() / (hits + misses).sum())
    assert found["pod", 20.0, 1][0, 1] == pytest.approx(hits[1].sum() / (hits + misses)[1].sum())


def test_scores_of_probabilities_are_not_kept_where_nobody_asks():
    maps = CellMaps([20.0], ["default"], block=10)
    maps.add(nowcast(1))
    assert {key.score for key in maps.values(3)} == {"csi", "pod", "far", "bias", "mae", "gdl"}


@pytest.mark.parametrize(
    ("count", "shown"),
    [(1, ()), (3, (0, 1, 2)), (6, tuple(range(6))), (10, (1, 3, 5, 7, 9)), (18, (2, 5, 8, 11, 14, 17))],
)
def test_lead_times_that_are_shown_are_few_and_the_last_is_among_them(count, shown):
    assert leads_shown(count) == shown


def test_blocks_are_about_five_kilometres_and_of_bounded_number():
    assert block_of((479, 617), (1.02, 0.98)) == 5
    assert block_of((100, 100), (8.0, 8.0)) == 1
    block = block_of((3800, 4400), (1.0, 1.0))
    assert math.ceil(3800 / block) * math.ceil(4400 / block) <= 1.02 * MOST_BLOCKS
    assert block == 21
