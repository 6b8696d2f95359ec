"""`nowcast bench`: from a configuration to a table, or one line and exit code 2."""

import copy
import os
import signal
import subprocess
import sys
import time

import pytest
import yaml

from nowcast.cli.main import main
from tests.fakes.benchmarks import TINY
from tests.fakes.full_disk import files_up_to


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nowcast.bench.costs.peak_forecast_mb", lambda *_: 12.5)
    monkeypatch.setattr("nowcast.bench.costs._LEAST_SECONDS", 0.0)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    return tmp_path


def test_bench_writes_tables_pictures_and_page_and_says_where(place, capsys):
    assert main(["bench", "tiny.yaml", "--set", "seeds=[0]", "sheets.clips=[1]"]) == 0
    said = capsys.readouterr()
    out = place / "runs/bench/tiny"
    assert said.out.startswith("# tiny\n")
    assert "page:  runs/bench/tiny/index.html" in said.out
    assert "train 1 of 1: ConvLSTM, seed 0" in said.err
    assert {p.name for p in out.iterdir()} == {
        "runs",
        "results",
        "sheets",
        "figures",
        "results.md",
        "results.csv",
        "scores.csv",
        "index.html",
    }
    sheets = {"clip_0001.png", "clip_0001.gif", "clip_0001_differences.png"}
    assert {p.name for p in (out / "sheets").iterdir()} == sheets
    curves = {p.name for p in (out / "figures").iterdir()}
    assert "mse_sum.png" in curves
    page = (out / "index.html").read_text()
    assert page.count("data:image/png") == 2 + len(curves)
    assert page.count("data:image/gif") == 1
    assert main(["bench", "tiny.yaml", "--set", "seeds=[0]", "sheets.clips=[1]"]) == 0
    assert "train" not in capsys.readouterr().err


def test_picked_rows_and_no_time(place, capsys):
    assert main(["bench", "tiny.yaml", "--models", "copy last", "--out", "here"]) == 0
    said = capsys.readouterr()
    assert "- ConvLSTM, seed 0: not asked for, not done yet" in said.out
    assert "missing: ConvLSTM, seed 0: not asked for, not done yet\n" in said.err
    assert not (place / "here/runs").exists()
    assert main(["bench", "tiny.yaml", "--most-minutes", "0", "--out", "here"]) == 0
    assert "- ConvLSTM, seed 1: not begun when the time was up" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.yaml"], "none.yaml: no such configuration"),
        (["tiny.yaml", "--models", "PredRNN"], "--models: got 'PredRNN', expected one of copy last, ConvLSTM"),
        (["tiny.yaml", "--set", "scores=[psnr, sim]"], "scores: got 'sim', expected one of mse"),
        (["tiny.yaml", "--set", "rows=[]"], "rows: got none, expected at least one"),
        (["tiny.yaml", "--set", "rows.1.model.name=convlstn"], "did you mean 'convlstm'?"),
        (["tiny.yaml", "--set", "training.step=1"], "training.step: unknown setting; did you mean 'steps'?"),
        (["tiny.yaml", "--set", "test_sources.0.settings.seed=100"], "moving_digits of seed 100"),
        (["tiny.yaml", "--set", "test_sources.0.settings.length=4"], "expected at least one window"),
        (["tiny.yaml", "--set", "data.sources.0.settings.path=nowhere"], "nowhere"),
        (["tiny.yaml", "--set", "test_sources.0.kind=film"], "test_sources[0]"),
        (["tiny.yaml", "--most-minutes", "-1"], "--most-minutes: got -1"),
        (["experiment.yaml"], "model: unknown setting"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(place, capsys, arguments, words):
    experiment = {"name": "x", "model": {"name": "convlstm"}, "data": TINY["data"], "training": {"steps": 1}}
    (place / "experiment.yaml").write_text(yaml.safe_dump(experiment))
    assert main(["bench", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.strip().splitlines()) == 1
    assert not (place / "runs").exists()


def test_a_disk_that_fills_up_is_one_line_and_leaves_no_half_table(place, capsys):
    command = ["bench", "tiny.yaml", "--models", "copy last", "--set", "sheets.clips=[]"]
    assert main(command) == 0
    out = place / "runs/bench/tiny"
    before = {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()}
    capsys.readouterr()
    with files_up_to(2048):
        assert main([*command, "title=new"]) == 2
    told = [t for t in capsys.readouterr().err.splitlines() if t.startswith("nowcast bench:")]
    assert len(told) == 1
    assert {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()} == before


def test_predictions_are_written_on_request_of_rows_that_are_scored_already_too(place, capsys):
    command = ["bench", "tiny.yaml", "--models", "copy last", "--set", "test_clips=1", "sheets.clips=[]"]
    assert main(command) == 0
    assert not (place / "runs/bench/tiny/predictions").exists()
    capsys.readouterr()
    assert main([*command, "--predictions"]) == 0
    said = capsys.readouterr()
    assert "predictions: runs/bench/tiny/predictions\n" in said.out
    found = {p.name for p in (place / "runs/bench/tiny/predictions").glob("*.zarr")}
    assert found == {"copy_last.zarr"}


KILLED_WHILE_IT_TIMES = """
import os, signal, sys
from nowcast.bench import run
from nowcast.cli.main import main
was, timed = run.measure, []
def measure(*given):
    if timed:
        os.kill(os.getpid(), signal.SIGKILL)
    timed.append(given)
    return was(*given)
run.measure = measure
main(["bench", "tiny.yaml", "--out", "here"])
"""


KILLED_WHILE_IT_EXPORTS = """
import os, signal, sys
from nowcast.cli.main import main
from nowcast.products.predictions import PredictionStore
was, calls = PredictionStore.add, []
def add(*given):
    was(*given)
    calls.append(1)
    if len(calls) == 5:
        os.kill(os.getpid(), signal.SIGKILL)
PredictionStore.add = add
main(["bench", "tiny.yaml", "--out", "here", "--predictions"])
"""


@pytest.mark.slow
def test_a_kill_while_it_exports_leaves_whole_stores_and_the_next_call_writes_the_others(place):
    """kill -9 within the second of two stores, of three batches each."""
    values = {**TINY, "seeds": [0], "test_batch": 2, "scores": ["mse_sum"]}
    (place / "tiny.yaml").write_text(yaml.safe_dump(values))
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = subprocess.run([sys.executable, "-c", KILLED_WHILE_IT_EXPORTS], cwd=place, env=env, check=False)
    assert killed.returncode == -signal.SIGKILL
    folder = place / "here/predictions"
    (whole,) = folder.glob("*.zarr")
    assert list(folder.glob(".*.part"))
    before = (whole / "zarr.json").stat().st_mtime_ns
    command = [sys.executable, "-m", "nowcast.cli.main", "bench", "tiny.yaml", "--out", "here", "--predictions"]
    done = subprocess.run(command, cwd=place, env=env, capture_output=True, text=True, check=True)
    assert "train" not in done.stderr
    assert "score 1 of 1" in done.stderr
    assert "predictions: not written" not in done.stderr
    assert {p.name for p in folder.glob("*.zarr")} == {"copy_last.zarr", "convlstm_seed0.zarr"}
    assert not list(folder.glob(".*.part"))
    assert (whole / "zarr.json").stat().st_mtime_ns == before


@pytest.mark.slow
def test_a_kill_while_it_times_loses_the_times_of_one_row(place):
    """kill -9 while the second of two rows is timed: the table of all scores and the first times are there."""
    two = {"name": "other", "model": TINY["rows"][1]["model"]}
    (place / "tiny.yaml").write_text(yaml.safe_dump({**TINY, "seeds": [0], "rows": [TINY["rows"][1], two]}))
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = subprocess.run([sys.executable, "-c", KILLED_WHILE_IT_TIMES], cwd=place, env=env, check=False)
    assert killed.returncode == -signal.SIGKILL
    table = (place / "here/results.md").read_text()
    assert table.count("not timed yet") == 2
    assert (place / "here/results/convlstm.costs.json").exists()
    assert not (place / "here/results/other.costs.json").exists()
    command = [sys.executable, "-m", "nowcast.cli.main", "bench", "tiny.yaml", "--out", "here"]
    done = subprocess.run(command, cwd=place, env=env, capture_output=True, text=True, check=True)
    assert [line for line in done.stderr.splitlines() if line.startswith(("train", "score", "time"))] == [
        "time other"
    ]
    assert "not timed yet" not in (place / "here/results.md").read_text()


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_where_it_was(tmp_path):
    """kill -9 while the second of two runs trains: the first is not trained again, the second goes on."""
    config = copy.deepcopy(TINY)
    config["training"] |= {"steps": 40, "validate_every": 4}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "nowcast.cli.main", "bench", "tiny.yaml", "--out", "here"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=tmp_path, env=env, **silent)
    last = tmp_path / "here/runs/convlstm_seed1/v0/last.ckpt"
    for _ in range(1200):
        if last.exists():
            break
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "here/results.md").exists()
    first = (tmp_path / "here/runs/convlstm_seed0/v0/best.ckpt").stat().st_mtime_ns
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert "train 1 of 1: ConvLSTM, seed 1" in done.stderr
    assert (tmp_path / "here/runs/convlstm_seed0/v0/best.ckpt").stat().st_mtime_ns == first
    for seed in (0, 1):
        assert [p.name for p in (tmp_path / f"here/runs/convlstm_seed{seed}").iterdir()] == ["v0"]
    assert "resumed" in (last.parent / "train.log").read_text()
    assert "Not whole yet" not in done.stdout
