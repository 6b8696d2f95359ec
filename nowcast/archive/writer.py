"""Writing an archive: create, extend at both ends, and count frames in once they are whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nowcast.archive import layout
from nowcast.archive.create import NewArchive, create_archive, write_documents, write_page
from nowcast.archive.layout import PAGE, TIME_ARRAYS, WHOLE, frame_name
from nowcast.archive.ledger import Source, read_ledger, write_ledger
from nowcast.archive.packing import PACKING, Codes
from nowcast.archive.store import read_over_time, read_store
from nowcast.core.errors import ArchiveError
from nowcast.core.files import DISK_FULL, whole_folder
from nowcast.core.lock import sole_holder
from nowcast.core.times import to_text


@dataclass(frozen=True)
class FrameRecord:
    """A frame whose chunk has been written, and what is said of it in the arrays over time."""

    slot: int
    observed_share: float
    wet_share: float
    max_dbz: float
    replaces: bool = False
    """Whether its chunk waits under `layout.next_name`, as the slot holds an earlier issue."""


def describe(slot: int, codes: Codes) -> FrameRecord:
    """Return the record of a packed frame; shares are of all cells and of observed cells."""
    observed = int(np.count_nonzero(codes != PACKING.fill))
    wet = int(np.count_nonzero(codes >= round(layout.WET_DBZ / PACKING.scale)))
    highest = float(PACKING.unpack(codes.max(keepdims=True)).item()) if observed else np.nan
    return FrameRecord(slot, observed / codes.size, wet / observed if observed else np.nan, highest)


class ArchiveWriter:
    """The one writer of an archive; use `open_writer`.

    A frame is first written as a chunk (anyone may, also a worker process), then counted in by
    `commit`. What a crash leaves between the two does not count and is written anew. The order
    within `commit` (ledger, arrays over time, metadata, status last) is what makes this true.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._load()

    def _load(self) -> None:
        path, store = self.path, read_store(self.path)
        self.attrs, self.grid, self.slots = store.attrs, store.grid, store.slots
        self.step_seconds, self.first_time = store.step_seconds, store.first_time
        self.sources = read_ledger(path)
        self._arrays = {n: read_over_time(path, n, self.slots) for n in TIME_ARRAYS}

    @property
    def whole(self) -> npt.NDArray[np.bool_]:
        """Which slots hold a whole frame."""
        return np.asarray(self._arrays["frame_status"] == WHOLE)

    def slot_of(self, times: npt.NDArray[np.datetime64]) -> npt.NDArray[np.int64]:
        """Return the slots of times (on the step) relative to the first slot; negative lies before."""
        seconds = times.astype("datetime64[s]").astype(np.int64)
        return (seconds - self.first_time) // self.step_seconds

    def source_of(self, slot: int) -> Source | None:
        """Return the entry of the file that the frame in ``slot`` is from, None where it is not known."""
        index = int(self._arrays["source"][slot])
        return self.sources[index] if 0 <= index < len(self.sources) else None

    def observed_share(self, slot: int) -> float:
        """Return the share of cells that the frame in ``slot`` has observed."""
        return float(self._arrays["observed_share"][slot])

    def credit(self, sha256: str) -> int:
        """Count the whole frames that the archive has from the file with this digest."""
        index = self.sources.place(sha256)
        if index is None:
            return 0
        return int(np.count_nonzero((self._arrays["source"] == index) & self.whole))

    def sweep(self) -> None:
        """Remove chunks that do not count; call it when no worker is writing."""
        whole = {frame_name(s) for s in np.flatnonzero(self.whole).tolist()}
        folder = self.path / "reflectivity"
        whole.add("zarr.json")
        for name in set(os.listdir(folder)) - whole:  # noqa: PTH208 - names alone, of a folder with a file a frame
            (folder / name).unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove an archive that holds nothing."""
        if self.whole.any():
            raise ArchiveError(f"{self.path}: holds frames, expected an empty archive; it is kept")
        shutil.rmtree(self.path, ignore_errors=True)

    def commit(self, entries: Sequence[tuple[Source, Sequence[FrameRecord]]]) -> None:
        """Count files and their frames in; the chunks must have been written before."""
        changed = len(self.sources)
        records: list[tuple[int, FrameRecord]] = []
        for source, frames in entries:
            index = self.sources.place(source.sha256)
            if index is None:
                index = len(self.sources)
                self.sources.append(source)
            elif not self.sources[index].complete or self.sources[index].problems:
                changed = min(changed, index)
                self.sources[index] = replace(source, replaced=self.sources[index].replaced)
            records += [(index, f) for f in frames]
            changed = min(changed, *(self._hand_over(index, f.slot) for f in frames), changed)
        write_ledger(self.path, self.sources, changed)
        if not records:
            return
        for _, frame in records:
            if frame.replaces:
                chunk = self.path / "reflectivity" / frame_name(frame.slot)
                chunk.with_name(layout.next_name(frame.slot)).replace(chunk)
        slots = np.array([f.slot for _, f in records])
        if slots.max() >= self.slots:
            self._grow(int(slots.max()) + 1)
        columns: Mapping[str, list[Any]] = {
            "observed_share": [f.observed_share for _, f in records],
            "wet_share": [f.wet_share for _, f in records],
            "max_dbz": [f.max_dbz for _, f in records],
            "source": [i for i, _ in records],
            "frame_status": [WHOLE] * len(records),
        }
        for name, values in columns.items():
            self._arrays[name][slots] = values
            self._write_pages(name, np.unique(slots // PAGE))

    def _hand_over(self, index: int, slot: int) -> int:
        """Note in the ledger that a frame goes over to file ``index``; return the first entry changed."""
        if slot >= self.slots or self._arrays["frame_status"][slot] != WHOLE:
            return index
        old = int(self._arrays["source"][slot])
        if old == index or not 0 <= old < len(self.sources):
            return index
        earlier, later = self.sources[old], self.sources[index]
        line = self._replaced_line(slot, earlier)
        if line not in later.replaced:  # a run that was killed may have noted it
            self.sources[old] = replace(earlier, frames=max(earlier.frames - 1, 0))
            self.sources[index] = replace(later, replaced=(*later.replaced, line))
        return min(index, old)

    def _replaced_line(self, slot: int, earlier: Source) -> str:
        time = np.datetime64(self.first_time + slot * self.step_seconds, "s")
        return f"{to_text(time)} of {earlier.name} (SHA-256 {earlier.sha256[:16]})"

    def handed_over(self, slot: int, sha256: str) -> bool:
        """Whether the ledger notes a replacement by the file with this digest that a kill prevented."""
        holder, place = self.source_of(slot), self.sources.place(sha256)
        if holder is None or place is None or holder.sha256 == sha256:
            return False
        return self._replaced_line(slot, holder) in self.sources[place].replaced

    def _grow(self, slots: int) -> None:
        """Extend the time axis at its end; slots nobody wrote are missing frames."""
        old = self.slots
        self._check_slots(slots)
        for name, (dtype, fill) in TIME_ARRAYS.items():
            grown = np.full(slots, fill, dtype=dtype)
            grown[:old] = self._arrays[name]
            self._arrays[name] = grown
        self.slots = slots
        self._arrays["time"][:] = self.first_time + np.arange(slots) * self.step_seconds
        self._write_pages("time", range(old // PAGE, -(-slots // PAGE)))
        write_documents(self.path, self.attrs, self.grid, slots)

    def _check_slots(self, slots: int) -> None:
        if slots > layout.MOST_SLOTS:
            raise ArchiveError(
                f"{self.path}: would have {slots} slots of time, expected at most "
                f"{layout.MOST_SLOTS}; ingest these files into another archive"
            )

    def _write_pages(self, name: str, pages: Any) -> None:
        for page in pages:
            write_page(self.path, name, int(page), self._arrays[name])

    def prepend(self, count: int) -> None:
        """Add ``count`` slots in front of the first: frames keep their time, their slots shift.

        The new store is made beside the old one (hard links: no data is copied) and takes its place
        in one step. Whoever has the old one open keeps reading the old one or finds its frame gone
        and looks it up anew; nobody sees a frame at another's time.
        """
        self._check_slots(self.slots + count)
        with whole_folder(self.path) as new:
            self._build_shifted(new, count)
        self._load()

    def _build_shifted(self, new: Path, count: int) -> None:
        for name in ("y", "x", "crs", "sources"):
            if (self.path / name).exists():
                shutil.copytree(self.path / name, new / name, copy_function=_link_or_copy)
        (new / "reflectivity").mkdir(parents=True)
        for slot in np.flatnonzero(self.whole).tolist():
            _link_or_copy(
                self.path / "reflectivity" / frame_name(slot), new / "reflectivity" / frame_name(slot + count)
            )
        slots = self.slots + count
        first = self.first_time - count * self.step_seconds
        for name, (dtype, fill) in TIME_ARRAYS.items():
            values = np.full(slots, fill, dtype=dtype)
            values[count:] = self._arrays[name]
            if name == "time":
                values = first + np.arange(slots) * self.step_seconds
            for page in range(-(-slots // PAGE)):
                write_page(new, name, page, values.astype(dtype))
        write_documents(new, {**self.attrs, "first_time": first}, self.grid, slots)

    def annotate(self, attrs: Mapping[str, Any]) -> None:
        """Set attributes of the store, written only when one of them changes."""
        if any(self.attrs.get(k) != v for k, v in attrs.items()):
            self.attrs.update(attrs)
            write_documents(self.path, self.attrs, self.grid, self.slots)


def _link_or_copy(source: Path | str, target: Path | str) -> None:
    """Link a file to a second name, or copy it where the disk knows no hard links."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno in DISK_FULL:
            raise
        shutil.copy2(source, target)


def sole_writer(archive: Path) -> AbstractContextManager[None]:
    """Hold the lock of an archive: one writer at a time.

    Raises:
        ArchiveError: somebody else is writing.
        FileError: the folder cannot be written.
    """
    return sole_holder(
        archive.with_name(f".{archive.name}.lock"),
        lambda holder: ArchiveError(
            f"{archive}: process {holder} is writing into it, expected one writer at a time; "
            "wait until it is done and run again"
        ),
    )


@contextmanager
def open_writer(path: Path, new: NewArchive | None = None, afresh: bool = False) -> Iterator[ArchiveWriter]:
    """Hold the archive for writing; what a killed run left behind is cleared away first.

    Args:
        path: the folder.
        new: how to make the archive when there is none.
        afresh: make it also when there is one, which it replaces.

    Raises:
        ArchiveError: absent and ``new`` not given, damaged, or somebody else is writing.
    """
    with sole_writer(path):
        _clear_leftovers(path)
        if new is not None and (afresh or not (path / "zarr.json").exists()):
            create_archive(path, new, afresh)
        writer = ArchiveWriter(path)
        writer.sweep()
        yield writer


def _clear_leftovers(path: Path) -> None:
    """Undo what a killed run left: temporary files in the store and half-built stores beside it."""
    aside = path.with_name(f"{path.name}.aside")
    if aside.exists() and not path.exists():
        aside.rename(path)
    for place in path.parent.glob(f".{path.name}.*.part"):
        shutil.rmtree(place, ignore_errors=True)
    folders = (place for place in path.glob("*/") if place.name != "reflectivity")  # which is swept
    for folder in (path, *folders, *path.glob("sources/*/")):
        for place in folder.glob("*.part"):
            place.unlink(missing_ok=True)
