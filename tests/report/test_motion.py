"""Arrows of motion: the right way up, one map for each motion field, whole or not at all."""

import numpy as np
import pytest
from PIL import Image

from nowcast.core.field import make_field
from nowcast.demo.storm import StormSettings, make_storms, storm_grid
from nowcast.report import motion as drawn
from nowcast.report.motion import draw_motion

STORMS = StormSettings(frames=1, size=40, cell_km=4.0)


@pytest.fixture(scope="module")
def frame():
    times = np.array(["2025-06-01"], "datetime64[ns]")
    return make_field(make_storms(STORMS), times, storm_grid(STORMS))[0]


def test_one_map_for_each_motion_field(tmp_path, frame):
    motion = np.ones((2, 40, 40), np.float32)
    draw_motion(tmp_path / "one.png", frame, {"flow": motion})
    draw_motion(tmp_path / "two.png", frame, {"momentum": -motion, "flow": motion})
    with Image.open(tmp_path / "one.png") as one, Image.open(tmp_path / "two.png") as two:
        assert two.size == (2 * one.width, one.height)
    assert [p.name for p in tmp_path.iterdir() if p.suffix != ".png"] == []


def test_motion_down_the_rows_is_drawn_southwards(tmp_path, frame, monkeypatch):
    seen = {}

    def note(axes, grid, u, v, every):
        seen.update(u=u, v=v)

    monkeypatch.setattr(drawn, "add_arrows", note)
    southwards, eastwards = np.full((40, 40), 3.0), np.full((40, 40), 2.0)
    draw_motion(tmp_path / "m.png", frame, {"flow": np.stack([southwards, eastwards])})
    assert (seen["u"] == 2.0).all()
    assert (seen["v"] == -3.0).all()
