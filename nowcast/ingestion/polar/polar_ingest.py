"""The polar files of one ingest: looked at and grouped first, then planned and read as all others."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nowcast.archive.ledger import Entries
from nowcast.core.engine import Engine
from nowcast.ingestion.listing import Problem
from nowcast.ingestion.polar.beam_file import BEAM_FILE, write_beam_height
from nowcast.ingestion.polar.look import look_all
from nowcast.ingestion.polar.reader import PolarVolumes
from nowcast.ingestion.polar.scans import Target, polar_scans
from nowcast.ingestion.polar.settings import PolarSettings
from nowcast.ingestion.scan import Scan


class PolarIngest:
    """What polar files bring to an ingest: ``scans``, ``problems``, and how many files are in already."""

    def __init__(self, target: Path, settings: PolarSettings | None, step: np.timedelta64 | None) -> None:
        """Prepare for an archive.

        Args:
            target: the archive, which need not be there.
            settings: how volumes are gridded; None leaves polar files to the readers, which refuse them.
            step: of the archive, where it is given.

        Raises:
            ArchiveError: the archive is damaged.
        """
        self.path, self.settings, self.step = target, settings, step
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
            found, self.settings, self.step, self.target, frozenset(known.column("sha256"))
        )
        self.problems += more
        return rest

    def write_heights(self) -> None:
        """Write the beams' height beside the frames of an archive that has none yet."""
        reading = next((s.reading for s in self.scans if isinstance(s.reading, PolarVolumes)), None)
        if reading is not None and (self.path / "zarr.json").exists() and not (self.path / BEAM_FILE).exists():
            write_beam_height(self.path, reading)
