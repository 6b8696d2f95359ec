"""One colour and one dash pattern for each forecaster: the same on every page, whoever stands beside it.

A forecaster that the package knows has its own style; any other gets one from its name. A calibrated reading
has the colour of its forecaster and other dashes.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping

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
"""Apart from each other for colour-blind eyes and on white and black."""
DASHES: tuple[str, ...] = ("", "7 4", "2 3", "9 3 2 3", "12 3", "4 2", "1 2", "6 2 1 2")
"""One dash pattern for each, so that no line is told by its colour alone."""
STYLES = len(MODELS) * len(DASHES)
"""Models that can be told apart: from the ninth on, colours come again with other dashes."""
_BLUE, _ORANGE, _GREEN, _PURPLE, _OCHRE, _GRAY, _TEAL, _BROWN = range(8)
KNOWN: Mapping[str, int] = {
    "persistence": _GRAY,
    "extrapolation": _ORANGE,
    "motionrnn": _BLUE,
    "lmc_memory": _GREEN,
    "astm": _PURPLE,
    "sprog": _OCHRE,
    "steps": _TEAL,
    "linda_p": _BROWN,
    "pysteps_lk": _ORANGE + 16,
    "steps_mean": _TEAL + 16,
    "lagrangian_persistence": _GRAY + 16,
    "convlstm": _GRAY + 24,
    "predrnn": _OCHRE + 24,
    "predrnnpp": _TEAL + 24,
    "mim": _PURPLE + 24,
    "e3d_lstm": _BROWN + 24,
    "trajgru": _ORANGE + 24,
    "conv_tt_lstm": _GREEN + 24,
    "motionrnn_predrnn": _BLUE + 24,
    "motionrnn_convlstm": _GRAY + 40,
    "motionrnn_mim": _PURPLE + 40,
    "motionrnn_e3d": _BROWN + 40,
    "motionrnn_astm": _GREEN + 40,
    "crevnet": _TEAL + 40,
    "stmfanet": _OCHRE + 40,
    "simvp": _BLUE + 56,
    "tau": _TEAL + 56,
    "phydnet": _OCHRE + 56,
    "dfn": _GREEN + 16,
    "cdna": _BLUE + 16,
    "predrnn_v2": _OCHRE + 16,
    "frnn": _ORANGE + 40,
    "savp_vae": _PURPLE + 16,
    "mcnet": _BLUE + 40,
    "vpn": _BROWN + 16,
}
"""Style of each forecaster by the name that it is asked for with."""
_OTHER_READING = 8
"""How much further the style of a reading lies: the same colour with other dashes."""


def style_of(name: str) -> int:
    """The style of a model by its name alone.

    A name such as ``motionrnn, calibrated`` is a reading of what stands before the comma.
    """
    first, comma, rest = name.partition(", ")
    own = KNOWN.get(first, zlib.crc32(first.encode()) % len(MODELS) + 32)
    if not comma:
        return own
    return (own + _OTHER_READING * (1 if rest == "calibrated" else 2 + zlib.crc32(rest.encode()) % 5)) % STYLES


def styles_of(names: Iterable[str]) -> dict[str, int]:
    """The style of each model of a page, in which no two are alike.

    Where two names would share a style, or two unknown ones a colour that is still free, the later one moves on
    to the next that is free.
    """
    names = list(dict.fromkeys(names))
    found: dict[str, int] = {name: style_of(name) for name in names if name in KNOWN}
    for name in names:
        if name not in found:
            found[name] = _free(style_of(name), name, found)
    return {name: found[name] for name in names}


def _free(wanted: int, name: str, taken: Mapping[str, int]) -> int:
    """A style that none has; for a forecaster of its own in a colour that none has, while there is one."""
    used = set(taken.values())
    colours = {style % len(MODELS) for style in used}
    reading = ", " in name
    if not reading and wanted % len(MODELS) in colours and len(colours) < len(MODELS):
        row = wanted - wanted % len(MODELS)
        wanted = next(row + c for c in _from(wanted, len(MODELS)) if c not in colours)
    if wanted not in used or len(used) >= STYLES:
        return wanted
    step = len(MODELS) if reading else 1
    return next(style for style in _from(wanted, STYLES, step) if style not in used)


def _from(start: int, count: int, step: int = 1) -> Iterable[int]:
    """All of 0 to ``count`` - 1 from ``start`` on, in steps, then the others."""
    return [*((start + step * k) % count for k in range(count)), *range(count)]


def model_style() -> str:
    """The style rules that colour and dash what is marked ``m0`` to ``m63``."""
    rules = []
    for i in range(STYLES):
        again, place = divmod(i, len(MODELS))
        dash = DASHES[(place + again) % len(DASHES)] or "none"
        rules.append(f".m{i}{{--m:{MODELS[place]}}}.m{i} path{{stroke-dasharray:{dash}}}")
    return "".join(rules)
