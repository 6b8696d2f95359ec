"""Which files of an ingest are put on another grid, and what the archive says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nowcast.archive.reader import Archive
from nowcast.archive.writer import open_writer
from nowcast.core.errors import ArchiveError, SettingsError, complain
from nowcast.core.grid import Grid
from nowcast.ingestion.polar.reader import PolarVolumes
from nowcast.ingestion.polar.scans import GRIDDING, TOGETHER
from nowcast.ingestion.regridding.frames import RegriddedReader
from nowcast.ingestion.regridding.polar import POLAR, polar_reader
from nowcast.ingestion.regridding.settings import ResampleSettings, resample_settings
from nowcast.ingestion.regridding.target import WantedGrid
from nowcast.ingestion.scan import Scan

ATTRIBUTE = "regridding"


@dataclass(frozen=True)
class Regridding:
    """What is wanted, and what an archive that is there says of itself.

    ``stated`` is the archive's attribute (`ATTRIBUTE`): ``grid`` as it was wanted, ``resample``, ``sources``.
    """

    wanted: WantedGrid | None
    settings: ResampleSettings
    held: Grid | None
    stated: Mapping[str, Any]

    @classmethod
    def of(
        cls, target: Path, wanted: WantedGrid | None, resample: ResampleSettings | None
    ) -> Regridding | None:
        """Return how files come onto the grid of an archive, None where they lie on it already.

        Raises:
            SettingsError: ``resample`` without a grid; not the grid or the way of the archive.
            ArchiveError: the archive is damaged.
        """
        archive = Archive.open(target) if (target / "zarr.json").exists() else None
        stated = {} if archive is None else archive.attrs.get(ATTRIBUTE, {})
        kinds = {"resample": str, "grid": str, "sources": list}
        if not isinstance(stated, dict) or (
            stated and any(not isinstance(stated.get(name), kind) for name, kind in kinds.items())
        ):
            raise ArchiveError(
                f"{target}: attribute {ATTRIBUTE}: got {str(stated)[:60]}, expected how it was "
                "regridded; the archive is damaged, remove it and ingest its files again"
            )
        if wanted is None and not stated:
            if resample is not None:
                raise SettingsError("--resample: got it without --grid, expected both; say which grid")
            return None
        settings = resample or (resample_settings(stated["resample"]) if stated else ResampleSettings())
        if stated and str(settings) != stated["resample"]:
            raise SettingsError(
                complain(
                    f"{target}: resample",
                    f"'{settings}'",
                    f"the archive's own, '{stated['resample']}'",
                    "leave it out, or ingest into another archive",
                )
            )
        if archive is not None and wanted is not None and not wanted.fits(archive.grid):
            raise SettingsError(
                complain(
                    f"{target}: grid",
                    f"'{wanted.said}'",
                    "the archive's own",
                    "leave it out, or ingest into another archive",
                )
            )
        return cls(wanted, settings, None if archive is None else archive.grid, stated)

    def applied(self, scans: Sequence[Scan]) -> list[Scan]:
        """Return the scans as if their files lay on the grid of the archive.

        Raises:
            GridError: there would be too many cells, or the projection does not reach the sources.
        """
        if not scans:
            return []
        grids = {scan.grid.fingerprint: scan.grid for scan in scans}
        if self.held is not None:
            grid = self.held
        else:
            assert self.wanted is not None
            grid = self.wanted.over(list(grids.values()))
        polar = next((scan.attrs for scan in scans if isinstance(scan.reading, PolarVolumes)), {})
        shared = {name: polar[name] for name in (GRIDDING, TOGETHER) if name in polar}
        shared[ATTRIBUTE] = self._attribute(grid, scans)
        return [self._one(replace(scan, attrs={**scan.attrs, **shared}), grid) for scan in scans]

    def _one(self, scan: Scan, grid: Grid) -> Scan:
        if isinstance(scan.reading, PolarVolumes):
            reader = polar_reader(scan.reading, grid, self.settings)
            return replace(scan, grid=grid, reading=reader, source_grid=POLAR)
        if grid.matches(scan.grid):
            return scan
        reading = RegriddedReader(scan.reader_of(), grid, self.settings)
        return replace(scan, grid=grid, reading=reading, source_grid=scan.grid.fingerprint)

    def _attribute(self, grid: Grid, scans: Sequence[Scan]) -> dict[str, Any]:
        polar = [isinstance(scan.reading, PolarVolumes) for scan in scans]
        own = {s.grid.fingerprint: s.grid for s, of_gates in zip(scans, polar, strict=True) if not of_gates}
        told = [str(text) for text in self.stated.get("sources", ())]
        told += [_in_words(source) for source in own.values() if not grid.matches(source)]
        told += [POLAR] if any(polar) else []
        said = self.stated.get("grid") or (self.wanted.said if self.wanted is not None else "")
        return {"grid": said, "resample": str(self.settings), "sources": list(dict.fromkeys(told))}

    def note(self, target: Path, scans: Sequence[Scan]) -> None:
        """Write down in an archive that was there from which grids, or how from volumes, frames have come."""
        if not scans or not (target / "zarr.json").exists():
            return
        held, said = Archive.open(target).attrs, scans[0].attrs
        first = {name: said[name] for name in (GRIDDING, TOGETHER) if name in said and name not in held}
        if first or held.get(ATTRIBUTE) != said[ATTRIBUTE]:
            with open_writer(target) as writer:
                writer.annotate({ATTRIBUTE: said[ATTRIBUTE], **first})


def _in_words(grid: Grid) -> str:
    height, width = grid.shape
    tall, wide = grid.cell_km
    return f"{height} x {width} cells of {tall:.3g} x {wide:.3g} km, {grid.crs.name} ({grid.fingerprint})"
