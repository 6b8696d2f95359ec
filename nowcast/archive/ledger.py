"""The ledger: which files an archive was made from, and what became of each.

It lies in Zarr groups ``sources/0``, ``sources/1`` … whose attribute ``files`` lists up to 512 files,
so that adding a file rewrites one page, however long the archive is, and any Zarr library shows it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from nowcast.archive.entries import Entries, Source
from nowcast.archive.layout import Document, to_json
from nowcast.archive.store import read_json
from nowcast.core.errors import ArchiveError
from nowcast.core.files import replace_bytes
from nowcast.core.places import DataPath

FILES_PER_PAGE = 512

__all__ = ["FILES_PER_PAGE", "Entries", "Source", "read_ledger", "write_ledger"]


def read_ledger(archive: DataPath) -> Entries:
    """Read all sources in the order of their indices.

    Raises:
        ArchiveError: a page is damaged.
    """
    return Entries([entry for page in _pages(archive) for entry in _read(page)], str(archive / "sources"))


_Signature = tuple[int, int, int]
_READ: dict[str, tuple[_Signature, list[Document]]] = {}
"""Pages as they were last read: a run of ingest reads the ledger several times, and changes one page of it."""
_MOST_READ = 512


def _read(page: DataPath) -> list[Document]:
    """The entries of a page; of a file that is still the same one, those that were read before."""
    if not isinstance(page, Path):
        return _entries(page)
    found = page.stat()
    signature = found.st_ino, found.st_mtime_ns, found.st_size
    known = _READ.get(str(page))
    if known is None or known[0] != signature:
        if len(_READ) >= _MOST_READ:
            _READ.clear()
        known = _READ[str(page)] = signature, _entries(page)
    return known[1]


def _pages(archive: DataPath) -> Iterator[DataPath]:
    number = 0
    while (page := archive / "sources" / str(number) / "zarr.json").exists():
        yield page
        number += 1


def _entries(page: DataPath) -> list[Document]:
    attributes = read_json(page).get("attributes")
    entries = attributes.get("files") if isinstance(attributes, dict) else None
    if not isinstance(entries, list):
        raise ArchiveError(
            f"{page}: not a list of files; the archive is damaged, remove it and ingest its files again"
        )
    return entries


def write_ledger(archive: Path, sources: Sequence[Source], changed_from: int) -> None:
    """Write the pages that hold the sources from index ``changed_from`` on."""
    for number in range(changed_from // FILES_PER_PAGE, -(-len(sources) // FILES_PER_PAGE)):
        part = sources[number * FILES_PER_PAGE : (number + 1) * FILES_PER_PAGE]
        files = [{k: v for k, v in dataclasses.asdict(s).items() if v not in ("", ())} for s in part]
        group = {"zarr_format": 3, "node_type": "group", "attributes": {"files": files}}
        replace_bytes(archive / "sources" / str(number) / "zarr.json", to_json(group))
