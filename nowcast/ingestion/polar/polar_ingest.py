"""The polar files of one ingest: looked at and grouped first, then planned and read as all others."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from nowcast.archive.ledger import Entries
from nowcast.archive.reader import Archive
from nowcast.core.engine import Engine
from nowcast.core.errors import FileError
from nowcast.core.grid import Grid
from nowcast.ingestion.listing import Problem
from nowcast.ingestion.polar.beam_file import BEAM_FILE, write_beam_height
from nowcast.ingestion.polar.look import look_all
from nowcast.ingestion.polar.reader import PolarVolumes
from nowcast.ingestion.polar.scans import Target, polar_scans
from nowcast.ingestion.polar.settings import PolarSettings
from nowcast.ingestion.scan import Scan

_MOST_TRIED = 10
"""Frames whose beams' heights are asked for, until one has some."""


class PolarIngest:
    """What polar files bring to an ingest: ``scans``, ``problems``, and how many files are in already."""

    def __init__(
        self,
        target: Path,
        settings: PolarSettings | None,
        step: np.timedelta64 | None,
        grid: Grid | None = None,
    ) -> None:
        """Prepare for an archive.

        Args:
            target: the archive, which need not be there.
            settings: how volumes are gridded; None leaves polar files to the readers, which refuse them.
            step: of the archive, where it is given.
            grid: of the archive where it is new and that is known; that around the radars when None.

        Raises:
            ArchiveError: the archive is damaged.
        """
        self.path, self.settings, self.step, self.grid = target, settings, step, grid
        self.scans: list[Scan] = []
        self.problems: list[Problem] = []
        self.known_files = 0
        self.target = Target.of(target) if settings is not None else None

    @property
    def together(self) -> bool:
        """Whether all files must be looked at, as one that is new may belong to a frame that is in."""
        return self.target is not None and self.target.together

    def taken_from(self, pool: Engine, files: list[Path], known: Entries, progress: bool) -> list[Path]:
        """Take the polar ones out of files and return the rest."""
        if self.settings is None:
            return files
        found, self.problems, rest = look_all(pool, files, self.settings, progress)
        self.scans, more, self.known_files = polar_scans(
            found, self.settings, self.step, self.target, frozenset(known.column("sha256")), self.grid
        )
        self.problems += more
        return rest

    def write_heights(self) -> None:
        """Write the beams' height beside the frames of an archive that has none yet, on its grid.

        A frame that cannot be read, or lies nowhere on the grid, is a problem already and passed over.
        """
        readings = [s.reading for s in self.scans[:_MOST_TRIED] if isinstance(s.reading, PolarVolumes)]
        if not readings or not (self.path / "zarr.json").exists() or (self.path / BEAM_FILE).exists():
            return
        grid = Archive.open(self.path).grid
        for reading in readings:
            with contextlib.suppress(FileError):
                write_beam_height(self.path, replace(reading, grid=grid))
                return
