"""The named protocols: each keeps its name, its best value and its identity; names are checked."""

import dataclasses

import numpy as np
import pytest

from nowcast.core.errors import MissingWeightsError, NowcastError
from nowcast.scores.base import Metric, add
from nowcast.scores.protocols import PROTOCOLS, build_protocols

PLAIN = [name for name, entry in PROTOCOLS.items() if not entry.needs_weights]


@pytest.mark.parametrize("name", PLAIN)
def test_a_protocol_keeps_its_name_and_its_best(name):
    metric, again = build_protocols([name]) + build_protocols([name])
    assert isinstance(metric, Metric)
    assert metric.name == name
    assert metric == again
    assert dataclasses.is_dataclass(metric)
    frames = np.random.default_rng(0).random((2, 3, 1, 12, 14))
    sums = metric.sums(frames, frames)
    np.testing.assert_allclose(metric.value(sums), np.full(3, PROTOCOLS[name].best), atol=1e-12)
    assert add({}, sums) == sums


@pytest.mark.parametrize("name", PLAIN)
def test_a_worse_forecast_scores_worse(name):
    rng = np.random.default_rng(1)
    observed = rng.random((2, 1, 1, 20, 20))
    noise = rng.normal(0, 1, observed.shape)
    near, far = (
        (m := build_protocols([name])[0]).value(m.sums((observed + s * noise).clip(0, 1), observed))[0]
        for s in (0.05, 0.5)
    )
    assert near < far if PROTOCOLS[name].better == "lower" else near > far


def test_unknown_and_repeated_names_are_refused():
    with pytest.raises(NowcastError, match=r"got 'sim', expected one of mse, "):
        build_protocols(["mse", "sim"])
    with pytest.raises(NowcastError, match="each once"):
        build_protocols(["mse", "mse"])


@pytest.mark.parametrize("name", ["lpips", "fvd"])
def test_a_score_without_its_weights_says_so_before_anything_is_forecast(name, monkeypatch, tmp_path):
    monkeypatch.setenv("NOWCAST_CACHE", str(tmp_path))
    with pytest.raises(MissingWeightsError, match=name) as caught:
        build_protocols(["mse", name])
    assert "\n" not in str(caught.value)
