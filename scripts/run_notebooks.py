"""Run the notebooks of the documentation from top to bottom and store what they show, compactly.

    python scripts/run_notebooks.py                       # all
    python scripts/run_notebooks.py docs/tutorial/compare-models.ipynb

Each runs in an empty folder. Progress bars are left out, pictures stored with few colours.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
COLOURS = 64
SECONDS = 300


def notebooks() -> list[Path]:
    """Every notebook of the documentation."""
    return sorted((ROOT / "docs").rglob("*.ipynb"))


def execute(path: Path, folder: Path) -> Any:
    """Run a notebook in a folder.

    Returns:
        The notebook with what it shows, tidied.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    os.environ["IPYTHONDIR"] = str(folder)
    NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": str(folder)}}).execute()
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
        cell["metadata"] = {}
        if cell.cell_type == "code":
            cell["outputs"] = [_tidy(output, folder) for output in _joined(cell.outputs)]
    return notebook


def _joined(outputs: Any) -> list[Any]:
    """What was printed in one piece, without what was said beside it."""
    kept: list[Any] = []
    for output in outputs:
        if output.get("name") == "stderr":
            continue
        if output.output_type == "stream" and kept and kept[-1].output_type == "stream":
            kept[-1].text += output.text
        else:
            kept.append(output)
    return kept


def _tidy(output: Any, folder: Path) -> Any:
    """Pictures of few colours; paths from the folder on."""
    data = output.get("data", {})
    if output.output_type == "stream":
        output["text"] = output["text"].replace(f"{folder}/", "")
    else:
        output["metadata"] = {}
        data.pop("text/html", None)  # a Dataset's own is as long as ten pages
    if "image/png" in data:
        data["image/png"] = _small(data["image/png"])
    return output


def _small(encoded: str) -> str:
    picture = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGBA")
    flat = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    out = io.BytesIO()
    flat.quantize(COLOURS, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode() + "\n"


def shown(notebook: Any) -> list[str]:
    """All text that the cells of a notebook show, one entry a cell of code."""
    return [
        "".join(o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in cell.get("outputs", ()))
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def main() -> int:
    """Run and store the notebooks that are named."""
    import nbformat

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, default=notebooks())
    for path in parser.parse_args().notebooks:
        with tempfile.TemporaryDirectory(prefix="nowcast-notebook-") as folder:
            notebook = execute(path, Path(folder))
        nbformat.write(notebook, path)  # type: ignore[no-untyped-call]
        print(f"{path}: {path.stat().st_size / 1024:.0f} kB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
