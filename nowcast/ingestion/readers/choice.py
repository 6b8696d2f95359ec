"""What the user says of how files are read: the reader, its variable, and the relation between rain and dBZ."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nowcast.core.rain import ZRelation, z_r
from nowcast.ingestion.readers.base import Reader
from nowcast.ingestion.readers.catalog import find_reader, reader_named


@dataclass(frozen=True)
class ReaderChoice:
    """The reader of every file of one ingest; what is None is found by content or is the source's own.

    Why an object: workers open the file again, and must open it in the same way.

    ``name`` as the catalog knows it (``cf_netcdf:NAME`` for one variable); ``z_r`` as `nowcast.core.rain.z_r`
    takes it, for readers of rain.

    Raises:
        SettingsError: no such reader or relation.
    """

    name: str | None = None
    z_r: str | None = None

    def __post_init__(self) -> None:
        if self.name is not None:
            reader_named(self.name)
        if self.z_r is not None:
            z_r(self.z_r)

    @property
    def relation(self) -> ZRelation | None:
        """The relation that was chosen."""
        return None if self.z_r is None else z_r(self.z_r)

    def find(self, path: Path) -> Reader:
        """Return the reader of a file; see `nowcast.ingestion.readers.catalog.find_reader`."""
        return self._set(find_reader(path, self.name))

    def named(self, name: str) -> Reader:
        """Return the reader of a file that was found by that name before."""
        return self._set(reader_named(name))

    def _set(self, reader: Reader) -> Reader:
        settings: dict[str, Any] = {"z_r_name": self.z_r} if self.z_r is not None else {}
        if not dataclasses.is_dataclass(reader) or isinstance(reader, type):
            return reader
        known = {f.name for f in dataclasses.fields(reader)}
        changed: Reader = dataclasses.replace(reader, **{k: v for k, v in settings.items() if k in known})
        return changed
