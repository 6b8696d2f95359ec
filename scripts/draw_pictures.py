"""Draw the pictures of the documentation anew: runs the pages that show some, stores them compactly.

    python scripts/draw_pictures.py                       # all pages
    python scripts/draw_pictures.py docs/gallery.md

A page's blocks write NAME.png or NAME.gif, the page shows pictures/NAME.png. Only made-up storms are drawn.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from page_blocks import RUNNABLE, blocks, run_block
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("docs/gallery.md", "docs/tutorial/first-nowcast.md")
PICTURES = ROOT / "docs" / "pictures"
COLOURS = 96


def shown(text: str) -> list[str]:
    """Names of the pictures that a page shows from the folder of pictures."""
    return re.findall(r"\]\((?:\.\./)?pictures/([\w.]+)\)", text)


def draw(page: Path, folder: Path) -> list[Path]:
    """Run the blocks of a page in a folder.

    Returns:
        The pictures that it shows, as its blocks wrote them.
    """
    text, here = page.read_text(encoding="utf-8"), Path.cwd()
    names: dict[str, Any] = {"__name__": "page"}
    os.chdir(folder)
    try:
        for block in blocks(text):
            if block.language in RUNNABLE and block.not_run is None:
                run_block(block, page.name, names)
    finally:
        os.chdir(here)
    return [folder / name for name in shown(text)]


def store(picture: Path, folder: Path) -> Path:
    """Copy a picture with few colours, which is a third of its size; an animation as it is."""
    out = folder / picture.name
    if picture.suffix == ".gif":
        out.write_bytes(picture.read_bytes())
        return out
    image = Image.open(picture).convert("RGBA")
    ground = Image.new("RGBA", image.size, "white")
    flat = Image.alpha_composite(ground, image).convert("RGB")
    flat.quantize(COLOURS, dither=Image.Dither.NONE).save(out, optimize=True)
    return out


def main() -> int:
    """Draw the pictures of the pages that are named."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pages", nargs="*", type=Path, default=[ROOT / page for page in PAGES])
    args = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    for page in args.pages:
        with tempfile.TemporaryDirectory(prefix="nowcast-pictures-") as scratch:
            with contextlib.redirect_stdout(io.StringIO()):
                drawn = draw(page.resolve(), Path(scratch))
            for picture in drawn:
                out = store(picture, PICTURES)
                print(f"{out.relative_to(ROOT)}: {out.stat().st_size / 1024:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
