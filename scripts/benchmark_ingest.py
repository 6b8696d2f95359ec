"""Measure ingest: frames/s and peak memory for 2, 4 and all files of a folder, and the second run.

    python scripts/benchmark_ingest.py FOLDER [--workers N] [--out FOLDER] [--side-by-side 2]
    python scripts/benchmark_ingest.py --append 10 100000 [--rounds 5]

Each run is a fresh process; CPU seconds are its own and its workers', user and system; peak memory is the sum
of their resident memory, sampled every 50 ms. With --side-by-side, ODIM_H5 composites are laid N times beside
and N times below themselves first, on cells of an Nth of the side, so that corners stay: 1900 x 2200 cells of
2 km become 3800 x 4400 of 1 km, stored as the file's own. The bare limit is measured beside it: reading and
decoding the same files frame by frame in one process, without an archive.

``--append`` measures what one new frame costs in archives of so many frames, each of a file of its own: CPU
seconds of ``nowcast ingest`` and of ``nowcast forecast`` (persistence) from start to end, in turns. The
archives are made up: 8 x 8 cells, all chunks alike.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from measure_scan import SIDE, START, STEP, Simulated, as_netcdf

_SAMPLE_SECONDS = 0.05
_BARE = """
import sys, time
from pathlib import Path
from nowcast.ingestion.readers.catalog import find_reader
began, frames = time.perf_counter(), 0
for name in sys.argv[1:]:
    field = find_reader(Path(name)).open(Path(name))
    for block in range(len(field.time)):
        field.data.blocks[block].compute(scheduler="sync")
        frames += 1
print(frames, time.perf_counter() - began)
"""


def main() -> int:
    """Run the measurements and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--side-by-side", type=int, default=1, metavar="N")
    parser.add_argument("--out", type=Path, help="where the archives are made; a temporary folder")
    parser.add_argument("--append", type=int, nargs="+", metavar="FRAMES", help="into archives so long")
    parser.add_argument("--rounds", type=int, default=5, help="of --append (5)")
    args = parser.parse_args()
    if not args.append and args.folder is None:
        parser.error("got neither FOLDER nor --append, expected one of them")
    work = Path(tempfile.mkdtemp(dir=args.out))
    try:
        if args.append:
            _append(args.append, args.rounds, work)
            return 0
        files = sorted(p for p in args.folder.iterdir() if p.is_file())
        if args.side_by_side > 1:
            files = [side_by_side(path, work / path.name, args.side_by_side) for path in files]
        spent: list[tuple[int, float]] = []
        for count in sorted({min(2, len(files)), min(4, len(files)), len(files)}):
            archive = work / f"{count}.zarr"
            said, seconds, cpu, peak = _ingest(files[:count], archive, args.workers)
            print(
                f"{count:4d} files: {_frames(said) / seconds:7.1f} frames/s with start-up, {seconds:6.1f} s, "
                f"{cpu:6.1f} s of CPU, {_frames(said) / cpu:6.2f} frames/s a core, peak {peak:6.0f} MB | {said}"
            )
            spent.append((_frames(said), cpu))
        if (more := spent[-1][0] - spent[0][0]) > 0:
            print(f"a frame    : {(spent[-1][1] - spent[0][1]) / more:6.2f} s of CPU, without start-up")
        said, seconds, cpu, peak = _ingest(files, archive, args.workers)
        print(f"again      : {seconds:6.1f} s, {cpu:6.1f} s of CPU, peak {peak:6.0f} MB | {said}")
        done = subprocess.run(
            [sys.executable, "-c", _BARE, *map(str, files[:4])], check=True, capture_output=True, text=True
        )
        frames, bare = done.stdout.split()
        print(f"bare read  : {int(frames) / float(bare):7.1f} frames/s in one process, no archive")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return 0


def side_by_side(source: Path, made: Path, times: int) -> Path:
    """Write an ODIM_H5 composite whose maps are those of another, ``times`` along rows and along columns."""
    import h5py

    with h5py.File(source) as old, h5py.File(made, "w") as new:
        for name in old:
            old.copy(name, new)
        new.attrs.update(old.attrs)
        maps: list[str] = []
        old.visititems(lambda name, item: maps.append(name) if isinstance(item, h5py.Dataset) else None)
        for name in maps:
            small = old[name]
            del new[name]
            stored = {"chunks": small.chunks, "compression": small.compression}
            wide = np.tile(small[()], (times, times))
            large = new.create_dataset(name, data=wide, compression_opts=small.compression_opts, **stored)
            large.attrs.update(small.attrs)
        where = new["where"].attrs
        for size, scale in (("xsize", "xscale"), ("ysize", "yscale")):
            where[size] = where[size] * np.uint64(times)
            where[scale] = where[scale] / times
    return made


def _append(lengths: list[int], rounds: int, work: Path) -> None:
    """Print what the commands cost by the length of the archive."""
    archives = {frames: _made_up(work / f"{frames}.zarr", frames) for frames in lengths}
    taken: dict[tuple[str, int], list[float]] = {}
    for turn in range(rounds + 1):
        for frames, archive in archives.items():
            file = _file(work, frames + turn)
            out = str(work / "forecast.nc")
            commands = {
                "ingest": [str(file), "--archive", str(archive)],
                "forecast": ["--archive", str(archive), "--model", "persistence", "--no-page", "--out", out],
            }
            for name, arguments in commands.items():
                before = os.times()
                command = [sys.executable, "-m", "nowcast", name, *arguments]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                after = os.times()
                if turn:
                    spent = after.children_user + after.children_system - before.children_user
                    taken.setdefault((name, frames), []).append(spent - before.children_system)
    for (name, frames), seconds in sorted(taken.items()):
        more = [a - b for a, b in zip(seconds, taken[name, lengths[0]], strict=True)]
        print(f"{name:9} {frames:9,} frames {median(seconds):7.2f} s of CPU, {median(more):+.2f} s")


def _made_up(path: Path, frames: int) -> Path:
    """Make an archive of so many frames, as many files and pages as a real one, in a few seconds."""
    from nowcast.archive.create import NewArchive
    from nowcast.archive.layout import frame_name
    from nowcast.archive.ledger import Source
    from nowcast.archive.packing import PACKING, encode_chunk
    from nowcast.archive.writer import describe, open_writer
    from nowcast.core.grid import Grid
    from nowcast.ingestion.readers.catalog import find_reader

    field = find_reader(file := _file(path.parent, 0)).open(file)
    codes = PACKING.pack(field.values[0])
    chunk = encode_chunk(codes)
    new = NewArchive(Grid.of(field), STEP, START, {"measured_quantity": "reflectivity"})
    with open_writer(path, new) as writer:
        for slot in range(frames):
            (path / "reflectivity" / frame_name(slot)).write_bytes(chunk)
        names = (f"radar_composite_north_{slot:09d}.nc" for slot in range(frames))
        sources = [Source(name, 1, 1, f"{n:064x}", "cf_netcdf", 1, "dbz") for n, name in enumerate(names)]
        writer.commit([(one, [describe(slot, codes)]) for slot, one in enumerate(sources)])
    return path


def _file(folder: Path, slot: int) -> Path:
    path = folder / f"new_{slot}.nc"
    if not path.exists():
        times = START + STEP * np.arange(slot, slot + 1)
        rows = np.linspace(1000.0 * SIDE, 1000.0, SIDE)
        as_netcdf(Simulated(1).read(times).assign_coords(time=times, y=rows, x=rows[::-1]), path)
    return path


def _ingest(files: list[Path], archive: Path, workers: int) -> tuple[str, float, float, float]:
    command = [
        sys.executable,
        "-m",
        "nowcast.cli.main",
        "ingest",
        *map(str, files),
        "--archive",
        str(archive),
        "--workers",
        str(workers),
    ]
    began, before = time.perf_counter(), _cpu_of_children()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, _resident_mb(process.pid))
        time.sleep(_SAMPLE_SECONDS)
    seconds = time.perf_counter() - began
    said = process.stdout.read().strip() if process.stdout else ""
    return said, seconds, _cpu_of_children() - before, peak


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _resident_mb(pid: int) -> float:
    """Give the resident memory of a process and its children in MB (Linux)."""
    total = 0
    for one in [pid, *_children(pid)]:
        try:
            total += int(Path(f"/proc/{one}/statm").read_text(encoding="ascii").split()[1])
        except (OSError, IndexError):
            continue
    return total * os.sysconf("SC_PAGE_SIZE") / 1e6


def _children(pid: int) -> list[int]:
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [int(word) for word in found.split()]


def _frames(said: str) -> int:
    words = said.split(": ", 1)[-1].split()
    return int(words[0]) if words and words[0].isdigit() else 0


if __name__ == "__main__":
    sys.exit(main())
