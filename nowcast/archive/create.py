"""Making an archive, and writing its metadata and the pages of its arrays over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nowcast.archive import layout
from nowcast.archive.layout import PAGE, TIME_ARRAYS
from nowcast.archive.packing import encode_chunk
from nowcast.core.errors import ArchiveError
from nowcast.core.files import provenance, replace_bytes, whole_folder
from nowcast.core.grid import Grid


@dataclass(frozen=True)
class NewArchive:
    """What an archive is made with: its grid, step, first slot and attributes (source, licence)."""

    grid: Grid
    step: np.timedelta64
    first: np.datetime64
    attrs: Mapping[str, Any]


def create_archive(path: Path, new: NewArchive, afresh: bool = False) -> None:
    """Make an empty archive; it appears whole or not at all, ``afresh`` in the place of another one."""
    if not afresh and path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ArchiveError(
            f"{path}: exists and is no archive of nowcast, expected a new folder or an "
            "archive; choose another name"
        )
    stated = {
        "Conventions": "CF-1.10",
        "title": "radar reflectivity archive",
        "licence": "unknown",
        **new.attrs,
        "nowcast_archive": layout.VERSION,
        "first_time": int(new.first.astype("datetime64[s]").astype(np.int64)),
        "step_seconds": int(new.step / np.timedelta64(1, "s")),
        "grid_fingerprint": new.grid.fingerprint,
        "provenance": provenance(),
    }
    with whole_folder(path) as folder:
        (folder / "reflectivity").mkdir()
        for name, values in (("y", new.grid.y), ("x", new.grid.x)):
            replace_bytes(folder / name / "c.0", encode_chunk(values.astype(np.float64)))
        replace_bytes(
            folder / "sources" / "zarr.json",
            layout.to_json(
                {"zarr_format": 3, "node_type": "group", "attributes": {"comment": "ingested files"}}
            ),
        )
        write_documents(folder, stated, new.grid, 0)


def write_page(path: Path, name: str, page: int, values: npt.NDArray[Any]) -> None:
    """Write one page of an array over time; what lies behind its end holds the fill value."""
    dtype, fill = TIME_ARRAYS[name]
    whole_page = np.full(PAGE, fill, dtype=dtype)
    part = values[page * PAGE : (page + 1) * PAGE]
    whole_page[: len(part)] = part
    replace_bytes(path / name / f"c.{page}", encode_chunk(whole_page))


def write_documents(path: Path, attrs: Mapping[str, Any], grid: Grid, slots: int) -> None:
    """Write all metadata; the root, which holds a copy of the rest, comes last."""
    arrays = layout.array_documents(grid, slots)
    for name, document in arrays.items():
        replace_bytes(path / name / "zarr.json", layout.to_json(document))
    replace_bytes(path / "zarr.json", layout.to_json(layout.root_document(attrs, arrays)))
