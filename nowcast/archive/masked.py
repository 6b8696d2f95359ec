"""An archive read without what bears certain quality marks; the archive itself stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.archive.frame_quality import jumping_frames, stuck_frames
from nowcast.archive.packing import Codes, Packing
from nowcast.archive.quality import CELL_MARKS, QualitySettings, check_marks, quality_marks, without_marked
from nowcast.archive.reader import Archive
from nowcast.archive.thinned import RadarFrames
from nowcast.core.errors import SettingsError, complain
from nowcast.core.times import Times

QUALITY_MASKS = "quality_masks"
"""Attribute that names the marks that are left out."""


class Masked:
    """The frames of an archive without marked echoes, and without marked frames.

    Speckle is read as no echo, spikes and rays as not observed (`quality.without_marked`). Frames that are
    stuck or jump are not among ``times``: they are missing, as if they had never come, and a forecast
    interpolates them along the motion. Marks look at no later frame, so that a verification through this view
    is fair.

    Args:
        archive: an open archive.
        marks: names of `quality.CELL_MARKS` and `quality.FRAME_MARKS`.
        settings: thresholds.

    Raises:
        SettingsError: an unknown mark.
    """

    def __init__(self, archive: Archive, marks: Sequence[str], settings: QualitySettings | None = None) -> None:
        self.archive, self.marks = archive, check_marks(marks)
        self.settings = settings or QualitySettings()
        self.path, self.grid, self.step = archive.path, archive.grid, archive.step
        self.attrs: dict[str, Any] = {**archive.attrs, QUALITY_MASKS: ", ".join(self.marks)}
        self.times: Times = archive.times
        self.fingerprint = f"{archive.fingerprint}/without {'+'.join(self.marks)}"
        if self.settings != QualitySettings():
            self.fingerprint += f" by {self.settings}"
        if "stuck" in self.marks:
            stuck = [frame.time for frame in stuck_frames(archive, self.settings)]
            self.times = np.setdiff1d(self.times, np.array(stuck, self.times.dtype))
        if "jump" in self.marks:
            self.times = np.setdiff1d(self.times, jumping_frames(archive, self.settings))
        self._cells = tuple(mark for mark in self.marks if mark in CELL_MARKS)

    @property
    def packing(self) -> Packing:
        """How codes become dBZ."""
        return self.archive.packing

    def dbz(self, time: np.datetime64) -> npt.NDArray[np.float32]:
        """Read one frame as float32 dBZ (H, W) without marked echoes."""
        dbz = self.archive.dbz(time)
        if not self._cells:
            return dbz
        earlier = time - self.step
        before = self.archive.dbz(earlier) if "ray" in self._cells and earlier in self.archive.times else None
        bits = quality_marks(dbz, self.grid.cell_km, before, self.settings, self._cells)
        return without_marked(dbz, bits)

    def packed(self, time: np.datetime64) -> Codes:
        """Read one frame as int16 codes (H, W); see ``packing``."""
        return self.packing.pack(self.dbz(time))

    def frames(self, times: Times) -> xr.DataArray:
        """Return exactly these frames as a lazy field, as `Archive.frames`.

        Raises:
            TimeError: naming the first that the archive does not hold.
        """
        import dask.array as da

        field = self.archive.frames(times)
        height, width = self.grid.shape
        values = da.map_blocks(  # type: ignore[no-untyped-call]
            self._block,
            da.from_array(field["time"].values, chunks=1),  # type: ignore[no-untyped-call]
            chunks=((1,) * field.sizes["time"], (height,), (width,)),
            new_axis=[1, 2],
            dtype=np.float32,
            meta=np.empty((0, 0, 0), np.float32),
        )
        return field.copy(data=values).assign_attrs({QUALITY_MASKS: self.attrs[QUALITY_MASKS]})

    def read(self, times: Times) -> xr.DataArray:
        """Read exactly these frames into memory, as `Archive.read`.

        Raises:
            TimeError: naming the first that the archive does not hold.
        """
        field = self.archive.read(times)
        for frame, time in zip(field.values, field["time"].values, strict=True):
            frame[:] = self.dbz(time)
        return field.assign_attrs({QUALITY_MASKS: self.attrs[QUALITY_MASKS]})

    def _block(self, times: Times) -> npt.NDArray[np.float32]:
        return self.dbz(times[0])[np.newaxis]

    def __dask_tokenize__(self) -> tuple[str, str]:
        return str(self.path), self.fingerprint


def masked(archive: RadarFrames, marks: Sequence[str]) -> RadarFrames:
    """Return the archive itself where nothing is to be left out, else a `Masked` view of it.

    Raises:
        SettingsError: an unknown mark; what is given is a view already.
    """
    if not marks:
        return archive
    if not isinstance(archive, Archive):
        raise SettingsError(
            complain(
                "mask",
                f"{', '.join(marks)} for a {type(archive).__name__} view",
                "an archive",
                "mask it first and thin it then",
            )
        )
    return Masked(archive, marks)
