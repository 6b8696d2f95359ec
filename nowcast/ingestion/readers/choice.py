"""What the user says of how files are read: the reader, its variable, and the relation between rain and dBZ."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nowcast.core.errors import FileError
from nowcast.core.rain import ZRelation, z_r, z_r_of_text
from nowcast.ingestion.readers.base import Reader
from nowcast.ingestion.readers.catalog import find_reader, reader_named


@dataclass(frozen=True)
class ReaderChoice:
    """The reader of every file of one ingest; what is None is found by content or is the source's own.

    ``reader`` is a name as the catalog knows it (``cf_netcdf:NAME`` for one variable) or a reader itself;
    ``z_r``, as `nowcast.core.rain.z_r` takes it, is for readers of rain.

    Raises:
        SettingsError: no such reader or relation.
    """

    reader: str | Reader | None = None
    z_r: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.reader, str):
            reader_named(self.reader)
        if self.z_r is not None:
            z_r(self.z_r)

    @property
    def relation(self) -> ZRelation | None:
        """The relation that was chosen."""
        return None if self.z_r is None else z_r(self.z_r)

    def check(self, path: Path, relation: str) -> None:
        """Refuse a file whose rain became dBZ through another relation than the chosen one.

        Raises:
            FileError: its reader takes no relation, such as a mapping or a reader of somebody else.
        """
        mine, its = self.relation, z_r_of_text(relation)
        if mine is not None and its is not None and not mine.same(its):
            raise FileError(
                f"{path}: its reader makes dBZ through {its}, expected {mine} as was chosen; "
                "choose it where the reader is described"
            )

    def find(self, path: Path) -> Reader:
        """Return the reader of a file; see `nowcast.ingestion.readers.catalog.find_reader`."""
        reader: Any = find_reader(path, self.reader)
        if self.z_r is not None and hasattr(reader, "z_r_name") and dataclasses.is_dataclass(reader):
            reader = dataclasses.replace(reader, z_r_name=self.z_r)  # type: ignore[type-var]
        found: Reader = reader
        return found
