"""Making an archive from the frames of others: what is put into each slot, written whole or not at all."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from tqdm import tqdm

from nowcast.archive.create import NewArchive, create_archive
from nowcast.archive.layout import frame_name
from nowcast.archive.ledger import Source
from nowcast.archive.packing import PACKING, Codes, encode_chunk
from nowcast.archive.reader import Archive
from nowcast.archive.writer import ArchiveWriter, FrameRecord, describe
from nowcast.core.engine import Engine, open_engine
from nowcast.core.errors import ArchiveError
from nowcast.core.files import check_place, replace_bytes, whole_folder
from nowcast.core.places import DataPath, ObjectPath, store_of

Overlap = Literal["first", "fill", "max"]
"""What becomes of a time that several archives hold: the first's frame; the same, with what it has not
observed from the next; or of every cell the largest."""
_FRAMES_A_TASK = 32
_STATE = "unfinished.json"


class Slot(NamedTuple):
    """A slot of the new archive, and which archives have a frame for it, the preferred one first."""

    number: int
    time: np.datetime64
    archives: tuple[int, ...]


class Done(NamedTuple):
    """A frame of the new archive: its record, the archive it counts from, and whether another differed."""

    record: FrameRecord | None
    """None where a cut-out has not one observed cell: such a frame counts as missing."""
    time: np.datetime64
    archive: int
    differs: bool


@dataclass(frozen=True)
class Derivation:
    """How frames become those of the new archive.

    Args:
        archives: those read from, in the order of preference.
        new: what the new archive is made with.
        rows: of each frame that are kept, half-open.
        columns: likewise.
        overlap: what becomes of a time that several hold.
        partly: whether a file of which not all frames are kept may be ingested again.
    """

    archives: tuple[Archive, ...]
    new: NewArchive
    rows: tuple[int, int]
    columns: tuple[int, int]
    overlap: Overlap = "first"
    partly: bool = False

    def codes(self, slot: Slot) -> tuple[Codes, bool]:
        """Return the packed frame of a slot (H, W), and whether the archives differ about it."""
        window = slice(*self.rows), slice(*self.columns)
        first, *others = (self.archives[n].packed(slot.time)[window] for n in slot.archives)
        found = first
        for other in others:
            if self.overlap == "fill":
                found = np.where(found == PACKING.fill, other, found)
            elif self.overlap == "max":
                found = np.maximum(found, other)
        return found, any(not np.array_equal(first, other) for other in others)


@dataclass(frozen=True)
class _Work:
    """Makes the frames of a few slots; can be sent to another process."""

    how: Derivation
    place: DataPath
    there: frozenset[str]
    """Chunks that an earlier try has put into an object store."""

    @cached_property
    def _chunks(self) -> DataPath:
        return self.place / "reflectivity"

    def __call__(self, slots: Sequence[Slot]) -> list[Done]:
        return [self._one(slot) for slot in slots]

    def _one(self, slot: Slot) -> Done:
        codes, differs = self.how.codes(slot)
        if not (codes != PACKING.fill).any():
            return Done(None, slot.time, slot.archives[0], differs)
        name = frame_name(slot.number)
        if name not in self.there:
            # A folder is whole only once it is flushed to its last file (`whole_folder`): not each file, too.
            (self._chunks / name).write_bytes(encode_chunk(codes))
        return Done(describe(slot.number, codes), slot.time, slot.archives[0], differs)


def put(place: DataPath, data: bytes) -> None:
    """Write a file or an object, whole."""
    if isinstance(place, ObjectPath):
        place.write_bytes(data)
    else:
        replace_bytes(place, data)


def derive(
    how: Derivation,
    slots: Sequence[Slot],
    out: DataPath,
    *,
    overwrite: bool,
    progress: bool,
    engine: Engine | None,
) -> tuple[int, int]:
    """Make an archive: a folder whole or not at all; in an object store it is gone on with when run again.

    Returns:
        How many frames it holds, and about how many of them the archives differ.

    Raises:
        ArchiveError: something is there already, or a frame cannot be read.
        FileError: it cannot be written.
    """
    _check_free(out, how.archives, overwrite)
    with (
        _building(out, how) as (folder, place, there),
        open_engine() if engine is None else nullcontext(engine) as own,
    ):
        create_archive(folder, how.new)
        tasks = [slots[i : i + _FRAMES_A_TASK] for i in range(0, len(slots), _FRAMES_A_TASK)]
        done: list[Done] = []
        with tqdm(desc=out.name, total=len(slots), unit="frame", disable=not progress) as bar:
            for part in own.each(_Work(how, place, there), tasks):
                done += part
                bar.update(len(part))
        kept = sorted((d for d in done if d.record is not None), key=lambda d: d.time)
        if not kept:
            raise ArchiveError(f"{out}: would hold not one observed cell, expected some; choose another part")
        ArchiveWriter(folder).commit(_entries(how, kept))
    return len(kept), sum(d.differs for d in kept)


def _check_free(out: DataPath, archives: Sequence[Archive], overwrite: bool) -> None:
    if isinstance(out, Path):
        mine = out.resolve()
        for archive in archives:
            its = archive.path.resolve() if isinstance(archive.path, Path) else None
            if its is not None and (mine == its or its in mine.parents or mine in its.parents):
                raise ArchiveError(f"{out}: is what is read, expected another place; choose another --out")
    if (out / "zarr.json").exists() if isinstance(out, ObjectPath) else out.exists():
        if not overwrite:
            raise ArchiveError(
                f"{out}: is there already, expected nothing; choose another --out, or say --overwrite"
            )
        if not (out / "zarr.json").exists():
            raise ArchiveError(f"{out}: is no archive, expected one or nothing; choose another --out")
    if isinstance(out, Path):
        check_place(out / "zarr.json")


@contextmanager
def _building(out: DataPath, how: Derivation) -> Iterator[tuple[Path, DataPath, frozenset[str]]]:
    """Yield the folder of the metadata, the place of the chunks, and what chunks are there already."""
    if isinstance(out, Path):
        with whole_folder(out.absolute()) as folder:
            yield folder, folder, frozenset()
        return
    store, state = store_of(out.url), json.dumps(_identity(how)).encode()
    store.invalidate_cache()
    there: frozenset[str] = frozenset()
    if store.exists(f"{out.url}/{_STATE}") and store.cat_file(f"{out.url}/{_STATE}") == state:
        there = frozenset(str(p).rpartition("/")[2] for p in store.find(f"{out.url}/reflectivity"))
    elif store.exists(out.url):
        store.rm(out.url, recursive=True)
    put(out / _STATE, state)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "archive"
        yield folder, out, there
        files = sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / "zarr.json")
        for file in (*files, folder / "zarr.json"):
            put(ObjectPath(f"{out.url}/{file.relative_to(folder).as_posix()}"), file.read_bytes())
    store.rm_file(f"{out.url}/{_STATE}")


def _identity(how: Derivation) -> list[object]:
    return [
        [a.fingerprint for a in how.archives],
        how.rows,
        how.columns,
        how.overlap,
        str(how.new.first),
        str(how.new.step),
    ]


def _entries(how: Derivation, kept: Sequence[Done]) -> list[tuple[Source, list[FrameRecord]]]:
    """Return the files of the new ledger, in the order of the old ones, each with its frames."""
    found: dict[str, tuple[Source, list[FrameRecord]]] = {}
    for number, archive in enumerate(how.archives):
        sources = archive.sources
        index = dict(zip(archive.times.tolist(), archive.over_time("source").tolist(), strict=True))
        mine: dict[int, list[FrameRecord]] = {}
        for frame in kept:
            if frame.archive == number and frame.record is not None:
                mine.setdefault(index[int(frame.time.astype(np.int64))], []).append(frame.record)
        for place, source in enumerate(sources):
            records = mine.get(place, [])
            if records or len(how.archives) > 1:
                _, before = found.get(source.sha256, (source, []))
                complete = source.complete and not (how.partly and len(records) < source.frames)
                entry = replace(source, frames=len(before) + len(records), complete=complete)
                found[source.sha256] = entry, [*before, *records]
    return list(found.values())


def joined(archives: Sequence[Archive], history: str) -> Mapping[str, object]:
    """Return the attributes of an archive made from others: the first's, with every source and licence."""
    attrs = dict(archives[0].attrs)
    for name in ("source", "licence"):
        texts = dict.fromkeys(str(a.attrs[name]) for a in archives if a.attrs.get(name))
        if texts:
            attrs[name] = "; ".join(texts)
    attrs["history"] = "\n".join(filter(None, [str(attrs.get("history", "")), history]))
    return attrs
