"""How long a netCDF-3 file must be: its header, read by hand, against the bytes that are there.

Why by hand: the netCDF library fills what is cut off with zeros, which then pass for data.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from pathlib import Path

from nowcast.core.errors import FileError

_HEADER_BYTES = 1 << 20
_MOST_ENTRIES = 10_000
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
"""Bytes of a value by number of its type; the last five are of CDF-5 alone."""
_DIMENSIONS, _VARIABLES, _ATTRIBUTES = 10, 11, 12


def is_netcdf3(head: bytes) -> bool:
    """Return whether these first bytes are of netCDF-3: classic, 64-bit offset or CDF-5."""
    return head[:3] == b"CDF" and head[3:4] in (b"\x01", b"\x02", b"\x05")


def check_whole(path: Path) -> None:
    """Refuse a netCDF-3 file that is shorter than its header says, or whose header is no header.

    Raises:
        FileError: with both sizes.

    Source: netCDF Users Guide, "File format specifications": classic, 64-bit offset and 64-bit data.
    """
    size = path.stat().st_size
    with path.open("rb") as handle:
        header = _Header(handle.read(_HEADER_BYTES))
    try:
        needed = header.size_of_file()
    except (struct.error, IndexError, ValueError, KeyError) as error:
        raise FileError(
            f"{path}: its netCDF-3 header is damaged or cut off ({error}); fetch it again"
        ) from error
    if size < needed:
        raise FileError(
            f"{path}: got {size} bytes, expected the {needed} that its header announces; it is "
            "truncated, fetch it again"
        )


@dataclass(frozen=True)
class _Stored:
    """Where one variable lies: its first byte, the bytes of one record or of all, and which of the two."""

    begin: int
    size: int
    by_record: bool

    @property
    def padded(self) -> int:
        return -(-self.size // 4) * 4


class _Header:
    """A cursor over the bytes of a header."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 4
        self.version = data[3]
        self.records = 0
        self.lengths: list[int] = []

    def size_of_file(self) -> int:
        """Return the bytes up to the end of the last value, without the padding behind it."""
        self.records = self._count()
        if self.records == (1 << (64 if self.version == 5 else 32)) - 1:
            raise ValueError("the number of records was never written")
        for _ in range(self._entries(_DIMENSIONS)):
            self._name()
            self.lengths.append(self._count())
        self._skip_attributes()
        stored = [self._variable() for _ in range(self._entries(_VARIABLES))]
        fixed = sorted((s for s in stored if not s.by_record), key=lambda s: s.begin)
        records = sorted((s for s in stored if s.by_record), key=lambda s: s.begin)
        order = [*fixed, *records]
        if any(s.begin < self.place for s in order) or any(
            a.begin + a.size > b.begin for a, b in pairwise(order)
        ):
            raise ValueError("variables lie over each other")
        step = records[0].size if len(records) == 1 else sum(s.padded for s in records)
        ends = [s.begin + s.size for s in fixed]
        if self.records:
            ends += [s.begin + (self.records - 1) * step + s.size for s in records]
        return max(ends, default=self.place)

    def _variable(self) -> _Stored:
        self._name()
        numbers = [self._count() for _ in range(self._bounded(self._count()))]
        shape = [self.lengths[n] for n in numbers]
        self._skip_attributes()
        width = _BYTES[self._number(4)]
        self._count()  # vsize, which is wrong by design for large variables: computed instead
        begin = self._number(4 if self.version == 1 else 8)
        by_record = bool(shape) and shape[0] == 0
        if 0 in shape[1:]:
            raise ValueError("the record dimension is not the first")
        return _Stored(begin, width * prod(shape[1:] if by_record else shape), by_record)

    def _skip_attributes(self) -> None:
        for _ in range(self._entries(_ATTRIBUTES)):
            self._name()
            width = _BYTES[self._number(4)]
            self._skip(width * self._count())

    def _entries(self, tag: int) -> int:
        found, count = self._number(4), self._count()
        if found != tag and (found, count) != (0, 0):
            raise ValueError(f"tag {found} where {tag} should be")
        return self._bounded(count)

    def _bounded(self, count: int) -> int:
        if count > _MOST_ENTRIES:
            raise ValueError(f"{count} entries of one kind")
        return count

    def _name(self) -> None:
        self._skip(self._count())

    def _skip(self, count: int) -> None:
        self.place += -(-count // 4) * 4
        if self.place > len(self.data):
            raise ValueError("it ends early")

    def _count(self) -> int:
        return self._number(8 if self.version == 5 else 4)

    def _number(self, width: int) -> int:
        value = int(struct.unpack_from(">I" if width == 4 else ">Q", self.data, self.place)[0])
        self.place += width
        return value
