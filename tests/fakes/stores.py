"""Small archives written frame by frame, without files to ingest, for tests of reading and writing."""

import os

import numpy as np
import pyproj

from nowcast.archive.create import NewArchive
from nowcast.archive.layout import frame_name
from nowcast.archive.ledger import Source
from nowcast.archive.packing import PACKING, encode_chunk
from nowcast.archive.writer import describe, open_writer
from nowcast.core.files import write_within
from nowcast.core.grid import Grid

STEP = np.timedelta64(10, "m").astype("timedelta64[ns]")
FIRST = np.datetime64("2025-03-01T00:00", "ns")


def small_grid(shape=(6, 8)):
    return Grid(
        pyproj.CRS.from_epsg(3035).to_wkt(),
        3e6 - 1000.0 * np.arange(shape[0]),
        4e6 + 1000.0 * np.arange(shape[1]),
    )


def frame(number, shape=(6, 8)):
    """A frame that tells its number: a corner not observed, no echo, and echoes."""
    dbz = np.full(shape, -32.0, np.float32)
    dbz[2:, 2:] = 10.0 + number % 50 + np.arange(shape[1] - 2) / 100
    dbz[0, 0] = np.nan
    return dbz


def put_chunks(path, frames):
    """Write chunks only: slot -> dBZ."""
    folder = os.open(path / "reflectivity", os.O_RDONLY)
    try:
        for slot, dbz in frames.items():
            write_within(folder, frame_name(slot), encode_chunk(PACKING.pack(dbz)))
    finally:
        os.close(folder)


def source(name, frames, **changes):
    digest = f"{hash(name) & 0xFFFFFFFF:064x}"
    return Source(
        **{
            "name": name,
            "size": 1,
            "mtime_ns": 1,
            "sha256": digest,
            "reader": "odim_h5",
            "frames": frames,
            **changes,
        }
    )


def write_store(path, numbers, first=FIRST, name="a.h5"):
    """Put frames ``FIRST + n steps`` into the archive at ``path``; frame n holds ``frame(n)``."""
    new = NewArchive(small_grid(), STEP, first, {"source": "test", "licence": "CC BY 4.0"})
    with open_writer(path, new) as writer:
        offset = int((FIRST - np.datetime64(writer.first_time, "s")) / STEP)
        earliest = min(numbers) + offset
        if earliest < 0:
            writer.prepend(-earliest)
            offset -= earliest
        put_chunks(path, {n + offset: frame(n) for n in numbers})
        records = [describe(n + offset, PACKING.pack(frame(n))) for n in numbers]
        writer.commit([(source(name, len(numbers)), records)])
    return path


def time_of(number):
    return FIRST + number * STEP
