"""Variables of a netCDF file that lie in a group: that one, or the only one of reflectivity or rain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nowcast.core.errors import FileError, complain
from nowcast.ingestion.readers.cf_kind import is_polar
from nowcast.ingestion.readers.cf_quantity import quantity_of

_DEEPEST = 4


class InGroup:
    """A group as netCDF4 has a file; variables and attributes of the groups around it count where it has none.

    Source: CF conventions 1.10, section 2.7, scope.
    """

    def __init__(self, holders: list[Any]) -> None:
        """Take the file, and the groups from the outermost to the one that is meant."""
        self._holders = holders
        self.variables: dict[str, Any] = {n: v for holder in holders for n, v in holder.variables.items()}
        self.dimensions: dict[str, Any] = {n: d for holder in holders for n, d in holder.dimensions.items()}
        self.groups: dict[str, Any] = dict(holders[0].groups)

    def ncattrs(self) -> list[str]:
        """Return the names of all attributes."""
        return list(dict.fromkeys(name for holder in self._holders for name in holder.ncattrs()))

    def getncattr(self, name: str) -> Any:
        """Return an attribute, of the innermost group that has it."""
        return next(h.getncattr(name) for h in reversed(self._holders) if name in h.ncattrs())

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self.ncattrs():
            return self.getncattr(name)
        raise AttributeError(name)


def in_group(path: Path, data: Any, group: str | None) -> Any:
    """Return a file as one of its groups has it.

    Args:
        path: for messages.
        data: the file, opened by netCDF4.
        group: such as ``Grid`` or ``Grid/Intermediate``, ``/`` for the root; None takes the outermost that
            holds reflectivity or rain in rows and columns, where the file has no such array outside its groups.

    Returns:
        The group, or the file where there is none to choose.

    Raises:
        FileError: no such group, or several of which one has to be chosen.
    """
    if group is not None:
        return _named(path, data, group)
    if not data.groups or _holds_field(data) or is_polar(data):
        return data
    for depth in range(1, _DEEPEST + 1):
        found = [holders for holders in _at_depth([data], depth) if _holds_field(holders[-1])]
        if len(found) > 1:
            names = [holders[-1].path.strip("/") for holders in found]
            raise FileError(
                complain(
                    f"{path}: fields",
                    f"in the groups {', '.join(map(repr, names))[:120]}",
                    "one group with reflectivity or rain",
                    f"choose one by a mapping (--mapping) with group: {repr(names[0])[:120]}",
                )
            )
        if found:
            return InGroup(found[0])
    return data


def _named(path: Path, data: Any, group: str) -> InGroup:
    holders = [data]
    for part in filter(None, group.split("/")):
        inner = holders[-1].groups
        if part not in inner:
            listed = ", ".join(repr(name) for name in inner)[:120] or "none"
            raise FileError(complain(f"{path}: group", f"'{group}'", f"one of {listed}", "change the mapping"))
        holders.append(inner[part])
    return InGroup(holders)


def _at_depth(holders: list[Any], depth: int) -> Iterator[list[Any]]:
    for group in holders[-1].groups.values():
        if depth == 1:
            yield [*holders, group]
        else:
            yield from _at_depth([*holders, group], depth - 1)


def _holds_field(group: Any) -> bool:
    return any(v.ndim >= 2 and quantity_of(v) is not None for v in group.variables.values())
