"""Draw the plan of the house from the imports of the code: docs/explanation/architecture.svg.

Usage: python scripts/draw_architecture.py [--check]   (--check exits with 1 where it is not up to date)
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
DRAWING = ROOT / "docs" / "explanation" / "architecture.svg"
WIDTH, ROW, BOX_HEIGHT, MARGIN = 1080, 92, 40, 30
TEXTS = {
    "cli": "one thin file a command",
    "demo": "the main job from nothing",
    "service": "a cycle on the radar's clock",
    "serve": "forecasts over HTTP",
    "bench": "tables of papers",
    "workflows": "the way each thing is done, once; the Python API",
    "evaluation": "period, comparison, calibration",
    "forecasters": "fields in, Dataset out",
    "postprocessing": "a forecast in, a better or richer one out",
    "training": "the one LightningModule",
    "ingestion": "readers, files to frames",
    "data": "frames to clips",
    "models": "arrays in, arrays out",
    "scores": "sums that add up",
    "report": "all that draws",
    "products": "files for others",
    "archive": "the Zarr store",
    "core": "field, grid, times, rain, scaling, settings, files, errors",
}


def floors() -> list[list[str]]:
    """The rooms of each floor, from the top down, as the contract of the imports names them."""
    with (ROOT / "pyproject.toml").open("rb") as handle:
        contracts = tomllib.load(handle)["tool"]["importlinter"]["contracts"]
    layers = next(c["layers"] for c in contracts if c["type"] == "layers")
    return [[room.strip() for room in layer.split("|")] for layer in layers]


def arrows() -> set[tuple[str, str]]:
    """Which room imports from which other."""
    graph = grimp.build_graph("nowcast", cache_dir=None)
    found = set()
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            rooms = [name.split(".")[1] for name in (module, other) if name.count(".")]
            if len(rooms) == 2 and rooms[0] != rooms[1] and "__main__" not in rooms:
                found.add((rooms[0], rooms[1]))
    return found


def draw() -> str:
    """The drawing as SVG: floors from the top down, an arrow for each pair of rooms with an import."""
    plan = floors()
    boxes: dict[str, tuple[float, float, float]] = {}
    for level, rooms in enumerate(plan):
        width = (WIDTH - 2 * MARGIN - 14 * (len(rooms) - 1)) / len(rooms)
        for i, room in enumerate(rooms):
            boxes[room] = (MARGIN + i * (width + 14), MARGIN + level * ROW, width)
    height = 2 * MARGIN + (len(plan) - 1) * ROW + BOX_HEIGHT
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
        "<title>The floors of nowcast: a floor imports only from floors below</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    lines += [_arrow(boxes[a], boxes[b]) for a, b in sorted(arrows())]
    lines += [_room(name, *boxes[name]) for rooms in plan for name in rooms]
    return "\n".join([*lines, "</svg>", ""])


def _arrow(above: tuple[float, float, float], below: tuple[float, float, float]) -> str:
    (x0, y0, w0), (x1, y1, w1) = above, below
    share = (x1 + w1 / 2) / WIDTH
    start, end = x0 + w0 * (0.15 + 0.7 * share), x1 + w1 * (0.15 + 0.7 * (x0 + w0 / 2) / WIDTH)
    top, bottom = y0 + BOX_HEIGHT, y1
    bend = (bottom - top) / 2
    return (
        f'<path d="M{start:.0f} {top:.0f} C{start:.0f} {top + bend:.0f} {end:.0f} {bottom - bend:.0f} '
        f'{end:.0f} {bottom:.0f}" fill="none" stroke="#5b7fa6" stroke-opacity=".45"/>'
    )


def _room(name: str, x: float, y: float, width: float) -> str:
    middle = x + width / 2
    return (
        f'<g><rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{BOX_HEIGHT}" rx="5" fill="#eef3f8" '
        f'stroke="#2f4d6b"/><text x="{middle:.0f}" y="{y + 17:.0f}" text-anchor="middle" font-size="14" '
        f'font-weight="bold" fill="#1b2f44">{name}</text><text x="{middle:.0f}" y="{y + 32:.0f}" '
        f'text-anchor="middle" font-size="10.5" fill="#1b2f44">{TEXTS[name]}</text></g>'
    )


def main() -> int:
    """Draw, or check that the drawing is what would be drawn."""
    drawn = draw()
    if "--check" in sys.argv[1:]:
        return int(not DRAWING.is_file() or DRAWING.read_text(encoding="utf-8") != drawn)
    DRAWING.write_text(drawn, encoding="utf-8")
    print(DRAWING)
    return 0


if __name__ == "__main__":
    sys.exit(main())
