"""`nowcast cycle`, `watch` and `status` as a person, cron and systemd meet them."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from nowcast.archive.reader import Archive
from nowcast.archive.writer import open_writer
from nowcast.cli.main import main
from nowcast.core.files import sha256
from nowcast.service.cycle import NOTHING_NEW, only_one
from nowcast.workflows.ingest import ingest
from tests.fakes.pictures import write_mch
from tests.fakes.storm_service import StormService, archive_of_storms, time_of, write_config

ROOT = Path(__file__).resolve().parents[2]
NOWCAST = [sys.executable, "-m", "nowcast.cli.main"]


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return archive_of_storms(tmp_path_factory.mktemp("archive"), frames=9)


@pytest.fixture
def service(tmp_path):
    return StormService(tmp_path)


@pytest.fixture
def config(service, tmp_path):
    return write_config(service, tmp_path / "service.yaml")


def _at(index):
    return ["--now", f"2025-06-01T12:{10 * index + 2:02d}"]


def test_the_exit_code_says_how_a_cycle_went(service, config, capsys):
    cycle = ["cycle", "--config", str(config)]
    assert main([*cycle, *_at(0)]) == 3
    assert "no usable file has come in" in capsys.readouterr().out
    service.deliver(0)
    assert main([*cycle, *_at(0)]) == 4
    service.deliver(1)
    assert main([*cycle, *_at(1), "--set", "mask=[speckle]"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("published: ")
    with xr.open_dataset(service.output / "latest" / "nowcast.nc", engine="netcdf4") as nowcast:
        assert nowcast.attrs["quality_masks"] == "speckle"
    assert main([*cycle, *_at(1)]) == 3
    assert main([*cycle, "--set", f"archive={config}"]) == 1
    with only_one(service.output):
        assert main(cycle) == 1


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("lead_times=0", "lead_times: got 0"),
        ("lead_times=many", "lead_times: got 'many'"),
        ("leads=0", "lead_times: got 0"),
        ("models=x", "did you mean 'model'"),
        ("name=../../etc", "name: got '../../etc'"),
        ("inputs=[]", "inputs: got none"),
        ("missed=maybe", "expected one of skip, catch_up"),
        ("memory_gb=0", "memory_gb: got 0"),
        ("keep_hours=0.2", "keep_hours: got 0.2"),
        ("leads", "expected key=value"),
        ("score_hours=.inf", "score_hours: got inf"),
        ("score_hours=1e9", "score_hours: got 1e+09, expected a number from 0.01 to 1e+06"),
        ("score_hours=.nan", "score_hours: got nan"),
        ("budget_seconds=.inf", "budget_seconds: got inf"),
        ("late_minutes=-.inf", "late_minutes: got -inf"),
        ("stale_minutes=.nan", "stale_minutes: got nan"),
        ("lead_times=1000000000", "lead_times: got 1e+09"),
        ("step_minutes=0.001", "step_minutes: got 0.001"),
        ("file_seconds=0", "file_seconds: got 0"),
        ("thresholds_dbz=[20,.nan]", "got nan"),
        ("thresholds_dbz=[400]", "thresholds_dbz[0]: got 400"),
        ("catch_up_limit=-1", "catch_up_limit: got -1"),
        ("mask=[stuck]", "mask: got stuck, expected some of speckle, spike, ray"),
        ("inputs.0.patterns=[]", "inputs.patterns: got ''"),
        ("inputs.0.patterns=['/etc/*']", "got '/etc/*'"),
    ],
)
@pytest.mark.parametrize("command", ["cycle", "watch", "status"])
def test_bad_settings_are_one_line_and_exit_code_2(config, command, assignment, said, capsys):
    assert main([command, "--config", str(config), "--set", assignment]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert said in err


@pytest.mark.parametrize(
    ("assignments", "said"),
    [
        (["model=extrapolatoin"], "did you mean 'extrapolation'"),
        (["model=motionrn"], "did you mean 'motionrnn'"),
        (["model=/nowhere/best.ckpt"], "/nowhere/best.ckpt"),
        (["model=best.ckp"], "best.ckp"),
        (["model_settings.paast=3"], "paast"),
        (["model_settings.method=optical"], "method: got optical"),
        (["model=motionrnn", "model_settings.precison=float32"], "did you mean 'precision'"),
        (["model=motionrnn", "model_settings.precision=half"], "precision: got 'half'"),
    ],
)
@pytest.mark.parametrize("command", ["cycle", "watch"])
def test_a_model_that_cannot_be_is_refused_at_the_start(config, service, command, assignments, said, capsys):
    given = [part for one in assignments for part in ("--set", one)]
    assert main([command, "--config", str(config), *given]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert said in err
    assert not service.output.exists()


@pytest.mark.parametrize("wrong", [["--speed", "0"], ["--speed", "nan"], ["--cycles", "0"]])
def test_a_replay_cannot_be_told_nonsense(config, archive, wrong, capsys):
    assert main(["watch", "--config", str(config), "--replay", str(archive), *wrong]) == 2
    assert wrong[0] in capsys.readouterr().err


def test_an_output_that_cannot_be_made_fails_the_cycle_in_one_line(config, capsys):
    assert main(["cycle", "--config", str(config), "--set", f"output={config}/out"]) == 1
    assert "out" in capsys.readouterr().out


def test_status_before_the_first_cycle_says_so(config, capsys):
    assert main(["status", "--config", str(config)]) == 2
    assert "no ledger here" in capsys.readouterr().err


def _replay(config, archive, output, *more):
    return main(
        [
            "watch",
            "--config",
            str(config),
            "--replay",
            str(archive),
            "--speed",
            "1e6",
            "--set",
            f"output={output}",
            *more,
        ]
    )


def test_a_replay_publishes_the_right_times_wherever_the_real_inputs_are(archive, tmp_path, capsys):
    config = tmp_path / "elsewhere.yaml"
    config.write_text(
        "name: elsewhere\narchive: /nowhere/a.zarr\noutput: /nowhere/out\nleads: 3\n"
        "inputs: [{folder: /nowhere/in}]\nproducts: {maps: false}\nthresholds_dbz: [20]\n"
    )
    output = tmp_path / "out"
    assert _replay(config, archive, output, "--cycles", "3") == 0
    assert capsys.readouterr().out == "ended after 3 cycles: 3 published\n"
    first = json.loads(next(iter(sorted(output.glob("issued/*/manifest.json")))).read_text())
    assert first["model"] == "extrapolation"
    assert first["observed_from"] != ""
    issued = sorted(p.parent.name for p in output.glob("issued/*/nowcast.nc"))
    assert len(issued) == 3
    assert str((output / "latest").readlink()) == f"issued/{issued[-1]}"
    manifest = json.loads((output / "latest" / "manifest.json").read_text())
    files = ("nowcast.nc", "map.json")
    assert manifest["files"] == {name: sha256(output / "latest" / name) for name in files}
    assert issued == ["20250601T124000Z", "20250601T125000Z", "20250601T130000Z"]
    assert manifest["forecast_reference_time"] == "2025-06-01T13:00:00Z"
    assert re.fullmatch("2025-06-01T13:0[345]:[0-9][0-9]Z", manifest["published"])
    assert manifest["valid_times"] == [f"2025-06-01T13:{m}0:00Z" for m in (1, 2, 3)]
    assert "a replay of" in (output / "index.html").read_text()
    assert not Path("/nowhere").exists()
    assert main(["status", "--config", str(config), "--set", f"output={output}", "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["newest_frame"], status["frame_age_minutes"]) == (manifest["forecast_reference_time"], 3.0)
    assert (status["nowcasts"], status["fallbacks"], status["missed_cycles"]) == (3, 0, 0)
    assert status["cycles"] == {"published": 3}
    assert status["skill"][0]["published"] is not None


def test_a_replay_goes_on_where_it_ended_and_ends_with_its_archive(config, archive, tmp_path, capsys):
    output = tmp_path / "out"
    assert _replay(config, archive, output, "--cycles", "1", "--start", "2025-06-01T13:00") == 0
    assert _replay(config, archive, output, "--start", "2025-06-01T13:00") == 0
    assert "ended after 2 cycles: 2 published" in capsys.readouterr().out
    issued = sorted(p.name for p in (output / "issued").iterdir())
    assert issued == [f"20250601T{t}00Z" for t in ("1300", "1310", "1320")]
    assert _replay(config, archive, output) == 2
    assert "up to which it was replayed" in capsys.readouterr().err


def test_real_and_replayed_nowcasts_are_kept_apart(service, config, archive, tmp_path, capsys):
    service.deliver(0, 1)
    assert main(["cycle", "--config", str(config), *_at(1)]) == 0
    assert _replay(config, archive, service.output, "--cycles", "1") == 1
    assert "1 failed" in capsys.readouterr().out
    assert [p.name for p in (service.output / "issued").iterdir()] == ["20250601T121000Z"]


def test_a_cycle_that_published_nothing_does_not_block_a_replay(service, config, archive, capsys):
    assert main(["cycle", "--config", str(config), *_at(0)]) == 3
    assert _replay(config, archive, service.output, "--cycles", "1") == 0
    assert "ended after 1 cycles: 1 published" in capsys.readouterr().out
    assert main(["status", "--config", str(config), "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["replay"], status["cycles"]) == (str(archive), {"published": 1})


def test_a_replay_of_which_every_cycle_fails_does_not_end_well(config, archive, tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nowcast.service.cycle.publish", full)
    assert _replay(config, archive, tmp_path / "out", "--cycles", "2") == 1
    assert capsys.readouterr().out == "ended after 2 cycles: 2 failed\n"


def test_provenance_and_licence_survive_a_replay(config, tmp_path):
    source = archive_of_storms(tmp_path, frames=6)
    with open_writer(source) as writer:
        writer.annotate({"source": "Radars of Atlantis", "licence": "CC-BY-4.0", "title": "Atlantis"})
    assert _replay(config, source, tmp_path / "out", "--cycles", "1") == 0
    manifest = json.loads((tmp_path / "out" / "latest" / "manifest.json").read_text())
    assert (manifest["observed_from"], manifest["licence"]) == ("Radars of Atlantis", "CC-BY-4.0")
    with xr.open_dataset(tmp_path / "out" / "latest" / "nowcast.nc", engine="netcdf4") as nowcast:
        assert nowcast.attrs["observed_from"] == "Radars of Atlantis"
        assert nowcast.attrs["licence"] == "CC-BY-4.0"
    kept = Archive.open(tmp_path / "out" / "replay" / "archive.zarr")
    original = Archive.open(source)
    assert kept.attrs["title"] == "Atlantis"
    assert kept.grid.fingerprint == original.grid.fingerprint
    for time_ in kept.times:
        assert np.array_equal(kept.packed(time_), original.packed(time_))


def test_a_projection_that_files_describe_in_other_words_can_be_replayed(config, tmp_path):
    files = []
    for i in range(3):
        classes = np.zeros((640, 710), np.uint8)
        classes[200:320, 100 + 6 * i : 240 + 6 * i] = 120
        files.append(write_mch(tmp_path / f"{i}.gif", classes, f"2016-07-11T20:{45 + 5 * i}"))
    source = tmp_path / "swiss.zarr"
    ingest(files, source, workers_count=1, progress=False, licence="open")
    assert _replay(config, source, tmp_path / "out", "--cycles", "1", "--start", "2016-07-11T20:55") == 0
    manifest = json.loads((tmp_path / "out" / "latest" / "manifest.json").read_text())
    assert manifest["forecast_reference_time"] == "2016-07-11T20:55:00Z"
    assert (manifest["observed_from"], manifest["licence"]) == ("MeteoSwiss", "open")


def test_status_names_a_damaged_ledger(service, config, capsys):
    service.deliver(0, 1)
    assert main(["cycle", "--config", str(config), *_at(1)]) == 0
    path = service.output / "ledger.sqlite"
    pages = bytearray(path.read_bytes())
    assert len(pages) > 4 * 4096
    pages[2 * 4096 : 4 * 4096] = b"\xa5" * 2 * 4096
    path.write_bytes(pages)
    assert main(["status", "--config", str(config)]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"nowcast status: {path}: the service's ledger is damaged (")
    assert err.count("\n") == 1
    assert main(["cycle", "--config", str(config), *_at(1)]) == 1
    assert f"{path}: the service's ledger is damaged" in capsys.readouterr().out
    path.unlink()
    assert main(["cycle", "--config", str(config), *_at(1)]) == 3
    assert "1 published nowcasts entered" in capsys.readouterr().out


def test_success_of_a_unit_hides_no_trouble():
    """Only "nothing new" may count as success beside 0: 1 is a failure, 2 bad settings, 4 the fallback."""
    text = (ROOT / "docs" / "howto" / "schedule-nowcasts.md").read_text(encoding="utf-8")
    assert re.findall(r"^SuccessExitStatus=(.*)$", text, re.MULTILINE) == [str(NOTHING_NEW)]


def test_the_log_can_be_json(tmp_path):
    from nowcast.service.log_lines import JsonLines, TextLines

    record = logging.LogRecord("nowcast.x", logging.INFO, "", 0, "cycle %d\nok", (7,), None)
    record.outcome, record.exit_code, record.created = "published", 0, 0.0
    assert json.loads(JsonLines().format(record)) == {
        "time": "1970-01-01T00:00:00Z",
        "level": "INFO",
        "logger": "nowcast.x",
        "message": "cycle 7\nok",
        "outcome": "published",
        "exit_code": 0,
    }
    assert JsonLines().format(record).count("\n") == 0
    assert TextLines().format(record).endswith("cycle 7 ok outcome=published exit_code=0")
    record.args, record.detail = (8,), "\x1b[2Jcaf\udce9.h5"
    assert TextLines().format(record).endswith(r"detail=\x1b[2Jcaf\udce9.h5")


# --- as processes -------------------------------------------------------------------------------------


def _start(*arguments, **more):
    return subprocess.Popen(
        [*NOWCAST, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        **more,
    )


def _until(process, text):
    for line in process.stderr:
        if text in line:
            return line
    raise AssertionError(f"'{text}' was never said; the process ended with {process.wait()}")


def _children(of_model):
    return [
        p
        for p in Path("/proc").glob("[0-9]*/cmdline")
        if of_model.encode() in p.read_bytes() and b"model_child" in p.read_bytes()
    ]


def _wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def test_the_script_for_cron_is_a_cycle(service, config):
    service.deliver(0, 1)
    script = [sys.executable, str(ROOT / "scripts" / "run_nowcast.py"), "--config", str(config)]
    done = subprocess.run([*script, *_at(1), "--log", "json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stderr.splitlines()[-1])["outcome"] == "published"
    assert (service.output / "latest" / "nowcast.nc").is_file()


@pytest.fixture
def hanging(tmp_path, config):
    os.mkfifo(tmp_path / "hangs.ckpt")
    return ["--config", config, "--set", f"model={tmp_path / 'hangs.ckpt'}"]


@pytest.mark.slow
def test_kill_9_leaves_no_model_behind_and_the_next_cycle_goes_on(service, config, hanging, tmp_path):
    service.deliver(0, 1)
    process = _start("cycle", *hanging, *_at(1))
    _wait_for(lambda: _children(str(tmp_path / "hangs.ckpt")))
    second = _start("cycle", "--config", config, *_at(1))
    out, err = second.communicate()
    assert second.returncode == 1
    assert f"another cycle of this service is running (process {process.pid})" in err
    process.kill()
    process.communicate()
    _wait_for(lambda: not _children(str(tmp_path / "hangs.ckpt")), 10.0)
    third = _start("cycle", "--config", config, *_at(1))
    out, err = third.communicate()
    assert third.returncode == 0, err
    assert str((service.output / "latest").readlink()) == "issued/20250601T121000Z"
    assert not (service.output / ".work").exists()
    assert out.startswith("published")


@pytest.mark.slow
def test_sigterm_ends_watch_after_the_running_cycle(archive, hanging, tmp_path):
    process = _start(
        "watch",
        *hanging,
        "--set",
        "budget_seconds=5",
        "--set",
        f"output={tmp_path / 'o'}",
        "--replay",
        archive,
        "--speed",
        "1e6",
    )
    _wait_for(lambda: _children(str(tmp_path / "hangs.ckpt")))
    process.terminate()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "SIGTERM: ending after the running cycle" in err
    assert out == "ended after 1 cycles: 1 fallback\n"
    assert (tmp_path / "o" / "latest" / "nowcast.nc").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_between_two_cycles_ends_watch_at_once(config, number):
    process = _start("watch", "--config", config)
    _until(process, "next cycle at")
    process.send_signal(number)
    out, _err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "ended after 0 cycles: none finished\n")


def test_times_of_the_fake_are_those_the_tests_write():
    assert str(time_of(4))[:16] == "2025-06-01T12:40"
