"""Dressing: shares by hand, what a perfect and a useless forecast are dressed with, and the step."""

import numpy as np
import pytest

from nowcast.core.errors import SettingsError
from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.postprocessing.dressing import SHARES, Dressing, DressingTable, Shares, cells_of
from nowcast.postprocessing.dressing_fit import (
    WIDTHS_KM,
    ClassCounts,
    class_frequencies,
    count_classes,
    fit_dressing,
)
from tests.fakes.fields import moving_disc, projected_grid
from tests.fakes.forecasters import Probable, Weak

STEP = np.timedelta64(10, "m")
LEADS = np.arange(1, 3) * STEP


def storms(seed, n=1, size=60):
    """Smooth random fields of dBZ (n, size, size), a third of them with rain."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(seed).standard_normal((n, size, size))
    smooth = gaussian_filter(noise, (0, 4, 4))
    return np.where(smooth > 0, 10 + 250 * smooth, NO_ECHO_DBZ).astype(np.float32)


def fitted(pairs, thresholds=(20.0, 30.0)):
    """Dressing at one lead time from pairs of a forecast and what was observed, each a day."""
    folds = {f"{i:02}": count_classes(f, o, thresholds, 1.0) for i, (f, o) in enumerate(pairs)}
    return fit_dressing(folds, thresholds, [10.0])


def test_classes_of_shares_by_hand():
    dbz = np.full((5, 5), 10.0, np.float32)
    dbz[2, 2] = 30.0
    dbz[0, 0] = np.nan
    # a ninth around the middle, as any share from a tenth to a fifth is in class 4
    shares = Shares(dbz, 1.0)
    found = shares.of(30.0, 3)
    assert found[2, 2] == found[1, 2] == 4
    assert found[4, 4] == found[0, 4] == 0
    assert shares.of(10.0, 3)[3, 3] == SHARES - 1
    assert shares.of(30.0, 1)[2, 2] == SHARES - 1
    lower, upper = shares.both(40.0, 3.0)
    assert (lower == found).all()
    assert not upper.any()
    assert [cells_of(w, 1.0) for w in (1, 3, 9, 65)] == [1, 3, 9, 65]
    assert [cells_of(9.0, 2.0), cells_of(0.5, 1.0), cells_of(3.0, 4.0)] == [5, 1, 1]


def test_frequencies_by_hand():
    n, e = np.zeros((SHARES, SHARES)), np.zeros((SHARES, SHARES))
    n[3, 2], e[3, 2] = 980.0, 490.0
    found = class_frequencies(ClassCounts(n, e))
    np.testing.assert_allclose(found[3, 2], 0.5)
    assert (np.diff(found, axis=0) >= 0).all()
    assert (np.diff(found, axis=1) >= 0).all()


def test_a_perfect_forecast_is_dressed_with_certainty_and_a_useless_one_with_the_climate():
    fields = [storms(seed) for seed in range(3)]
    perfect = fitted([(f, f) for f in fields])
    assert perfect.widths_km == ((3.0,), (3.0,))
    truth = storms(9)
    p = perfect.probabilities(truth, LEADS[:1], 1.0)
    event = truth >= np.array([20.0, 30.0])[:, None, None, None]
    assert ((p - event) ** 2).mean() < 0.1 * event.mean() * (1 - event.mean())
    assert p[:, 0][event[:, 0]].mean() > 0.9
    other = [(f, storms(seed + 50)) for seed, f in enumerate(fields)]
    useless = fitted(other)
    p = useless.probabilities(truth, LEADS[:1], 1.0)
    climate = np.mean([o >= 20 for _, o in other])
    assert abs(p[0].mean() - climate) < 0.05
    assert p[0].std() < 0.15


def test_the_wider_neighbourhood_is_taken_where_the_place_is_less_sure():
    def moved(seed, by):
        return np.roll(storms(seed), (by, -by), axis=(1, 2))

    near = fitted([(moved(s, 1), storms(s)) for s in range(3)])
    far = fitted([(moved(s, 8 * (-1) ** s), storms(s)) for s in range(3)])
    assert near.widths_km[0][0] < far.widths_km[0][0]


def test_counts_add_up_and_unknown_pixels_do_not_count():
    f, o = storms(1), storms(2)
    f[0, :5], o[0, -5:] = np.nan, np.nan
    whole = count_classes(f, o, (20.0,), 1.0)
    assert whole.cases[0, 0].sum(axis=(1, 2)).tolist() == [50 * 60] * len(WIDTHS_KM)
    both = whole + whole
    np.testing.assert_array_equal(both.events, 2 * whole.events)
    table = class_frequencies(whole.at(0, 0, 2))
    assert table.min() >= 0
    assert table.max() <= 1


def test_probabilities_never_rise_with_the_threshold_and_keep_what_is_unknown():
    made = fitted([(storms(1), np.roll(storms(1), 3, axis=2))], (20.0, 25.0, 40.0))
    coming = np.repeat(storms(7), 4, axis=0)
    coming[:, :4] = np.nan
    p = made.probabilities(coming, np.array([1, 5, 10, 20], "timedelta64[m]"), 1.0)
    assert np.isnan(p[:, :3, :4]).all()
    assert np.isnan(p[:, 3]).all()  # beyond the last lead time
    inner = p[:, :3, 4:]
    assert ((inner >= 0) & (inner <= 1)).all()
    assert (np.diff(inner, axis=0) <= 0).all()
    certain = coming[1, 4:] >= 20.0
    half_way = 0.5 * certain + 0.5 * inner[0, 2]  # from lead time 0, where it is certain
    np.testing.assert_allclose(inner[0, 1], half_way, atol=1e-6)


def dressing(value=0.25):
    rows = (((value,) * SHARES,) * SHARES,)
    return DressingTable((20.0, 30.0), (10.0,), ((9.0,), (5.0,)), (rows, rows))


def test_the_step_adds_probabilities_alone():
    weak, storm = Weak(), moving_disc(projected_grid())
    raw = weak.forecast(storm, LEADS[:1])
    found = Dressing(dressing()).apply(raw, storm)
    assert found.exceedance_probability.dims == ("threshold", "lead_time", "y", "x")
    assert found["threshold"].values.tolist() == [20.0, 30.0]
    np.testing.assert_array_equal(found.exceedance_probability.values, np.float32(0.25))
    np.testing.assert_array_equal(found.reflectivity.values, raw.reflectivity.values)
    assert "exceedance_probability" not in raw
    assert Grid.of(found.reflectivity).matches(Grid.of(raw.reflectivity))
    with pytest.raises(SettingsError, match="got one with probabilities"):
        Dressing(dressing()).apply(Probable().forecast(storm, LEADS[:1]), storm)
    with pytest.raises(SettingsError, match="got one after decision thresholds"):
        Dressing(dressing()).apply(raw.assign_attrs(decision_thresholds="{}"), storm)


@pytest.mark.parametrize(
    "change",
    [
        {"thresholds_dbz": (30.0, 20.0)},
        {"lead_minutes": (0.0,)},
        {"widths_km": ((9.0,),)},
        {"widths_km": ((9.0,), (-1.0,))},
        {"frequencies": ()},
        {"frequencies": ((((0.5,) * SHARES,) * (SHARES - 1),),) * 2},
        {"frequencies": ((((1.5,) * SHARES,) * SHARES,),) * 2},
        {"frequencies": (((tuple(np.linspace(1, 0, SHARES)),) * SHARES,),) * 2},
    ],
)
def test_tables_that_cannot_be_are_refused(change):
    sound = {
        "thresholds_dbz": (20.0, 30.0),
        "lead_minutes": (10.0,),
        "widths_km": ((9.0,), (5.0,)),
        "frequencies": ((((0.5,) * SHARES,) * SHARES,),) * 2,
    }
    DressingTable(**sound)
    with pytest.raises(SettingsError, match="make it with 'nowcast calibrate'"):
        DressingTable(**{**sound, **change})
