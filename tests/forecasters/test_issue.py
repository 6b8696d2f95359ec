"""The moment of issue and its past, from an archive of 12 frames whose 4th (10:30) is missing."""

import numpy as np
import pytest
from nowcast.forecasters.issue import moment, past_times, unbroken_past

from nowcast.archive.reader import Archive
from nowcast.core.errors import TimeError
from tests.fakes.small_archive import write_archive


def at(text):
    return np.datetime64(f"2025-03-22T{text}", "ns")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path, _ = write_archive(tmp_path_factory.mktemp("issue"), missing=(3,))
    return Archive.open(path)


def test_the_newest_frame_or_the_one_asked_for(archive):
    assert moment(archive) == at("11:50")
    assert moment(archive, "2025-03-22T10:20") == at("10:20")
    with pytest.raises(TimeError, match=r"got 2025-03-22T10:31:00Z.*the nearest is 2025-03-22T10:40:00Z"):
        moment(archive, "2025-03-22T10:31")


def test_the_past_ends_with_the_moment(archive):
    np.testing.assert_array_equal(past_times(archive, at("11:00"), 3), [at("10:40"), at("10:50"), at("11:00")])


def test_a_gap_is_named_with_the_newest_moment_before_it_that_would_do(archive):
    with pytest.raises(TimeError, match=r"no frame at 2025-03-22T10:30:00Z, .*--at 2025-03-22T10:20:00Z would"):
        past_times(archive, at("10:50"), 3)
    with pytest.raises(TimeError, match=r"--at 2025-03-22T11:10:00Z would do"):
        past_times(archive, at("10:50"), 4)
    with pytest.raises(TimeError, match="ingest the missing files"):
        past_times(archive, at("11:50"), 9)


def test_as_much_past_as_there_is(archive):
    np.testing.assert_array_equal(unbroken_past(archive, at("11:50"), 2), [at("11:40"), at("11:50")])
    np.testing.assert_array_equal(unbroken_past(archive, at("10:50"), 5), [at("10:40"), at("10:50")])
    np.testing.assert_array_equal(unbroken_past(archive, at("10:40"), 5), [at("10:40")])
    with pytest.raises(TimeError, match="no frame at 2025-03-22T10:30:00Z"):
        unbroken_past(archive, at("10:30"), 5)
