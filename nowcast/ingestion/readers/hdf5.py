"""HDF5 as readers open it: nothing outside the file, nothing larger than it may be, attributes as values."""

from __future__ import annotations

import contextlib
import math
import zlib
from collections.abc import Callable, Iterator, Mapping
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


@contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """Open a file for reading, once it is known to stay within itself and within bounds.

    Why: HDF5 follows links into other files, reads raw bytes of any path as external storage, and makes
    room for whatever chunk size a header states; a radar file needs none of this.

    Raises:
        FileError: external storage or links, virtual data, or sizes beyond reason.
    """
    with HDF5_LOCK, h5py.File(path, "r") as file:
        _check_tree(path, file)
        yield file


def _check_tree(path: Path, file: Any) -> None:
    seen = {h5py.h5o.get_info(file.id).addr}
    waiting, links = [file], 0
    while waiting:
        group = waiting.pop()
        _check_attributes(path, group)
        links += len(group)
        if links > _MOST_OBJECTS:
            raise FileError(complain(f"{path}: members", f"more than {_MOST_OBJECTS}", "a radar file",
                                     "it is not read"))
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise _outside(path, f"{group.name}/{name} links to another file")
            if not isinstance(link, h5py.HardLink):
                continue  # it leads to a member that is looked at by its own name, or to nothing
            member = group[name]
            address = h5py.h5o.get_info(member.id).addr
            if address not in seen:
                seen.add(address)
                if isinstance(member, h5py.Group):
                    waiting.append(member)
                elif isinstance(member, h5py.Dataset):
                    _check_attributes(path, member)
                    _check_storage(path, member)


def _outside(path: Path, what: str) -> FileError:
    return FileError(f"{path}: {what.lstrip('/')}, expected a file that holds its own data; it is not read")


def _check_attributes(path: Path, member: Any) -> None:
    number = len(member.attrs)
    largest = 0
    if number <= _MOST_ATTRIBUTES:
        sizes = (h5py.h5a.open(member.id, index=i).get_storage_size() for i in range(number))
        largest = max(sizes, default=0)
    if number > _MOST_ATTRIBUTES or largest > _LARGEST_ATTRIBUTE:
        raise FileError(complain(
            f"{path}: attributes of {member.name}", f"{number}, the largest of {largest} bytes",
            f"at most {_MOST_ATTRIBUTES} of {_LARGEST_ATTRIBUTE} bytes", "it is not read"))


def _check_storage(path: Path, dataset: Any) -> None:
    plist = dataset.id.get_create_plist()
    if plist.get_external_count():
        raise _outside(path, f"{dataset.name} keeps its data in another file")
    if plist.get_layout() == h5py.h5d.VIRTUAL:
        raise _outside(path, f"{dataset.name} is made of other data sets")
    if dataset.chunks is None:
        return
    item = dataset.dtype.itemsize
    chunk, whole = math.prod(dataset.chunks) * item, (dataset.size or 0) * item
    if chunk > min(max(_SMALL_CHUNK, 2 * whole), _LARGEST_CHUNK):
        raise FileError(complain(f"{path}: chunks of {dataset.name}", f"{chunk} bytes",
                                 f"no more than its own {whole}", "it is not read"))


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
            raise FileError(complain(f"{path}: a chunk of {dataset.name}", f"{size} packed bytes",
                                     f"the {declared} bytes that it declares", "it is not read"))


def check_packed_members(path: Path, file: Any) -> None:
    """Refuse packed chunks in the root of a file whose size alone shows that they hold more than declared.

    Raises:
        FileError: one does.
    """
    for member in file.values():
        if isinstance(member, h5py.Dataset):
            check_packed(path, member, _NOWHERE)


def _packed_chunks(dataset: Any) -> list[tuple[tuple[int, ...], int]]:
    """Return place and packed size of each chunk; none of what is not packed or of too many to look at."""
    stored: list[tuple[tuple[int, ...], int]] = []
    if dataset.chunks is not None and dataset.compression == "gzip" and (
            dataset.id.get_num_chunks() <= _MOST_CHUNKS):
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


def attributes(group: Any, name: str) -> dict[str, Any]:
    """Return the attributes of a member of a group; none where it is not there."""
    return {k: plain(v) for k, v in group[name].attrs.items()} if name in group else {}


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
    raise FileError(complain(f"{path}: {where}/{name}", shown, "a number",
                             "ask the producer for a file that follows its format"))


def finite(path: Path, where: str, stated: Mapping[str, Any], name: str) -> float:
    """Return the attribute ``name`` as a number that is neither infinite nor NaN; errors as `number`."""
    value = number(path, where, stated, name)
    if not math.isfinite(value):
        raise FileError(complain(f"{path}: {where}/{name}", f"{value:g}", "a finite number",
                                 "ask the producer for a file that follows its format"))
    return value
