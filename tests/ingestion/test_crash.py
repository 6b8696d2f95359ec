"""kill -9 at any point and run again: the archive ends in the same values, and is never wrong between."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from nowcast.archive.reader import Archive
from nowcast.core.errors import ArchiveError
from nowcast.workflows.ingest import ingest
from tests.fakes import cf

ROOT = Path(__file__).resolve().parents[2]
DIES_IN = """
import os, signal, sys
from pathlib import Path
import nowcast.ingestion.work as work, nowcast.archive.create as create, nowcast.archive.ledger as ledger
from nowcast.workflows.ingest import ingest
left = [int(sys.argv[3])]
def dying(function):
    def wrapper(*args):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args)
    return wrapper
work.write_within = dying(work.write_within)
create.replace_bytes = dying(create.replace_bytes)
ledger.replace_bytes = dying(ledger.replace_bytes)
ingest([Path(sys.argv[1])], Path(sys.argv[2]), workers_count=1, progress=False)
"""


def frames_of(archive):
    if not (archive / "zarr.json").exists():
        return {}
    found = Archive.open(archive)
    return {str(t): found.packed(t).tobytes() for t in found.times}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    for day in range(1, 4):
        start = f"2025-03-0{day}"
        cf.write_italian(tmp_path / "in" / f"{start}.nc", cf.frames(4, seed=day), cf.times(start, 4))
    return tmp_path / "in"


@pytest.fixture
def truth(folder, tmp_path):
    ingest([folder], tmp_path / "truth.zarr", workers_count=1, progress=False)
    return frames_of(tmp_path / "truth.zarr")


def _die(folder, archive, writes):
    done = subprocess.run(
        [sys.executable, "-c", DIES_IN, str(folder), str(archive), str(writes)],
        cwd=ROOT,
        check=False,
        timeout=120,
        capture_output=True,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
    return done.returncode


def _check_after(folder, archive, truth):
    between = frames_of(archive)
    assert {t: v for t, v in truth.items() if t in between} == between, "a frame counted too early"
    report = ingest([folder], archive, workers_count=1, progress=False)
    assert report.problems == ()
    assert frames_of(archive) == truth
    assert len(list((archive / "reflectivity").iterdir())) == len(truth) + 1  # and its zarr.json
    assert not list(archive.parent.glob(f".{archive.name}.*.part"))


def test_killed_while_frames_are_written(folder, tmp_path, truth):
    archive = tmp_path / "a.zarr"
    assert _die(folder, archive, 24) == -signal.SIGKILL
    _check_after(folder, archive, truth)


@pytest.mark.slow
def test_killed_at_every_write(folder, tmp_path, truth):
    for writes in range(60):
        archive = tmp_path / f"{writes}.zarr"
        ended = _die(folder, archive, writes)
        _check_after(folder, archive, truth)
        if ended == 0:
            break
    assert ended == 0, "the test should reach the end of an ingest"


@pytest.mark.slow
def test_killed_at_random_moments_with_two_workers(tmp_path):
    (tmp_path / "in").mkdir()
    for day in range(1, 10):
        start = f"2025-03-0{day}"
        cf.write_italian(tmp_path / "in" / f"{start}.nc", cf.frames(60, (60, 60), day), cf.times(start, 60))
    ingest([tmp_path / "in"], tmp_path / "truth.zarr", workers_count=1, progress=False)
    truth = frames_of(tmp_path / "truth.zarr")
    rng = random.Random(0)
    command = [
        sys.executable,
        "-m",
        "nowcast.cli.main",
        "ingest",
        str(tmp_path / "in"),
        "--workers",
        "2",
        "--archive",
        str(tmp_path / "a.zarr"),
    ]
    for _ in range(6):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not (tmp_path / "a.zarr").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(rng.uniform(0.0, 3.0))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        between = frames_of(tmp_path / "a.zarr")
        assert {t: truth[t] for t in between} == between
    ingest([tmp_path / "in"], tmp_path / "a.zarr", workers_count=1, progress=False)
    assert frames_of(tmp_path / "a.zarr") == truth


@pytest.fixture
def tiny_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small disk is not permitted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_really_fills_up(tiny_disk, tmp_path, folder):
    archive = tiny_disk / "a.zarr"
    assert ingest([folder], archive, workers_count=1, progress=False).frames == 12
    before = frames_of(archive)
    noise = np.random.default_rng(0).integers(20, 100, (40, 200, 200)).astype(np.uint8)
    big = cf.write_italian(tmp_path / "other.nc", noise, cf.times("2025-03-01", 40))
    with pytest.raises(ArchiveError, match=r"cannot be written|the disk is full"):
        ingest([big], tiny_disk / "b.zarr", workers_count=1, progress=False)
    assert frames_of(archive) == before
    assert not (tiny_disk / "b.zarr").exists()
    more = cf.write_italian(tmp_path / "more.nc", cf.frames(2), cf.times("2025-03-06", 2))
    (tiny_disk / "filler").write_bytes(b"x" * 100)
    assert ingest([more], archive, workers_count=1, progress=False).frames == 2


def test_a_file_larger_than_the_system_allows_is_a_full_disk(tmp_path):
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000));"
        "from nowcast.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    noise = np.random.default_rng(0).integers(20, 100, (2, 200, 200)).astype(np.uint8)
    path = cf.write_italian(tmp_path / "noise.nc", noise, cf.times("2025-03-01", 2))
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            code,
            "ingest",
            str(path),
            "--workers",
            "1",
            "--archive",
            str(tmp_path / "a.zarr"),
        ],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2, done.stderr
    assert "the disk is full (File too large)" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "a.zarr").exists()
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 20000
