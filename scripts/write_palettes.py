"""Write docs/reference/palettes.md: the classes of every palette, and how well all eyes tell them apart.

    python scripts/write_palettes.py

A test holds the page against the palettes: after a change of a colour, run this once more.
"""

from __future__ import annotations

import sys
from pathlib import Path

from nowcast.report.palettes import CLASSIC, PALETTES, SAFE, palette_of

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "palettes.md"
sys.path.insert(0, str(ROOT))
HEAD = """# Palettes

Pictures and pages take their colours from one place, `nowcast.report.palettes`. Reflectivity, rain rates and
rain sums have two palettes: `safe`, the default, gets darker with every class, so that stronger is darker for
colour-blind eyes, in gray and on paper; `radar` has the colours that weather services have shown for decades.
`--palette radar` of `nowcast verify` and `nowcast motion` and `products.palette` of the service choose it.
A class begins at its value; the last has no upper end. `python scripts/write_palettes.py` writes this page.
"""
MEASURED = """## How well they are told apart

Lightness is that of CIELAB, the distance of neighbouring classes is CIEDE2000. Red-blind (protanopia) and
green-blind (deuteranopia) eyes are simulated by Machado, Oliveira and Fernandes 2009, severity 1. Rain sums
have the colours of rain rates.
"""
QUANTITIES = {
    "reflectivity": "Reflectivity, dBZ",
    "rain_rate": "Rain rate, mm/h",
    "rain_sum": "Rain sum, mm",
    "probability": "Probability",
}


def page() -> str:
    """Return the whole page as Markdown."""
    parts = [HEAD]
    for quantity, title in QUANTITIES.items():
        parts += [f"## {title}\n", _classes(quantity)]
    return "\n".join([*parts, MEASURED, _measured()]) + "\n"


def _classes(quantity: str) -> str:
    """One line a class: from where, in the other unit, and the colours."""
    palettes = (
        [palette_of(quantity)]
        if quantity == "probability"
        else [palette_of(quantity, n) for n in (SAFE, CLASSIC)]
    )
    other = {"reflectivity": "mm/h", "rain_rate": "dBZ"}.get(quantity)
    heads = ["from", *([f"{other} (Marshall-Palmer)"] if other else []), *(f"`{p.name}`" for p in palettes)]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for i, tick in enumerate(palettes[0].ticks()):
        cells = [tick.text, *([tick.other] if other else []), *(f"`{p.colours[i]}`" for p in palettes)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _measured() -> str:
    from tests.fakes.colour_vision import EYES, steps_of

    lines = [
        "| palette | eyes | lightness falls with every class | least distance of neighbours |",
        "|---|---|---|---|",
    ]
    for (quantity, name), palette in PALETTES.items():
        if quantity == "rain_sum" or (quantity == "probability" and name == CLASSIC):
            continue
        for eyes in EYES:
            steps, apart = steps_of(palette, eyes)
            falls = "yes" if (steps < 0).all() else "no"
            lines.append(f"| {QUANTITIES[quantity]}, `{name}` | {eyes} | {falls} | {apart.min():.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
