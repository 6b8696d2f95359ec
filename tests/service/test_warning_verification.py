"""Warnings against what was observed, by hand: hit, false alarm, miss, lead time, and what cannot be told."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from nowcast.core.field import make_field
from nowcast.core.rain import z_r
from nowcast.core.times import to_text
from nowcast.service.ledger import Ledger
from nowcast.service.ledger_schema import PublishedNowcast
from nowcast.service.settings import InputSettings, ServiceSettings
from nowcast.service.warning_ledger import WarningLedger, entries_of
from nowcast.service.warning_scoring import verify_warnings
from nowcast.service.warning_settings import PlaceSettings, WarningSettings
from nowcast.service.warning_status import read_warnings, warning_lines, warning_metrics
from tests.fakes.fields import projected_grid
from tests.fakes.memory_archive import MemoryArchive

START = np.datetime64("2025-06-01T12:00", "ns")
GRID = projected_grid(12, 16)
STORM = WarningSettings("storm", "reflectivity", 50.0, 0.5, 30.0, place="here")
FLOOD = WarningSettings("flood", "rain_sum", 5.0, 0.5, 30.0, place="here")


def at(minute):
    return START + np.timedelta64(minute, "m")


@pytest.fixture
def settings(tmp_path):
    lon, lat = GRID.lonlat(GRID.y[[6]], GRID.x[[8]])
    return ServiceSettings(
        name="by_hand",
        archive=tmp_path / "a.zarr",
        output=tmp_path,
        inputs=(InputSettings(tmp_path),),
        places=(PlaceSettings("here", float(lat[0]), float(lon[0])),),
        warnings=(STORM, FLOOD),
        z_r="marshall_palmer",
    )


def archive(by_minute):
    """Frames that are one value everywhere, at minutes after the start."""
    dbz = np.stack([np.full(GRID.shape, value, np.float32) for value in by_minute.values()])
    return MemoryArchive(make_field(dbz, np.array([at(m) for m in by_minute]), GRID))


def judged(settings, ledger, minute, **raised):
    """A nowcast from a frame, published two minutes later, that raises warnings or not."""
    said = [
        {
            "name": w.name,
            "raised": raised[w.name],
            "probability": 0.7,
            "period_ends": to_text(at(minute + 30)),
            "event": w.event,
            "lower_bound": False,
        }
        for w in settings.warnings
        if w.name in raised
    ]
    manifest = {
        "forecast_reference_time": to_text(at(minute)),
        "published": to_text(at(minute + 2)),
        "judged": said,
        "warnings": [],
    }
    row = PublishedNowcast(at(minute), "m", "", f"issued/{minute}")
    ledger.note_nowcast(row, at(minute + 2), manifest, entries_of(settings, manifest))


def outcomes(ledger):
    return {
        (name, issued[11:16]): (word, lead)
        for issued, name, word, lead in ledger.rows("SELECT issued, name, outcome, lead_minutes FROM judged")
    }


@pytest.fixture
def ledger(tmp_path):
    with closing(Ledger(tmp_path / "ledger.sqlite")) as made:
        yield made


def test_hit_false_alarm_miss_and_lead_time(settings, ledger):
    """50 dBZ at 11:50 and 12:20 alone; of 24 mm/h from 12:00 on, 5 mm are reached between 12:10 and 12:20."""
    heavy = float(z_r("marshall_palmer").to_dbz(24.0))
    judged(settings, ledger, 0, storm=True, flood=True)
    judged(settings, ledger, 30, storm=True, flood=False)
    judged(settings, ledger, -30, storm=False, flood=False)
    seen = archive({-30: 10, -20: 10, -10: 51, 0: heavy, 10: heavy, 20: 55, 30: heavy, 40: 10, 50: 10, 60: 10})
    assert verify_warnings(settings, WarningLedger(ledger), seen) == 6
    found = outcomes(ledger)
    assert found["storm", "12:00"] == ("hit", 18.0)  # published 12:02, seen 12:20
    assert found["flood", "12:00"] == ("hit", 18.0)
    assert found["storm", "12:30"] == ("false alarm", None)
    assert found["flood", "12:30"] == ("correct no", None)
    assert found["storm", "11:30"] == ("miss", None)
    state = read_warnings(settings, ledger, None, at(70))
    storm = next(w for w in state.warnings if w.name == "storm")
    assert (storm.hits, storm.false_alarms, storm.misses, storm.correct_noes) == (1, 1, 1, 0)
    assert (storm.pod, storm.far, storm.mean_lead_minutes) == (0.5, 0.5, 18.0)
    assert any(
        "1 hits, 1 false alarms, 1 misses, POD 0.50, FAR 0.50, mean lead 18 min" in line
        for line in warning_lines(state.warnings)
    )
    metrics = warning_metrics("by_hand", state.warnings)
    assert 'nowcast_warning_pod{service="by_hand",warning="storm"} 0.5' in metrics
    assert verify_warnings(settings, WarningLedger(ledger), seen) == 0


def test_a_frame_that_is_missing_is_waited_for_then_its_share_decides(settings, ledger):
    judged(settings, ledger, 0, storm=True)
    known = WarningLedger(ledger)
    assert verify_warnings(settings, known, archive({0: 10, 10: 10, 20: 10})) == 0  # its period is not over
    assert verify_warnings(settings, known, archive({0: 10, 10: 10, 30: 55})) == 0
    assert verify_warnings(settings, known, archive({0: 10, 10: 10, 30: 55, 90: 0})) == 1
    row = ledger.rows("SELECT outcome, reason FROM judged")[0]
    assert row == ("not verifiable", "67% of it was observed")


def test_what_was_not_observed_and_what_is_asked_no_more_are_not_verifiable(settings, ledger):
    judged(settings, ledger, 0, storm=True, flood=True)
    seen = archive(dict.fromkeys((0, 10, 20, 30), np.nan))
    changed = replace(settings, warnings=(STORM, replace(FLOOD, at_least=6.0)))
    assert verify_warnings(changed, WarningLedger(ledger), seen) == 2
    reasons = dict(ledger.rows("SELECT name, reason FROM judged"))
    assert reasons == {"storm": "0% of it was observed", "flood": "it is asked no more"}
    assert {word for word, _ in outcomes(ledger).values()} == {"not verifiable"}
