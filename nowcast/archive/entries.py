"""The entries of a ledger, made into `Source` only where somebody asks for one.

Why: an archive that grows for years has hundreds of thousands of files, of which a run of ingest asks for a
few, and a forecast for the digests alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from nowcast.archive.layout import Document
from nowcast.core.errors import ArchiveError, printable

_KINDS = {
    "name": str,
    "size": int,
    "mtime_ns": int,
    "sha256": str,
    "reader": str,
    "frames": int,
    "source_grid": str,
    "quantity": str,
    "z_r_relation": str,
    "complete": bool,
    "accumulation_hours": str,
}


@dataclass(frozen=True)
class Source:
    """One ingested file.

    ``frames`` counts the frames that the archive holds *from this file*; the file is done only when so
    many slots name it, which makes a run that was killed in between visible. ``problems`` are frames
    of the file that could not be taken, each as one line. A file that could not be read to its end,
    or has frames that may be taken another day, is not ``complete`` and is read again next time.
    ``source_grid`` is the fingerprint of the grid that its frames were put on the archive's from.
    ``replaced`` names the frames whose earlier issue this file took the place of, and the file of that.
    """

    name: str
    size: int
    mtime_ns: int
    sha256: str
    reader: str
    frames: int
    quantity: str = ""
    z_r_relation: str = ""
    problems: tuple[str, ...] = ()
    complete: bool = True
    accumulation_hours: str = ""
    replaced: tuple[str, ...] = ()
    source_grid: str = ""


_FIELDS = frozenset(field.name for field in dataclasses.fields(Source))
_LISTS = ("problems", "replaced")


class Entries(Sequence[Source]):
    """Entries in the order of their indices, as they stand in the ledger ``where``."""

    def __init__(self, entries: Sequence[Document] = (), where: str = "ledger") -> None:
        self._entries = list(entries)
        self._made: dict[int, Source] = {}
        self._places: dict[str, int] | None = None
        self._where = where

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, index: int) -> Source: ...

    @overload
    def __getitem__(self, index: slice) -> list[Source]: ...

    def __getitem__(self, index: int | slice) -> Source | list[Source]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        if index not in self._made:
            self._made[index] = self._source(self._entries[index])
        return self._made[index]

    def __iter__(self) -> Iterator[Source]:
        return (self[i] for i in range(len(self)))

    def __setitem__(self, index: int, source: Source) -> None:
        self._entries[index] = vars(source)
        self._made[index] = source

    def append(self, source: Source) -> None:
        """Add an entry behind the last."""
        if self._places is not None:
            self._places.setdefault(source.sha256, len(self))
        self._made[len(self)] = source
        self._entries.append(vars(source))

    def column(self, name: str) -> list[Any]:
        """One field of every entry: one that has no default."""
        try:
            values = [entry[name] for entry in self._entries]
        except (KeyError, TypeError) as error:
            raise self._damaged(error) from error
        if not set(map(type, values)) <= {_KINDS[name]}:
            raise self._damaged(TypeError(f"an entry with another {name}"))
        return values

    def place(self, sha256: str) -> int | None:
        """The index of the file with this digest, None where there is none."""
        if self._places is None:
            digests = self.column("sha256")
            self._places = dict(zip(reversed(digests), range(len(digests) - 1, -1, -1), strict=True))
        return self._places.get(sha256)

    def named(self, names: Collection[str]) -> list[Source]:
        """The entries of files with these names."""
        return [self[i] for i, name in enumerate(self.column("name")) if name in names]

    def kinds(self) -> list[Source]:
        """One entry for each reader, quantity, relation and period that frames were taken from."""
        try:
            alike = {
                (e["reader"], e.get("quantity"), e.get("z_r_relation"), e.get("accumulation_hours")): i
                for i, e in enumerate(self._entries)
                if e["frames"]
            }
        except (AttributeError, KeyError, TypeError) as error:
            raise self._damaged(error) from error
        return [self[i] for i in alike.values()]

    def done(self, counts: npt.NDArray[np.int64]) -> Entries:
        """The entries that are in to their last frame, given how many frames there are of each."""
        wanted = self.column("frames")
        done = (
            entry
            for entry, frames, count in zip(self._entries, wanted, counts.tolist(), strict=False)
            if entry.get("complete", True) and count >= frames
        )
        return Entries(list(done), self._where)

    def without_problems(self) -> Entries:
        """The entries of files of which every frame could be taken."""
        return Entries([entry for entry in self._entries if not entry.get("problems")], self._where)

    def _source(self, entry: Any) -> Source:
        try:
            known = {name: value for name, value in entry.items() if name in _FIELDS}
            for name in _LISTS:
                if name in known:
                    known[name] = tuple(map(str, known[name]))
            for name, value in known.items():
                if name not in _LISTS and type(value) is not _KINDS[name]:
                    raise TypeError(f"an entry with {entry}"[:200])
            return Source(**known)
        except (KeyError, TypeError, AttributeError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> ArchiveError:
        return ArchiveError(
            f"{self._where}: not a list of files ({printable(error)}); the archive is damaged, remove "
            "it and ingest its files again"
        )
