import numpy as np
import pytest

from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.forecasters import advection
from nowcast.forecasters.advection import advect

DRY = np.float32(NO_ECHO_DBZ)


def steady(shape, rows, columns):
    return np.stack([np.full(shape, rows), np.full(shape, columns)]).astype(np.float32)


def frame():
    dbz = np.full((12, 15), DRY, np.float32)
    dbz[4, 5] = 40.0
    dbz[4, 6] = 30.0
    return dbz


def test_whole_cells_move_values_unchanged_and_outside_is_not_observed():
    moved = advect(frame(), steady((12, 15), 1, 2), [1, 3], 5.0)
    assert moved[0, 5, 7] == 40.0
    assert moved[0, 5, 8] == 30.0
    assert moved[1, 7, 11] == 40.0
    assert np.isnan(moved[0, 0]).all()
    assert np.isnan(moved[0, :, :2]).all()
    assert (moved[0, 1:, 2:] == DRY).sum() == 11 * 13 - 2


def test_half_a_cell_by_hand():
    """Between 40 and 30 lies 35; beside the edge the floor of 5 enters with half the weight."""
    moved = advect(frame(), steady((12, 15), 0, 0.5), [1], 5.0)[0]
    assert moved[4, 6] == pytest.approx(35.0)
    assert moved[4, 5] == pytest.approx(0.5 * (5 + 40))
    assert moved[4, 7] == pytest.approx(0.5 * (30 + 5))
    assert moved[4, 8] == DRY


def test_less_than_half_an_echo_is_no_echo_and_never_a_value_between():
    moved = advect(frame(), steady((12, 15), 0, 0.25), [1], 5.0)[0]
    assert moved[4, 7] == DRY
    echoes = moved[~np.isnan(moved) & (moved > DRY)]
    assert echoes.min() >= 5.0


def test_unobserved_pixels_travel_and_never_mix_with_values():
    dbz = np.full((12, 15), 20.0, np.float32)
    dbz[:, :4] = np.nan
    moved = advect(dbz, steady((12, 15), 0, 0.4), [1, 5], 5.0)
    np.testing.assert_array_equal(np.isnan(moved[0, 0]), [True] * 4 + [False] * 11)
    np.testing.assert_array_equal(np.isnan(moved[1, 0]), [True] * 6 + [False] * 9)
    assert np.allclose(moved[~np.isnan(moved)], 20.0)


def test_echo_and_no_echo_are_weighed_among_what_was_observed():
    """0.7 of the weight was observed, 0.4 of it echo of 40: more than half, (0.4 * 40 + 0.3 * 5) / 0.7."""
    dbz = np.full((12, 15), DRY, np.float32)
    dbz[4:6, 6] = 40.0
    dbz[4, 7] = np.nan
    moved = advect(dbz, steady((12, 15), 0.5, 0.4), [1], 5.0)[0]
    assert moved[5, 7] == pytest.approx(25.0)


def test_parts_of_a_step_add_up():
    motion = steady((12, 15), 0.75, 1.5)
    together = advect(frame(), motion, [4], 5.0)[0]
    np.testing.assert_allclose(advect(frame(), motion, [0.5, 1.7, 4], 5.0)[2], together, atol=1e-4)


def test_rotation_is_followed_along_its_circles():
    """A quarter of a turn in 20 strides brings the cell from east of the middle to south of it."""
    side = 41
    i, j = np.mgrid[:side, :side].astype(np.float32) - 20
    motion = np.stack([j, -i]) * np.float32(np.pi / 2 / 20)
    dbz = np.full((side, side), DRY, np.float32)
    dbz[18:23, 28:33] = 40.0
    turned = advect(dbz, motion.astype(np.float32), [20], 5.0)[0]
    wet = np.argwhere(turned > 20.0)
    np.testing.assert_allclose(wet.mean(0), [30, 20], atol=0.2)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_strips_and_threads_change_nothing(monkeypatch, threads):
    rng = np.random.default_rng(4)
    shape = (23, 17)
    dbz = np.where(rng.random(shape) > 0.4, rng.uniform(10, 50, shape), DRY).astype(np.float32)
    dbz[rng.random(shape) > 0.9] = np.nan
    motion = rng.normal(0, 1.5, (2, *shape)).astype(np.float32)
    whole = advect(dbz, motion, [0.5, 2, 3], 5.0)
    monkeypatch.setattr(advection, "_STRIP_CELLS", 3 * shape[1])
    monkeypatch.setattr("torch.get_num_threads", lambda: threads)
    assert len(list(advection._strips(*shape, threads))) == -(-23 // (3 * threads))
    np.testing.assert_array_equal(advect(dbz, motion, [0.5, 2, 3], 5.0), whole)
