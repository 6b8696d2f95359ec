"""Counts by class of probability, made with short cuts, are those of a search for every pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nowcast.scores.class_counts import ClassFinder
from nowcast.scores.forecast_inputs import ForecastInputs
from nowcast.scores.probabilistic import Brier, ProbabilityScore, certain
from nowcast.scores.probability_classes import FINE, ProbabilityClasses

PARTS = ("pixels", "events", "forecast")


def searched(metric, probability, observed):
    """Pixels, events and probabilities by class, (B,) each, of one frame."""
    seen = ~np.isnan(observed)
    p = np.nan_to_num(probability)[seen].astype(np.float64)
    event = observed[seen] >= np.float32(metric.threshold_dbz)
    class_of = np.searchsorted(metric.edges.astype(np.float32), p.astype(np.float32), side="right") - 1
    return [np.bincount(class_of, weights, len(metric.edges)) for weights in (None, event, p)]


@pytest.mark.parametrize("bins", [1, 7, 10, 3000])
def test_the_class_is_the_one_a_search_finds(bins):
    wide = ProbabilityClasses(20.0, bins).edges
    edges = wide.astype(np.float32)
    near = np.concatenate([edges, np.nextafter(edges, np.float32(2)), np.nextafter(edges, np.float32(-1))])
    rng = np.random.default_rng(bins)
    p = np.concatenate(
        [near[(near >= 0) & (near <= 1)], rng.random(999, np.float32), rng.random(99, np.float32) ** 9]
    )
    found = ClassFinder.of(wide).classes(p)
    np.testing.assert_array_equal(found, np.searchsorted(edges, p, side="right") - 1)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 9999),
    rare=st.sampled_from([0, 1, 3, 12]),
    kind=st.sampled_from([np.float32, np.float64]),
)
def test_counts_are_those_of_a_search(seed, rare, kind):
    rng = np.random.default_rng(seed)
    p = (rng.random((1, 9, 11)) ** (rare + 1)).astype(kind)
    p[rng.random(p.shape) < 0.3] = rng.choice([0.0, 1.0, *FINE])
    observed = np.where(rng.random(p.shape) < p, 30.0, 0.0).astype(np.float32)
    observed[rng.random(p.shape) < 0.2] = np.nan
    p[rng.random(p.shape) < 0.1] = np.nan
    metric = ProbabilityClasses(20.0)
    sums = metric.sums(p, observed)
    for name, values in zip(PARTS, searched(metric, p[0], observed[0]), strict=True):
        if name == "forecast":
            np.testing.assert_allclose(sums[name][0], values, rtol=1e-9, atol=1e-12)
        else:
            np.testing.assert_array_equal(sums[name][0], values)


def test_what_is_certain_counts_as_zeros_and_ones_do():
    rng = np.random.default_rng(0)
    dbz, observed = rng.normal(18, 12, (2, 3, 20, 20)).astype(np.float32)
    dbz[:, :3], observed[:, 2:7, :9] = np.nan, np.nan
    for metric in (Brier(20.0), ProbabilityClasses(20.0)):
        said = ForecastInputs(dbz).of(ProbabilityScore(20.0))
        found, expected = metric.sums(said, observed), metric.sums(certain(dbz, 20.0), observed)
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values)
    fields = [Brier(20.0).fields(p, observed) for p in (said, certain(dbz, 20.0))]
    for name, values in fields[1].items():
        np.testing.assert_array_equal(fields[0][name], values)
