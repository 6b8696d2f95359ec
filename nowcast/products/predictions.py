"""Predicted frames as arrays: a Zarr store of many clips, filled part by part, or an .npz of one.

Dimensions: N clips, T past frames, S forecast steps, C channels, H rows, W columns. Values are in [0, 1], as
networks and scores take them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import zarr

from nowcast.core.errors import FileError, complain
from nowcast.core.files import provenance, whole_file

FORMAT = "nowcast predictions 1"
_FRAME = ("channel", "row", "column")
_BROKEN = (OSError, RuntimeError, LookupError, ValueError, TypeError)
Frames = npt.NDArray[np.float32]


class PredictedClips(NamedTuple):
    """Some clips beside each other."""

    past: Frames
    """(N, T, C, H, W)"""
    prediction: Frames
    """(N, S, C, H, W)"""
    truth: Frames | None = None
    """(N, S, C, H, W); None where nobody knows it."""
    observed: npt.NDArray[np.bool_] | None = None
    """(N, S, C, H, W): where the truth was observed; None is everywhere."""


class PredictionStore:
    """A Zarr store to fill; `nowcast.core.files.whole_folder` makes it appear whole.

    Args:
        folder: empty.
        clips: numbers of the clips it will hold, in order.
        attributes: what made it, plain values.
    """

    def __init__(self, folder: Path, clips: Sequence[int], attributes: Mapping[str, Any]) -> None:
        made = {f"version_{k}" if k != "commit" else k: v for k, v in provenance().items()}
        attributes = {"format": FORMAT, **made, **attributes}
        self._group = zarr.create_group(str(folder), overwrite=True, attributes=attributes)
        numbers = self._array("clip", (len(clips),), np.dtype(np.int64), ("clip",), (max(1, len(clips)),))
        numbers[:] = np.array(clips, np.int64)
        self._clips, self._filled = len(clips), 0

    def add(self, part: PredictedClips, draw: int = 0, draws: int = 1) -> None:
        """Take in the next clips, or another of the futures that were drawn for them.

        Args:
            part: the clips.
            draw: which future their prediction is, from 0.
            draws: how many each clip has; with several, predictions are (N, draw, S, C, H, W).
        """
        first, last = self._filled, self._filled + len(part.prediction)
        if draws == 1:
            self._put("prediction", ("clip", "step"), part.prediction, first)
        else:
            if first == draw == 0:
                shape = (self._clips, draws, *part.prediction.shape[1:])
                dims = ("clip", "draw", "step", *_FRAME)
                self._array("prediction", shape, part.prediction.dtype, dims, (1, 1))
            self._group["prediction"][first:last, draw] = part.prediction
        if draw == 0:
            self._put("past", ("clip", "past_step"), part.past, first)
            self._put("truth", ("clip", "step"), part.truth, first)
            self._put("observed", ("clip", "step"), part.observed, first)
        if draw == draws - 1:
            self._filled = last

    def _put(self, name: str, dims: tuple[str, ...], values: npt.NDArray[Any] | None, first: int) -> None:
        if values is None:
            return
        if first == 0:
            self._array(name, (self._clips, *values.shape[1:]), values.dtype, (*dims, *_FRAME), (1,))
        self._group[name][first : first + len(values)] = values

    def _array(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        dims: tuple[str, ...],
        chunk: tuple[int, ...],
    ) -> Any:
        """Make an array; a chunk of True, which most of ``observed`` is, is left out of the store.

        ``chunk`` is the size along the first axes; the others are whole.
        """
        chunks = (*chunk, *shape[len(chunk) :])
        fill = dtype.type(dtype == np.bool_)
        return self._group.create_array(
            name, shape=shape, dtype=dtype, chunks=chunks, dimension_names=dims, fill_value=fill
        )


def attributes_of(store: Path) -> dict[str, Any]:
    """The attributes of a store of predictions; none if there is none, or none that can be read."""
    try:
        found = dict(zarr.open_group(str(store), mode="r").attrs)
    except _BROKEN:
        return {}
    return found if found.get("format") == FORMAT else {}


def check_prediction_place(store: Path) -> None:
    """Refuse to put predictions where something else lies.

    Raises:
        FileError: something is there that is no store of predictions.
    """
    if store.exists() and not attributes_of(store):
        raise FileError(
            complain(str(store), "something else", "a new place, or a store of predictions", "choose another")
        )


def write_npz(path: Path, part: PredictedClips, attributes: Mapping[str, Any]) -> Path:
    """Write one clip as ``past``, ``prediction``, ``truth`` (S, C, H, W) and ``attributes`` (JSON), whole."""
    found: dict[str, Any] = {"past": part.past[0], "prediction": part.prediction[0]}
    if part.truth is not None:
        found["truth"] = part.truth[0]
    made = {"format": FORMAT, **provenance(), **attributes}
    with whole_file(path) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, attributes=np.array(json.dumps(made)), **found)
    return path
