"""The first look at files: which are polar volumes, of which radar and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from nowcast.core.engine import Engine
from nowcast.core.errors import NowcastError, printable
from nowcast.core.files import sha256
from nowcast.ingestion.listing import Problem
from nowcast.ingestion.polar.formats import read_volume
from nowcast.ingestion.polar.settings import PolarSettings
from nowcast.ingestion.polar.volume import Site
from nowcast.ingestion.readers.foreign import polar_kind
from nowcast.ingestion.scan import unforeseen


@dataclass(frozen=True)
class PolarFile:
    """What one file of a radar says of itself."""

    path: Path
    size: int
    mtime_ns: int
    sha256: str
    site: Site
    time: np.datetime64
    quantity: str
    elevations: tuple[float, ...]


def look(path: Path, settings: PolarSettings) -> PolarFile | Problem | None:
    """Return what a polar file says of itself, None for any other file."""
    try:
        if path.is_dir() or not path.stat().st_size or not polar_kind(path):
            return None
        stat = path.stat()
        volume = read_volume(path, settings)
        return PolarFile(
            path,
            stat.st_size,
            stat.st_mtime_ns,
            sha256(path),
            volume.site,
            volume.time,
            volume.quantity,
            tuple(round(s.elevation_deg, 1) for s in volume.sweeps),
        )
    except NowcastError as error:
        return Problem(path, printable(error))
    except OSError as error:
        return Problem(path, f"{path}: cannot be read ({error.strerror or printable(error)}); check the path")
    except Exception as error:
        return Problem(path, f"{path}: {unforeseen(error)}")


def look_all(
    pool: Engine, files: Sequence[Path], settings: PolarSettings, progress: bool
) -> tuple[list[PolarFile], list[Problem], list[Path]]:
    """Look at files in parallel.

    Returns:
        The polar ones, problems, and the others, each in the given order.
    """
    found: dict[Path, PolarFile | Problem | None] = {}
    disable = not progress or len(files) < 2
    with tqdm(total=len(files), desc="look", unit="file", disable=disable) as bar:
        for path, result in pool.each(partial(_look, settings=settings), files, _lost):
            found[path] = result
            bar.update()
    return (
        [f for p in files if isinstance(f := found[p], PolarFile)],
        [f for p in files if isinstance(f := found[p], Problem)],
        [p for p in files if found[p] is None],
    )


def _look(path: Path, settings: PolarSettings) -> tuple[Path, PolarFile | Problem | None]:
    return path, look(path, settings)


def _lost(path: Path, how: str) -> tuple[Path, PolarFile | Problem | None]:
    return path, Problem(path, f"{path}: opening it {how}; it is damaged, fetch it again")
