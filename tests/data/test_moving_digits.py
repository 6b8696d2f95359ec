import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nowcast.core.errors import FileError, SettingsError
from nowcast.data.clips import VideoDataset
from nowcast.data.digit_images import draw_digits, load_digits, read_idx
from nowcast.data.moving_digits import DigitSettings, MovingDigits, make_sequence, reflect
from nowcast.data.windows import ClipWindow
from tests.fakes.videos import write_idx
from tests.shared_data import digits as real_digits

SPOT = np.zeros((1, 28, 28), np.uint8)
SPOT[0, 10:18, 10:18] = 200
VARIED = {"turn_degrees": 15.0, "scale_range": (0.7, 1.4)}


def test_reflection_by_hand():
    way = np.array([-3.0, 0.0, 4.0, 10.0, 13.0, 20.0, 22.0])
    assert reflect(way, 10.0).tolist() == [3.0, 0.0, 4.0, 10.0, 7.0, 0.0, 2.0]


def centres(frames):
    """Centre of mass (row, column) of each frame."""
    rows, columns = np.indices(frames.shape[1:])
    mass = frames.astype(float).sum(axis=(1, 2))
    return np.stack([(frames * rows).sum(axis=(1, 2)) / mass, (frames * columns).sum(axis=(1, 2)) / mass], 1)


def test_a_single_digit_moves_straight_at_its_speed_between_walls():
    settings = DigitSettings(length=40, size=200, digits=1, speed=(3.0, 3.0), seed=5)
    steps = np.diff(centres(make_sequence(settings, SPOT, 0)), axis=0)
    lengths = np.abs(steps)
    bounced = np.abs(np.diff(np.sign(steps[np.all(lengths > 0, axis=1)]), axis=0)).sum() / 2
    assert bounced <= 2  # 120 pixels along a way of 172: at most once a wall
    assert np.ptp(np.median(lengths, axis=0) - lengths, axis=0).max() <= 3.0
    assert np.hypot(*lengths.mean(axis=0)) == pytest.approx(3.0, abs=0.25)


def test_no_digit_leaves_the_frame_and_it_keeps_its_brightness():
    for number in range(20):
        frames = make_sequence(DigitSettings(digits=1), SPOT, number)
        assert (frames.astype(int).sum(axis=(1, 2)) == 64 * 200).all()


def test_overlaps_take_the_brighter_and_never_add():
    frames = np.concatenate([make_sequence(DigitSettings(digits=4), SPOT, n) for n in range(10)])
    assert set(np.unique(frames)) == {0, 200}


def test_varied_digits_without_variation_in_place_are_the_plain_ones():
    still = DigitSettings(digits=1, speed=(0.0, 0.0), scale_range=(1.0, 1.0), turn_degrees=1e-9)
    frames = make_sequence(still, SPOT, 3).astype(float)
    assert frames.sum(axis=(1, 2)) == pytest.approx(64 * 200, rel=0.02)
    assert centres(frames)[0] == pytest.approx(centres(frames)[-1], abs=1e-6)


def test_scale_swings_between_its_bounds():
    settings = DigitSettings(digits=1, length=60, size=96, scale_range=(0.5, 1.5), scale_period=(12.0, 12.0))
    area = make_sequence(settings, SPOT, 1).astype(float).sum(axis=(1, 2)) / (64 * 200)
    side = np.sqrt(area)
    assert side.min() == pytest.approx(0.5, abs=0.06)
    assert side.max() == pytest.approx(1.5, abs=0.06)
    np.testing.assert_allclose(side[:12], side[12:24], atol=0.08)


def test_a_digit_turns_at_an_even_rate():
    bar = np.zeros((1, 28, 28), np.uint8)
    bar[0, 12:16, 4:24] = 255
    settings = DigitSettings(digits=1, length=12, size=96, speed=(0.0, 0.0), turn_degrees=10.0, seed=2)
    angles = []
    for frame in make_sequence(settings, bar, 0).astype(float):
        rows, columns = np.indices(frame.shape)
        middle_row, middle_column = centres(frame[None])[0]
        down, right = rows - middle_row, columns - middle_column
        angles.append(0.5 * np.arctan2(2 * (frame * down * right).sum(), (frame * (right**2 - down**2)).sum()))
    rates = np.diff(np.unwrap(np.array(angles), period=np.pi))
    assert np.ptp(rates) < np.radians(0.5)
    assert 0 < abs(np.degrees(rates.mean())) <= 10.0


@pytest.mark.parametrize("kind", [{}, VARIED])
def test_the_same_settings_give_the_same_frames_in_any_order(kind):
    one, other = (MovingDigits(DigitSettings(count=5, **kind)) for _ in range(2))
    ahead = [one.sequence(n).copy() for n in range(5)]
    back = [other.sequence(n).copy() for n in reversed(range(5))][::-1]
    np.testing.assert_array_equal(ahead, back)
    assert len({a.tobytes() for a in ahead}) == 5
    assert not np.array_equal(MovingDigits(DigitSettings(seed=1, **kind)).sequence(0), ahead[0])


def test_windows_fall_within_sequences():
    source = MovingDigits(DigitSettings(count=4, length=6))
    data = VideoDataset([source], ClipWindow(2, 3), train=False)
    assert data.windows == 4 * 2
    clip = data[3]  # second window of the second sequence
    np.testing.assert_allclose(clip.future[:, 0] * 255, source.sequence(1)[3:6], atol=1e-4)
    assert clip.observed.all()
    whole = source.read(4, 4, slice(None), slice(None))
    np.testing.assert_allclose(whole[:, 0] * 255, [*source.sequence(0)[4:], *source.sequence(1)[:2]], atol=1e-4)
    with pytest.raises(IndexError):
        source.read(23, 2, slice(None), slice(None))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(29, 70), st.integers(1, 3))
def test_any_size_and_count_works(number, size, count):
    chosen = DigitSettings(size=size, digits=count, length=4, **VARIED)
    frames = make_sequence(chosen, draw_digits(), number)
    assert frames.shape == (4, size, size)
    assert frames.max() > 100


def test_drawn_digits_differ_and_fill_their_picture():
    digits = draw_digits()
    assert digits.shape == (50, 28, 28)
    assert len({digit.tobytes() for digit in digits}) == 50
    assert (digits.max(axis=(1, 2)) == 255).all()
    assert 0.05 < (digits > 0).mean() < 0.5


def test_idx_files_are_read_and_damaged_ones_named(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (3, 28, 28)).astype(np.uint8)
    write_idx(tmp_path, pictures)
    np.testing.assert_array_equal(load_digits(tmp_path, "train"), pictures)
    with pytest.raises(FileError, match="t10k-images-idx3-ubyte"):
        load_digits(tmp_path, "test")
    path = write_idx(tmp_path, pictures, "t10k-images-idx3-ubyte") / "t10k-images-idx3-ubyte"
    for content, message in (
        (path.read_bytes()[:-1], "expected 2368"),
        (b"", "got 0 bytes"),
        (b"<html>" * 9, "magic"),
    ):
        path.write_bytes(content)
        with pytest.raises(FileError, match=message):
            read_idx(path)
    packed = tmp_path / "train-images-idx3-ubyte.gz"
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(FileError, match="cannot be read"):
        read_idx(packed)


def test_real_mnist():
    digits = load_digits(real_digits(), "test")
    assert digits.shape == (10_000, 28, 28)
    assert int(digits[0].sum()) == 18454  # the first test image, a seven


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 28},
        {"count": 0},
        {"length": 0},
        {"digits": 0},
        {"seed": -1},
        {"speed": (3.0, 1.0)},
        {"scale_range": (0.0, 1.0)},
        {"scale_range": (1.0, 3.0)},
    ],
)
def test_impossible_settings_are_refused_by_name(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        DigitSettings(**wrong)
