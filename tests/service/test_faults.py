"""What goes wrong in the model, in a file or on the way: the nowcast comes out in time, and says so."""

import faulthandler
import json
import os
import signal
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from nowcast.archive.reader import Archive
from nowcast.core.errors import ArchiveError, NowcastError
from nowcast.core.scaling import Scaling
from nowcast.ingestion import fill
from nowcast.ingestion.readers.odim_h5 import OdimH5
from nowcast.models.catalog import build_model
from nowcast.models.checkpoint import CheckpointMeta, pack, save
from nowcast.products.cf_netcdf import read_forecast
from nowcast.service.cycle import FAILED, FALLBACK, NOTHING_NEW, PUBLISHED
from nowcast.service.ledger import Ledger
from nowcast.service.model_run import ModelRun
from nowcast.service.publish import folder_of, publish
from nowcast.service.retention import prune
from tests.fakes.storm_service import StormService, time_of


@pytest.fixture
def service(tmp_path):
    return StormService(tmp_path)


def _network(path: Path, broken: bool = False, past: int = 3) -> Path:
    settings = {"hidden": [4], "filter_size": 3, "patch": 2}
    torch.manual_seed(0)
    network = build_model("convlstm", settings)
    if broken:
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.fill_(float("nan"))
    meta = CheckpointMeta("convlstm", settings, 1, None, past, 2, 600.0, Scaling(), (4.0, 4.0))
    save(path, pack(network.state_dict(), meta))
    return path


def _manifest(service, index):
    return json.loads((service.output / folder_of(time_of(index)) / "manifest.json").read_text())


def test_a_network_is_published_with_the_fingerprint_of_its_checkpoint(service, tmp_path):
    from nowcast.core.files import sha256

    path = _network(tmp_path / "a.ckpt")
    service.deliver(0, 1, 2)
    cycle = service.cycle(2, model=str(path))
    assert cycle.exit_code == PUBLISHED, cycle.message
    manifest = _manifest(service, 2)
    assert (manifest["model"], manifest["fallback"]) == ("convlstm", "")
    assert manifest["checkpoint_sha256"] == sha256(path)
    assert read_forecast(service.output / "latest" / "nowcast.nc").sizes["lead_time"] == 3
    assert not (service.output / ".work").exists()


@pytest.mark.slow
def test_a_network_that_forecasts_nan_is_not_published(service, tmp_path):
    service.deliver(0, 1, 2)
    cycle = service.cycle(2, model=str(_network(tmp_path / "nan.ckpt", broken=True)))
    assert cycle.exit_code == FALLBACK
    assert "nan.ckpt" in _manifest(service, 2)["fallback"]
    forecast = read_forecast(service.output / "latest" / "nowcast.nc")
    assert np.isfinite(forecast.reflectivity.values[0]).mean() > 0.5


@pytest.mark.slow
def test_a_network_with_too_few_frames_names_the_missing_one(service, tmp_path):
    service.deliver(0, 2, 3)
    cycle = service.cycle(3, model=str(_network(tmp_path / "a.ckpt")), most_missing=0)
    assert cycle.exit_code == FALLBACK
    assert "no frame at 2025-06-01T12:10:00Z" in _manifest(service, 3)["fallback"]


def test_a_network_that_runs_out_of_memory_costs_its_process_alone(service, tmp_path):
    service.deliver(0, 1, 2)
    cycle = service.cycle(2, model=str(_network(tmp_path / "big.ckpt")), memory_gb=0.3)
    assert cycle.exit_code == FALLBACK
    assert "big.ckpt: failed with" in cycle.message
    assert _manifest(service, 2)["model"] == "extrapolation"


@pytest.mark.slow
def test_a_model_that_the_kernel_kills_is_replaced(service, tmp_path):
    os.mkfifo(tmp_path / "m.ckpt")
    service.deliver(0, 1, 2)

    def kill():
        end = time.monotonic() + 60
        while time.monotonic() < end:
            for entry in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = entry.read_bytes()
                except OSError:
                    continue
                if b"model_child" in line and str(tmp_path).encode() in line:
                    os.kill(int(entry.parent.name), signal.SIGKILL)
                    return
            time.sleep(0.02)

    killer = threading.Thread(target=kill)
    killer.start()
    cycle = service.cycle(2, model=str(tmp_path / "m.ckpt"))
    killer.join()
    assert cycle.exit_code == FALLBACK
    assert "failed with signal SIGKILL" in cycle.message


def test_no_product_claims_a_time_that_is_not_after_its_last_observation(service):
    service.deliver(0, 1, 2)
    service.cycle(2)
    archive = Archive.open(service.settings.archive)
    forecast = read_forecast(service.output / "latest" / "nowcast.nc")
    run = ModelRun(forecast, "extrapolation", "")
    for issued in (time_of(3), time_of(4)):
        with pytest.raises(NowcastError, match="expected one after the last observation"):
            publish(service.settings, archive, issued, run, time_of(5), print)
    assert [p.name for p in (service.output / "issued").iterdir()] == ["20250601T122000Z"]


def test_a_bomb_is_refused_by_its_size_before_it_is_read(service):
    service.deliver(0, 1)
    bomb = service.inbox / "bomb.h5"
    bomb.write_bytes(next(service.inbox.glob("*.h5")).read_bytes())
    with h5py.File(bomb, "r+") as file:
        file["where"].attrs["xsize"] = file["where"].attrs["ysize"] = 200_000
        del file["dataset1/data1/data"]
        file["dataset1/data1"].create_dataset(
            "data", (200_000, 200_000), "u1", chunks=(1000, 1000), compression="gzip"
        )
    picture = service.inbox / "bomb_picture.h5"
    picture.write_bytes(b"P5\n100000 100000\n255\n")
    began = time.monotonic()
    cycle = service.cycle(1)
    assert time.monotonic() - began < 30
    assert cycle.exit_code == PUBLISHED
    assert "2 files refused" in cycle.message
    assert "200000 x 200000 cells" in cycle.message


def test_a_picture_that_cannot_be_drawn_does_not_keep_the_forecast_back(service, monkeypatch):
    def never(*_):
        raise ValueError("no such projection")

    monkeypatch.setattr("nowcast.report.loop.draw_loop", never)
    service.deliver(0, 1)
    changed = replace(service.settings.products, maps=True, odim=True)
    cycle = service.cycle(1, products=changed)
    assert cycle.exit_code == PUBLISHED
    assert "no maps: no such projection" in cycle.message
    assert set(_manifest(service, 1)["files"]) == {"nowcast.nc"} | {f"odim/lead_00{m}0.h5" for m in (1, 2, 3)}


def test_a_map_that_cannot_be_made_does_not_keep_the_forecast_back(service, monkeypatch):
    def never(*_):
        raise ValueError("no such projection")

    monkeypatch.setattr("nowcast.report.viewer.page.page_parts", never)
    service.deliver(0, 1)
    cycle = service.cycle(1, products=replace(service.settings.products, page=True))
    assert cycle.exit_code == PUBLISHED
    assert "no page: no such projection" in cycle.message
    assert set(_manifest(service, 1)["files"]) == {"nowcast.nc"}
    assert "No map yet." in (service.output / "index.html").read_text()


def test_a_fault_nobody_thought_of_is_the_cycles_not_the_watchs(service, monkeypatch):
    def surprise(*_):
        raise KeyError("unheard of")

    service.deliver(0, 1)
    with monkeypatch.context() as patch:
        patch.setattr("nowcast.service.cycle.run_model", surprise)
        cycle = service.cycle(1)
    assert cycle.exit_code == FAILED
    assert "unheard of" in cycle.message
    assert service.cycle(1).exit_code == PUBLISHED


def _raise(error):
    def read(*_):
        raise error

    return read


def _hang(*_):
    time.sleep(60)


def _segfault(*_):
    faulthandler.disable()
    os.kill(os.getpid(), signal.SIGSEGV)


@pytest.mark.parametrize("method", [pytest.param("sniff", marks=pytest.mark.slow), "open"])
@pytest.mark.parametrize(
    ("read", "reason"),
    [
        (_raise(MemoryError()), "MemoryError"),
        (_raise(RecursionError("too deep")), "too deep"),
        (_raise(SystemExit(3)), "crashed its process"),
        (_raise(KeyError("gain")), "gain"),
        (_raise(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad byte")), "bad byte"),
        (_segfault, "crashed its process"),
        (_hang, "did not end within 1.5 s"),
    ],
)
def test_whatever_a_reader_does_the_file_is_refused_by_name_and_the_rest_goes_in(
    service, monkeypatch, method, read, reason
):
    real = getattr(OdimH5, method)

    def poisoned(self, path):
        return read() if path.name.startswith("poison") else real(self, path)

    monkeypatch.setattr(OdimH5, method, poisoned)
    monkeypatch.setattr("nowcast.core.processes._may_fork", lambda: True)  # a copy has the poison in it
    service.deliver(0, 1)
    (service.inbox / "poison.h5").write_bytes(next(service.inbox.glob("*.h5")).read_bytes() + b" ")
    began = time.monotonic()
    cycle = service.cycle(1, file_seconds=1.5)
    assert time.monotonic() - began < 20
    assert (cycle.exit_code, cycle.frame) == (PUBLISHED, time_of(1)), cycle.message
    assert f"1 files refused, first: {service.inbox / 'poison.h5'}: " in cycle.message
    assert reason in cycle.message
    service.deliver(2)
    assert (service.cycle(2).exit_code, service.cycle(2).message) == (PUBLISHED, "")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ZeroDivisionError("no cells"), "cannot be read (ZeroDivisionError: no cells)"),
        (ArchiveError("step: got 1.5 s"), "step: got 1.5 s"),
    ],
)
def test_a_fault_while_files_are_planned_costs_the_one_that_causes_it(service, monkeypatch, error, reason):
    def judge(scan, *others):
        if scan.path.name.startswith("poison"):
            raise error
        return real(scan, *others)

    real = fill.judge
    monkeypatch.setattr(fill, "judge", judge)
    service.deliver(0, 1)
    (service.inbox / "poison.h5").write_bytes(next(service.inbox.glob("*.h5")).read_bytes() + b" ")
    cycle = service.cycle(1)
    assert (cycle.exit_code, cycle.frame) == (PUBLISHED, time_of(1)), cycle.message
    assert f"1 files refused, first: {service.inbox / 'poison.h5'}: {reason}" in cycle.message


def test_what_no_file_is_to_blame_for_fails_the_cycle_and_refuses_none(service, monkeypatch):
    def judge(*_):
        raise ArchiveError("the archive is damaged")

    service.deliver(0, 1)
    with monkeypatch.context() as patch:
        patch.setattr(fill, "judge", judge)
        cycle = service.cycle(1)
    assert (cycle.exit_code, cycle.message) == (FAILED, "the archive is damaged")
    assert service.cycle(1).exit_code == PUBLISHED


HOSTILE = (
    b"caf\xe9.h5",
    b"two\nlines.h5",
    b"\x1b]0;owned\x07\x1b[31m.h5",
    "\u202egpj.h5".encode(),
    b"\xff\n\x1b.h5",
)


def test_file_names_that_are_no_text_stop_nothing_and_reach_no_terminal(service):
    good = service.deliver(0, 1, 2, 3, 4, 5)
    for path, name in zip(good[:3], HOSTILE, strict=False):
        path.rename(os.fsdecode(os.fsencode(service.inbox) + b"/" + name))
    for name in HOSTILE[3:]:
        Path(os.fsdecode(os.fsencode(service.inbox) + b"/" + name)).write_bytes(b"no radar file")
    cycle = service.cycle(5)
    assert (cycle.exit_code, cycle.frame) == (PUBLISHED, time_of(5)), cycle.message
    assert len(Archive.open(service.settings.archive).times) == 6
    assert cycle.message.isprintable()
    assert "2 files refused" in cycle.message
    for file in ("index.html", "status.json"):
        text = (service.output / file).read_text(encoding="utf-8")
        assert text.replace("\n", "").replace("\t", "").isprintable()  # the style of the map has tabs
    assert (service.cycle(5.5).exit_code, service.cycle(5.5).message) == (NOTHING_NEW, "")


@pytest.mark.slow
def test_a_changed_number_of_leads_verifies_old_and_new(service):
    service.deliver(0, 1, 2)
    service.cycle(2)
    service.deliver(3, 4, 5)
    service.cycle(5, lead_times=5)
    with closing(Ledger(service.output / "ledger.sqlite")) as ledger:
        assert ledger.settled_lead_times(time_of(2)) == {10.0, 20.0, 30.0}
        assert [n.reference_time for n in ledger.nowcasts(pending_only=True)] == [time_of(5)]


def test_a_nowcast_whose_file_was_taken_away_does_not_wait_for_ever(service):
    service.deliver(0, 1, 2)
    service.cycle(2)
    (service.output / "latest" / "nowcast.nc").unlink()
    service.deliver(3, 4, 5)
    assert service.cycle(5).exit_code == PUBLISHED
    with closing(Ledger(service.output / "ledger.sqlite")) as ledger:
        assert [n.reference_time for n in ledger.nowcasts(pending_only=True)] == [time_of(5)]


def test_the_newest_nowcast_is_never_pruned(service):
    service.deliver(0, 1)
    service.cycle(1)
    with closing(Ledger(service.output / "ledger.sqlite")) as ledger:
        assert prune(service.settings, ledger, time_of(10_000)) == 0
    assert (service.output / "latest" / "nowcast.nc").is_file()
