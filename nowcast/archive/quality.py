"""Quality marks of radar frames: echoes that are hardly rain, cell by cell, from the frame itself.

Dimensions: H rows, W columns. Marks are bits of uint8 (`CELL_MARKS`); a cell may bear several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from nowcast.archive.rays import RaySettings, rays
from nowcast.core.errors import SettingsError, complain
from nowcast.core.scaling import NO_ECHO_DBZ

Dbz = npt.NDArray[np.floating]
MarkBits = npt.NDArray[np.uint8]
CELL_MARKS = {"speckle": 1, "spike": 2, "ray": 4}
"""Marks of cells, and their bit."""
FRAME_MARKS = ("stuck", "jump")
"""Marks of whole frames (`nowcast.archive.frame_quality`)."""
_RING = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)
_EIGHT = np.ones((3, 3), bool)


@dataclass(frozen=True)
class QualitySettings:
    """Thresholds of the marks; lengths in km, so that they mean the same on every grid.

    Source: that echoes with too few neighbours are clutter: Gabella and Notarpietro (2002), Proc. ERAD,
    305-311; here by the area of a connected echo. Speckle, specks and emitter lines found by their shape:
    Peura (2002), Computer vision methods for anomaly removal, Proc. ERAD.
    """

    echo_dbz: float = 5.0
    """What counts as echo."""
    speckle_km2: float = 3.0
    """A connected echo (eight neighbours) of at most this area, wholly within what is observed."""
    spike_db: float = 25.0
    """How far a cell lies above the median of its eight neighbours, no echo taken for ``echo_dbz``."""
    spike_above_second_db: float = 15.0
    """And above the second highest of them: a core of rain has strong neighbours, a spike at most one."""
    spike_cell_km: float = 2.5
    """Cells wider than this may hold a whole shower: no spikes are marked there."""
    ray: RaySettings = field(default_factory=RaySettings)
    stuck_minutes: float = 60.0
    """A frame is stuck if it equals one of so long before cell by cell,"""
    stuck_km2: float = 30.0
    """and at least so much of it is wet: a few cells of clutter do come back as they were."""
    jump_times: float = 3.0
    """A frame jumps if so many times as many cells are wet as one step before,"""
    jump_share: float = 0.05
    """and the cells that became wet are at least this share of what is observed."""

    def __post_init__(self) -> None:
        if (
            min(self.speckle_km2, self.spike_db, self.spike_above_second_db, self.stuck_minutes, self.stuck_km2)
            < 0
        ):
            raise SettingsError("quality: got a threshold below 0, expected 0 or more; correct QualitySettings")


def check_marks(marks: Sequence[str]) -> tuple[str, ...]:
    """Return the names of marks, each once, in their order.

    Raises:
        SettingsError: an unknown name.
    """
    known = (*CELL_MARKS, *FRAME_MARKS)
    for name in marks:
        if name not in known:
            raise SettingsError(complain("mask", name, f"some of {', '.join(known)}", "correct --mask"))
    return tuple(name for name in known if name in marks)


def quality_marks(
    dbz: Dbz,
    cell_km: tuple[float, float],
    before: Dbz | None = None,
    settings: QualitySettings | None = None,
    marks: Sequence[str] = tuple(CELL_MARKS),
) -> MarkBits:
    """Mark the cells of a frame (H, W); what is not observed or holds no echo bears no mark.

    Args:
        dbz: NaN is not observed, `NO_ECHO_DBZ` no echo.
        cell_km: height and width of a cell.
        before: the frame one step before, where there is one: rain that forms a line is met again where it has
            moved to, a ray is not. No later frame is looked at, so that a forecast may use the marks.
        settings: thresholds.
        marks: which of `CELL_MARKS`.

    Returns:
        Bits (H, W).

    Example:
        >>> lone = np.full((9, 9), NO_ECHO_DBZ, np.float32)
        >>> lone[4, 4] = 20.0
        >>> int(quality_marks(lone, (1.0, 1.0))[4, 4]) == CELL_MARKS["speckle"]
        True
    """
    settings = settings or QualitySettings()
    found = np.zeros(dbz.shape, np.uint8)
    echo = dbz >= settings.echo_dbz  # NaN is not
    if not echo.any():
        return found
    if "speckle" in marks:
        found[_speckle(dbz, echo, cell_km, settings)] |= CELL_MARKS["speckle"]
    if "spike" in marks:
        found[_spikes(dbz, echo, cell_km, settings)] |= CELL_MARKS["spike"]
    if "ray" in marks:
        found[rays(dbz, echo, cell_km, before, settings.ray, settings.echo_dbz)] |= CELL_MARKS["ray"]
    return found


def without_marked(dbz: Dbz, bits: MarkBits) -> npt.NDArray[np.float32]:
    """Return a frame with no marked echo: speckle becomes no echo, spikes and rays become not observed.

    Why: what lies around speckle is observed and dry by its definition, and a hole would only be carried
    along by every forecast; beneath a spike or a ray it may rain.
    """
    found = np.array(dbz, np.float32)
    found[(bits & CELL_MARKS["speckle"]) > 0] = NO_ECHO_DBZ
    found[(bits & (CELL_MARKS["spike"] | CELL_MARKS["ray"])) > 0] = np.nan
    return found


def _speckle(
    dbz: Dbz, echo: npt.NDArray[np.bool_], cell_km: tuple[float, float], settings: QualitySettings
) -> npt.NDArray[np.bool_]:
    """Connected echoes that are small and of which nothing can lie where it is not observed."""
    from scipy.ndimage import binary_dilation, label

    most = settings.speckle_km2 / (cell_km[0] * cell_km[1])
    labels, count = label(echo, _EIGHT)
    small = np.bincount(labels.ravel(), minlength=count + 1) <= most
    cut = binary_dilation(np.isnan(dbz), _EIGHT, border_value=1)
    small[labels[cut & echo]] = False
    small[0] = False
    return np.asarray(small[labels])


def _spikes(
    dbz: Dbz, echo: npt.NDArray[np.bool_], cell_km: tuple[float, float], settings: QualitySettings
) -> npt.NDArray[np.bool_]:
    """Cells far above their neighbours; those at the edge of what is observed are left alone."""
    found = np.zeros(dbz.shape, bool)
    if max(cell_km) > settings.spike_cell_km or min(dbz.shape) < 3:
        return found
    rows, columns = np.nonzero(echo[1:-1, 1:-1] & (dbz[1:-1, 1:-1] >= settings.echo_dbz + settings.spike_db))
    if not len(rows):
        return found
    down, along = np.nonzero(_RING)
    around = dbz[rows[:, None] + down, columns[:, None] + along]
    around = np.sort(np.where(np.isnan(around), np.inf, np.maximum(around, settings.echo_dbz)), axis=1)
    values = dbz[rows + 1, columns + 1]
    high = (
        (values - (around[:, 3] + around[:, 4]) / 2 > settings.spike_db)
        & (values - around[:, -2] > settings.spike_above_second_db)
        & np.isfinite(around[:, -1])
    )
    found[rows[high] + 1, columns[high] + 1] = True
    return found
