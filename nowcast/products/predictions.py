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
        numbers = self._array("clip", (len(clips),), np.dtype(np.int64), ("clip",), len(clips))
        numbers[:] = np.array(clips, np.int64)
        self._clips, self._filled = len(clips), 0

    def add(self, part: PredictedClips) -> None:
        """Take in the next clips."""
        first, last = self._filled, self._filled + len(part.prediction)
        for name, step, values in (
            ("past", "past_step", part.past),
            ("prediction", "step", part.prediction),
            ("truth", "step", part.truth),
            ("observed", "step", part.observed),
        ):
            if values is None:
                continue
            if first == 0:
                shape = (self._clips, *values.shape[1:])
                self._array(name, shape, values.dtype, ("clip", step, *_FRAME), 1)
            self._group[name][first:last] = values
        self._filled = last

    def _array(
        self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], dims: tuple[str, ...], at_a_time: int
    ) -> Any:
        """Make an array; a chunk of True, which most of ``observed`` is, is left out of the store."""
        chunks = (max(1, at_a_time), *shape[1:])
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
