"""Asked of every score in the catalog: sums add up, one value on any kind of array, NaN never counts."""

import dataclasses

import dask.array as da
import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from nowcast.core.errors import NowcastError
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.scores.base import Metric, add
from nowcast.scores.catalog import DEFAULT_SCORES, METRICS, build_metrics
from nowcast.scores.evaluate import Tally
from nowcast.scores.probabilistic import certain

pytestmark = pytest.mark.parametrize("name", METRICS)
THRESHOLD = 20.0
NOT_OF_ONE_MEMBER = ("spread_error", "rank_histogram", "rank_histogram_20")
"""Best where members differ as the observed does from them: tests/scores/test_ensemble.py."""


def dbz(seed: int, shape=(3, 24, 27)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    forecast = rng.normal(18, 12, shape).clip(NO_ECHO_DBZ, 80).astype(np.float32)
    observed = (forecast + rng.normal(0, 6, shape)).clip(NO_ECHO_DBZ, 80).astype(np.float32)
    observed[..., :4, :5] = np.nan
    forecast[..., 9, 9] = np.nan
    return forecast, observed


def reads(name: str, dbz):
    """A forecast as the score reads it: dBZ; a probability that is 0 up to 10 and 1 from 30 dBZ on; such
    probabilities of the default thresholds; or three members."""
    kind = METRICS[name].reads
    if kind == "ladder":
        return np.stack([((dbz - t + 10) / 20).clip(0, 1) for t in METRICS[name].make(0.0).thresholds_dbz])
    if kind == "members":
        weak = np.where(dbz < 15, NO_ECHO_DBZ, dbz - 4).astype(np.float32)
        return np.stack([dbz, dbz + np.float32(2.5), weak])
    return dbz if kind == "dbz" else ((dbz - 10) / 20).clip(0, 1)


def certainly(name: str, dbz):
    return certain(dbz, THRESHOLD) if METRICS[name].reads == "probability" else dbz


def stacked(name: str) -> bool:
    return METRICS[name].reads in ("ladder", "members")


def batch(name: str, forecast, part: slice):
    """Some of the batch of a forecast, whose axis stands behind that of members or thresholds."""
    return forecast[:, part] if stacked(name) else forecast[part]


def given_pair(name: str, *arguments) -> tuple[np.ndarray, np.ndarray]:
    forecast, observed = dbz(*arguments)
    return reads(name, forecast), observed


def finish(metric: Metric, forecast, observed) -> np.ndarray:
    return np.asarray(metric.value(metric.sums(forecast, observed)))


def test_it_keeps_the_protocol_and_its_identity_is_its_parameters(name):
    entry = METRICS[name]
    metric = entry.make(THRESHOLD)
    assert isinstance(metric, Metric)
    assert metric.name == name
    assert metric == entry.make(THRESHOLD)
    assert dataclasses.is_dataclass(metric)
    assert (metric == entry.make(30.0)) is not entry.per_threshold
    with pytest.raises(dataclasses.FrozenInstanceError):
        metric.threshold_dbz = 3.0


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(1, 4))
def test_sums_of_the_parts_are_the_sums_of_the_whole(name, seed, cut):
    metric = METRICS[name].make(THRESHOLD)
    forecast, observed = given_pair(name, seed, (5, 2, 24, 20))
    whole = metric.sums(forecast, observed)
    both = [metric.sums(batch(name, forecast, part), observed[part]) for part in (slice(cut), slice(cut, None))]
    parts = add(*both)
    assert whole.keys() == parts.keys()
    for key in whole:
        np.testing.assert_allclose(parts[key], whole[key], rtol=1e-12)
    assert add({}, whole) == whole


def test_the_batch_size_changes_nothing(name):
    metric = METRICS[name].make(THRESHOLD)
    forecast, observed = given_pair(name, 3, (8, 2, 24, 20))
    values = []
    for size in (1, 3, 8):
        sums: dict = {}
        for i in range(0, 8, size):
            part = slice(i, i + size)
            sums = add(sums, metric.sums(batch(name, forecast, part), observed[part]))
        values.append(metric.value(sums))
    np.testing.assert_allclose(values[1:], [values[0]] * 2, rtol=1e-12)


def test_tensors_lazy_arrays_and_labels_give_the_numbers_of_numpy(name):
    metric = METRICS[name].make(THRESHOLD)
    forecast, observed = given_pair(name, 4)
    expected = finish(metric, forecast, observed)
    tensors = metric.value(metric.sums(torch.from_numpy(forecast), torch.from_numpy(observed)))
    np.testing.assert_allclose(tensors.numpy(), expected, rtol=1e-12)
    labelled = xr.DataArray(forecast, dims=("member", "lead_time", "y", "x")[-forecast.ndim :])
    frames = xr.DataArray(observed, dims=("time", "y", "x"), coords={"time": [1, 2, 3]})
    np.testing.assert_array_equal(finish(metric, labelled, frames), expected)
    lazy = labelled.chunk(lead_time=1, y=11, x=27), frames.chunk(time=2, y=24, x=13)
    with dask_forbidden():
        sums = metric.sums(*lazy)
        value = metric.value(sums)
    assert all(isinstance(s, da.Array) for s in sums.values())
    np.testing.assert_allclose(value.compute(), expected, rtol=1e-12)


def dask_forbidden():
    import dask

    def refuse(*_, **__):
        raise AssertionError("something lazy was computed")

    return dask.config.set(scheduler=refuse)


def test_a_perfect_forecast_scores_best(name):
    entry = METRICS[name]
    if entry.best is None or name == "spread_error":  # a perfect forecast has neither spread nor error
        return
    _, observed = dbz(5)
    perfect = certainly(name, observed)
    np.testing.assert_allclose(finish(entry.make(THRESHOLD), perfect, observed), entry.best, atol=1e-12)


def test_a_worse_forecast_scores_worse(name):
    entry = METRICS[name]
    metric = entry.make(THRESHOLD)
    rng = np.random.default_rng(6)
    observed = rng.normal(20, 10, (1, 40, 40)).astype(np.float32)
    if entry.best is None or name in NOT_OF_ONE_MEMBER:
        return
    errors = [
        abs(finish(metric, certainly(name, said), observed)[0] - entry.best)
        for said in (observed + size * rng.normal(1, 4, observed.shape) for size in (0.2, 3.0))
    ]
    if name != "pod":  # a forecast that is too strong everywhere detects more
        assert 0 < errors[0] < errors[1]


def test_unobserved_pixels_never_count(name):
    metric = METRICS[name].make(THRESHOLD)
    forecast, observed = given_pair(name, 7)
    strong = reads(name, np.full_like(observed, 70.0))
    changed = np.where(np.isnan(observed), strong, forecast)
    np.testing.assert_array_equal(finish(metric, changed, observed), finish(metric, forecast, observed))
    nothing = np.full_like(observed, np.nan)
    assert np.isnan(finish(metric, forecast, nothing)).all()


@pytest.mark.parametrize("kind", ["numpy", "torch", "dask"])
@pytest.mark.parametrize("shape", [(3, 0, 0), (3, 24, 0), (0, 24, 27), (0, 2, 24, 27)])
def test_a_field_without_pixels_has_no_score_and_no_warning(name, shape, kind):
    empty = np.ones(shape, np.float32)
    both = {"numpy": empty, "torch": torch.from_numpy(empty), "dask": da.from_array(empty)}[kind]
    found = finish(METRICS[name].make(THRESHOLD), both, both)
    assert found.shape == (shape[-3],)
    assert np.isnan(found).all()


def test_a_field_of_float64_scores_as_the_same_field_of_float32(name):
    """Values at 20.3 dBZ, an ulp below and an ulp above it: as float32, 20.3 lies below 20.3."""
    metric = METRICS[name].make(20.3)
    edge = np.float32(20.3)
    rng = np.random.default_rng(10)
    steps = [np.nextafter(edge, np.float32(0)), edge, np.nextafter(edge, np.float32(99)), np.float32(5)]
    forecast, observed = rng.choice(np.array(steps, np.float32), (2, 3, 24, 27))
    if METRICS[name].reads in ("probability", "ladder"):
        forecast = forecast / np.float32(64)  # exact
    if stacked(name):
        forecast = np.stack([forecast, forecast[::-1], forecast[:, ::-1], forecast / 2, forecast / 4])
    expected = finish(metric, forecast, observed)
    wide = forecast.astype(np.float64), observed.astype(np.float64)
    np.testing.assert_array_equal(finish(metric, *wide), expected)
    tensors = metric.value(metric.sums(*map(torch.from_numpy, wide)))
    np.testing.assert_allclose(tensors.numpy(), expected, rtol=1e-12)


def test_what_a_mask_hides_is_not_observed(name):
    metric = METRICS[name].make(THRESHOLD)
    forecast, observed = given_pair(name, 11)
    expected = finish(metric, forecast, observed)
    assert np.isnan(observed).any()
    hidden = np.isnan(observed)
    masked = np.ma.MaskedArray(np.where(hidden, 70.0, observed).astype(np.float32), hidden)
    silent = np.ma.MaskedArray(np.where(np.isnan(forecast), 0.5, forecast), np.isnan(forecast))
    np.testing.assert_array_equal(finish(metric, silent, masked), expected)
    lazy = metric.value(metric.sums(da.from_array(silent), da.from_array(masked)))
    np.testing.assert_allclose(lazy.compute(), expected, rtol=1e-12)


def test_silence_at_an_observed_pixel_is_a_forecast_of_no_echo(name):
    metric = METRICS[name].make(THRESHOLD)
    forecast, observed = given_pair(name, 8)
    forecast[..., 10:20, 10:20] = np.nan
    dry = np.where(np.isnan(forecast), reads(name, np.full_like(observed, NO_ECHO_DBZ)), forecast)
    np.testing.assert_array_equal(finish(metric, forecast, observed), finish(metric, dry, observed))


def test_inputs_are_left_alone(name):
    forecast, observed = given_pair(name, 9)
    before = forecast.copy(), observed.copy()
    METRICS[name].make(THRESHOLD).sums(forecast, observed)
    np.testing.assert_array_equal(forecast, before[0])
    np.testing.assert_array_equal(observed, before[1])


@pytest.mark.parametrize("threshold", [-1.0, float("nan"), float("inf"), 1000.0])
def test_a_threshold_that_cannot_be_is_refused_in_one_line(name, threshold):
    if not METRICS[name].per_threshold:
        assert METRICS[name].make(threshold) == METRICS[name].make(0.0)
        return
    with pytest.raises(NowcastError, match=r"threshold: got .*expected dBZ from 0 to 100") as caught:
        METRICS[name].make(threshold)
    assert "\n" not in str(caught.value)


def test_shapes_that_differ_are_refused(name):
    forecast, observed = given_pair(name, 1)
    with pytest.raises(NowcastError, match="one shape"):
        METRICS[name].make(THRESHOLD).sums(forecast, observed[:, 1:])


def test_a_tally_gives_the_value_of_the_metric_alone(name):
    metric = METRICS[name].make(THRESHOLD)
    forecast, observed = dbz(2)
    tally = Tally([*build_metrics([THRESHOLD, 30.0], DEFAULT_SCORES), metric])
    tally.add(forecast, observed)
    expected = finish(metric, certainly(name, forecast), observed)
    np.testing.assert_array_equal(tally.value(metric), expected)
