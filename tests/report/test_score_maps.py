"""Scores on the map: scales by hand, pictures that hold the classes, and a size that is bounded."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from nowcast.report import score_maps
from nowcast.report.content import CellMap
from nowcast.report.palette_colours import AROUND_ONE, PROBABILITY, WORSE
from nowcast.report.score_maps import maps_data
from nowcast.report.score_scales import bound_texts, scale_of
from tests.fakes.colour_vision import EYES, faults, seen
from tests.fakes.fields import projected_grid

NAN = float("nan")
GRID = projected_grid(25, 15, height_m=2000.0)


def made(score="csi", threshold=20.0, lead=None, model="a", values=None) -> CellMap:
    values = np.array([[0.0, 0.41], [NAN, 1.0], [0.05, 0.5]]) if values is None else values
    return CellMap(model, threshold, GRID, values, 10, score, lead)


def pixels(uri: str) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGBA"))


def test_scales_by_hand():
    # 98 of 100 lie under 0.69: tenths of 0.07 are rounded up to 0.1
    assert scale_of("csi", [np.append(np.linspace(0, 0.7, 1000), NAN)]).bounds[:3] == (0.0, 0.1, 0.2)
    assert scale_of("csi", [np.linspace(0, 0.2, 100)]).bounds[1] == 0.02
    assert scale_of("mae", [np.full(9, 3.3), np.full(1, 99.0)]).bounds[1] == 10.0
    assert scale_of("mae", [np.full(90, 3.3), np.full(1, 99.0)]).bounds[-1] == pytest.approx(4.5)
    assert scale_of("brier", [np.full(5, 2e-4)]).bounds[1] == pytest.approx(2e-5)
    assert scale_of("gdl", [np.full(5, NAN)]).bounds[1] == 0.1
    assert scale_of("mae", [np.zeros(3)]).bounds[1] > 0
    assert [scale_of(s, [np.ones(2)]).colours for s in ("pod", "far", "bias")] == [
        PROBABILITY,
        WORSE,
        AROUND_ONE,
    ]
    assert bound_texts(scale_of("bias", [np.ones(2)]))[:6] == ["0", "0.33", "0.5", "0.67", "0.8", "1.25"]
    assert bound_texts(scale_of("csi", [np.full(2, 0.25)]))[:3] == ["0", "0.025", "0.05"]


@pytest.mark.parametrize("eyes", EYES)
def test_scales_of_scores_are_told_apart_by_all_eyes(eyes):
    for score in ("csi", "mae"):
        assert faults(scale_of(score, [np.ones(2)]), eyes) == set()
    lightness = seen(scale_of("bias", [np.ones(2)]).rgb(), eyes)[:, 0]
    assert (np.diff(lightness[:5]) > 4).all()
    assert (np.diff(lightness[4:]) < -4).all()
    ends = seen(scale_of("bias", [np.ones(2)]).rgb(), eyes)[[1, 7]]
    assert np.linalg.norm(ends[0, 1:] - ends[1, 1:]) > 40  # too few and too many differ in hue


def test_a_picture_holds_the_classes_and_ragged_blocks_reach_beyond_the_grid():
    data = maps_data([made()], ["a"])
    assert data["fit"] == [133.333, 120.0]  # 2 of 10 columns over 15, 3 of 10 rows over 25
    assert data["width"] == "20 km"
    shown = pixels(data["images"]["csi|20||a"])
    assert shown.shape == (3, 2, 4)
    colours = scale_of("csi", [made().values]).rgb().tolist()
    assert [shown[0, 0, :3].tolist(), shown[1, 1, :3].tolist()] == [colours[0], colours[9]]
    assert shown[0, 1, :3].tolist() == colours[4]  # 0.41
    assert 0 < shown[1, 0, 3] < 255  # not defined


def test_what_can_be_chosen_is_what_is_there():
    maps = [
        made(t, th, lead, m)
        for m in "ab"
        for lead in (None, 10.0, 20.0)
        for t, th in (("csi", 20.0), ("csi", 30.0))
    ]
    maps += [made("gdl", None, lead, m) for m in "ab" for lead in (None, 10.0, 20.0)]
    maps += [made("far", 20.0, None, "a", np.full((3, 2), NAN))]
    data = json.loads(json.dumps(maps_data(maps, ["b", "a", "c"]), allow_nan=False))
    assert data["models"] == ["b", "a"]
    assert [(s["key"], s["thresholds"], s["first"]) for s in data["scores"]] == [
        ("csi", [20, 30], 20),
        ("gdl", [None], None),
    ]
    assert data["leads"] == [None, 10, 20]
    assert len(data["images"]) == 18
    assert {"csi|30|20|b", "gdl||10|a"} <= set(data["images"])
    assert maps_data([made("far", 20.0, None, "a", np.full((3, 2), NAN))], ["a"]) is None


def test_maps_are_left_out_until_they_fit(monkeypatch):
    maps = [made(score, None, lead) for score in ("csi", "gdl") for lead in (None, 10.0, 20.0, 30.0)]
    each = len(next(iter(maps_data(maps[:1], ["a"])["images"].values())))
    monkeypatch.setattr(score_maps, "BUDGET_BYTES", 5 * each + each // 2)
    data = maps_data(maps, ["a"])
    assert list(data["images"]) == ["csi|||a", "gdl|||a", "csi||30|a", "gdl||30|a", "csi||10|a"]
    assert data["leads"] == [None, 10.0, 30.0]
    monkeypatch.setattr(score_maps, "BUDGET_BYTES", 1)
    assert list(maps_data(maps, ["a"])["images"]) == ["csi|||a"]
