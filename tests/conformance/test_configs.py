"""Every configuration of an experiment loads, keeps its promises and builds its network."""

from pathlib import Path

import pytest

from nowcast.core.settings import build
from nowcast.core.times import parse_period
from nowcast.data.catalog import SOURCES
from nowcast.data.splits import check_gap, parse_periods
from nowcast.training.experiment import read_experiment
from nowcast.training.losses import make_loss

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted((ROOT / "configs" / "experiment").glob("*.yaml"))
FIRST_TEST_DAY = parse_period("2025-03-21/2025-03-21")[0]


def test_there_are_configurations():
    assert "italy_motionrnn" in {path.stem for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_loads_and_builds(path):
    made = read_experiment(path)
    assert made.name == path.stem
    for choice in (*made.data.sources, *made.data.validation_sources):
        build(SOURCES[choice.kind].settings, choice.settings)
    network = made.model.build(1, made.data.crop, made.data.scaling)
    rows, columns = network.multiple_of
    if made.data.crop is not None:
        assert made.data.crop[0] % rows == 0
        assert made.data.crop[1] % columns == 0
    assert made.data.window.past >= network.past_min
    make_loss(made.training.loss, made.data.scaling, made.training.intensity, made.model.exceedance_probability)
    assert made.data.validation or made.data.validation_sources


@pytest.mark.parametrize("path", [p for p in CONFIGS if p.stem.startswith("italy")], ids=lambda p: p.stem)
def test_test_days_are_never_trained_or_validated_on(path):
    data = read_experiment(path).data
    parts = {name: parse_periods(getattr(data, name), name) for name in ("train", "validation", "test")}
    assert min(start for start, _ in parts["test"]) <= FIRST_TEST_DAY
    assert max(end for name in ("train", "validation") for _, end in parts[name]) <= FIRST_TEST_DAY
    check_gap(parts, data.window, build_step())


def build_step():
    import numpy as np

    return np.timedelta64(10, "m").astype("timedelta64[ns]")
