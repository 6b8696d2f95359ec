"""What holds for every kind of frame source in the catalog."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

from nowcast.core.errors import SettingsError
from nowcast.core.scaling import Scaling
from nowcast.data.catalog import SOURCES, build_sources
from nowcast.data.clips import VideoDataset
from nowcast.data.digit_images import load_digits
from nowcast.data.frame_transform import FrameTransform
from nowcast.data.moving_digits import DigitSettings, make_sequence
from nowcast.data.moving_rain import RainSettings, make_rain
from nowcast.data.source import FrameSource
from nowcast.data.windows import ClipWindow
from tests.fakes.data_sets import (
    SEVIR_EVENTS,
    sevir_frames,
    weather_values,
    write_caltech,
    write_kitti,
    write_sevir,
    write_taxi_clips,
    write_weather,
)
from tests.fakes.frames import storm_codes, write_cache
from tests.fakes.small_archive import write_archive
from tests.fakes.video_files import blob, write_avi, write_human36m, write_kth, write_moving_mnist
from tests.fakes.videos import counting_pictures, write_video


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("archive"), missing=(7,))[0]


@pytest.fixture
def choice(request, tmp_path):
    kind = request.param
    settings = {
        "radar_archive": lambda: {"path": str(request.getfixturevalue("archive"))},
        "radar_cache": lambda: {"path": str(write_cache(tmp_path / "c", storm_codes(12)))},
        "video_folder": lambda: {"path": str(write_video(tmp_path / "v", counting_pictures(12, (16, 20))))},
        "moving_digits": lambda: {"count": 3, "length": 6, "size": 32},
        "moving_rain": lambda: {"count": 3, "length": 6, "size": 32, "cells": [6, 9]},
        "moving_mnist_file": lambda: {"path": str(write_moving_mnist(tmp_path / "m.npy", size=(16, 20)))},
        "video_files": lambda: {"path": str(write_avi(tmp_path / "v.avi", blob(12, (16, 20))))},
        "kth": lambda: {"path": str(write_kth(tmp_path / "kth", [1], frames=12)), "size": [16, 20]},
        "human36m": lambda: {"path": str(write_human36m(tmp_path / "h", ["S5"])), "size": [16, 20]},
        "kitti": lambda: {"path": str(write_kitti(tmp_path / "k")), "size": [16, 20]},
        "caltech": lambda: {"path": str(write_caltech(tmp_path / "c", ["set00"])), "size": [16, 20]},
        "taxibj": lambda: {"path": str(write_taxi_clips(tmp_path / "t"))},
        "sevir": lambda: {"path": str(write_sevir(tmp_path / "s", SEVIR_EVENTS[:1]))},
        "weather_bench": lambda: {"path": str(write_weather(tmp_path / "w"))},
    }[kind]()
    return {"kind": kind, "settings": settings}


@pytest.mark.parametrize("choice", SOURCES, indirect=True)
def test_keeps_the_protocol(choice):
    [source] = build_sources([choice])
    assert isinstance(source, FrameSource)
    assert source.times.dtype == "datetime64[ns]"
    assert source.step.dtype == "timedelta64[ns]"
    assert (np.diff(source.times) >= source.step).all()
    channels, height, width = source.frame_shape
    whole = source.read(0, 5, slice(0, height), slice(0, width))
    assert whole.shape == (5, channels, height, width)
    assert whole.dtype == np.float32
    assert np.nanmin(whole) >= 0
    assert np.nanmax(whole) <= 1


@pytest.mark.parametrize("choice", SOURCES, indirect=True)
def test_a_part_equals_the_whole_cut_and_reading_changes_nothing(choice):
    [source] = build_sources([choice])
    rows, columns = slice(3, 14), slice(5, 16)
    whole = source.read(0, 5, slice(None), slice(None))
    part = source.read(2, 2, rows, columns)
    np.testing.assert_array_equal(part, whole[2:4, :, rows, columns])
    part[...] = 7
    np.testing.assert_array_equal(source.read(2, 2, rows, columns), whole[2:4, :, rows, columns])


def known_frames(kind, path):
    """What frames 2 to 4 of each kind hold, (T, C, H, W) in [0, 1]."""
    if kind == "radar_archive":
        return Scaling().encode(xr.open_zarr(path)["reflectivity"].values[2:5, np.newaxis])
    if kind == "radar_cache":
        dbz = storm_codes(12)[2:5, np.newaxis] / np.float32(100)
        dbz[dbz < -327.675], dbz[dbz < -327] = np.nan, -32
        return Scaling().encode(dbz)
    if kind == "moving_digits":
        settings = DigitSettings(count=3, length=6, size=32)
        return make_sequence(settings, load_digits(None, "train"), 0)[2:5, np.newaxis] / 255
    if kind == "moving_rain":
        return Scaling().encode(make_rain(RainSettings(length=6, size=32, cells=(6, 9)), 0)[2:5, np.newaxis])
    if kind == "moving_mnist_file":
        frames = np.broadcast_to(np.arange(2, 5)[:, None, None, None], (3, 1, 16, 20)).copy()
        frames[..., 0] = np.arange(16)
        return frames / 255
    if kind == "taxibj":
        frames = np.broadcast_to(np.arange(2, 5)[:, None, None, None] / 100, (3, 2, 32, 32)).copy()
        frames[..., 0] = np.arange(32) / 100
        return (frames + 1) / 2
    if kind == "sevir":
        frames = sevir_frames(0)[2:5, np.newaxis] / np.float32(255)
        frames[frames == 1] = np.nan
        return frames
    if kind == "weather_bench":
        return (weather_values(5)[2:5, np.newaxis, ::-1] - 170) / 180
    gray = FrameTransform("gray", (16, 20), resize="bilinear")
    middle = FrameTransform("rgb", (16, 20), 0.5, "bilinear")
    return {
        "video_folder": lambda: counting_pictures(12, (16, 20))[2:5, np.newaxis],
        "video_files": lambda: blob(12, (16, 20))[2:5, np.newaxis],
        "kth": lambda: gray.apply(blob(12, start=1)[2:5]),
        "kitti": lambda: blob(8, (16, 20), colour=True)[2:5].transpose(0, 3, 1, 2),
        "caltech": lambda: blob(24, (16, 20), colour=True)[6:15:3].transpose(0, 3, 1, 2),
        "human36m": lambda: middle.apply(blob(40, (24, 32), colour=True)[10:25:5]),
    }[kind]() / 255


@pytest.mark.parametrize("choice", SOURCES, indirect=True)
def test_every_pixel_is_where_and_when_it_was_drawn(choice):
    """Off the middle, of an oblong cut: rows upside down, a frame late or a value halved would be seen."""
    [source] = build_sources([choice])
    rows, columns = slice(1, 12), slice(4, 19)
    expected = known_frames(choice["kind"], choice["settings"].get("path"))[..., rows, columns]
    np.testing.assert_allclose(source.read(2, 3, rows, columns), expected, atol=0.26 / 60)
    assert np.nanstd(expected) > 1e-3


@pytest.mark.parametrize("choice", SOURCES, indirect=True)
def test_gives_the_same_clips_when_opened_again(choice):
    one, other = (VideoDataset(build_sources([choice]), ClipWindow(2, 2), crop=(8, 8)) for _ in range(2))
    assert one.fingerprint == other.fingerprint
    for index in range(len(one)):
        for a, b in zip(one[index], other[index], strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("choice", SOURCES, indirect=True)
def test_unknown_settings_are_refused(choice):
    wrong = {**choice, "settings": {**choice["settings"], "colour_of_sky": 1}}
    with pytest.raises(SettingsError, match=r"data\.sources\[0\]\.settings\.colour_of_sky"):
        build_sources([wrong])


@pytest.mark.parametrize("entry", SOURCES.values(), ids=SOURCES)
def test_settings_are_frozen_dataclasses_with_a_summary(entry):
    assert dataclasses.is_dataclass(entry.settings)
    assert entry.settings.__dataclass_params__.frozen
    assert len(entry.summary) > 20


@pytest.mark.parametrize("wrong", [{}, {"kind": "radio"}, {"kind": "radar_cache", "path": "x"}])
def test_unknown_kinds_are_refused_with_the_known_ones(wrong):
    with pytest.raises(SettingsError, match="one of radar_archive, radar_cache"):
        build_sources([wrong])
