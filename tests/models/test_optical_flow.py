"""The optical flow of a batch, and places along it."""

import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.models.lagrangian.flow_settings import FlowSettings
from nowcast.models.lagrangian.lucas_kanade import lucas_kanade
from nowcast.models.lagrangian.semilagrangian import home, inside, sample, trajectories


def disc(velocity, size=(96, 96), frames=5, centre=(48.0, 48.0)):
    """A round echo of 50 dBZ at its middle that reaches ``centre`` in the newest frame."""
    rows, columns = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    made = []
    for age in reversed(range(frames)):
        middle = [c - age * v for c, v in zip(centre, velocity, strict=True)]
        far = (rows - middle[0]) ** 2 + (columns - middle[1]) ** 2
        made.append((50 - far / 10).clamp(min=5.0))
    return torch.stack(made)


def test_each_sequence_of_a_batch_has_the_motion_it_has_alone():
    past = torch.stack([disc((1.0, 2.0)), disc((-3.0, 0.5))])
    seen = torch.ones_like(past, dtype=torch.bool)
    both = lucas_kanade(past, seen, FlowSettings())
    for i, velocity in enumerate([(1.0, 2.0), (-3.0, 0.5)]):
        alone = lucas_kanade(past[i : i + 1], seen[:1], FlowSettings())
        torch.testing.assert_close(both[i : i + 1], alone, rtol=0, atol=1e-5)
        torch.testing.assert_close(both[i, :, 48, 48], torch.tensor(velocity), rtol=0, atol=0.15)


def test_the_newest_pair_of_frames_weighs_most():
    """Four frames a cell apart, the newest three cells on: weighed alike, the pairs would give 1.5 cells."""
    newest = disc((0.0, 0.0), frames=1, centre=(48.0, 50.0))
    past = torch.cat([disc((0.0, 1.0))[:-1], newest])[None]
    seen = torch.ones_like(past, dtype=torch.bool)
    found = lucas_kanade(past, seen, FlowSettings())[0, :, 48, 48]
    assert found[0] == pytest.approx(0.0, abs=0.05)
    assert 1.7 < found[1] < 2.1  # by the weights 1, 2 2/3, 4 1/3 and 6 of 14: 1.86
    assert 1.4 < lucas_kanade(past, seen, FlowSettings(newest_weight=1.0))[0, 1, 48, 48] < 1.6


def test_an_edge_of_the_coverage_across_the_motion_is_no_echo_that_stands_still():
    """Behind column 46 nothing is observed: taken for dry, it would slow 3 cells a frame down to 1."""
    past = disc((0.0, 3.0))[None]
    past[..., 46:] = 5.0
    seen = torch.ones_like(past, dtype=torch.bool)
    seen[..., 46:] = False
    found = lucas_kanade(past, seen, FlowSettings())[0, :, 48, 36:45]
    assert found[0].abs().max() < 0.05
    assert found[1].min() > 2.7
    assert lucas_kanade(past, seen | True, FlowSettings())[0, 1, 48, 36:45].max() < 1.5


def test_half_precision_around_it_changes_nothing():
    past = disc((1.0, 2.0))[None]
    seen = torch.ones_like(past, dtype=torch.bool)
    plain = lucas_kanade(past, seen, FlowSettings())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(lucas_kanade(past, seen, FlowSettings()), plain)


def test_places_of_a_steady_flow_by_hand():
    motion = torch.zeros(1, 2, 4, 6)
    motion[:, 1] = 1.5
    one, two = trajectories(motion, 2)
    assert torch.equal(one[0, 1] - home(4, 6)[0, 1], torch.full((4, 6), -1.5))
    assert torch.equal(two[0, 0], home(4, 6)[0, 0])
    assert inside(two)[0, 0, 0].tolist() == [False, False, False, True, True, True]


@pytest.mark.parametrize(
    ("velocity", "on"),
    [
        ((1.4, 0.0), (slice(1, None), slice(None))),
        ((-1.4, 0.0), (slice(None, 3), slice(None))),
        ((0.0, 1.6), (slice(None), slice(2, None))),
        ((0.0, -1.6), (slice(None), slice(None, 5))),
        ((-2.4, 1.6), (slice(None, 2), slice(2, None))),
    ],
)
def test_what_comes_from_beyond_an_oblong_map_is_outside(velocity, on):
    """Half a cell around the middles of the outer cells still belongs to the map, of 4 rows and 7 columns."""
    motion = torch.tensor(velocity).view(1, 2, 1, 1).expand(1, 2, 4, 7)
    (places,) = trajectories(motion, 1)
    expected = torch.zeros(4, 7, dtype=torch.bool)
    expected[on] = True
    assert torch.equal(inside(places)[0, 0], expected)


def test_a_turn_follows_its_circle():
    """A quarter turn in 30 frames about the middle of the map; straight strides would miss by cells."""
    rows, columns = home(65, 65)[0] - 32.0
    rate = torch.pi / 2 / 30
    motion = torch.stack([columns * rate, -rows * rate])[None]
    *_, places = trajectories(motion, 30)
    assert places[0, :, 32, 52].tolist() == pytest.approx([12.0, 32.0], abs=0.1)


def test_values_are_read_between_pixels_and_nothing_lies_beyond_the_edge():
    maps = torch.tensor([[0.0, 1.0], [2.0, 3.0]])[None, None]
    places = torch.tensor([[0.5, 1.0, 0.0], [0.5, 1.5, -3.0]])[None, :, None]
    assert sample(maps, places).flatten().tolist() == pytest.approx([1.5, 1.5, 0.0])
    assert sample(maps, places, padding="border").flatten().tolist() == pytest.approx([1.5, 3.0, 0.0])
    assert sample(maps, places, mode="nearest", padding="border")[0, 0, 0, 1] == 3.0


@pytest.mark.parametrize(
    "absurd", [{"iterations": 10**8}, {"window": 1e9}, {"blur": 1e6}, {"wide_factor": 1e9}]
)
def test_a_flow_that_would_not_end_is_refused(absurd):
    with pytest.raises(SettingsError, match=r"up to 100 iterations and windows of 1000 cells"):
        FlowSettings(**absurd)
