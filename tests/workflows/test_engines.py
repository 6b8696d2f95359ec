"""Verification and calibration on workers: values of one process to the last bit, also when one is killed."""

import dataclasses
import os
import signal
import threading

import numpy as np
import pytest

from nowcast.archive.reader import Archive
from nowcast.core.engine import InProcess, open_engine
from nowcast.workflows.calibrate import calibrate
from nowcast.workflows.verify import verify_period
from tests.fakes import work
from tests.fakes.small_archive import write_archive

DAY = np.datetime64("2025-03-22", "ns"), np.datetime64("2025-03-23", "ns")
MODELS = ["persistence", "extrapolation", "astm"]


class Backwards(InProcess):
    """Sends everything through a pickle and does the last task first, as a busy cluster may."""

    def each(self, function, tasks, lost=None):
        import cloudpickle

        for task in reversed(tasks):
            yield cloudpickle.loads(cloudpickle.dumps(function))(task)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return Archive.open(write_archive(tmp_path_factory.mktemp("engines"), 20)[0])


def _verified(archive, engine, models):
    return verify_period(
        archive, models, *DAY, lead_times=3, scores=["csi", "mae", "ssim"], cases=1, engine=engine
    )


def _same(one, other):
    assert one.nowcasts == other.nowcasts > 5
    assert [tuple(map(repr, row)) for row in one.rows] == [tuple(map(repr, row)) for row in other.rows]
    assert one.reference_times.tolist() == other.reference_times.tolist()
    assert one.metadata == other.metadata
    for name, counts in one.counts.items():
        np.testing.assert_array_equal(counts, other.counts[name])
    for key, values in one.csi_cells.items():
        np.testing.assert_array_equal(values, other.csi_cells[key])
    for mine, its in zip(one.cases, other.cases, strict=True):
        assert mine.observed.identical(its.observed)
        assert all(field.identical(its.forecasts[name]) for name, field in mine.forecasts.items())


def test_results_that_come_in_another_order_from_other_objects_are_the_same(archive):
    baselines = MODELS[:1]
    _same(_verified(archive, InProcess(), baselines), _verified(archive, Backwards(), baselines))
    chosen = [
        dataclasses.asdict(
            calibrate([archive], baselines, [DAY], thresholds=[20.0, 30.0], lead_times=3, engine=engine)
        )
        for engine in (InProcess(), Backwards())
    ]
    assert chosen[0] == chosen[1]


@pytest.mark.slow
def test_two_workers_of_which_one_is_killed_score_as_one_process(archive):
    alone = _verified(archive, InProcess(), MODELS)
    with open_engine(2) as engine:
        numbers = {number for _, number in engine.each(work.where, range(20))}
        killer = threading.Timer(1.0, os.kill, (max(numbers), signal.SIGKILL))
        killer.start()
        together = _verified(archive, engine, MODELS)
        killer.join()
        assert max(numbers) not in {number for _, number in engine.each(work.where, range(20))}
    _same(alone, together)
