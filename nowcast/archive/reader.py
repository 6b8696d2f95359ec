"""Reading an archive: whole frames as lazy fields or packed codes, while others may write."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import threading
import weakref
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.archive.layout import WHOLE, Document, frame_name
from nowcast.archive.ledger import Entries, Source, read_ledger
from nowcast.archive.packing import PACKING, Codes, Packing, decode_chunk
from nowcast.archive.store import content_of, read_over_time, read_root, read_store
from nowcast.core.errors import ArchiveError, TimeError
from nowcast.core.field import make_field
from nowcast.core.files import read_within
from nowcast.core.places import DataPath, ObjectPath, place_of
from nowcast.core.times import Times, to_text

_FIELD_ATTRS = ("source", "licence", "z_r_relation", "quantity", "measured_quantity")


class Archive:
    """An archive as it was when opened: the frames that were whole then, and how to read them.

    Why its own reader beside ``xr.open_zarr``: it knows which frames are whole, gives float32 fields
    with an exact floor, costs no thread pool, and stays right when frames are added in front of the
    others meanwhile (slots shift then; it notices and looks them up anew).

    Attributes:
        path: the folder or the address.
        grid: where the frames lie.
        step: distance of two slots, ``timedelta64[ns]``.
        times: whole frames, sorted, ``datetime64[ns]``.
        attrs: attributes of the store: source, licence, provenance.
        packing: how codes become dBZ.
    """

    packing: Packing = PACKING

    def __init__(self, path: DataPath | str) -> None:
        self.path = place_of(path)
        self._lock = threading.RLock()
        """Slots, times and folder belong together: threads see all of one state or all of the next."""
        self._load()

    @classmethod
    def open(cls, path: DataPath | str) -> Archive:
        """Open the archive in a folder, or at an address of an object store such as ``s3://bucket/a.zarr``.

        Raises:
            ArchiveError: absent, damaged, or of another version.
        """
        return cls(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return Archive, (self.path.absolute(),)

    def __dask_tokenize__(self) -> tuple[str, str]:
        return str(self.path), self.fingerprint

    def __repr__(self) -> str:
        return f"<Archive {self.path}: {len(self.times)} frames of {self.grid.shape}>"

    def _load(self) -> None:
        """Read everything but the frames, again if the slots were shifted in between."""
        while True:
            store = read_store(self.path)
            self.attrs: Document = store.attrs
            self.slots, self.grid = store.slots, store.grid
            self.step = np.timedelta64(store.step_seconds, "s").astype("timedelta64[ns]")
            self.origin = np.datetime64(store.first_time, "s").astype("datetime64[ns]")
            self._folder = _open_folder(self.path / "reflectivity")
            if isinstance(self._folder, int):
                weakref.finalize(self, os.close, self._folder)
            status = read_over_time(self.path, "frame_status", self.slots)
            self._whole = np.flatnonzero(status == WHOLE)
            self.times: Times = self.origin + self._whole * self.step
            if not self._shifted():
                return

    def _shifted(self) -> bool:
        """Whether frames have been added in front of the others since this was opened."""
        return bool(read_root(self.path)["attributes"]["first_time"] != self.attrs["first_time"])

    def over_time(self, name: str) -> npt.NDArray[Any]:
        """Read one of the arrays over time (`layout.TIME_ARRAYS`), one value for each of ``times``."""
        with self._lock:
            values = read_over_time(self.path, name, self.slots)
            while self._shifted():
                self._load()
                values = read_over_time(self.path, name, self.slots)
            return np.asarray(values[self._whole])

    @property
    def sources(self) -> list[Source]:
        """The files the archive was made from, in the order of the array ``source``."""
        return list(read_ledger(self.path))

    def done_sources(self) -> list[Source]:
        """Return the files that are in to their last frame; a run that was killed leaves one that is not."""
        return list(self.done_entries())

    def done_entries(self) -> Entries:
        """`done_sources`, of which only those are made that are asked for."""
        entries = read_ledger(self.path)
        return entries.done(np.bincount(self.over_time("source").clip(0), minlength=len(entries)))

    @property
    def fingerprint(self) -> str:
        """Sixteen digits that change with grid, step, the whole frames and the files they are from."""
        digests = {i: digest.encode() for i, digest in enumerate(read_ledger(self.path).column("sha256"))}
        digest = hashlib.sha256(f"{self.grid.fingerprint} {self.step}".encode())
        digest.update(self.times.tobytes())
        digest.update(b"".join(digests.get(index, b"?") for index in self.over_time("source").tolist()))
        return digest.hexdigest()[:16]

    def packed(self, time: np.datetime64) -> Codes:
        """Read one frame as int16 codes (H, W); see ``packing``.

        Raises:
            TimeError: no whole frame at this time.
            ArchiveError: the frame should be there and cannot be read.
        """
        for again in (False, True):
            with self._lock:
                slot, folder = self._slot(time), self._folder
            with contextlib.suppress(FileNotFoundError):
                where = f"{self.path}/reflectivity/{frame_name(slot)}"
                data = _chunk(folder, frame_name(slot), where, 4 * math.prod(self.grid.shape) + 4096)
                codes: Codes = decode_chunk(data, np.int16, self.grid.shape, where)
                return codes
            with self._lock:
                if not again and self._folder == folder:
                    self._load()
        raise ArchiveError(
            f"{self.path}: the frame of {to_text(time)} counts as whole but its chunk is "
            "gone; the archive is damaged, remove it and ingest its files again"
        )

    def _slot(self, time: np.datetime64) -> int:
        wanted = time.astype("datetime64[ns]")
        place = int(np.searchsorted(self.times, wanted))
        if place == len(self.times) or self.times[place] != wanted:
            raise TimeError(
                f"{self.path}: got {to_text(wanted)}, expected a frame that the archive "
                f"holds ({self._span()}); see 'nowcast info'"
            )
        return int(self._whole[place])

    def _span(self) -> str:
        if not len(self.times):
            return "it is empty"
        return f"{len(self.times)} from {to_text(self.times[0])} to {to_text(self.times[-1])}"

    def dbz(self, time: np.datetime64) -> npt.NDArray[np.float32]:
        """Read one frame as float32 dBZ (H, W)."""
        return self.packing.unpack(self.packed(time))

    def field(self, start: np.datetime64 | None = None, end: np.datetime64 | None = None) -> xr.DataArray:
        """Return the whole frames within [start, end) as a lazy field, one frame a chunk.

        Raises:
            TimeError: none lies in the period.
        """
        inside = np.ones(len(self.times), dtype=bool)
        if start is not None:
            inside &= self.times >= start.astype("datetime64[ns]")
        if end is not None:
            inside &= self.times < end.astype("datetime64[ns]")
        if not inside.any():
            first = to_text(start) if start is not None else "the beginning"
            last = to_text(end) if end is not None else "the end"
            raise TimeError(
                f"{self.path}: no frames from {first} until {last}, expected a period within "
                f"what the archive holds ({self._span()})"
            )
        return self.frames(self.times[inside])

    def frames(self, times: Times) -> xr.DataArray:
        """Return exactly the frames of ``times`` (sorted, unique) as a lazy field.

        Raises:
            TimeError: naming the first that is missing.
        """
        wanted = self._held(times)
        import dask.array as da  # a third of a second: `read` does without

        height, width = self.grid.shape
        values = da.map_blocks(  # type: ignore[no-untyped-call]
            self._block,
            da.from_array(wanted, chunks=1),  # type: ignore[no-untyped-call]
            chunks=((1,) * len(wanted), (height,), (width,)),
            new_axis=[1, 2],
            dtype=np.float32,
            meta=np.empty((0, 0, 0), np.float32),
        )
        return self._field(values, wanted)

    def read(self, times: Times) -> xr.DataArray:
        """Read exactly the frames of ``times`` (sorted, unique) into memory.

        Raises:
            TimeError: naming the first that is missing.
        """
        wanted = self._held(times)
        values = np.empty((len(wanted), *self.grid.shape), np.float32)
        for frame, time in zip(values, wanted, strict=True):
            frame[:] = self.dbz(time)
        return self._field(values, wanted)

    def _held(self, times: Times) -> Times:
        wanted: Times = np.asarray(times, dtype="datetime64[ns]")
        places = np.searchsorted(self.times, wanted).clip(max=max(len(self.times) - 1, 0))
        for time in wanted[self.times[places] != wanted][:1] if len(self.times) else wanted[:1]:
            self._slot(time)
        return wanted

    def _field(self, values: Any, times: Times) -> xr.DataArray:
        attrs = {k: self.attrs[k] for k in _FIELD_ATTRS if k in self.attrs}
        return make_field(values, times, self.grid, attrs)

    def _block(self, times: Times) -> npt.NDArray[np.float32]:
        return self.dbz(times[0])[np.newaxis]


def _chunk(folder: int | ObjectPath, name: str, where: str, most: int) -> bytes:
    """Read a chunk, which may have ``most`` bytes."""
    if isinstance(folder, ObjectPath):
        return content_of(folder / name, most)
    try:
        if os.stat(name, dir_fd=folder).st_size > most:
            raise ArchiveError(
                f"{where}: has more than {most} bytes; the archive is damaged, remove it and "
                "ingest its files again"
            )
        return read_within(folder, name)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ArchiveError(f"{where}: cannot be read ({error.strerror}); the archive is damaged") from error


def _open_folder(path: DataPath) -> int | ObjectPath:
    if isinstance(path, ObjectPath):
        return path
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ArchiveError(f"{path}: cannot be read ({error.strerror}); the archive is damaged") from error
