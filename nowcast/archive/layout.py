"""The layout of an archive: its Zarr v3 metadata, where each chunk lies, and what the arrays mean.

Dims: ``time`` (regular slots at the archive's step, T), ``y`` (H), ``x`` (W).

    zarr.json                     group: attributes, and all array metadata consolidated
    reflectivity/c.T.0.0          int16 (1, H, W): one frame a chunk; absent for a missing frame
    time, frame_status, source, observed_share, wet_share, max_dbz     (T), pages of 4096 slots
    y, x, crs                     coordinates and CF grid mapping
    sources/N/zarr.json           groups whose attributes list the ingested files (see ledger.py)
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from nowcast.archive.packing import PACKING, ZSTD_LEVEL
from nowcast.core.field import ATTRS, grid_coords
from nowcast.core.grid import Grid

VERSION = 1
PAGE = 4096
"""Slots in one chunk of the arrays over time: a commit rewrites one or two such pages."""
MOST_SLOTS = 20_000_000
"""Slots of the longest archive: 190 years of five minutes."""
MISSING, WHOLE = 0, 1
WET_DBZ = 10.0

Document = dict[str, Any]
TIME_ARRAYS: Mapping[str, tuple[str, Any]] = {
    "time": ("int64", 0),
    "frame_status": ("uint8", MISSING),
    "source": ("int32", -1),
    "observed_share": ("float32", math.nan),
    "wet_share": ("float32", math.nan),
    "max_dbz": ("float32", math.nan),
}
"""Array over time -> (dtype, value of a slot nobody wrote)."""

_TIME_ATTRS: Mapping[str, Document] = {
    "time": {
        "standard_name": "time",
        "axis": "T",
        "units": "seconds since 1970-01-01",
        "calendar": "proleptic_gregorian",
    },
    "frame_status": {
        "standard_name": "status_flag",
        "long_name": "whether the frame is there",
        "flag_values": [MISSING, WHOLE],
        "flag_meanings": "missing whole",
    },
    "source": {"long_name": "index of the file in the group 'sources'; -1: none"},
    "observed_share": {"long_name": "share of cells observed", "units": "1"},
    "wet_share": {"long_name": f"share of observed cells with at least {WET_DBZ:g} dBZ", "units": "1"},
    "max_dbz": {"long_name": "highest reflectivity of the frame", "units": "dBZ"},
}


def array_document(
    dtype: str,
    shape: tuple[int, ...],
    chunk: tuple[int, ...],
    dims: tuple[str, ...],
    fill: Any,
    attrs: Mapping[str, Any],
) -> Document:
    """Return the Zarr v3 metadata of one array: default chunk keys with ``.``, codecs bytes and zstd."""
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "fill_value": "NaN" if isinstance(fill, float) and math.isnan(fill) else fill,
        "codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "zstd", "configuration": {"level": ZSTD_LEVEL, "checksum": True}},
        ],
        "attributes": plain_attrs(attrs),
        "dimension_names": list(dims),
        "storage_transformers": [],
    }


def array_documents(grid: Grid, slots: int) -> dict[str, Document]:
    """Return the metadata of every array of an archive with ``slots`` slots."""
    height, width = grid.shape
    coords = grid_coords(grid)
    documents = {
        "reflectivity": array_document(
            "int16",
            (slots, height, width),
            (1, height, width),
            ("time", "y", "x"),
            PACKING.fill,
            {
                **ATTRS,
                "_FillValue": PACKING.fill,
                "scale_factor": PACKING.scale,
                "add_offset": PACKING.offset,
                "no_echo_code": PACKING.no_echo,
                "coordinates": "crs",
                "comment": f"{PACKING.no_echo}: observed, no echo; _FillValue: not observed, or the "
                "frame is missing (see frame_status)",
                "ancillary_variables": "frame_status",
                "_CRS": {"wkt": grid.crs_wkt},
            },
        ),
        "y": array_document("float64", (height,), (height,), ("y",), math.nan, coords["y"][2]),
        "x": array_document("float64", (width,), (width,), ("x",), math.nan, coords["x"][2]),
        "crs": array_document("int32", (), (), (), 0, coords["crs"][2]),
    }
    for name, (dtype, fill) in TIME_ARRAYS.items():
        documents[name] = array_document(dtype, (slots,), (PAGE,), ("time",), fill, _TIME_ATTRS[name])
    return documents


def root_document(attrs: Mapping[str, Any], arrays: Mapping[str, Document]) -> Document:
    """Return the metadata of the whole store; replacing this one file is what extends an archive."""
    return {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": plain_attrs(attrs),
        "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": dict(arrays)},
    }


def plain_attrs(attrs: Mapping[str, Any]) -> Document:
    """Return attributes as JSON holds them: numpy numbers and arrays become Python's own."""

    def plain(value: Any) -> Any:
        if isinstance(value, (np.generic, np.ndarray)):
            return value.tolist()
        if isinstance(value, Mapping):
            return {str(k): plain(v) for k, v in value.items()}
        return [plain(v) for v in value] if isinstance(value, (list, tuple)) else value

    return {str(k): plain(v) for k, v in attrs.items()}


def to_json(document: Mapping[str, Any]) -> bytes:
    """Return the bytes of a ``zarr.json``."""
    return json.dumps(document, allow_nan=False, indent=1).encode()


def frame_name(slot: int) -> str:
    """Return the file name of a frame's chunk within ``reflectivity``."""
    return f"c.{slot}.0.0"


def next_name(slot: int) -> str:
    """Return the file name under which the chunk that replaces a frame waits until it is counted in."""
    return f"{frame_name(slot)}.next"
