"""Rays: long thin straight echoes that the sun or a transmitter (RLAN) leaves in a radar's picture.

Dimensions: H rows, W columns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Dbz = npt.NDArray[np.floating]
EchoCells = npt.NDArray[np.bool_]
_EIGHT = np.ones((3, 3), bool)
_FASTEST_KM = 25.0
"""Most that rain moves from one frame to the next: 40 m/s for ten minutes."""
_MOVED_KM = 4.0
_COARSE = 4


@dataclass(frozen=True)
class RaySettings:
    """What makes a line of echo a ray.

    Why no more than shape, evenness and one frame before: a composite does not say where its radars stand,
    so that neither azimuth nor the constant power along a beam can be tested.

    Source: the sun in radar data: Huuskonen and Holleman (2007), J. Atmos. Oceanic Technol. 24, 476-483;
    emitter lines by their shape: Peura (2002), Computer vision methods for anomaly removal, Proc. ERAD.
    """

    length_km: float = 40.0
    """Least length: of the strip with the same second moment."""
    width_km: float = 4.0
    """Most width of that strip; a bent line is wide, too."""
    elongation: float = 12.0
    """Least length over width."""
    far_width_km: float = 10.0
    """A beam widens: the whole echo that a ray is part of belongs to it, if its strip is at most so wide,"""
    far_elongation: float = 6.0
    """and so many times as long, and as even."""
    filled: float = 0.5
    """Least share of the length where there is echo."""
    roughness_db: float = 5.0
    """Most root-mean-square distance of its echo from a straight line along it: a ray is even, rain is not."""
    met_again: float = 0.5
    """It is rain where so much of it is met in the frame before, moved by the motion of the rest."""


def rays(
    dbz: Dbz,
    echo: EchoCells,
    cell_km: tuple[float, float],
    before: Dbz | None,
    settings: RaySettings,
    echo_dbz: float,
) -> EchoCells:
    """Mark the rays of a frame (H, W).

    What is thinner than ``width_km`` is parted from the other echo by a morphological opening, gaps of a cell
    or two are bridged, and each connected piece is measured by its second moments.
    """
    from scipy.ndimage import binary_dilation, find_objects, label

    found = np.zeros(dbz.shape, bool)
    thin = _thin(echo, cell_km, settings.width_km)
    labels, _ = label(binary_dilation(thin, _EIGHT), _EIGHT)
    every: npt.NDArray[np.integer] | None = None
    for number, box in enumerate(find_objects(labels), start=1):
        height, width = (s.stop - s.start for s in box)
        if np.hypot(height * cell_km[0], width * cell_km[1]) < settings.length_km:
            continue
        piece = (labels[box] == number) & thin[box]
        if not _is_line(dbz[box], piece, cell_km, settings):
            continue
        whole = np.zeros(dbz.shape, bool)
        whole[box] = piece
        if before is None or not _met_again(whole, echo, before >= echo_dbz, cell_km, settings):
            every = label(binary_dilation(echo, _EIGHT), _EIGHT)[0] if every is None else every
            found |= _with_far_end(dbz, whole, echo & (every == every[whole][0]), cell_km, settings)
    return found


def _with_far_end(
    dbz: Dbz, ray: EchoCells, around: EchoCells, cell_km: tuple[float, float], settings: RaySettings
) -> EchoCells:
    """The whole echo around a ray where that is a line as well, though a wider one; else the ray."""
    wider = replace(settings, width_km=settings.far_width_km, elongation=settings.far_elongation)
    return around if _is_line(dbz, around, cell_km, wider) else ray


def _thin(echo: EchoCells, cell_km: tuple[float, float], width_km: float) -> EchoCells:
    """Echo that no square wider than ``width_km`` fits into."""
    from scipy.ndimage import maximum_filter, minimum_filter

    size = [max(2, int(width_km / km) + 1) for km in cell_km]
    eroded = minimum_filter(echo, size, mode="constant", cval=0)
    origin = [0 if n % 2 else -1 for n in size]
    return np.asarray(echo & ~maximum_filter(eroded, size, mode="constant", cval=0, origin=origin))


def _is_line(dbz: Dbz, piece: EchoCells, cell_km: tuple[float, float], settings: RaySettings) -> bool:
    """Whether a piece of echo is long, thin, straight, filled and even."""
    rows, columns = np.nonzero(piece)
    if len(rows) < 3:
        return False
    places = np.stack([rows * cell_km[0], columns * cell_km[1]])
    places = places - places.mean(axis=1, keepdims=True)
    variances, axes = np.linalg.eigh(places @ places.T / len(rows))
    cell = float(np.mean(cell_km))
    width, length = np.sqrt(12.0 * np.maximum(variances, 0.0) + cell**2)
    if length < settings.length_km or width > settings.width_km or length < settings.elongation * width:
        return False
    along = axes[:, 1] @ places
    met = len(np.unique(np.floor(along / cell))) * cell
    if met < settings.filled * (np.ptp(along) + cell):
        return False
    values = dbz[rows, columns]
    trend = along * ((along @ (values - values.mean())) / (along @ along))
    return float(np.sqrt(np.mean((values - values.mean() - trend) ** 2))) <= settings.roughness_db


def _met_again(
    line: EchoCells, echo: EchoCells, before: EchoCells, cell_km: tuple[float, float], settings: RaySettings
) -> bool:
    """Whether a line lies where echo of the frame before has moved to."""
    from scipy.ndimage import binary_dilation

    rest = echo & ~line
    moved = _displacement(before, rest, cell_km) if rest.sum() > line.sum() else None
    if moved is None:  # the line is nearly all there is: the sun turns, rain takes a wide step sideways
        moved = _displacement(before, line, cell_km)
        if moved is None or _sideways_km(line, moved, cell_km) < _MOVED_KM:
            return False
    rows, columns = (index - shift for index, shift in zip(np.nonzero(line), moved, strict=True))
    inside = (rows >= 0) & (rows < line.shape[0]) & (columns >= 0) & (columns < line.shape[1])
    near = binary_dilation(before, _EIGHT)
    return float(near[rows[inside], columns[inside]].sum()) >= settings.met_again * len(rows)


def _sideways_km(line: EchoCells, moved: tuple[int, int], cell_km: tuple[float, float]) -> float:
    """How far a displacement leads across a line."""
    places = np.argwhere(line) * cell_km
    places = places - places.mean(axis=0)
    across = np.linalg.eigh(places.T @ places)[1][:, 0]
    return abs(float(across @ np.multiply(moved, cell_km)))


def _displacement(before: EchoCells, now: EchoCells, cell_km: tuple[float, float]) -> tuple[int, int] | None:
    """Rows and columns by which echo has moved as a whole: where the cross-correlation is highest."""
    if not before.any() or not now.any():
        return None
    coarse = _COARSE if min(now.shape) > 64 * _COARSE else 1
    small = [_means(cells, coarse) for cells in (before, now)]
    shape = [2 * n for n in small[0].shape]
    spectra = [np.fft.rfft2(values, shape) for values in small]
    match = np.fft.irfft2(np.conj(spectra[0]) * spectra[1], shape)
    most = [max(1, int(_FASTEST_KM / (km * coarse))) for km in cell_km]
    offsets = [np.arange(-m, m + 1) for m in most]
    window = match[np.ix_(*offsets)]
    row, column = np.unravel_index(int(window.argmax()), window.shape)
    if window[row, column] <= 0:
        return None
    return int(offsets[0][row]) * coarse, int(offsets[1][column]) * coarse


def _means(cells: EchoCells, coarse: int) -> npt.NDArray[np.float64]:
    """Means of blocks; what does not fill a block is left out."""
    height, width = (n // coarse for n in cells.shape)
    blocks = cells[: height * coarse, : width * coarse].reshape(height, coarse, width, coarse)
    return np.asarray(blocks.mean(axis=(1, 3)))
