"""Stores of predicted clips: several futures beside each other, and a place that holds something else."""

import numpy as np
import pytest
import xarray as xr

from nowcast.core.errors import FileError
from nowcast.products.predictions import PredictedClips, PredictionStore, attributes_of, check_prediction_place

PAST = np.arange(3 * 2 * 4, dtype=np.float32).reshape(3, 2, 1, 2, 2)
TRUTH = PAST + 100
SEEN = TRUTH < 120


def part(rows, shift):
    return PredictedClips(PAST[rows], TRUTH[rows] + np.float32(shift), TRUTH[rows], SEEN[rows])


def test_every_future_of_every_clip_has_its_place(tmp_path):
    store = PredictionStore(tmp_path / "a.zarr", [4, 7, 9], {"row": "x"})
    for rows in (slice(0, 2), slice(2, 3)):
        for draw in range(2):
            store.add(part(rows, draw + 1), draw, 2)
    found = xr.open_zarr(tmp_path / "a.zarr", consolidated=False)
    assert found["clip"].values.tolist() == [4, 7, 9]
    assert found["prediction"].dims == ("clip", "draw", "step", "channel", "row", "column")
    np.testing.assert_array_equal(found["prediction"], np.stack([TRUTH + 1, TRUTH + 2], axis=1))
    np.testing.assert_array_equal(found["truth"], TRUTH)
    np.testing.assert_array_equal(found["past"], PAST)
    np.testing.assert_array_equal(found["observed"], SEEN)


def test_only_predictions_may_be_replaced(tmp_path):
    PredictionStore(tmp_path / "a.zarr", [0], {"row": "x"})
    assert attributes_of(tmp_path / "a.zarr")["row"] == "x"
    for name in ("a.zarr", "new.zarr"):
        check_prediction_place(tmp_path / name)
    (tmp_path / "folder.zarr").mkdir()
    (tmp_path / "file.zarr").write_text("x")
    for name in ("folder.zarr", "file.zarr"):
        with pytest.raises(FileError, match=rf"{name}: got something else, expected a new place"):
            check_prediction_place(tmp_path / name)
