import numpy as np
import pytest
from PIL import Image

from nowcast.core.errors import SettingsError
from nowcast.data.frame_transform import FrameTransform, resized


def random_frames(size, count=2, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *size)).astype(np.uint8)


def test_frames_of_the_wanted_size_are_left_as_they_are():
    frames = random_frames((6, 8))
    np.testing.assert_array_equal(FrameTransform(size=(6, 8)).apply(frames)[:, 0], frames)
    np.testing.assert_array_equal(FrameTransform().apply(frames)[:, 0], frames)


def test_bilinear_by_hand():
    # new pixel 0 has its middle at (0.5 * 3 - 0.5) = 1 of the old ones, new pixel 1 at 4
    line = np.array([[[0, 10, 20, 30, 40, 50]]], np.uint8)
    assert resized(line, (1, 2), antialiased=False)[0, 0].tolist() == [10, 40]
    # from 2 to 4: middles at -0.25 (the edge goes on), 0.25, 0.75, 1.25
    pair = np.array([[[0, 100]]], np.uint8)
    assert resized(pair, (1, 4), antialiased=False)[0, 0].tolist() == [0, 25, 75, 100]


def test_antialiased_by_hand():
    # 4 to 2: triangles of width 2 around 0.5 and 2.5; weights of pixels 0 ... 2: 0.75, 0.75, 0.25
    line = np.array([[[0, 70, 140, 210]]], np.uint8)
    assert resized(line, (1, 2), antialiased=True)[0, 0].tolist() == [50, 160]


@pytest.mark.parametrize("size", [(128, 128), (30, 50), (64, 200)])
def test_antialiased_is_what_pillow_calls_bilinear(size):
    [frame] = random_frames((120, 160), 1)
    other = Image.fromarray(frame).resize(size[::-1], Image.Resampling.BILINEAR)
    made = resized(frame[None], size, antialiased=True)[0]
    np.testing.assert_allclose(made.astype(int), np.asarray(other, dtype=int), atol=1)


def test_the_middle_is_cut_as_the_published_loader_cuts_it():
    frames = random_frames((1002, 1000), 1)
    np.testing.assert_array_equal(FrameTransform(middle=0.5).apply(frames)[0, 0], frames[0, 250:-250, 250:-250])
    cut_first = FrameTransform(middle=0.5, size=(128, 128), resize="bilinear").apply(frames)
    np.testing.assert_array_equal(cut_first, resized(frames[:, None, 250:752, 250:750], (128, 128), False))


def test_colour_becomes_channels_in_front():
    frames = random_frames((5, 7, 3))
    np.testing.assert_array_equal(FrameTransform("rgb").apply(frames), frames.transpose(0, 3, 1, 2))
    small = FrameTransform("rgb", size=(3, 4)).apply(frames)
    np.testing.assert_array_equal(small[:, 1], FrameTransform("gray", size=(3, 4)).apply(frames[..., 1])[:, 0])


def test_any_other_look_has_another_folder():
    looks = [
        FrameTransform(),
        FrameTransform("rgb"),
        FrameTransform(size=(4, 4)),
        FrameTransform(size=(4, 5)),
        FrameTransform(middle=0.5),
        FrameTransform(step=2),
        FrameTransform(size=(4, 4), resize="bilinear"),
    ]
    assert len({look.key for look in looks}) == len(looks)


@pytest.mark.parametrize("wrong", [{"size": (0, 4)}, {"middle": 0.0}, {"middle": 1.5}, {"step": 0}])
def test_values_that_cannot_be_are_refused(wrong):
    with pytest.raises(SettingsError, match=r"video\."):
        FrameTransform(**wrong)
