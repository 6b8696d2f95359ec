"""The state of a service, its numbers counted by hand."""

import json
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from nowcast.core.times import to_text
from nowcast.service.clock import ManualClock, SystemClock
from nowcast.service.ledger import Ledger
from nowcast.service.ledger_schema import NEWEST_FRAME, REPLAY, STEP_SECONDS, LeadScore, PublishedNowcast
from nowcast.service.settings import InputSettings, ServiceSettings
from nowcast.service.status import age_text, as_json, as_prometheus, as_text, clock_of, read_status

T0 = np.datetime64("2025-06-01T12:00", "ns")


@pytest.fixture
def settings(tmp_path):
    return ServiceSettings(
        name="by_hand",
        archive=tmp_path / "a.zarr",
        output=tmp_path,
        inputs=(InputSettings(tmp_path),),
        late_minutes=3.0,
        budget_seconds=60.0,
        stale_minutes=30.0,
        low_disk_mb=0.0,
    )


@pytest.fixture
def ledger(tmp_path):
    with closing(Ledger(tmp_path / "ledger.sqlite")) as made:
        yield made


def _m(count):
    return np.timedelta64(count, "m")


def _fill(ledger):
    """Nowcasts at 0, 10, 20, 50 minutes (30 and 40 missed), the third by the fallback."""
    for minute, fallback in ((0, ""), (10, ""), (20, "it hung"), (50, "")):
        ledger.note_nowcast(PublishedNowcast(T0 + _m(minute), "net", fallback, "f"), T0 + _m(minute + 4), {})
        ledger.note_cycle(T0 + _m(minute + 3), None, "fallback" if fallback else "published", 0, "", {})
    ledger.note_metadata({NEWEST_FRAME: to_text(T0 + _m(60)), STEP_SECONDS: "600"})
    ledger.add_scores(
        [
            LeadScore(T0, "published", 10.0, 20.0, 6, 2, 2),
            LeadScore(T0 + _m(10), "published", 10.0, 20.0, 0, 2, 0),
            LeadScore(T0, "persistence", 10.0, 20.0, 3, 3, 0),
            LeadScore(T0, "published", 10.0, 40.0, 0, 0, 0),
            LeadScore(T0, "persistence", 10.0, 40.0, 0, 0, 0),
        ]
    )


def test_every_number(settings, ledger):
    _fill(ledger)
    status = read_status(settings, ledger, ManualClock(T0 + _m(62)))
    assert (status.newest_frame, status.frame_age_minutes) == ("2025-06-01T13:00:00Z", 2.0)
    assert (status.newest_nowcast, status.nowcast_age_minutes) == ("2025-06-01T12:50:00Z", 12.0)
    assert status.published == "2025-06-01T12:54:00Z"
    assert (status.nowcasts, status.fallbacks, status.nowcasts_pending) == (4, 1, 4)
    assert status.cycles == {"published": 3, "fallback": 1}
    low, high = status.skill
    assert (low.threshold_dbz, low.published, low.persistence) == (20.0, 6 / 12, 3 / 6)
    assert (high.published, high.persistence) == (None, None)
    assert status.healthy


@pytest.mark.parametrize(("minute", "missed"), [(50, 2), (63, 2), (64, 3), (73, 3), (74, 4), (0, 2), (-600, 2)])
def test_missed_cycles(settings, ledger, minute, missed):
    """12:30 and 12:40 have none; 13:00 counts from 13:04 on: three minutes late, one for the model."""
    _fill(ledger)
    assert read_status(settings, ledger, ManualClock(T0 + _m(minute))).missed_cycles == missed


def test_missed_cycles_of_the_span_only(settings, ledger):
    """With a span of half an hour at 13:04, 12:40 and 13:00 of 12:40, 12:50 and 13:00 are missed."""
    _fill(ledger)
    short = replace(settings, score_hours=0.5)
    assert read_status(short, ledger, ManualClock(T0 + _m(64))).missed_cycles == 2


@pytest.mark.parametrize(
    ("minute", "change", "complaint"),
    [
        (81, {}, "newest nowcast is from 31 minutes ago"),
        (60, {"low_disk_mb": 1e12}, "the disk is nearly full"),
        (50 + 60 * 24, {}, "24 hours ago"),
    ],
)
def test_what_it_complains_of(settings, ledger, minute, change, complaint):
    _fill(ledger)
    status = read_status(replace(settings, **change), ledger, ManualClock(T0 + _m(minute)))
    assert not status.healthy
    assert [complaint in c for c in status.complaints] == [True]
    assert complaint in as_text(status)
    assert json.loads(as_json(status))["healthy"] is False
    assert 'nowcast_healthy{service="by_hand"} 0' in as_prometheus(status)


def test_a_failed_cycle_and_the_fallback_are_complained_of(settings, ledger):
    ledger.note_nowcast(PublishedNowcast(T0, "extrapolation", "net.ckpt: it hung", "f"), T0, {})
    ledger.note_cycle(T0, None, "failed", 1, "the disk is full", {})
    complaints = read_status(settings, ledger, ManualClock(T0)).complaints
    assert complaints == ("last cycle failed: the disk is full", "running on the fallback: net.ckpt: it hung")


def test_before_anything(settings, ledger):
    status = read_status(settings, ledger, ManualClock(T0))
    assert status.complaints == ("no nowcast yet",)
    assert (status.missed_cycles, status.newest_frame, status.skill) == (None, None, ())
    assert "newest frame    - (none yet)" in as_text(status)


def test_a_replay_is_read_on_its_own_clock(ledger):
    assert isinstance(clock_of(ledger), SystemClock)
    ledger.note_cycle(T0, None, "published", 0, "", {})
    ledger.note_metadata({REPLAY: ""})
    assert isinstance(clock_of(ledger), SystemClock)
    ledger.note_metadata({REPLAY: "italy.zarr"})
    assert clock_of(ledger).now() == T0


def test_metrics_for_prometheus(settings, ledger):
    _fill(ledger)
    text = as_prometheus(read_status(settings, ledger, ManualClock(T0 + _m(64))))
    for line in (
        'nowcast_missed_cycles{service="by_hand"} 3',
        'nowcast_fallbacks{service="by_hand"} 1',
        'nowcast_csi{service="by_hand",source="published",dbz="20"} 0.5',
    ):
        assert f"{line}\n" in text


@pytest.mark.parametrize(
    ("minutes", "said"), [(3.2, "3 minutes"), (120, "120 minutes"), (180, "3 hours"), (4320, "3 days")]
)
def test_ages_in_units_people_think_in(minutes, said):
    assert age_text(minutes) == said
