"""`nowcast train` in a process of its own, ended by real signals at every stage."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from nowcast.models import checkpoint
from tests.cli.test_train import TINY
from tests.fakes.frames import storm_codes, write_cache

ROOT = Path(__file__).resolve().parents[2]
WITHIN_SECONDS = 5.0
CACHING = """
import sys, time
from nowcast.workflows import training_data
training_data.open_data = lambda experiment: (open("caching", "w").close(), time.sleep(60))
from nowcast.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
LONG = ["model.settings.hidden=[96, 96]", "training.batch=512"]  # an iteration lasts longer than the test
RUN = Path("runs/tiny/v0")

pytestmark = pytest.mark.slow


@pytest.fixture
def place(tmp_path):
    write_cache(tmp_path / "storms.cache", storm_codes(60))
    values = {**TINY, "training": {**TINY["training"], "steps": 100_000, "log_every": 1, "ema_decay": 0.5}}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(values))
    return tmp_path


def start(place, *settings, code=None):
    how = ["-m", "nowcast.cli.main"] if code is None else ["-c", code]
    return subprocess.Popen(
        [sys.executable, *how, "train", "tiny.yaml", *(["--set", *settings] if settings else [])],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )


def end(process, reached, number):
    """Wait until ``reached`` holds, send the signal; what stands on standard error, and whether in time."""
    waited = time.monotonic() + 120
    while not reached():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < waited
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(number)
    began = time.monotonic()
    try:
        error = process.communicate(timeout=30)[1]
    finally:
        process.kill()
    assert time.monotonic() - began < WITHIN_SECONDS
    assert process.returncode == 128 + number
    assert "Traceback" not in error
    return error


def rows(path, column):
    """Lines of metrics.csv with a value in a column (by its number)."""
    lines = path.read_text().splitlines()[1:] if path.exists() else []
    return [line for line in lines if line.split(",")[column : column + 1] not in ([], [""])]


def says_how_to_go_on(place, error, *settings):
    expected = ["nowcast", "train", "tiny.yaml", "--resume", str(RUN / "last.ckpt"), "--set", *settings]
    assert error.rstrip().splitlines()[-1] == f"nowcast train: interrupted; to go on: {shlex.join(expected)}"
    assert not list((place / RUN).glob(".*.part"))
    return checkpoint.read(place / RUN / "last.ckpt")["run"]["iteration"]


SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])


@SIGNALS
def test_while_data_are_cached(place, number):
    process = start(place, code=CACHING)
    error = end(process, (place / "caching").exists, number)
    assert error == "\nnowcast train: interrupted before training began; to start again, run the same command\n"
    assert not (place / "runs").exists()


@SIGNALS
def test_in_a_first_iteration_that_lasts(place, number):
    process = start(place, *LONG)
    error = end(process, lambda: "started" in text(place / RUN / "train.log"), number)
    assert says_how_to_go_on(place, error, *LONG) == 0


@SIGNALS
def test_while_it_trains(place, number):
    process = start(place, "training.validate_every=50000")
    error = end(process, lambda: len(rows(place / RUN / "metrics.csv", 3)) > 2, number)
    done = says_how_to_go_on(place, error, "training.validate_every=50000")
    assert done == int(rows(place / RUN / "metrics.csv", 3)[-1].split(",")[0])
    again = [sys.executable, "-m", "nowcast.cli.main", "train", "tiny.yaml", "--resume", str(RUN / "last.ckpt")]
    ended = subprocess.run(
        [*again, "--set", f"training.steps={done + 1}"],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert ended.returncode == 0, ended.stderr
    assert rows(place / RUN / "metrics.csv", 4)[-1].split(",")[0] == str(done + 1)


@SIGNALS
def test_while_it_validates(place, number):
    long = [
        "training.validate_every=1",
        "training.batch=1",
        *LONG[:1],
        "data.validation_stride=1",
        "data.crop=[200, 200]",
        "data.sources.0.settings.path=large.cache",
    ]
    write_cache(place / "large.cache", storm_codes(60, size=(200, 240)))
    process = start(place, *long)
    error = end(process, lambda: len(rows(place / RUN / "metrics.csv", 3)) == 1, number)
    assert rows(place / RUN / "metrics.csv", 4) == []
    assert says_how_to_go_on(place, error, *long) == 0  # the iteration before the validation is done again


def text(path):
    return path.read_text() if path.exists() else ""
