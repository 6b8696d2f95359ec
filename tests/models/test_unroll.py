"""The loop over time by hand: a network that adds its counter to what it is fed."""

from functools import partial

import torch

from nowcast.models.base import ScheduledTargets
from nowcast.models.patches import from_patches, to_patches
from nowcast.models.unroll import unroll


class Counter:
    """Returns frame + 10 * (steps so far); its state is the number of steps."""

    def encode(self, frames):
        return frames

    def start(self, first, past):
        self.whole = past
        return 0

    def step(self, x, state, emit):
        return (x + 10 * state if emit else None), state + 1


def frames(*values):
    return torch.tensor(values, dtype=torch.float32).view(1, -1, 1, 1, 1)


def test_the_past_is_read_and_then_the_own_output():
    # steps 0, 1 read 1 and 2; step 2 reads 2 + 10 = 12; step 3 reads 12 + 20 = 32
    assert unroll(Counter(), frames(1, 2), 3).flatten().tolist() == [12, 32, 62]


def test_warm_gives_the_predictions_of_the_past_too():
    assert unroll(Counter(), frames(1, 2), 2, warm=True).flatten().tolist() == [1, 12, 32]


def test_a_target_replaces_what_is_fed_where_it_is_used():
    targets = ScheduledTargets(frames(100, 200, 300), torch.tensor([[False, True]]))
    # step 2 reads the own 12, step 3 the truth of the second forecast step, 200
    assert unroll(Counter(), frames(1, 2), 3, targets).flatten().tolist() == [12, 32, 230]


def test_each_sample_has_its_own_targets():
    past, truth = frames(1, 2).expand(2, -1, -1, -1, -1), frames(100, 200).expand(2, -1, -1, -1, -1)
    out = unroll(Counter(), past, 2, ScheduledTargets(truth, torch.tensor([[True], [False]])))
    assert out[..., 0, 0, 0].tolist() == [[12, 120], [12, 32]]


def test_own_predictions_are_fed_in_place_of_the_past():
    past, truth = frames(1, 2, 3).expand(2, -1, -1, -1, -1), frames(100, 200).expand(2, -1, -1, -1, -1)
    never, use_past = torch.zeros(2, 1).bool(), torch.tensor([[False, False], [False, True]])
    targets = ScheduledTargets(truth, never, use_past)
    # step 1 reads the 1 that step 0 forecast, step 2 reads 1 + 10, or the 3 that was observed
    warm = unroll(Counter(), past, 2, targets, warm=True)[..., 0, 0, 0]
    assert warm.tolist() == [[1, 11, 31, 61], [1, 11, 23, 53]]
    assert torch.equal(unroll(Counter(), past, 2, targets)[..., 0, 0, 0], warm[:, 2:])
    as_observed = targets._replace(use_past=torch.ones(2, 2).bool())
    assert torch.equal(unroll(Counter(), past, 2, as_observed), unroll(Counter(), past, 2))


def test_the_past_is_read_as_observed_until_a_network_can_predict():
    class Late(Counter):
        def step(self, x, state, emit):
            output, state = super().step(x, state, emit)
            return (output if state > 1 else None), state

    targets = ScheduledTargets(frames(100, 200), torch.zeros(1, 1).bool(), torch.zeros(1, 2).bool())
    # step 1 reads the observed 2, step 2 the 2 + 10 that step 1 forecast
    assert unroll(Late(), frames(1, 2, 3), 2, targets).flatten().tolist() == [32, 62]


class Doubling:
    """Keeps twice the frame, bounded by 100, as its value."""

    def value(self, frame):
        return 2 * frame

    def add(self, value, output):
        return value.clamp(max=100) + output

    def frame(self, value):
        return value / 2


def test_increments_are_added_to_the_value_of_the_frame_that_was_read():
    """2 has the value 4; step 1 adds 2 + 10 = 12, which is read as 8; step 2 adds 8 + 20 = 28 to 16."""
    found = unroll(Counter(), frames(1, 2), 3, increments=Doubling()).flatten().tolist()
    assert found == [16, 44, 44 + 22 + 30]
    targets = ScheduledTargets(frames(60, 0, 0), torch.tensor([[True, False]]))
    found = unroll(Counter(), frames(1, 2), 2, targets, increments=Doubling()).flatten().tolist()
    assert found == [16, 100 + 60 + 20]  # the value of 60 is 120, of which 100 is kept
    targets = targets._replace(use=torch.tensor([[False]]), use_past=torch.tensor([[False]]))
    found = unroll(Counter(), frames(1, 2), 2, targets, warm=True, increments=Doubling()).flatten().tolist()
    assert found == [3, 3 + 1.5 + 10, 14.5 + 7.25 + 20]  # 1 has the value 2, and 3 is read as 1.5


def test_watch_is_shown_every_step():
    shown = []
    unroll(Counter(), frames(1, 2, 3), 2, watch=lambda t, state: shown.append((t, state)))
    assert shown == [(0, 1), (1, 2), (2, 3), (3, 4)]


def test_patches_lie_in_the_published_order_and_come_back():
    image = torch.arange(2 * 4 * 6).view(1, 2, 4, 6)
    patches = to_patches(image, 2)
    assert patches.shape == (1, 8, 2, 3)
    for y in range(4):
        for x in range(6):
            for c in range(2):
                channel = ((y % 2) * 2 + x % 2) * 2 + c
                assert patches[0, channel, y // 2, x // 2] == image[0, c, y, x]
    assert torch.equal(from_patches(patches, 2), image)


def test_outputs_are_the_same_where_no_gradients_keep_them_apart():
    past = torch.rand(2, 3, 4, 5, 6, generator=torch.manual_seed(0))
    finish = partial(from_patches, side=2)
    apart = unroll(Counter(), past, 4, finish=finish)
    with torch.no_grad():
        assert torch.equal(unroll(Counter(), past, 4, finish=finish), apart)
        assert torch.equal(unroll(Counter(), past, 4), to_patches(apart, 2))
    assert apart.shape == (2, 4, 1, 10, 12)
