"""The colours of the palettes as tables: `nowcast.report.palettes` says what each class stands for."""

from __future__ import annotations

RADAR: tuple[str, ...] = (
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
"""Source: the level colours of the NEXRAD base reflectivity product of the US National Weather Service."""

EVEN_14: tuple[str, ...] = (
    "#e4f4f6",
    "#b2e6f3",
    "#7ad7f6",
    "#4dc2fc",
    "#45a8ff",
    "#618ae7",
    "#756cc8",
    "#8f50a2",
    "#96357a",
    "#8c215a",
    "#820a3d",
    "#780024",
    "#500e0e",
    "#1a100c",
)
"""Pale blue over violet to dark red and black.

Lightness (CIELAB) falls with every class, and neighbours lie at least 6.5 apart (CIEDE2000) for normal,
red-blind and green-blind eyes alike: hue, chroma and lightness along the way are those of a search for the
largest such distance.
"""

EVEN_12: tuple[str, ...] = (
    "#e4f4f6",
    "#a9e4f3",
    "#67d0f8",
    "#42b4ff",
    "#5a93ee",
    "#736fcb",
    "#914d9e",
    "#943071",
    "#87184c",
    "#7c002d",
    "#5b0811",
    "#1a100c",
)
"""The same way in twelve classes."""

PROBABILITY: tuple[str, ...] = (
    "#f4f7cf",
    "#cfdd9e",
    "#a5c471",
    "#76ad48",
    "#449f5f",
    "#0f8e70",
    "#007c80",
    "#00698b",
    "#004879",
    "#00245b",
)
"""Pale yellow over green to dark blue, made alike: no hue of it is one of rain."""

WORSE: tuple[str, ...] = (
    "#fff1e5",
    "#f2d2b2",
    "#e4b382",
    "#d39554",
    "#bf792a",
    "#ab5e00",
    "#964000",
    "#7e2300",
    "#60140e",
    "#3c1014",
)
"""Pale orange to dark brown, for scores of which less is better."""

AROUND_ONE: tuple[str, ...] = (
    "#0c1c4b",
    "#0051a4",
    "#3c87ca",
    "#92bfdd",
    "#f3f3f3",
    "#e1a978",
    "#b96811",
    "#8e2b00",
    "#490000",
)
"""Blue for too few, brown for too many, light where a ratio is near 1; darker is farther from it."""
