"""The ledger: what goes in comes out, once; a full disk leaves it as it was."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest

from nowcast.core.errors import FileError
from nowcast.service.ledger import Ledger
from nowcast.service.ledger_schema import FileRow, LeadScore, PublishedNowcast

T0 = np.datetime64("2025-06-01T12:00", "ns")
STEP = np.timedelta64(10, "m")


@pytest.fixture
def ledger(tmp_path):
    with closing(Ledger(tmp_path / "deep" / "ledger.sqlite")) as made:
        yield made


def _nowcast(moment=T0, folder="issued/a"):
    return PublishedNowcast(moment, "extrapolation", "", folder)


def test_a_file_is_known_in_its_very_state_only(ledger):
    ledger.note_files([FileRow("a.h5", 10, 111, "ingested")], T0)
    assert ledger.file_known("a.h5", 10, 111, T0)
    assert ledger.file_known("a.h5", 10, 111, T0 + 1000 * STEP)
    assert not ledger.file_known("a.h5", 11, 111, T0)
    assert not ledger.file_known("a.h5", 10, 112, T0)
    assert not ledger.file_known("b.h5", 10, 111, T0)


@pytest.mark.parametrize("jump", [3 * STEP, -18 * STEP])
def test_a_refused_file_is_tried_again_once_the_clock_has_moved(ledger, jump):
    ledger.note_files([FileRow("a.h5", 10, 111, "refused", "dated in the future")], T0)
    assert ledger.file_known("a.h5", 10, 111, T0 + 2 * STEP)
    assert not ledger.file_known("a.h5", 10, 111, T0 + jump)


def test_the_same_issue_time_twice_is_one_nowcast(ledger):
    ledger.note_nowcast(_nowcast(), T0, {})
    ledger.note_nowcast(PublishedNowcast(T0, "persistence", "late", "issued/b"), T0, {})
    assert [(n.model, n.folder) for n in ledger.nowcasts()] == [("extrapolation", "issued/a")]
    assert ledger.has_nowcast(T0)
    assert not ledger.has_nowcast(T0 + STEP)


def test_scores_sum_over_nowcasts_and_a_repeat_counts_once(ledger):
    rows = [LeadScore(T0 + k * STEP, "published", 10.0, 20.0, 5, 3, 2) for k in range(3)]
    ledger.add_scores(rows)
    ledger.add_scores(rows)
    assert ledger.skill(T0) == [("published", 20.0, 15, 9, 6)]
    assert ledger.skill(T0 + STEP) == [("published", 20.0, 10, 6, 4)]


def test_a_nowcast_is_pending_until_it_is_finished(ledger):
    ledger.note_nowcast(_nowcast(), T0, {})
    ledger.add_scores([LeadScore(T0, "published", 10.0, 20.0, 1, 0, 0)])
    ledger.give_up(T0, [20.0], "never came")
    assert ledger.settled_lead_times(T0) == {10.0, 20.0}
    assert len(ledger.nowcasts(pending_only=True)) == 1
    ledger.finish(T0)
    assert ledger.nowcasts(pending_only=True) == []


def test_cycles_are_counted_by_outcome_and_the_last_is_at_hand(ledger):
    assert ledger.last_cycle() is None
    for k, outcome in enumerate(["published", "nothing_new", "published"]):
        ledger.note_cycle(T0 + k * STEP, T0, outcome, 0, f"m{k}", {"total": 1.23456})
    assert ledger.count_cycles(T0) == {"published": 2, "nothing_new": 1}
    assert ledger.count_cycles(T0 + STEP) == {"published": 1, "nothing_new": 1}
    assert ledger.last_cycle()["message"] == "m2"
    assert ledger.last_cycle()["seconds"] == '{"total": 1.235}'


def test_a_write_that_fails_changes_nothing_and_says_what_to_do(ledger):
    good = LeadScore(T0, "published", 10.0, 20.0, 1, 0, 0)
    bad = LeadScore(T0, "published", 20.0, 20.0, None, 0, 0)
    with pytest.raises(FileError, match="free some space"):
        ledger.add_scores([good, bad])
    assert ledger.settled_lead_times(T0) == set()


def test_something_else_in_its_place_is_refused(tmp_path):
    path = tmp_path / "ledger.sqlite"
    path.write_text("this is no database, and long enough to look at " * 4)
    with pytest.raises(FileError, match="move the file away"):
        Ledger(path)


def test_it_is_an_ordinary_sqlite_file(tmp_path):
    path = tmp_path / "l.sqlite"
    with closing(Ledger(path)) as made:
        made.note_nowcast(_nowcast(), T0, {"a": 1})
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT manifest FROM nowcasts").fetchone() == ('{"a": 1}',)


def test_a_file_whose_reading_an_earlier_version_began_is_read_again(ledger):
    ledger.note_files([FileRow("a.h5", 10, 111, "trying")], T0)
    assert not ledger.file_known("a.h5", 10, 111, T0)


def test_newest_first_and_kept_tell_what_is_there(ledger):
    assert (ledger.newest(), ledger.first(), ledger.kept()) == (None, None, [])
    for k in (2, 0, 1):
        ledger.note_nowcast(_nowcast(T0 + k * STEP, f"issued/{k}"), T0, {})
    ledger.forget_folder(T0)
    assert ledger.newest().reference_time == T0 + 2 * STEP
    assert ledger.first() == T0
    assert [n.folder for n in ledger.kept()] == ["issued/1", "issued/2"]
    assert ledger.count_pending() == 2


def test_fallbacks_are_counted_among_the_nowcasts(ledger):
    for k, fallback in enumerate(["", "late", "broken"]):
        ledger.note_nowcast(PublishedNowcast(T0 + k * STEP, "extrapolation", fallback, "a"), T0, {})
    assert ledger.count_nowcasts(T0) == (3, 2)
    assert ledger.count_nowcasts(T0 + 2 * STEP) == (1, 1)


def test_metadata_are_replaced(ledger):
    ledger.note_metadata({"a": "1", "b": "2"})
    ledger.note_metadata({"a": "3"})
    assert ledger.metadata() == {"a": "3", "b": "2"}


EARLIER = """
CREATE TABLE files (path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    seen TEXT NOT NULL, outcome TEXT NOT NULL, message TEXT NOT NULL);
CREATE TABLE cycles (id INTEGER PRIMARY KEY, started TEXT NOT NULL, frame TEXT, outcome TEXT NOT NULL,
    exit_code INTEGER NOT NULL, message TEXT NOT NULL, seconds TEXT NOT NULL);
CREATE TABLE nowcasts (issued TEXT PRIMARY KEY, published TEXT NOT NULL, model TEXT NOT NULL,
    fallback TEXT NOT NULL, folder TEXT NOT NULL, manifest TEXT NOT NULL, pending INTEGER NOT NULL DEFAULT 1);
CREATE TABLE scores (issued TEXT NOT NULL, model TEXT NOT NULL, lead_minutes REAL NOT NULL,
    threshold_dbz REAL NOT NULL, hits INTEGER NOT NULL, misses INTEGER NOT NULL,
    false_alarms INTEGER NOT NULL, PRIMARY KEY (issued, model, lead_minutes, threshold_dbz));
CREATE TABLE unverified (issued TEXT NOT NULL, lead_minutes REAL NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (issued, lead_minutes));
CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO files VALUES ('in/a.h5', 10, 111, '2025-06-01T12:02:00Z', 'ingested', '');
INSERT INTO cycles VALUES (1, '2025-06-01T12:02:00Z', '2025-06-01T12:00:00Z', 'published', 0, '', '{}');
INSERT INTO nowcasts VALUES ('2025-06-01T12:00:00Z', '2025-06-01T12:02:03Z', 'net', 'late',
    'issued/20250601T120000Z', '{"valid_times": ["2025-06-01T12:10:00Z"]}', 1);
INSERT INTO scores VALUES ('2025-06-01T12:00:00Z', 'published', 10.0, 20.0, 5, 3, 2);
INSERT INTO unverified VALUES ('2025-06-01T12:00:00Z', 20.0, 'its frame never came');
INSERT INTO facts VALUES ('newest_frame', '2025-06-01T12:00:00Z');
"""


def test_a_ledger_of_an_earlier_version_opens(tmp_path):
    with closing(sqlite3.connect(tmp_path / "l.sqlite")) as db:
        db.executescript(EARLIER)
    with closing(Ledger(tmp_path / "l.sqlite")) as ledger:
        ledger.check()
        folder = "issued/20250601T120000Z"
        assert ledger.nowcasts() == [PublishedNowcast(T0, "net", "late", folder, "2025-06-01T12:02:03Z")]
        assert ledger.valid_times(T0) == [T0 + STEP]
        assert ledger.settled_lead_times(T0) == {10.0, 20.0}
        assert ledger.skill(T0) == [("published", 20.0, 5, 3, 2)]
        assert ledger.file_known("in/a.h5", 10, 111, T0)
        assert ledger.metadata() == {"newest_frame": "2025-06-01T12:00:00Z"}
        assert ledger.last_cycle()["outcome"] == "published"
