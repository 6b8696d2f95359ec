"""The analysis of the memory, against addressing vectors that are written down."""

import json
import math

import numpy as np
import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.models.base import FrameSpec
from nowcast.models.lmc.analysis import NamedClip, analyse_memory, plain_analysis, standing_out
from nowcast.models.lmc.network import LmcMemory, LmcSettings


class Told(LmcMemory):
    """Addresses two places of three slots with the weights that the frames' first pixels hold."""

    def __init__(self):
        super().__init__(LmcSettings(hidden=8, slot_width=8, slots=3, layers=1), FrameSpec())

    def address(self, frames, long=False):
        del long
        return torch.stack([frames[:, 0, 0, :3, 0], frames[:, 0, 0, :3, 16]], dim=2)[:, :, None]


def shown(left, right, label, short=(None, None), rise=0.0):
    """A clip whose long and short frames hold weights for the left and the right place."""
    clips = []
    for weights in ((left, right), (short[0] or left, short[1] or right)):
        frames = np.zeros((2, 1, 16, 32), np.float32)
        frames[:, 0, :3, 0], frames[:, 0, :3, 16] = weights
        frames[1, 0, :, 16:] += rise
        clips.append(frames)
    return NamedClip(clips[1], clips[0], label)


A, B, C = (0.5, 0.3, 0.2), (0.2, 0.5, 0.3), (0.3, 0.2, 0.5)


def test_similarity_by_hand():
    found = analyse_memory(Told(), [shown(A, A, "rain"), shown(A, A, "rain"), shown(B, B, "snow")])
    cosine = (0.5 * 0.2 + 0.3 * 0.5 + 0.2 * 0.3) / 0.38
    assert found.alignment == pytest.approx((4 / 3, 1 / 3))  # beside others A gains 1 - 0, B 1 - -1
    assert found.similarity.same_clip == pytest.approx(1.0)
    assert found.similarity.same_class == pytest.approx(1.0)
    assert found.similarity.other_class == pytest.approx(cosine)
    # Two A and one B: centred they point opposite ways, whatever their length.
    assert found.similarity_centred.same_class == pytest.approx(1.0)
    assert found.similarity_centred.other_class == pytest.approx(-1.0)
    assert found.classes == ("rain", "snow")
    np.testing.assert_allclose(found.between_classes, [[1, -1], [-1, 1]], atol=1e-9)


def test_what_is_the_same_in_all_clips_says_nothing_about_agreement():
    """The left place never changes; at the right one, long and short agree in one clip of three."""
    clips = [shown(C, A, "a"), shown(C, B, "b", short=(C, C)), shown(C, C, "c", short=(C, B))]
    found = analyse_memory(Told(), clips)
    centred = [np.array(v) - 1 / 3 for v in (A, B, C)]
    turn = centred[1] @ centred[2] / (np.linalg.norm(centred[1]) * np.linalg.norm(centred[2]))
    assert found.similarity_centred.same_clip == pytest.approx((1 + 2 * turn) / 3)


def test_long_and_short_that_disagree_are_not_alike():
    found = analyse_memory(Told(), [shown(A, A, "a", short=(B, B)), shown(B, B, "b", short=(A, A))])
    assert found.similarity_centred.same_clip == pytest.approx(-1.0)
    assert found.similarity_centred.other_class == pytest.approx(1.0)
    assert math.isnan(found.similarity.same_class)
    assert found.alignment == pytest.approx((-2.0, 0.0))


def test_usage_slots_in_use_and_maps_by_hand():
    found = analyse_memory(Told(), [shown(A, B, "a"), shown(A, C, "b")])
    np.testing.assert_allclose(found.usage_short, (2 * np.array(A) + B + C) / 4, atol=1e-7)
    np.testing.assert_allclose(found.usage_long, found.usage_short)
    entropy = -sum(w * math.log(w) for w in A)  # all three hold the same weights in another order
    assert found.slots_in_use == pytest.approx(math.exp(entropy), rel=1e-6)
    assert found.maps.tolist() == [[[0, 1]], [[0, 2]]]
    np.testing.assert_allclose(found.strongest, [0.5, 0.25, 0.25])
    assert (found.clips, found.places) == (2, 4)


def test_what_slots_see_by_hand():
    found = analyse_memory(Told(), [shown(A, B, "a", rise=0.4), shown(A, B, "b", rise=0.2)])
    held = (0.2 + 0.5 + 0.3) / 256  # the weights themselves lie in the frame
    assert found.slot_value[1] == pytest.approx(0.3 + held, abs=1e-6)
    assert found.slot_change[1] == pytest.approx(0.3, abs=1e-6)
    assert found.slot_change[0] == pytest.approx(0.0, abs=1e-6)
    assert found.slot_activity[1] == pytest.approx(0.3, abs=1e-6)
    assert np.isnan(found.slot_value[2])


def test_the_slot_that_stands_out_is_not_the_one_that_is_always_largest():
    weights = np.array([[0.6, 0.3, 0.1], [0.6, 0.1, 0.3]])[:, :, None, None]
    assert standing_out(weights).ravel().tolist() == [1, 2]


def test_numbers_are_plain_and_say_none_where_undefined():
    found = plain_analysis(analyse_memory(Told(), [shown(A, B, "a"), shown(A, B, "b")]))
    again = json.loads(json.dumps(found, allow_nan=False))
    assert again["slot_value"][2] is None
    assert again["similarity"]["same_class"] is None
    assert again["clips"] == 2


def test_a_real_network_gives_weights_that_sum_to_one():
    torch.manual_seed(0)
    network = LmcMemory(LmcSettings(hidden=8, slot_width=16, slots=5, layers=1), FrameSpec()).eval()
    random = np.random.default_rng(0)
    clips = [NamedClip(*(random.random((n, 1, 32, 48), np.float32) for n in (3, 6)), str(i)) for i in range(3)]
    found = analyse_memory(network, clips)
    assert found.usage_long.sum() == pytest.approx(1, abs=1e-6)
    assert found.maps.shape == (3, 2, 3)
    assert 1 <= found.slots_in_use <= 5


def test_one_clip_is_too_few():
    with pytest.raises(SettingsError, match="two or more"):
        analyse_memory(Told(), [shown(A, B, "a")])
