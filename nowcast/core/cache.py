"""The folder for what the package can make or fetch again: ``NOWCAST_CACHE``, else the user's own cache."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the cache folder; it need not exist.

    ``NOWCAST_CACHE`` where it is set, else ``nowcast`` under ``XDG_CACHE_HOME``, else ``~/.cache/nowcast``.

    Source: XDG Base Directory Specification 0.8 (a relative ``XDG_CACHE_HOME`` is ignored).
    """
    if own := os.environ.get("NOWCAST_CACHE"):
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "nowcast"
