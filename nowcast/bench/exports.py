"""All predictions of a benchmark as arrays: a Zarr store for each entry, whole or not at all.

Dimensions: B batch, T past frames, S forecast steps, C channels, H rows, W columns.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from nowcast.bench.held_out import HeldOut
from nowcast.bench.records import Record
from nowcast.bench.runs import alone
from nowcast.bench.scoring import Sink
from nowcast.core.files import whole_folder
from nowcast.core.settings import plain
from nowcast.models.base import ClipBatch
from nowcast.products.predictions import PredictedClips, PredictionStore, attributes_of

_SAME = ("row", "seed", "hash", "test_data", "checkpoint")
"""What a store and a record share if they are of the same forecasts."""


class Exports:
    """The folder of them.

    Args:
        folder: gets ``ROW_seedN.zarr``; made when something is written.
        asked: whether predictions are wanted at all.
    """

    def __init__(self, folder: Path, asked: bool) -> None:
        self.folder, self._asked = Path(folder), asked

    def lacks(self, key: str, record: Record | None) -> bool:
        """Whether the predictions of an entry are asked for and not there; those that failed never are."""
        if not self._asked or (record is not None and record.failed):
            return False
        found = attributes_of(self._store(key))
        return record is None or any(found.get(name, "") != getattr(record, name) for name in _SAME)

    @contextlib.contextmanager
    def sink(self, key: str, held_out: HeldOut, attributes: Mapping[str, Any]) -> Iterator[Sink | None]:
        """Yield what takes the forecasts of an entry; they appear when the block ends well.

        None where predictions are not asked for, or another process writes these now. What a kill has left of
        an earlier try is removed.
        """
        if not self._asked:
            yield None
            return
        with alone(self.folder, key) as free:
            if not free:
                yield None
                return
            store = self._store(key)
            for part in self.folder.glob(f".{store.name}.*.part"):
                shutil.rmtree(part, ignore_errors=True)
            with whole_folder(store) as folder:
                made = PredictionStore(folder, held_out.chosen, _of_clips(held_out) | dict(attributes))
                yield lambda clip, forecast, draw, draws: made.add(_part(clip, forecast), draw, draws)

    def _store(self, key: str) -> Path:
        return self.folder / f"{key}.zarr"


def _of_clips(held_out: HeldOut) -> dict[str, Any]:
    """Names of the clips, in order: their source, the number of their first frame there, and the time."""
    clips = held_out.clips
    places = [clips.place(index) for index in held_out.chosen]
    times = [str(clips.reference_time(index).astype("datetime64[s]")) for index in held_out.chosen]
    return {
        "clip_names": [clips.sources[place.source].name for place in places],
        "first_frames": [place.first for place in places],
        "reference_times": times,
        "step_seconds": float(clips.step / np.timedelta64(1, "s")),
        "window": plain(clips.window),
    }


def _part(clip: ClipBatch, forecast: Tensor) -> PredictedClips:
    length = clip.past.shape[1]
    return PredictedClips(
        clip.past.numpy(), forecast.numpy(), clip.future.numpy(), clip.observed[:, length:].numpy()
    )
