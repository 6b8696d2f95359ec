"""The mean of probabilities: by hand, where little is known, what is refused, one motion, one calibration."""

import json

import numpy as np
import pytest
import torch

from nowcast.core.errors import NowcastError
from nowcast.core.field import PROBABILITY
from nowcast.forecasters.average import Average, Part
from nowcast.forecasters.calibration_file import ModelCalibration, write_calibration
from nowcast.forecasters.catalog import build_forecaster
from nowcast.forecasters.decision_thresholds import DecisionThresholds, identity_of
from nowcast.forecasters.neural import Neural
from nowcast.models.lagrangian.shared_motion import shared_motion
from nowcast.models.lagrangian.wrapper import LagrangianModel, LagrangianSettings
from nowcast.workflows.calibrate import calibrate
from nowcast.workflows.calibrated import uncalibrated
from nowcast.workflows.verify import verify_period
from tests.fakes.fields import moving_disc, projected_grid
from tests.fakes.forecasters import Probable, Weak
from tests.fakes.memory_archive import MemoryArchive
from tests.fakes.networks import Repeat, loaded

LEADS = np.arange(1, 3) * np.timedelta64(10, "m")
DAY = np.datetime64("2025-03-22", "ns"), np.datetime64("2025-03-23", "ns")


class Blind(Probable):
    """Knows nothing of the western half."""

    def forecast(self, observed, lead_times):
        found = super().forecast(observed, lead_times)
        found[PROBABILITY].values[..., : observed.shape[2] // 2] = np.nan
        return found


def sure(factor=0.9, **kw):
    return Probable("sure", factor, sha256="a" * 64, **kw)


def of_step(seconds):
    return Neural(loaded(Repeat(), step_seconds=seconds)._replace(sha256=f"{seconds:g}"))


def storm(frames=5):
    return moving_disc(projected_grid(24, 32), frames=frames, velocity=(0.5, 1.0))


def test_the_weighted_mean_by_hand():
    mean = Average((Part(Probable()), Part(sure(), weight=3.0)), "both")
    found = mean.forecast(storm(), LEADS)
    one, other = (f.forecast(storm(), LEADS)[PROBABILITY] for f in (Probable(), sure()))
    np.testing.assert_allclose(found[PROBABILITY].values, (one + 3 * other).values / 4, rtol=1e-6)
    assert found["threshold"].values.tolist() == [20.0, 30.0, 40.0]
    peak = found[PROBABILITY].values[:, 0].max(axis=(1, 2))
    assert (found.reflectivity.values[0].max() >= 20) == (peak[0] >= 0.5)
    assert mean.needs.past == 2
    assert json.loads(mean.describe()["settings"])[1] == {
        "forecaster": "sha256:" + "a" * 64,
        "post_processing": [],
        "weight": 3.0,
    }


def test_where_one_knows_nothing_the_mean_is_that_of_the_others():
    blind = Blind(sha256="b" * 64)
    found = Average((Part(blind), Part(sure()))).forecast(storm(), LEADS)[PROBABILITY].values
    alone, both = (f.forecast(storm(), LEADS)[PROBABILITY].values for f in (sure(), Probable()))
    np.testing.assert_array_equal(found[..., :16], alone[..., :16])
    np.testing.assert_allclose(found[..., 16:], (alone + both)[..., 16:] / 2, rtol=1e-6)
    nobody = Average((Part(blind), Part(Blind(sha256="c" * 64)))).forecast(storm(), LEADS)
    assert np.isnan(nobody[PROBABILITY].values[..., :16]).all()
    assert np.isnan(nobody.reflectivity.values[..., :16]).all()
    assert np.isfinite(nobody[PROBABILITY].values[..., 16:]).all()


def test_thresholds_are_those_that_all_know():
    found = Average((Part(Probable()), Part(sure(thresholds=(30.0, 40.0, 45.0))))).forecast(storm(), LEADS)
    assert found["threshold"].values.tolist() == [30.0, 40.0]
    with pytest.raises(NowcastError, match="thresholds: got none that all parts know"):
        Average((Part(Probable()), Part(sure(thresholds=(45.0,))))).forecast(storm(), LEADS)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ((Part(Probable()),), "got probable x 1, expected two or more"),
        ((Part(Probable()), Part(sure(), weight=0.0)), "sure x 0, expected two or more with weights above 0"),
        ((Part(Probable()), Part(Probable("again"))), "got probable twice, expected each once"),
        (
            tuple(Part(of_step(seconds)) for seconds in (600.0, 300.0)),
            "steps: got repeat 10 min, repeat 5 min, expected one for all",
        ),
    ],
)
def test_what_is_no_mean_is_refused(parts, told):
    with pytest.raises(NowcastError, match=told):
        Average(parts)


def test_a_baseline_needs_its_calibration(tmp_path):
    with pytest.raises(NowcastError, match="weak: got a forecast without probabilities"):
        Average((Part(Probable()), Part(Weak()))).forecast(storm(), LEADS)
    source = MemoryArchive(storm(14))
    learnt = calibrate([source], [build_forecaster("persistence")], [DAY], thresholds=[20, 30], lead_times=2)
    write_calibration(tmp_path / "b.json", learnt.learnt, {})
    mean = build_forecaster("persistence+extrapolation", {"calibration": str(tmp_path / "b.json")})
    assert mean.name == "persistence+extrapolation"
    with pytest.raises(NowcastError, match="extrapolation: got a forecast without probabilities"):
        mean.forecast(storm(), LEADS)
    with pytest.raises(NowcastError, match="average: weights: got 1, expected 2"):
        build_forecaster("persistence+extrapolation", {"weights": [1.0]})
    with pytest.raises(NowcastError, match="did you mean 'persistence'"):
        build_forecaster("persistance+extrapolation")


def test_the_mean_is_calibrated_once_and_verified_as_any_forecaster():
    mean, source = Average((Part(Probable()), Part(sure()))), MemoryArchive(storm(14))
    chosen = calibrate([source], [mean], [DAY], thresholds=[20], lead_times=2, stride=2).learnt[0]
    assert chosen.identity == identity_of(mean)
    assert chosen.decision.kind == "probability"
    ready = Average(mean.parts, calibration=chosen)
    found = verify_period(source, {"raw": mean, "made": ready}, *DAY, lead_times=2, stride=2, thresholds=[20.0])
    for s, lead in enumerate((10.0, 20.0)):
        assert found.value("made", "csi", 20.0, lead) == chosen.decision.csi[0][s]
        assert found.value("raw", "csi", 20.0, lead) == chosen.decision.csi_before[0][s]
    assert "calibration" in ready.describe()
    assert uncalibrated(ready) == mean
    table = ((0.5, 0.5),) * 3
    other = DecisionThresholds("x", "other", "probability", (20.0, 30.0, 40.0), (10.0, 20.0), table)
    with pytest.raises(NowcastError, match="calibration of x: got one made for other"):
        Average(mean.parts, calibration=ModelCalibration("x", "other", other))


def test_a_mean_of_a_calibrated_part_is_another_than_that_of_the_raw_one():
    raw = of_step(600.0)
    others = [
        Neural(raw._loaded, calibration=ModelCalibration("repeat", identity_of(raw), tail_dbz=tail))
        for tail in (2.0, 3.0)
    ]
    means = [Average((Part(one), Part(sure()))) for one in (raw, *others)]
    above = [Average((Part(mean), Part(Probable()))) for mean in means]
    for alike in (means, above):
        assert len({identity_of(mean) for mean in alike}) == 3
        assert len({mean.describe()["settings"] for mean in alike}) == 3
    assert "calibration" not in means[0].describe()["settings"]
    learnt = ModelCalibration("mean", identity_of(means[0]), tail_dbz=2.0)
    with pytest.raises(NowcastError, match="calibration of mean: got one made for average"):
        Average(means[1].parts, calibration=learnt)
    inner = Average(means[0].parts, calibration=learnt)
    assert identity_of(Average((Part(inner), Part(Probable())))) != identity_of(above[0])
    with pytest.raises(NowcastError, match="got repeat twice"):
        Average((Part(raw), Part(others[0])))


def test_networks_that_share_it_have_one_motion(monkeypatch):
    asked = []
    estimate = LagrangianModel._estimate

    def counted(self, past, observed):
        asked.append(self)
        return estimate(self, past, observed)

    monkeypatch.setattr(LagrangianModel, "_estimate", counted)
    past = torch.rand(1, 3, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    one, other = (LagrangianModel(Repeat(growth)) for growth in (0.0, 0.1))
    fast = LagrangianModel(Repeat(0.0), LagrangianSettings(fastest=1.0))
    with torch.no_grad():
        alone = [network(past, 2) for network in (one, other, fast)]
        assert len(asked) == 3
        with shared_motion():
            together = [network(past.clone(), 2) for network in (one, other, fast)]
            assert len(asked) == 5
            one(past + 0.01, 2)
            assert len(asked) == 6
        one(past, 2)
    assert len(asked) == 7
    for first, second in zip(alone, together, strict=True):
        assert torch.equal(first, second)
