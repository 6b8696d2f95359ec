"""Drift: what is off by a known amount is found, what is calibrated is seldom flagged."""

import numpy as np
import pytest

from nowcast.core.errors import SettingsError
from nowcast.evaluation.drift import drift
from nowcast.postprocessing.reliability import BINS, EDGES, ReliabilityTable

BOUNDS = np.array([0.0, *EDGES, 1.0])
CENTRES = (BOUNDS[1:] + BOUNDS[:-1]) / 2


def table(cases, off=0.0, seed=0, inflation=1.0, thresholds=(20.0, 30.0)):
    """Counts whose events happen with the forecast probability plus ``off``, as blocks of equal pixels."""
    random = np.random.default_rng(seed)
    n = np.full((len(thresholds), 3, BINS), float(cases))
    chance = np.clip(CENTRES + off, 0, 1)
    block = int(inflation)  # so many pixels always share one outcome
    events = block * random.binomial(cases // block, chance, n.shape)
    return ReliabilityTable.of(thresholds, (10.0, 20.0, 30.0), n, n * CENTRES, events, inflation)


@pytest.mark.parametrize("inflation", [1.0, 200.0])
def test_a_calibrated_one_is_flagged_in_fewer_than_five_of_a_hundred(inflation):
    reference = table(int(200_000 * inflation), seed=1, inflation=inflation)
    cases = int(2_000 * inflation)
    said = [drift(table(cases, seed=s, inflation=inflation), reference) for s in range(100, 300)]
    assert all(found.cases for found in said)
    assert np.mean([found.drifted for found in said]) < 0.05


@pytest.mark.parametrize("off", [0.12, -0.12])
def test_what_is_off_by_a_known_amount_is_found(off):
    reference = table(200_000, seed=1, inflation=20.0)
    for seed in range(20):
        found = drift(table(20_000, off, seed=seed + 5, inflation=20.0), reference)
        assert found.drifted
        assert found.gap == pytest.approx(off, abs=0.05)
        assert found.cases == 60_000
        assert found.sentence.startswith("calibration has drifted; ")
        assert ("more often" if off > 0 else "less often") in found.sentence


def test_a_gap_that_the_calibration_knows_of_is_no_drift():
    reference = table(2_000_000, 0.1, seed=1)
    assert not drift(table(20_000, 0.1, seed=2), reference).drifted
    assert drift(table(20_000, 0.0, seed=2), reference).drifted


def test_a_small_gap_however_sure_is_none():
    found = drift(table(5_000_000, 0.03, seed=3), table(5_000_000, seed=1))
    assert not found.drifted
    assert found.sentence.startswith("calibration holds; largest gap at ")


@pytest.mark.parametrize(("cases", "judged"), [(2_000, False), (8_000, True)])
def test_bins_of_few_independent_cases_are_not_judged_and_of_some_with_care(cases, judged):
    reference = table(200_000, seed=1, inflation=200.0)
    said = [drift(table(cases, seed=s, inflation=200.0), reference) for s in range(200)]
    assert np.mean([found.drifted for found in said]) < 0.05
    assert all(bool(found.cases) == judged for found in said)
    assert not judged or np.mean([abs(found.gap) > 0.05 for found in said]) > 0.5


def test_few_cases_and_other_thresholds_are_said():
    found = drift(table(20, 0.3), table(200_000))
    assert (found.drifted, found.cases) == (False, 0)
    assert "no bin of probability has enough cases yet" in found.sentence
    with pytest.raises(SettingsError, match="got 20, 30 dBZ, expected 20, 40 dBZ as calibrated"):
        drift(table(20), table(20, thresholds=(20.0, 40.0)))
