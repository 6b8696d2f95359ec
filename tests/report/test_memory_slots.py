"""The picture of the memory: drawn, whole, and showing what it was given."""

import numpy as np
import pytest
from PIL import Image

from nowcast.core.errors import FileError
from nowcast.report.memory_slots import SlotPicture, _ranks, draw_memory_slots, draw_slot_map
from tests.fakes.fields import projected_grid

NONE = float("nan")
SIMILARITIES = {"same clip": (0.9, 0.5), "same class": (NONE, NONE), "other classes": (0.8, -0.2)}


def draw(path, slots):
    usage = np.full(30, 1 / 30)
    frame = np.linspace(0, 1, 64 * 64).reshape(64, 64)
    draw_memory_slots(
        path,
        usage,
        usage,
        np.eye(30)[3],
        SIMILARITIES,
        ("rain", "snow"),
        np.array([[1.0, -0.5], [np.nan, 1.0]]),
        np.where(np.arange(30) < 5, 0.1, np.nan),
        np.where(np.arange(30) < 5, 0.2, np.nan),
        [SlotPicture("a clip", frame, slots), SlotPicture("in colour", np.zeros((64, 64, 3)), slots)],
    )
    return np.asarray(Image.open(path).convert("RGB"))


def test_the_picture_shows_which_slots_are_addressed(tmp_path):
    one = draw(tmp_path / "one.png", np.full((4, 4), 3))
    same = draw(tmp_path / "same.png", np.full((4, 4), 3))
    other = draw(tmp_path / "other.png", np.arange(16).reshape(4, 4))
    assert np.array_equal(one, same)
    assert one.shape == other.shape
    assert (one != other).any()
    assert len(np.unique(one.reshape(-1, 3), axis=0)) > 50
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.png", "other.png", "same.png"]


def test_the_commonest_slot_comes_first():
    assert _ranks(np.array([0.1, 0.6, 0.0, 0.3])).tolist() == [2, 0, 3, 1]


def test_slots_on_a_map(tmp_path):
    grid = projected_grid(32, 48)
    frame = np.zeros(grid.shape)
    frame[8:16] = 1.0
    picture = SlotPicture("2025-03-21T12:00 UTC", frame, np.array([[0, 1, 2], [3, 4, 5]]))
    draw_slot_map(tmp_path / "map.png", grid, picture, np.full(6, 1 / 6))
    pixels = np.asarray(Image.open(tmp_path / "map.png").convert("RGB"))
    assert min(pixels.shape[:2]) > 200
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot make this folder"):
        draw(tmp_path / "file" / "memory.png", np.zeros((4, 4), int))
