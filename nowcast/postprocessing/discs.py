"""The highest value within a circle around each pixel, for circles of many cells.

Dimensions: H rows, W columns.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.uint8]


def half_widths(radius_km: float, cell_km: tuple[float, float]) -> list[int]:
    """How many columns to either side belong to a circle, for the rows 0, 1, 2 ... from its middle.

    A cell belongs to it whose centre is no farther than the radius, to a hundredth of a cell,
    from that of the middle one.

    Args:
        radius_km: of the circle.
        cell_km: height and width of a cell.
    """
    height, width = cell_km
    slack = 0.01 * min(cell_km)
    return [
        int((math.sqrt(max(radius_km**2 - (row * height) ** 2, 0.0)) + slack) / width)
        for row in range(int((radius_km + slack) / height) + 1)
    ]


def highest_within(values: Codes, widths: list[int]) -> Codes:
    """The highest of the values (H, W) within a circle around each pixel; beyond the edge lies 0.

    A circle is a stack of rows. The highest within 2^j columns is made of two of half that width, by doubling;
    the highest within any width of two that overlap. So a circle of r rows costs about 3 r passes over the
    values, however wide it is, where each pixel by itself would cost r^2.

    Args:
        values: unsigned bytes, which compare fastest.
        widths: of `half_widths`.
    """
    height, width = values.shape
    margin = max(widths)
    doubled = [np.pad(values, ((0, 0), (margin, margin)))]
    while 2 ** len(doubled) <= 2 * margin + 1:
        step = 2 ** (len(doubled) - 1)
        last = doubled[-1]
        doubled.append(np.maximum(last[:, :-step], last[:, step:]))
    found = np.zeros_like(values)
    for row, half in enumerate(widths[:height]):
        count = 2 * half + 1
        table = doubled[count.bit_length() - 1]
        first, last_start = margin - half, margin + half + 1 - 2 ** (count.bit_length() - 1)
        across = np.maximum(table[:, first : first + width], table[:, last_start : last_start + width])
        below, above = found[row:], found[: height - row]
        np.maximum(below, across[: height - row], out=below)
        np.maximum(above, across[row:], out=above)
    return found
