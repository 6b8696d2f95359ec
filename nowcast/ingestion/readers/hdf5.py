"""HDF5 as readers open it: nothing outside the file, nothing larger than it may be, attributes as values."""

from __future__ import annotations

import contextlib
import math
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from nowcast.core.errors import FileError, complain
from nowcast.ingestion.readers.lazy import HDF5_LOCK, MOST_CELLS

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
"""The first eight bytes of a file."""
_MOST_OBJECTS, _MOST_ATTRIBUTES = 10_000, 2_000
_LARGEST_ATTRIBUTE = 1 << 20
_MOST_CHUNKS = 1_000_000
_SMALL_CHUNK, _LARGEST_CHUNK = 16 << 20, 8 * MOST_CELLS
_DEFLATE_RATIO = 1032
"""Deflate turns one byte into at most so many."""
_HARMLESS_INFLATED = 256 << 20
_PACKED_SLACK = 1 << 16
_NOWHERE = {0: -1}
Check = Callable[[Path, list[Any]], None]
_SETTLED_NS = 2_000_000_000
_MOST_SEEN = 64
_SEEN: dict[tuple[Any, ...], None] = {}
"""Files that were looked through, the oldest first; kept under `HDF5_LOCK`."""


@contextmanager
def open_hdf5(path: Path, further: Check | None = None) -> Iterator[Any]:
    """Open a file for reading, once it is known to stay within itself and within bounds.

    Why: HDF5 follows links into other files, reads raw bytes of any path as external storage, and makes
    room for whatever chunk size a header states; a radar file needs none of this.

    Args:
        path: the file.
        further: what else to check of its data sets in chunks before it is used, which is cached as well.

    Raises:
        FileError: external storage or links, virtual data, or sizes beyond reason.
    """
    with HDF5_LOCK, h5py.File(path, "r") as file:
        _check_once(path, file, further)
        yield file


def _check_once(path: Path, file: Any, further: Check | None) -> None:
    """Look a file through unless this very file was, and has not been changed since.

    Why: it is opened to be recognised, for its times and grid, and for each frame. A file that was changed in
    the last seconds is looked through again: the clock of a file system may miss a change.
    """
    stat = os.fstat(file.id.get_vfd_handle())
    mark = (further, stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    if mark in _SEEN:
        return
    chunked = _check_tree(path, file.id)
    if further is not None:
        further(path, chunked)
    if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > _SETTLED_NS:
        while len(_SEEN) >= _MOST_SEEN:
            _SEEN.pop(next(iter(_SEEN)))
        _SEEN[mark] = None


def _check_tree(path: Path, root: Any) -> list[Any]:
    """Visit every link and every object once and return the data sets in chunks.

    What is returned to the library ends its visit.
    """
    links: list[bytes] = []
    chunked: list[Any] = []

    def check_link(name: bytes, info: Any) -> FileError | None:
        links.append(name)
        if len(links) > _MOST_OBJECTS:
            return FileError(
                complain(f"{path}: members", f"more than {_MOST_OBJECTS}", "a radar file", "it is not read")
            )
        if info.type not in (h5py.h5l.TYPE_HARD, h5py.h5l.TYPE_SOFT):
            return _outside(path, f"{name.decode('utf-8', 'replace')} links to another file")
        return None

    def check_object(name: bytes, info: Any) -> FileError | None:
        beyond_header = info.meta_size.attr.index_size or info.meta_size.attr.heap_size
        if beyond_header or info.hdr.space.total > _LARGEST_ATTRIBUTE:
            fault = _attribute_fault(path, name, h5py.h5o.open(root, name))
            if fault is not None:
                return fault
        if info.type == h5py.h5o.TYPE_DATASET:
            return _storage_fault(path, h5py.h5o.open(root, name), chunked)
        return None

    fault = root.links.visit(check_link, info=True) or h5py.h5o.visit(root, check_object, info=True)
    if fault is not None:
        raise fault
    return chunked


def _outside(path: Path, what: str) -> FileError:
    return FileError(f"{path}: {what.lstrip('/')}, expected a file that holds its own data; it is not read")


def _attribute_fault(path: Path, name: bytes, member: Any) -> FileError | None:
    """Say what is wrong with attributes that do not all lie in the header of their object, which is small."""
    number = h5py.h5a.get_num_attrs(member)
    largest = 0
    if 0 < number <= _MOST_ATTRIBUTES:
        largest = max(h5py.h5a.get_info(member, index=i).data_size for i in range(number))
    if number <= _MOST_ATTRIBUTES and largest <= _LARGEST_ATTRIBUTE:
        return None
    shown = name.decode("utf-8", "replace").removeprefix(".")
    return FileError(
        complain(
            f"{path}: attributes of /{shown}",
            f"{number}, the largest of {largest} bytes",
            f"at most {_MOST_ATTRIBUTES} of {_LARGEST_ATTRIBUTE} bytes",
            "it is not read",
        )
    )


def _storage_fault(path: Path, member: Any, chunked: list[Any]) -> FileError | None:
    """Say what is wrong with where a data set is kept; one in chunks is put to ``chunked``."""
    plist = member.get_create_plist()
    layout = plist.get_layout()
    if plist.get_external_count():
        return _outside(path, f"{h5py.Dataset(member).name} keeps its data in another file")
    if layout == h5py.h5d.VIRTUAL:
        return _outside(path, f"{h5py.Dataset(member).name} is made of other data sets")
    if layout != h5py.h5d.CHUNKED:
        return None
    chunked.append(member)
    item = member.dtype.itemsize
    chunk, whole = math.prod(plist.get_chunk()) * item, math.prod(member.shape) * item
    if chunk <= min(max(_SMALL_CHUNK, 2 * whole), _LARGEST_CHUNK):
        return None
    return FileError(
        complain(
            f"{path}: chunks of {h5py.Dataset(member).name}",
            f"{chunk} bytes",
            f"no more than its own {whole}",
            "it is not read",
        )
    )


def read_numbers(path: Path, dataset: Any) -> npt.NDArray[Any]:
    """Read a whole data set, whose chunks must not unpack to more than they are declared to hold.

    Raises:
        FileError: they would.
    """
    check_packed(path, dataset)
    values: npt.NDArray[Any] = dataset[()]
    return values


def check_packed(path: Path, dataset: Any, at: Mapping[int, int] | None = None) -> None:
    """Refuse chunks that unpack to more than they are declared to hold; HDF5 itself would make room for it.

    Args:
        path: for messages.
        dataset: whose chunks.
        at: axis -> index, where only the chunks at these places are read: others are judged by their packed
            size alone. None reads all.

    Raises:
        FileError: one does.
    """
    for offset, size in _packed_chunks(dataset):
        declared = math.prod(dataset.chunks) * dataset.dtype.itemsize
        here = all(offset[axis] <= i < offset[axis] + dataset.chunks[axis] for axis, i in (at or {}).items())
        if size > 2 * declared + _PACKED_SLACK or (here and not _fits(dataset, offset, size, declared)):
            raise FileError(
                complain(
                    f"{path}: a chunk of {dataset.name}",
                    f"{size} packed bytes",
                    f"the {declared} bytes that it declares",
                    "it is not read",
                )
            )


def check_packed_members(path: Path, chunked: list[Any]) -> None:
    """Refuse packed chunks whose size alone shows that they hold more than declared.

    Raises:
        FileError: one does.
    """
    for member in chunked:
        check_packed(path, h5py.Dataset(member), _NOWHERE)


def _packed_chunks(dataset: Any) -> list[tuple[tuple[int, ...], int]]:
    """Return place and packed size of each chunk; none of what is not packed or of too many to look at."""
    stored: list[tuple[tuple[int, ...], int]] = []
    if (
        dataset.chunks is not None
        and dataset.compression == "gzip"
        and (dataset.id.get_num_chunks() <= _MOST_CHUNKS)
    ):
        dataset.id.chunk_iter(lambda info: stored.append((info.chunk_offset, info.size)))
    return stored


def _fits(dataset: Any, offset: tuple[int, ...], size: int, declared: int) -> bool:
    if size * _DEFLATE_RATIO <= _HARMLESS_INFLATED:
        return True
    mask, packed = dataset.id.read_direct_chunk(offset)
    if mask:
        return True
    unpacker, found = zlib.decompressobj(), 0
    while packed and found <= declared + 4:
        found += len(unpacker.decompress(packed, 1 << 22))
        packed = unpacker.unconsumed_tail
    return found <= declared + 4


def is_hdf5(path: Path, of_the_format: Callable[[Any], bool]) -> bool:
    """Whether this is HDF5 of which ``of_the_format`` holds; never raises, as `Reader.sniff`."""
    try:
        with path.open("rb") as handle:
            if handle.read(8) != HDF5_MAGIC:
                return False
        with open_hdf5(path) as file:
            return of_the_format(file)
    except Exception:
        return False


def plain(value: Any) -> Any:
    """Return an attribute as text or a number, however the producer wrapped it; several stay an array."""
    value = np.asarray(value)
    if value.size > 1:
        return value
    item = value.reshape(-1)[0] if value.size else ""
    return item.decode("utf-8", "replace").strip("\0 ") if isinstance(item, bytes) else item


def attributes(group: Any, name: str, wanted: Iterable[str] | None = None) -> dict[str, Any]:
    """Return the attributes of a member of a group, all or those ``wanted``; none where it is not there.

    Why not always all: each takes as long as a thousand cells.
    """
    member = group.get(name)
    stated = {} if member is None else member.attrs
    found = {}
    for k in stated if wanted is None else wanted:
        try:
            found[k] = plain(stated[k])
        except KeyError:  # asked only now, as most are there
            if k in stated:
                raise
    return found


def number(path: Path, where: str, stated: Mapping[str, Any], name: str) -> float:
    """Return the attribute ``name`` as a number.

    Raises:
        FileError: absent or not a number, naming the file, the group and the value.
    """
    value: Any = stated.get(name)
    with contextlib.suppress(TypeError, ValueError):
        if np.size(value) == 1:
            return float(value)
    shown = "nothing" if value is None else f"'{' '.join(str(value).split())[:40]}'"
    raise FileError(
        complain(
            f"{path}: {where}/{name}", shown, "a number", "ask the producer for a file that follows its format"
        )
    )


def finite(path: Path, where: str, stated: Mapping[str, Any], name: str) -> float:
    """Return the attribute ``name`` as a number that is neither infinite nor NaN; errors as `number`."""
    value = number(path, where, stated, name)
    if not math.isfinite(value):
        raise FileError(
            complain(
                f"{path}: {where}/{name}",
                f"{value:g}",
                "a finite number",
                "ask the producer for a file that follows its format",
            )
        )
    return value
