"""Readers of other distributions: found through the entry points ``nowcast.readers``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from nowcast.core.errors import printable
from nowcast.ingestion.readers.base import Reader

GROUP = "nowcast.readers"
_TAKEN = (":",)
"""What a name may not hold: a colon parts a name from a variable."""


@dataclass(frozen=True)
class PlugIn:
    """One reader of another distribution: itself, or in one line why it cannot be used."""

    name: str
    origin: str
    """Distribution and version."""
    reader: Reader | None
    fault: str = ""


def plug_ins(taken: frozenset[str]) -> tuple[PlugIn, ...]:
    """Return the readers that other distributions register, those that cannot be used with the reason.

    An entry point names a reader, or what makes one without arguments: ``mine = "my_package:MyReader"``.

    Args:
        taken: names of readers that are known already; they cannot be replaced.
    """
    return _found(taken, tuple(entry_points(group=GROUP)))


@lru_cache(maxsize=4)
def _found(taken: frozenset[str], points: tuple[EntryPoint, ...]) -> tuple[PlugIn, ...]:
    found: dict[str, PlugIn] = {}
    for point in sorted(points, key=lambda point: (point.name, point.value)):
        one = _loaded(point, taken | set(found))
        found[one.name if one.reader else f"{point.name}={point.value}"] = one
    return tuple(found.values())


def _loaded(point: EntryPoint, taken: frozenset[str]) -> PlugIn:
    origin = f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"
    try:
        made: Any = point.load()
        reader = made if isinstance(made, Reader) and not isinstance(made, type) else made()
        fault = _fault(point.name, reader, taken)
    except Exception as error:  # whatever other people's code raises costs their reader alone
        reader, fault = None, f"cannot be loaded ({type(error).__name__}: {printable(error)[:150]})"
    return PlugIn(point.name, origin, None if fault else reader, fault)


def _fault(name: str, reader: Any, taken: frozenset[str]) -> str:
    if not isinstance(reader, Reader):
        return f"is {type(reader).__name__}, expected name, sniff and open (nowcast.ingestion.readers.base)"
    if reader.name != name or any(mark in name for mark in _TAKEN):
        return (
            f"calls itself '{printable(reader.name)[:40]}', expected the name of its entry point, without "
            "a colon"
        )
    return "has the name of another reader, expected a new one" if name in taken else ""


def sniffed(reader: Reader, path: Path) -> bool:
    """Whether a reader of somebody else takes a file; one that raises does not."""
    try:
        return bool(reader.sniff(path))
    except Exception:
        return False
