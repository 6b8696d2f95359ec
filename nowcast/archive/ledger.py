"""The ledger: which files an archive was made from, and what became of each.

It lies in Zarr groups ``sources/0``, ``sources/1`` … whose attribute ``files`` lists up to 512 files,
so that adding a file rewrites one page, however long the archive is, and any Zarr library shows it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nowcast.archive.layout import to_json
from nowcast.archive.store import read_json
from nowcast.core.errors import ArchiveError, printable
from nowcast.core.files import replace_bytes
from nowcast.core.places import DataPath

FILES_PER_PAGE = 512
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


def read_ledger(archive: DataPath) -> list[Source]:
    """Read all sources in the order of their indices.

    Raises:
        ArchiveError: a page is damaged.
    """
    return [source for page in _pages(archive) for source in _read(page)]


_Signature = tuple[int, int, int]
_READ: dict[str, tuple[_Signature, list[Source]]] = {}
"""Pages as they were last read: a run of ingest reads the ledger several times, and changes one page of it."""
_MOST_READ = 512


def _read(page: DataPath) -> list[Source]:
    """The sources of a page; of a file that is still the same one, those that were read before."""
    if not isinstance(page, Path):
        return list(_sources(page))
    found = page.stat()
    signature = found.st_ino, found.st_mtime_ns, found.st_size
    known = _READ.get(str(page))
    if known is None or known[0] != signature:
        if len(_READ) >= _MOST_READ:
            _READ.clear()
        known = _READ[str(page)] = signature, list(_sources(page))
    return known[1]


def _pages(archive: DataPath) -> Iterator[DataPath]:
    number = 0
    while (page := archive / "sources" / str(number) / "zarr.json").exists():
        yield page
        number += 1


def _sources(page: DataPath) -> Iterator[Source]:
    try:
        for entry in read_json(page)["attributes"]["files"]:
            known = {name: value for name, value in entry.items() if name in _FIELDS}
            for name in _LISTS:
                if name in known:
                    known[name] = tuple(map(str, known[name]))
            for name, value in known.items():
                if name not in _LISTS and type(value) is not _KINDS[name]:
                    raise TypeError(f"an entry with {entry}"[:200])
            yield Source(**known)
    except (KeyError, TypeError, AttributeError) as error:
        raise ArchiveError(
            f"{page}: not a list of files ({printable(error)}); the archive is damaged, remove "
            "it and ingest its files again"
        ) from error


def write_ledger(archive: Path, sources: list[Source], changed_from: int) -> None:
    """Write the pages that hold the sources from index ``changed_from`` on."""
    for number in range(changed_from // FILES_PER_PAGE, -(-len(sources) // FILES_PER_PAGE)):
        part = sources[number * FILES_PER_PAGE : (number + 1) * FILES_PER_PAGE]
        files = [{k: v for k, v in dataclasses.asdict(s).items() if v not in ("", ())} for s in part]
        group = {"zarr_format": 3, "node_type": "group", "attributes": {"files": files}}
        replace_bytes(archive / "sources" / str(number) / "zarr.json", to_json(group))
