import sys
import types

import numpy as np
import pytest

from nowcast.core.errors import ArchiveError, FileError
from nowcast.core.scaling import Scaling
from nowcast.data.clips import VideoDataset
from nowcast.data.radar_archive import BLOCK, ArchiveSettings, make_cache, open_cached
from nowcast.data.radar_cache import RadarCache
from nowcast.data.windows import ClipWindow
from tests.fakes.frames import FakeArchive, storm_codes
from tests.fakes.small_archive import write_archive


@pytest.fixture
def archive(tmp_path, monkeypatch):
    made = FakeArchive(tmp_path / "italy.zarr", storm_codes(12, (40, 50)))
    reader = types.ModuleType("nowcast.archive.reader")
    reader.Archive = type("Archive", (), {"open": staticmethod(lambda path: made)})
    monkeypatch.setitem(sys.modules, "nowcast.archive.reader", reader)
    return made


def test_the_cache_holds_what_the_archive_holds(archive, tmp_path):
    folder = make_cache(archive.path, progress=False)
    assert folder == tmp_path / "italy.cache"
    cache = RadarCache(folder)
    np.testing.assert_array_equal(cache.packed(0, 12, slice(None), slice(None)), archive.codes)
    np.testing.assert_array_equal(cache.times, archive.times)
    assert cache.step == archive.step
    assert cache.grid_km == (1.0, 1.5)


def test_wet_blocks_count_pixels_from_20_dbz(archive):
    wet = RadarCache(make_cache(archive.path, progress=False)).wet
    assert wet.counts.shape == (12, 3, 4)
    by_hand = (archive.codes[7, BLOCK : 2 * BLOCK, :BLOCK] >= 2000).sum()
    assert wet.counts[7, 1, 0] == by_hand > 0
    assert wet.counts.sum() == (archive.codes >= 2000).sum()


def test_it_is_made_once_and_again_when_the_archive_changed(archive):
    folder = make_cache(archive.path, progress=False)
    make_cache(archive.path, progress=False)
    assert archive.reads == 12
    archive.codes, archive.fingerprint = storm_codes(14, (40, 50), seed=1), "second"
    make_cache(archive.path, progress=False)
    assert archive.reads == 12 + 14
    np.testing.assert_array_equal(RadarCache(folder).packed(0, 14, slice(None), slice(None)), archive.codes)


def test_a_damaged_cache_is_made_again(archive):
    folder = make_cache(archive.path, progress=False)
    (folder / "frames.npy").write_bytes(b"not an array")
    make_cache(archive.path, progress=False)
    assert len(RadarCache(folder).times) == 12


def test_a_full_disk_leaves_the_old_cache_and_nothing_else(archive, tmp_path):
    folder = make_cache(archive.path, progress=False)
    archive.fingerprint, archive.fails_at = "second", 5
    with pytest.raises(FileError, match="No space left"):
        make_cache(archive.path, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["italy.cache"]
    assert RadarCache(folder).metadata.fingerprint == "first"


def test_another_folder_is_never_overwritten(archive, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").write_text("precious")
    with pytest.raises(FileError, match="no radar cache"):
        make_cache(archive.path, tmp_path / "photos", progress=False)
    assert (tmp_path / "photos" / "holiday.jpg").read_text() == "precious"


def test_an_empty_archive_is_refused(archive):
    archive.codes = archive.codes[:0]
    with pytest.raises(ArchiveError, match="no frames"):
        make_cache(archive.path, progress=False)


def test_clips_of_a_real_archive_are_the_scaled_field_without_its_gap(tmp_path):
    path, field = write_archive(tmp_path, frames=14, missing=(6,))
    cache = open_cached(ArchiveSettings(path), Scaling())
    data = VideoDataset([cache], ClipWindow(2, 3), train=False)
    issued = [data.reference_time(index) for index in range(len(data))]
    assert np.searchsorted(field["time"].values, issued).tolist() == [1, 2, 8, 9, 10]
    clip = data[3]
    expected = Scaling().encode(field.values[8:13])
    assert clip.observed[:, 0, :, 3:].all()
    assert not clip.observed[..., :3].any()
    shown = np.concatenate([clip.past, clip.future])[:, 0]
    assert shown.max() > 0.5
    np.testing.assert_allclose(shown, np.nan_to_num(expected), atol=0.26 / 60)  # files have half dBZ steps
    assert cache.grid_km == pytest.approx((1.0, 1.0), abs=1e-3)
