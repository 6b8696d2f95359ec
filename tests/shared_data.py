"""Where the tests find real radar data, golden numbers and digits; each skips where they are absent.

``NOWCAST_SHARED`` names the folder; without it, a folder ``shared`` beside the checkout is looked for.
"""

import os
from pathlib import Path

import pytest

_ROOT = Path(os.environ.get("NOWCAST_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def radar_folder(name: str) -> Path:
    return _present(_ROOT / "data" / "radar" / name)


def golden(name: str) -> Path:
    return _present(_ROOT / "golden" / name)


def digits() -> Path:
    return _present(_ROOT / "data" / "digits")


def _present(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"real data absent: {path.parent.name}/{path.name}")
    return path
