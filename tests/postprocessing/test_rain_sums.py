"""Rain sums by hand: constant rain, ramps, a moving bar, what is not known, and what is refused."""

import numpy as np
import pytest

from nowcast.core.errors import NowcastError, SettingsError
from nowcast.core.field import make_field
from nowcast.core.rain import z_r
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.postprocessing.accumulation import Accumulation, pieces
from nowcast.postprocessing.rain_rate import rate_mm_h
from nowcast.postprocessing.rain_sums import RainSum
from tests.fakes.ensembles import constant, ensemble, observed
from tests.fakes.fields import projected_grid, times

SIX = float(z_r("marshall_palmer").to_dbz(6.0))


@pytest.mark.parametrize("step", [5, 10])
def test_six_mm_an_hour_for_an_hour_are_six_mm(step):
    made = ensemble(constant([SIX, SIX], 60 // step), step)
    found = RainSum().apply(made, observed(made.reflectivity.values[0], step_minutes=step))
    np.testing.assert_allclose(
        found.rain_sum_mean.values,
        np.broadcast_to(np.array([1.5, 3.0, 6.0])[:, None, None], (3, 5, 7)),
        rtol=1e-5,
    )
    assert found.accumulation_period.values.tolist() == [15, 30, 60]
    assert found.rain_sum_exceedance_probability.sel(rain_sum_threshold=5).values[:, 2, 2].tolist() == [0, 0, 1]
    assert found.rain_sum_mean.attrs["z_r_relation"].startswith("marshall_palmer")
    assert "rain_sum_mean" not in made


def test_statistics_over_members_that_differ():
    rates = np.array([0.0, 2.0, 4.0, 6.0, 12.0])
    dbz = z_r("marshall_palmer").to_dbz(rates)
    made = ensemble(constant(dbz, 6))
    start = observed(np.full((5, 7), NO_ECHO_DBZ, np.float32))
    found = RainSum(periods_minutes=(60,), quantiles=(0.25, 0.5, 0.9)).apply(made, start)
    share = 1 - 10 / 60 / 2  # the first ten minutes rise from dry
    np.testing.assert_allclose(found.rain_sum_mean.values[0, 0, 0], rates.mean() * share, rtol=1e-5)
    np.testing.assert_allclose(
        found.rain_sum_quantile.values[0, :, 0, 0], np.quantile(rates, [0.25, 0.5, 0.9]) * share, rtol=1e-5
    )
    np.testing.assert_allclose(found.rain_sum_exceedance_probability.values[0, :, 0, 0], [0.8, 0.4, 0.2, 0])


def test_between_frames_the_rate_is_linear_and_periods_may_end_between_them():
    minutes, rates = (0.0, 10.0, 20.0), (0.0, 6.0, 12.0)  # 0.6 mm/h a minute
    made = Accumulation(minutes, (5.0, 15.0, 20.0), None, 2.0)
    found = made.sums(lambda k: np.full((1, 2, 2), rates[k], np.float32), np.ones((2, 2), bool))
    np.testing.assert_allclose(found[:, 0, 0, 0], [0.3 * t**2 / 60 for t in (5, 15, 20)], rtol=1e-6)
    assert pieces(minutes, 5, 15) == [(10, 0.5, 1.0, (0,)), (10, 0.0, 0.5, (1,))]
    assert pieces((0, 10, 20, 30, 45), 0, 45) == [(10, 0, 1, (0, 1, 2)), (15, 0, 1, (3,))]


def bar(column, width=3, shape=(6, 80)):
    field = np.zeros(shape, np.float32)
    field[:, column : column + width] = 12.0
    return field[None]


def test_a_bar_that_moves_further_than_it_is_wide_leaves_a_swath():
    """12 mm/h, 3 cells wide, 10 cells in 10 minutes: every cell on its way has 3 minutes of it, 0.6 mm."""
    motion = np.zeros((2, 6, 80), np.float32)
    motion[1] = 1.0
    rates = [bar(10 + 10 * k) for k in range(7)]
    minutes = [10.0 * k for k in range(7)]
    known = np.ones((6, 80), bool)
    along = Accumulation(minutes, (60.0,), motion, 1.0).sums(rates.__getitem__, known)[0, 0]
    np.testing.assert_allclose(along[:, 15:65], 0.6, rtol=0.02)
    in_place = Accumulation(minutes, (60.0,), None, 1.0).sums(rates.__getitem__, known)[0, 0]
    assert in_place[0, 21] == pytest.approx(2.0)  # one frame of seven, 10 minutes
    assert in_place[0, 26] == 0.0
    np.testing.assert_allclose(along[0].sum(), in_place[0].sum(), rtol=0.01)


def test_the_motion_of_the_observed_frames_is_what_sums_follow():
    shape = (48, 144)
    grid = projected_grid(*shape)

    def shower(column):
        i, j = np.mgrid[: shape[0], : shape[1]]
        dbz = 45 - 0.7 * ((i - 24) ** 2 + (j - column) ** 2)
        return np.where(dbz > 10, dbz, NO_ECHO_DBZ).astype(np.float32)

    past = make_field(np.stack([shower(8 + 12 * k) for k in range(3)]), times(3, 10, "2025-03-22T11:00"), grid)
    made = ensemble(np.stack([[shower(44 + 12 * k) for k in range(6)]] * 2))
    along, in_place = (
        RainSum(periods_minutes=(60,), substep_minutes=s).apply(made, past).rain_sum_mean.values[0, 24]
        for s in (1.0, 0.0)
    )
    swath, spots = along[44:104], in_place[44:104]
    assert swath.std() / swath.mean() < 0.3 < 0.6 < spots.std() / spots.mean()
    assert swath.mean() == pytest.approx(spots.mean(), rel=0.05)


def test_what_is_not_known_is_not_made_up_nor_carried_along():
    known = np.ones((6, 80), bool)
    known[:, 40:] = False
    motion = np.zeros((2, 6, 80), np.float32)
    motion[1] = -1.0  # out of what is not known
    rates = [np.where(known, 6.0, 900.0).astype(np.float32)[None] for _ in range(3)]
    found = Accumulation((0.0, 10.0, 20.0), (20.0,), motion, 2.5).sums(rates.__getitem__, known)[0, 0]
    assert np.isnan(found[:, 40:]).all()
    np.testing.assert_allclose(found[:, :40], 2.0, rtol=1e-5)


def test_nan_of_any_member_or_of_the_observed_frame():
    members = constant([SIX, SIX], 6)
    members[1, 1, 0, 0] = np.nan
    members[0, 5, 1, 1] = np.nan
    frame = np.full((5, 7), SIX, np.float32)
    frame[2, 2] = np.nan
    found = RainSum().apply(ensemble(members), observed(frame))
    nothing = np.zeros((5, 7), bool)
    nothing[[0, 1, 2], [0, 1, 2]] = True
    for name in ("rain_sum_mean", "rain_sum_quantile", "rain_sum_exceedance_probability"):
        np.testing.assert_array_equal(
            np.isnan(found[name].values).all(axis=tuple(range(found[name].ndim - 2))), nothing
        )
    np.testing.assert_allclose(found.rain_sum_mean.values[2][~nothing], 6.0, rtol=1e-5)


def test_dry_is_exactly_zero_and_hail_is_bounded():
    made = ensemble(constant([NO_ECHO_DBZ, 70.0], 6))
    start = observed(np.full((5, 7), NO_ECHO_DBZ, np.float32))
    found = RainSum(quantiles=(0.0, 1.0)).apply(made, start)
    assert (found.rain_sum_quantile.sel(quantile=0) == 0).all()
    np.testing.assert_allclose(found.rain_sum_quantile.sel(quantile=1).values[2], 150 * 55 / 60, rtol=1e-5)


def test_one_field_has_a_mean_alone_and_says_so():
    made = ensemble(constant([SIX], 6)).drop_dims("member")
    found = RainSum().apply(made, observed(made.reflectivity.values[0]))
    np.testing.assert_allclose(found.rain_sum_mean.values[2], 6.0, rtol=1e-5)
    assert "no members" in found.rain_sum_mean.attrs["comment"]
    assert set(found.data_vars) == {"reflectivity", "rain_sum_mean"}


def test_the_rate_is_that_of_the_relation():
    dbz = np.array([NO_ECHO_DBZ, -10, 5, 23, 40, 60, np.nan], np.float32)
    for name in ("marshall_palmer", "wsr88d"):
        np.testing.assert_allclose(rate_mm_h(dbz, z_r(name)), z_r(name).to_rate(dbz), rtol=1e-5)


def test_what_is_refused():
    made = ensemble(constant([SIX, SIX], 6))
    start = observed(made.reflectivity.values[0])
    with pytest.raises(SettingsError, match=r"90 min, expected none beyond the last lead time, 60 min"):
        RainSum(periods_minutes=(30, 90)).apply(made, start)
    none = ensemble(constant([SIX, SIX], 6), relation=None)
    with pytest.raises(SettingsError, match=r"without a Z-R relation.*--z-r NAME: marshall_palmer"):
        RainSum().apply(none, start)
    np.testing.assert_allclose(
        RainSum(z_r="wsr88d").apply(none, start).rain_sum_mean.values[2, 0, 0],
        z_r("wsr88d").to_rate(SIX),
        rtol=1e-5,
    )
    with pytest.raises(SettingsError, match=r"got wsr88d, expected that of the archive \(marshall_palmer"):
        RainSum(z_r="wsr88d").apply(made, start)
    known = np.zeros((1, 6, 5, 7), np.float32)
    probable = ensemble(constant([SIX], 6), thresholds=(20.0,), probabilities=known)
    with pytest.raises(NowcastError, match="probabilities without members, expected members; give --members N"):
        RainSum().apply(probable.drop_vars(["reflectivity_members", "member"]), start)
    for wrong in (
        {"periods_minutes": ()},
        {"thresholds_mm": (5, 1)},
        {"quantiles": (1.5,)},
        {"substep_minutes": -1},
        {"highest_mm_h": 0},
    ):
        with pytest.raises(SettingsError, match="rain_sum"):
            RainSum(**wrong)
