"""The stages of a longer job: drawn by a thread once it takes a while, and only where that is asked for."""

import threading
import time

import pytest

from nowcast.core import stages
from nowcast.core.stages import Stages


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    monkeypatch.setattr(stages, "_LOG_S", 0.01)
    monkeypatch.setenv("COLUMNS", "100")


def until(capsys, words):
    """Wait for words on standard error; what stood there."""
    told, end = "", time.monotonic() + 20
    while words not in told:
        assert time.monotonic() < end, told
        time.sleep(0.01)
        told += capsys.readouterr().err
    return told


def test_a_job_that_lasts_says_which_stage_it_is_at(capsys):
    with Stages("forecast", 2, True, after_s=0.01) as stage:
        stage("model is read")
        assert "forecast: 0/2|" in until(capsys, ", model is read")
        stage("model forecasts", left=3)
        assert "forecast: 1/5|" in until(capsys, ", model forecasts")
        stage("members")
        assert "forecast: 2/5|" in until(capsys, ", members")
    assert capsys.readouterr().err.endswith("\r")  # the bar is wiped away
    assert threading.active_count() == 1 or all(
        not t.name.startswith("Thread") for t in threading.enumerate()[1:]
    )


def test_a_short_job_and_one_that_is_not_watched_show_nothing(capsys):
    with Stages("forecast", 1, True) as stage:
        stage("one")
    with Stages("forecast", 1, False, after_s=0.0) as stage:
        stage("one")
        time.sleep(0.05)
    assert capsys.readouterr() == ("", "")


def fails(capsys):
    with Stages("job", 1, True, after_s=0.0) as stage:
        stage("one")
        assert "| 00:00, one" in until(capsys, ", one")
        raise ValueError("broken")


def test_the_thread_ends_when_the_job_fails(capsys):
    before = threading.active_count()
    with pytest.raises(ValueError, match="broken"):
        fails(capsys)
    assert threading.active_count() <= before + 1  # tqdm's own monitor may have begun
