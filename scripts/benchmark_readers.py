"""Time reading one frame of each format beside pysteps' importer of it, in turns, and compare the values.

    python scripts/benchmark_readers.py FOLDER [--rounds 7] [--only NAME,...]

FOLDER holds folders of radar files, one a format, as `FORMATS` names them; those that are absent are passed
over. Milliseconds are of the CPU, the median over files of one series, another in each round: what the files of
a series have in common (projection, table of codes) is worked out at the first, which is timed apart, together
with the libraries that are loaded for it. Ours opens the file, looks through it where it is HDF5, finds its
times, grid and codes, and returns dBZ, with not observed, no echo and values told apart; pysteps' importer
returns what it calls rain or reflectivity. pysteps reads MRMS through pygrib and GeoTIFF through GDAL's own
bindings: where these are not installed, the steps of its importer are done with ecCodes and rasterio, the same
libraries underneath, and the line says so.
"""

from __future__ import annotations

import argparse
import gzip
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pyproj  # noqa: F401  (before ecCodes)

sys.path.insert(0, str(Path(__file__).resolve().parent))
from interleaved import interleaved, times_faster

Importer = Callable[[Path], Any]


def main() -> int:
    """Print a line a format: seconds of both, their ratio, and how the values compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    chosen = args.only.split(",") if args.only else list(FORMATS)
    print(f"{'format':<14} {'ours ms':>8} {'pysteps ms':>10} {'ratio':>6} {'first':>7} {'first':>7}  values")
    with tempfile.TemporaryDirectory() as place:
        for name in chosen:
            pattern, importer, note = FORMATS[name]
            files = sorted(args.folder.glob(pattern))
            if not files:
                print(f"{name:<14} no file {pattern}")
                continue
            files = files[len(files) // 2 :] + files[: len(files) // 2]
            print(
                _line(
                    name,
                    [_plain(file, Path(place), name) for file in files[: args.rounds + 2]],
                    importer,
                    note,
                    args.rounds,
                ),
                flush=True,
            )
    return 0


def _plain(path: Path, place: Path, name: str) -> Path:
    """Return the file unpacked where pysteps' importer takes no packed one: both then read the same."""
    if name not in ("radolan_ry", "radolan_rx"):
        return path
    target = place / path.stem
    target.write_bytes(gzip.decompress(path.read_bytes()))
    return target


def _line(name: str, paths: Sequence[Path], importer: Importer, note: str, rounds: int) -> str:
    from nowcast.ingestion.readers.catalog import find_reader
    from nowcast.ingestion.readers.lazy import frame_at

    path, reader = paths[0], find_reader(paths[0])
    mine, their = cycle(paths), cycle(paths)
    jobs = {"ours": lambda: frame_at(reader.open(next(mine)).data, 0), "pysteps": lambda: importer(next(their))}
    first = {"ours": _once(jobs["ours"])}
    try:
        first["pysteps"] = _once(jobs["pysteps"])
    except Exception as error:
        taken = interleaved({"ours": jobs["ours"]}, rounds, cpu_time=True)
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:80]}"
        return (
            f"{name:<14} {1000 * np.median(taken['ours']):8.1f} {'-':>10} {'-':>6} {first['ours']:7.1f} "
            f"{'-':>7}  pysteps' importer raises {said}"
        )
    taken = interleaved(jobs, rounds, cpu_time=True)
    ratio = 1.0 / times_faster(taken, "pysteps", "ours")
    compared = _compared(reader.open(path), np.asarray(importer(path), np.float64))
    return (
        f"{name:<14} {1000 * np.median(taken['ours']):8.1f} {1000 * np.median(taken['pysteps']):10.1f} "
        f"{ratio:6.2f} {first['ours']:7.1f} {first['pysteps']:7.1f}  {compared}{note}"
    )


def _once(job: Callable[[], Any]) -> float:
    start = time.process_time()
    job()
    return 1000 * (time.process_time() - start)


def _compared(field: Any, theirs: np.ndarray[Any, Any]) -> str:
    """Return how many pixels differ in being observed, and by how much values of the others do, in dBZ."""
    from nowcast.core.rain import z_r_of_text

    ours = field.values[0]
    if theirs.shape != ours.shape:
        return f"shapes differ: {ours.shape} and {theirs.shape}"
    relation = z_r_of_text(str(field.attrs.get("z_r_relation", "")))
    hours = float(field.attrs.get("accumulation_hours", 0)) or 1.0
    dbz = theirs if relation is None else relation.to_dbz(theirs / _per_hour(field, hours))
    echo = (ours > -32.0) & np.isfinite(theirs)
    absent = int((np.isnan(ours) != np.isnan(theirs)).sum())
    apart = float(np.abs(ours[echo] - dbz[echo]).max()) if echo.any() else 0.0
    dry = int(((ours == -32.0) & np.isfinite(theirs) & (dbz > -31.9)).sum())
    return f"{absent} pixels observed by one alone, {dry} dry by ours alone, echoes up to {apart:.4f} dB apart"


def _per_hour(field: Any, hours: float) -> float:
    """Return by what pysteps' amounts are divided to be rates; those it converts itself are none."""
    return hours if field.attrs["quantity"] in _AMOUNTS else 1.0


_AMOUNTS = {"precipitation", "ACCUMULATED_PRECIPITATION_[MM]", "AQC", "RY", "ACRR"}
"""Quantities that pysteps' importers return in mm over the period."""


def _pysteps(name: str, **settings: Any) -> Importer:
    def read(path: Path) -> Any:
        from pysteps.io import importers

        return getattr(importers, name)(str(path), **settings)[0]

    return read


def _mrms(path: Path) -> Any:
    try:
        import pygrib  # type: ignore[import-not-found]  # noqa: F401

        return _pysteps("import_mrms_grib", window_size=1)(path)
    except ImportError:
        import eccodes

        with path.open("rb") as stream:
            handle = eccodes.codes_grib_new_from_file(stream)
            values = (
                eccodes.codes_get_values(handle)
                .reshape(eccodes.codes_get(handle, "Nj"), eccodes.codes_get(handle, "Ni"))
                .astype(np.float32)
            )
            eccodes.codes_release(handle)
        return np.where(values < 0, np.nan, values)


def _geotiff(path: Path) -> Any:
    try:
        from osgeo import gdal  # type: ignore[import-not-found]  # noqa: F401

        return _pysteps("import_fmi_geotiff")(path)
    except ImportError:
        import rasterio

        with rasterio.open(path) as file:
            values = file.read(1).astype(float)
        mask = values == 255
        values = (values - 64.0) / 2.0
        values[mask] = np.nan
        return values


FORMATS: dict[str, tuple[str, Importer, str]] = {
    "bom": ("bom_netcdf*/*.nc", _pysteps("import_bom_rf3"), ""),
    "fmi_pgm": ("fmi_pgm*/*.gz", _pysteps("import_fmi_pgm", gzipped=True), ""),
    "fmi_geotiff": ("fmi_geotiff*/*.tif", _geotiff, "; its steps by rasterio unless osgeo is installed"),
    "knmi": ("knmi_hdf5*/*.h5", _pysteps("import_knmi_hdf5"), ""),
    "mch_gif": ("mch_gif*/*.gif", _pysteps("import_mch_gif", product="AQC", unit="mm", accutime=5.0), ""),
    "mrms": ("mrms_grib2*/*.grib2", _mrms, "; its steps by ecCodes unless pygrib is installed"),
    "opera": ("opera_odim*/*.hdf", _pysteps("import_opera_hdf5", qty="RATE"), ""),
    "radolan_ry": ("radolan_ry*/*.gz", _pysteps("import_dwd_radolan", product_name="RY"), ""),
    "radolan_rx": ("single_files/*rx*.gz", _pysteps("import_dwd_radolan", product_name="RX"), ""),
}
"""Name -> files, pysteps' importer, and a note."""

if __name__ == "__main__":
    sys.exit(main())
