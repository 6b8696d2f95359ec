"""What a Zarr store may hold before anything is decoded: plain numbers, known codecs, chunks within bounds.

Why: metadata name the codecs to run (one of them unpickles), shapes and chunk sizes to make room for, and a
packed chunk may hold a thousand times its size.
"""

from __future__ import annotations

import json
import math
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from nowcast.core.errors import FileError, complain
from nowcast.ingestion.readers.lazy import MOST_CELLS

METADATA = ("zarr.json", ".zgroup", ".zmetadata", ".zarray", ".zattrs")
_CODECS = frozenset(
    (
        "bytes",
        "transpose",
        "gzip",
        "zstd",
        "blosc",
        "crc32c",
        "sharding_indexed",
        "zlib",
        "bz2",
        "lzma",
        "lz4",
        "vlen-utf8",
        "vlen-bytes",
        "shuffle",
        "delta",
        "fixedscaleoffset",
        "quantize",
        "bitround",
        "crc32",
        "adler32",
        "fletcher32",
    )
)
_LARGEST_JSON = 64 << 20
_MOST_MEMBERS = 2_000_000
_SMALL_CHUNK, _LARGEST_CHUNK = 16 << 20, 8 * MOST_CELLS
_LARGEST_ITEM = 8
_HARMLESS = 256 << 20
_RATIO = 1032
_SLACK = 1 << 16


def largest_chunk(path: Path, root: str) -> int:
    """Return what `check_store` does, looked up where the document ``root`` is as it was the last time."""
    stat = (path / root if path.is_dir() else path).stat()
    return _checked(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=8)
def _checked(path: Path, mtime_ns: int, size: int) -> int:
    del mtime_ns, size
    return check_store(path)


def check_store(path: Path) -> int:
    """Look through the metadata of a store in a folder or a zip file.

    Returns:
        The most bytes that one of its chunks may unpack to.

    Raises:
        FileError: links, a codec that is not known to be harmless, or sizes beyond reason.
        OSError: it cannot be read.
    """
    largest = 0
    for name, read in _zipped(path) if path.is_file() else _in_folder(path):
        try:
            document = json.loads(read())
        except (ValueError, RecursionError) as error:
            raise FileError(f"{path}: {name} is not JSON; the store is damaged, fetch it again") from error
        largest = max(largest, _check_document(path, name, document))
    return largest


def _in_folder(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    for count, member in enumerate(path.rglob("*")):
        if count > _MOST_MEMBERS:
            raise FileError(
                complain(f"{path}: members", f"more than {_MOST_MEMBERS}", "a radar store", "it is not read")
            )
        name = str(member.relative_to(path))
        if member.is_symlink():
            raise FileError(
                f"{path}: {name} is a link, expected a store that holds its own data; it is not read"
            )
        if member.name in METADATA:
            _check_length(path, name, member.stat().st_size)
            yield name, member.read_bytes


def _zipped(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    with zipfile.ZipFile(path) as packed:
        members = packed.infolist()
        if len(members) > _MOST_MEMBERS:
            raise FileError(
                complain(f"{path}: members", len(members), f"at most {_MOST_MEMBERS}", "it is not read")
            )
        for member in members:
            if member.file_size > _LARGEST_CHUNK:
                raise FileError(
                    complain(
                        f"{path}: {member.filename[:80]}",
                        f"{member.file_size} bytes",
                        f"at most {_LARGEST_CHUNK}",
                        "it is not read",
                    )
                )
            if member.filename.rpartition("/")[2] in METADATA:
                _check_length(path, member.filename, member.file_size)
                yield member.filename, lambda member=member: packed.read(member)  # type: ignore[misc]


def _check_length(path: Path, name: str, size: int) -> None:
    if size > _LARGEST_JSON:
        raise FileError(
            complain(f"{path}: {name}", f"{size} bytes", f"at most {_LARGEST_JSON}", "it is not read")
        )


def _check_document(path: Path, name: str, document: Any) -> int:
    """Check what one document of metadata says, consolidated ones within it too; returns the largest chunk."""
    if not isinstance(document, dict):
        raise FileError(f"{path}: {name} holds no metadata; the store is damaged, fetch it again")
    within = document.get("consolidated_metadata") or document
    inner = within.get("metadata") if isinstance(within, dict) else None
    sizes = (
        [
            _check_document(path, f"{name}/{key}", value)
            for key, value in inner.items()
            if isinstance(value, dict)
        ]
        if isinstance(inner, dict)
        else []
    )
    if "shape" in document:
        sizes.append(_check_array(path, name, document))
    return max(sizes, default=0)


def _check_array(path: Path, name: str, document: dict[str, Any]) -> int:
    shape = document["shape"]
    grid = document.get("chunk_grid")
    chunks: Any = document.get("chunks")
    if isinstance(grid, dict):
        chunks = grid.get("configuration", {}).get("chunk_shape")
    for what, numbers in (("shape", shape), ("chunks", chunks)):
        if not isinstance(numbers, list) or any(type(n) is not int or not 0 <= n < 2**62 for n in numbers):
            raise FileError(
                complain(
                    f"{path}: {what} of {name}",
                    str(numbers)[:60],
                    "whole numbers",
                    "the store is damaged, fetch it again",
                )
            )
    codecs = list(_codec_names(document))
    wrong = [c for c in codecs if c.removeprefix("numcodecs.") not in _CODECS]
    if wrong:
        raise FileError(
            complain(
                f"{path}: codec of {name}",
                f"'{wrong[0][:40]}'",
                f"one of {', '.join(sorted(_CODECS))}",
                "it is not read",
            )
        )
    chunk: int = math.prod(chunks) * _LARGEST_ITEM
    whole: int = math.prod(shape) * _LARGEST_ITEM
    if chunk > min(max(_SMALL_CHUNK, 2 * whole), _LARGEST_CHUNK):
        raise FileError(
            complain(
                f"{path}: chunks of {name}",
                f"{math.prod(chunks)} values",
                f"no more than its own {math.prod(shape)}, and {MOST_CELLS} at most",
                "it is not read",
            )
        )
    return chunk


def _codec_names(document: dict[str, Any]) -> Iterator[str]:
    """Yield the names of all codecs of an array of version 2 or 3, those within shards too."""
    for key in ("filters", "compressor", "codecs", "index_codecs"):
        found = document.get(key)
        for codec in [found] if isinstance(found, dict) else found if isinstance(found, list) else []:
            yield str(codec.get("id", codec.get("name", ""))) if isinstance(codec, dict) else str(codec)
            configuration = codec.get("configuration") if isinstance(codec, dict) else None
            if isinstance(configuration, dict):
                yield from _codec_names(configuration)


def check_packed_chunk(where: str, data: bytes, most: int) -> None:
    """Refuse the bytes of a chunk that unpack to more than the largest chunk of the store.

    Raises:
        FileError: they do.
    """
    if len(data) > 2 * most + _SLACK or _unpacked(data) > most + _SLACK:
        raise FileError(
            complain(
                where,
                f"{len(data)} packed bytes",
                f"no more than the {most} bytes of a chunk",
                "it is not read",
            )
        )


def _unpacked(data: bytes) -> int:
    """Return the size that a packed chunk says it has, 0 where it does not say.

    Source: RFC 8878, section 3.1.1 (Zstandard); the header of a Blosc 1 chunk, bytes 4 to 7.
    """
    if data[:4] == b"\x28\xb5\x2f\xfd" and len(data) > 6:
        flag, single, dictionary = data[4] >> 6, data[4] >> 5 & 1, data[4] & 3
        start = 6 - single + (0, 1, 2, 4)[dictionary]
        length = (single, 2, 4, 8)[flag]
        return int.from_bytes(data[start : start + length], "little") + 256 * (length == 2)
    if data[:2] == b"\x1f\x8b" or data[:1] == b"\x78":
        return 0 if len(data) * _RATIO <= _HARMLESS else _inflated(data)
    if data[:1] == b"\x02" and len(data) >= 16 and int.from_bytes(data[12:16], "little") == len(data):
        return int.from_bytes(data[4:8], "little")
    return 0


def _inflated(data: bytes) -> int:
    unpacker, found = zlib.decompressobj(47), 0
    try:
        while data and found <= _LARGEST_CHUNK:
            found += len(unpacker.decompress(data, 1 << 22))
            data = unpacker.unconsumed_tail
    except zlib.error:
        return 0
    return found
