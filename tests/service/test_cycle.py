"""One cycle on real files: what it publishes, what it refuses, what it falls back to, what it writes down."""

import json
import os
import re
from contextlib import closing

import h5py
import numpy as np
import pytest
import xarray as xr

from nowcast.archive.reader import Archive
from nowcast.core.errors import FileError
from nowcast.core.files import sha256
from nowcast.core.lock import BusyError
from nowcast.products.cf_netcdf import read_forecast
from nowcast.service.clock import ManualClock
from nowcast.service.cycle import FAILED, FALLBACK, NOTHING_NEW, PUBLISHED, only_one, run_cycle
from nowcast.service.ledger import Ledger
from nowcast.service.publish import folder_of
from nowcast.service.settings import InputSettings, ProductSettings
from tests.fakes.storm_service import FRAMES, START, STEP, StormService, time_of


@pytest.fixture
def service(tmp_path):
    return StormService(tmp_path)


def _ledger(service):
    return closing(Ledger(service.output / "ledger.sqlite"))


def _manifest(service, index):
    path = service.output / folder_of(time_of(index)) / "manifest.json"
    return json.loads(path.read_text())


def test_a_whole_nowcast_is_published(service):
    service.deliver(0, 1, 2, 3, 4)
    cycle = service.cycle(4, products=ProductSettings(maps=True, odim=True, geotiff=True))
    assert (cycle.exit_code, cycle.frame) == (PUBLISHED, time_of(4)), cycle.message
    folder = service.output / "latest"
    assert str(folder.readlink()) == "issued/20250601T124000Z"
    names = {p.relative_to(folder.resolve()).as_posix() for p in folder.resolve().rglob("*.*")}
    assert {
        "nowcast.nc",
        "manifest.json",
        "map.json",
        "maps/loop.gif",
        "maps/lead_0030.png",
        "odim/lead_0010.h5",
        "geotiff/lead_0020.tif",
    } <= names
    manifest = _manifest(service, 4)
    assert manifest["forecast_reference_time"] == "2025-06-01T12:40:00Z"
    assert manifest["valid_times"][0] == "2025-06-01T12:50:00Z"
    assert manifest["fallback"] == ""
    assert manifest["archive_fingerprint"] == Archive.open(service.settings.archive).fingerprint
    for name, digest in manifest["files"].items():
        assert sha256(folder / name) == digest
    assert set(manifest["files"]) == names - {"manifest.json"}
    page = (service.output / "index.html").read_text()
    assert 'href="issued/20250601T124000Z/maps/lead_0010.png"' in page
    shown = json.loads(re.search(r'id="forecast">(.*?)</script>', page, re.DOTALL)[1])
    assert [m["valid"] for m in shown["moments"] if not m["observed"]] == manifest["valid_times"]
    assert [m["lead"] for m in shown["moments"] if m["observed"]] == [-40, -30, -20, -10, 0]
    assert json.loads((service.output / "status.json").read_text())["model"] == "extrapolation"


def test_its_forecast_opens_with_xarray_and_starts_after_the_last_observation(service):
    service.deliver(0, 1, 2, 3, 4)
    service.cycle(4)
    with xr.open_dataset(service.output / "latest" / "nowcast.nc", engine="netcdf4") as nowcast:
        assert nowcast["time"].values[0] == time_of(5)
        assert nowcast["forecast_reference_time"].values == time_of(4)
        assert nowcast["reflectivity"].dtype == np.float32


def test_odim_products_are_read_back_exactly_by_the_reader(service):
    from nowcast.ingestion.readers.catalog import find_reader

    service.deliver(0, 1, 2, 3, 4)
    service.cycle(4, products=ProductSettings(maps=False, odim=True))
    path = service.output / "latest" / "odim" / "lead_0010.h5"
    with pytest.raises(FileError, match=r"is a forecast \(forecast reference time 2025-06-01T12:40:00Z\)"):
        find_reader(path).open(path)
    with h5py.File(path, "r+") as file:
        del file["how"].attrs["forecast_reference_time"]
    field = find_reader(path).open(path)
    said = read_forecast(service.output / "latest" / "nowcast.nc").reflectivity.values[0]
    assert field["time"].values[0] == time_of(5)
    assert (said > 20).any()
    np.testing.assert_allclose(field.values[0], said, rtol=0, atol=1e-4)


def test_nothing_new_is_said_and_nothing_written_twice(service):
    service.deliver(0, 1)
    assert service.cycle(1).exit_code == PUBLISHED
    before = (service.output / folder_of(time_of(1)) / "manifest.json").stat().st_mtime_ns
    assert service.cycle(1.5).exit_code == NOTHING_NEW
    assert (service.output / folder_of(time_of(1)) / "manifest.json").stat().st_mtime_ns == before


def test_before_any_file_there_is_nothing_to_do(service):
    cycle = service.cycle(0)
    assert cycle.exit_code == NOTHING_NEW
    assert "no usable file" in cycle.message
    assert "No map yet." in (service.output / "index.html").read_text()


def test_one_frame_alone_gives_persistence_and_says_so(service):
    service.deliver(0)
    cycle = service.cycle(0)
    assert cycle.exit_code == FALLBACK
    assert _manifest(service, 0)["model"] == "persistence"
    assert "got 1 frame without a gap, expected at least 2" in _manifest(service, 0)["fallback"]
    forecast = read_forecast(service.output / "latest" / "nowcast.nc")
    assert np.array_equal(forecast.reflectivity.values[2], FRAMES[0], equal_nan=True)


def test_after_a_gap_motion_comes_from_the_frames_that_follow_it(service):
    service.deliver(0, 1, 4, 5)
    cycle = service.cycle(5)
    assert cycle.exit_code == PUBLISHED, cycle.message
    assert _manifest(service, 5)["model"] == "extrapolation"


@pytest.mark.parametrize("content", [b"", b"<!doctype html><title>404</title>", b"\x89HDF\r\n\x1a\n rest"])
def test_a_bad_file_is_refused_and_the_others_are_taken(service, content):
    service.deliver(0, 1)
    (service.inbox / "bad.h5").write_bytes(content)
    cycle = service.cycle(1)
    assert cycle.exit_code == PUBLISHED
    assert "1 files refused" in cycle.message
    assert "bad.h5" in cycle.message
    assert Archive.open(service.settings.archive).times.tolist() == [
        time_of(i).astype(np.int64) for i in (0, 1)
    ]


def test_a_frame_from_the_future_is_refused_until_its_time_comes(service):
    service.deliver(0, 1, 20)
    cycle = service.cycle(1)
    assert (cycle.exit_code, cycle.frame) == (PUBLISHED, time_of(1))
    assert "future" in cycle.message
    assert service.cycle(20).frame == time_of(20)


def test_a_late_newest_frame_is_used_and_its_age_said(service):
    service.deliver(0, 1)
    cycle = service.cycle(6)
    assert cycle.frame == time_of(1)
    assert "newest whole frame 2025-06-01T12:10:00Z is 52 minutes old" in cycle.message


@pytest.mark.parametrize(
    "kind",
    [pytest.param("broken", marks=pytest.mark.slow), pytest.param("absent", marks=pytest.mark.slow), "hangs"],
)
def test_whatever_the_model_does_extrapolation_is_published_in_time(service, tmp_path, kind):
    path = tmp_path / "model.ckpt"
    if kind == "broken":
        path.write_bytes(b"PK\x03\x04 no checkpoint")
    elif kind == "hangs":
        os.mkfifo(path)
    service.deliver(0, 1, 2)
    cycle = service.cycle(2, model=str(path), budget_seconds=2.0 if kind == "hangs" else 60.0)
    assert cycle.exit_code == FALLBACK, cycle.message
    manifest = _manifest(service, 2)
    assert manifest["model"] == "extrapolation"
    assert "model.ckpt" in manifest["fallback"]
    if kind == "hangs":
        assert "no answer within its 2 s" in manifest["fallback"]
        assert cycle.seconds["forecast"] < 15
    with xr.open_dataset(service.output / "latest" / "nowcast.nc", engine="netcdf4") as nowcast:
        assert "model.ckpt" in nowcast.attrs["fallback"]
    assert "running on the fallback" in (service.output / "index.html").read_text()


def test_earlier_nowcasts_are_verified_when_their_truth_has_come(service):
    service.deliver(0, 1, 2)
    service.cycle(2)
    service.deliver(3, 4, 5)
    service.cycle(5)
    with _ledger(service) as ledger:
        assert ledger.settled_lead_times(time_of(2)) == {10.0, 20.0, 30.0}
        assert [n.reference_time for n in ledger.nowcasts(pending_only=True)] == [time_of(5)]
        found = {row[0]: row[2:] for row in ledger.skill(START)}
    said = read_forecast(service.output / folder_of(time_of(2)) / "nowcast.nc").reflectivity.values
    came = FRAMES[3:6]
    seen = np.isfinite(came)
    yes, event = (said >= 20) & seen, came >= 20
    expected = ((yes & event).sum(), (event & ~yes).sum(), (yes & ~event).sum())
    assert found["published"] == expected
    still = (FRAMES[2] >= 20)[None] & seen
    assert found["persistence"][0] == (still & event).sum()


def test_truth_that_never_comes_is_given_up(service):
    service.deliver(0, 1, 2)
    service.cycle(2)
    service.write(FRAMES[3], START + 60 * STEP)
    service.cycle(60)
    with _ledger(service) as ledger:
        assert ledger.settled_lead_times(time_of(2)) == {10.0, 20.0, 30.0}
        assert ledger.skill(START) == []


def test_missed_frames_are_caught_up_with_newest_first_when_asked(service):
    service.deliver(0, 1)
    service.cycle(1)
    service.deliver(2, 3, 4, 5)
    assert service.cycle(5, missed="catch_up", catch_up_limit=3).exit_code == PUBLISHED
    assert str((service.output / "latest").readlink()) == folder_of(time_of(5))
    with _ledger(service) as ledger:
        assert [n.reference_time for n in ledger.nowcasts()] == [time_of(i) for i in (1, 3, 4, 5)]


def test_old_nowcasts_are_pruned_but_their_scores_stay(service):
    service.deliver(0, 1, 2, 3)
    service.cycle(1)
    service.cycle(3)
    service.deliver(4, 5, 6, 7, 8, 9, 10)
    service.cycle(10, keep_hours=1.0)
    left = sorted(p.name for p in (service.output / "issued").iterdir())
    assert left == ["20250601T134000Z"]
    with _ledger(service) as ledger:
        assert len(ledger.nowcasts()) == 2
        assert ledger.skill(START)


def test_a_crash_after_publishing_is_made_good_by_the_next_cycle(service):
    service.deliver(0, 1)
    service.cycle(1)
    (service.output / "ledger.sqlite").unlink()
    (service.output / "latest").unlink()
    half = service.output / "issued" / ".20250601T122000Z.abcd1234.part"
    half.mkdir()
    (half / "nowcast.nc").write_bytes(b"half")
    cycle = service.cycle(1.5)
    assert cycle.exit_code == NOTHING_NEW
    assert "1 published nowcasts entered" in cycle.message
    assert not half.exists()
    assert str((service.output / "latest").readlink()) == folder_of(time_of(1))


def test_a_nowcast_of_an_earlier_version_is_entered_anew(service):
    service.deliver(0, 1)
    service.cycle(1)
    (service.output / "ledger.sqlite").unlink()
    path = service.output / folder_of(time_of(1)) / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["issued"] = manifest.pop("forecast_reference_time")
    path.write_text(json.dumps(manifest))
    assert "1 published nowcasts entered" in service.cycle(1.5).message
    with _ledger(service) as ledger:
        assert [n.reference_time for n in ledger.nowcasts()] == [time_of(1)]


def test_a_manifest_cannot_lead_out_of_the_output_folder(service):
    service.deliver(0, 1)
    service.cycle(1)
    evil = service.output / "issued" / "evil"
    evil.mkdir()
    text = json.dumps({"issued": "2025-06-01T10:00:00Z", "model": "x", "fallback": "", "folder": "../.."})
    (evil / "manifest.json").write_text(text)
    service.cycle(2)
    with _ledger(service) as ledger:
        assert [n.folder for n in ledger.nowcasts()] == [folder_of(time_of(1))]


def test_two_cycles_never_run_at_once(service):
    service.deliver(0, 1)
    with only_one(service.output), pytest.raises(BusyError):
        service.cycle(1)


def test_an_unreadable_input_does_not_stop_the_others(service, tmp_path):
    inputs = (InputSettings(tmp_path / "nowhere"), *service.settings.inputs)
    service.deliver(0, 1)
    cycle = service.cycle(1, inputs=inputs)
    assert cycle.exit_code == PUBLISHED
    assert "nowhere: no such folder" in cycle.message


def test_a_full_disk_fails_the_cycle_and_leaves_nothing_half_written(service, monkeypatch):
    service.deliver(0, 1)
    assert service.cycle(1).exit_code == PUBLISHED
    service.deliver(2)

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("nowcast.service.publish.write_forecast", full)
        cycle = service.cycle(2)
    assert cycle.exit_code == FAILED
    assert "No space left" in cycle.message
    assert [p.name for p in (service.output / "issued").iterdir()] == ["20250601T121000Z"]
    assert service.cycle(2).exit_code == PUBLISHED


def test_prometheus_file(service):
    service.deliver(0, 1)
    service.cycle(1, prometheus=True)
    text = (service.output / "metrics.prom").read_text()
    assert 'nowcast_healthy{service="storms"} 1\n' in text
    assert 'nowcast_frame_age_minutes{service="storms"} 2\n' in text


def test_clock_set_back_publishes_nothing_from_the_future_and_recovers(service):
    service.deliver(0, 1, 2)
    now = ManualClock(START - np.timedelta64(3, "h"))
    assert run_cycle(service.settings, now).exit_code == NOTHING_NEW
    assert service.cycle(2).frame == time_of(2)


def test_frames_that_arrive_out_of_order_are_one_sequence(service):
    service.deliver(0, 3)
    assert service.cycle(3).frame == time_of(3)
    service.deliver(2, 1)
    assert service.cycle(3.5).exit_code == NOTHING_NEW
    assert len(Archive.open(service.settings.archive).times) == 4
