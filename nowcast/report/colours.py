"""The colours: reflectivity in steps of 5 dBZ as weather services show it, CSI, and one for each model."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

STEP_DBZ = 5.0
LOWEST_DBZ = 5.0
REFLECTIVITY: tuple[str, ...] = (
    "#04e9e7",
    "#019ff4",
    "#0300f4",  # 5, 10, 15: drizzle and light rain
    "#02fd02",
    "#01c501",
    "#008e00",  # 20, 25, 30: light to moderate rain
    "#fdf802",
    "#e5bc00",
    "#fd9500",  # 35, 40, 45: heavy rain
    "#fd0000",
    "#d40000",
    "#bc0000",  # 50, 55, 60: torrents, hail
    "#f800fd",
    "#9854c6",  # 65, 70 and above
)
"""Colour from 5 dBZ up, each for the 5 dBZ above its level; the last one for all that is higher.

Source: the level colours of the NEXRAD base reflectivity product of the US National Weather Service.
"""

LEVELS_DBZ: tuple[float, ...] = tuple(LOWEST_DBZ + STEP_DBZ * i for i in range(len(REFLECTIVITY)))
NOT_OBSERVED = "#80868f"
NOT_OBSERVED_ALPHA = 115
"""Of 255: a map shows through where nothing was observed."""
NO_ECHO_INDEX = 0
NOT_OBSERVED_INDEX = 1
FIRST_INDEX = 2
"""Indices of the 16 colours: no echo (transparent), not observed (gray), then the levels."""

MODELS: tuple[str, ...] = (
    "#0b6bcb",
    "#d1480f",
    "#0a8f6a",
    "#a93fa0",
    "#b07a00",
    "#5a6472",
    "#007f9e",
    "#8a4b2a",
)
"""One colour for each model, apart from each other for colour-blind eyes and on white and black."""
DASHES: tuple[str, ...] = ("", "7 4", "2 3", "9 3 2 3", "12 3", "4 2", "1 2", "6 2 1 2")
"""One dash pattern for each model, so that no line is told by its colour alone."""
STYLES = len(MODELS) * len(DASHES)
"""Models that can be told apart: from the ninth on, colours come again with other dashes."""


def indices(dbz: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """The colour index (0 to 15) of each pixel: at a level's value its own colour begins."""
    steps = np.floor((dbz - LOWEST_DBZ) / STEP_DBZ)
    level = np.clip(np.nan_to_num(steps, nan=-1.0), -1, len(REFLECTIVITY) - 1)
    found = np.where(level < 0, NO_ECHO_INDEX, level + FIRST_INDEX)
    return np.where(np.isnan(dbz), NOT_OBSERVED_INDEX, found).astype(np.uint8)


def palette() -> npt.NDArray[np.uint8]:
    """Red, green, blue and alpha of the 16 colours (16, 4); the first is clear."""
    colours = [rgb(colour) for colour in ("#ffffff", NOT_OBSERVED, *REFLECTIVITY)]
    alpha = [0, NOT_OBSERVED_ALPHA, *[255] * len(REFLECTIVITY)]
    return np.column_stack([colours, alpha]).astype(np.uint8)


def rgba(dbz: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """The colour of each pixel (H, W, 4): gray where not observed, clear where there is no echo."""
    return palette()[indices(dbz)]


def rgb(colour: str) -> tuple[int, int, int]:
    """Read ``#rrggbb``."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def model_style() -> str:
    """The style rules that colour and dash what is marked ``m0`` to ``m63``."""
    rules = []
    for i in range(STYLES):
        again, place = divmod(i, len(MODELS))
        dash = DASHES[(place + again) % len(DASHES)] or "none"
        rules.append(f".m{i}{{--m:{MODELS[place]}}}.m{i} path{{stroke-dasharray:{dash}}}")
    return "".join(rules)
