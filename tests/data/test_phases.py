"""A 5-minute cache beside a 10-minute one: every frame is in a clip, and clips hold what they would alone."""

import numpy as np
import pytest

from nowcast.archive.create import NewArchive
from nowcast.archive.packing import PACKING
from nowcast.archive.writer import describe, open_writer
from nowcast.core.errors import TimeError
from nowcast.data.catalog import build_sources
from nowcast.data.clips import VideoDataset
from nowcast.data.importance_sampling import ImportanceSampling
from nowcast.data.phases import at_step
from nowcast.data.radar_archive import make_cache
from nowcast.data.radar_cache import RadarCache
from nowcast.data.windows import ClipWindow
from tests.fakes.stores import FIRST, frame, put_chunks, small_grid, source

ALL = slice(None)


@pytest.fixture(scope="module")
def caches(tmp_path_factory):
    """Caches of every 5 and every 10 minutes; one frame of the first is missing."""
    folder = tmp_path_factory.mktemp("caches")
    found = {}
    for minutes, count in ((5, 13), (10, 6)):
        path, step = folder / f"{minutes}.zarr", np.timedelta64(minutes, "m")
        numbers = [n for n in range(count) if (minutes, n) != (5, 8)]
        with open_writer(path, NewArchive(small_grid(), step, FIRST, {})) as writer:
            put_chunks(path, {n: frame(minutes * n) for n in numbers})
            records = [describe(n, PACKING.pack(frame(minutes * n))) for n in numbers]
            writer.commit([(source("a.h5", len(numbers)), records)])
        found[minutes] = make_cache(path, progress=False)
    return found


def test_two_phases_hold_every_frame_once(caches):
    whole = RadarCache(caches[5])
    even, odd = at_step(whole, 10.0)
    assert sorted([*even.times, *odd.times]) == list(whole.times)
    assert (np.diff(odd.times) == np.timedelta64(10, "m")).all()
    for phase in (even, odd):
        places = np.searchsorted(whole.times, phase.times)
        np.testing.assert_array_equal(
            phase.read(0, len(places), ALL, slice(3, 9)),
            whole.read(0, len(whole.times), ALL, slice(3, 9))[places],
        )
        np.testing.assert_array_equal(phase.wet.counts, whole.wet.counts[places])
    assert len({even.fingerprint, odd.fingerprint, whole.fingerprint}) == 3
    assert at_step(whole, 5.0) == at_step(whole, None) == [whole]
    for wrong in (7.0, 0.0, 2.5):
        with pytest.raises(TimeError, match="a multiple of the 5 minutes"):
            at_step(whole, wrong)


def test_one_training_takes_both_steps_and_bridges_no_gap(caches):
    window = ClipWindow(past=1, future=1)
    settings = [{"path": str(caches[m]), "step_minutes": 10} for m in (5, 10)]
    sources = build_sources([{"kind": "radar_cache", "settings": s} for s in settings])
    data = VideoDataset(sources, window, train=False)
    even, odd, own = sources
    assert len(data) == 4 + 5 + 5  # 00 10 20 30 | 50 60, 05 ... 55, 00 ... 50
    np.testing.assert_array_equal(data[4].past[0], np.nan_to_num(odd.read(0, 1, ALL, ALL)[0]))
    assert len(own.times) == 6
    assert len(VideoDataset(sources, window, importance=ImportanceSampling())) == len(data)
    with pytest.raises(TimeError, match="step_minutes"):
        VideoDataset([RadarCache(caches[5]), own], window, train=False)
    assert len(even.times) == 6
