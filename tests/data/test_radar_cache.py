import pickle
import subprocess
import sys

import numpy as np
import pytest

from nowcast.core.errors import FileError, SettingsError
from nowcast.core.scaling import NO_ECHO_DBZ, Scaling
from nowcast.data.radar_cache import FRAMES, Decoder, RadarCache, RadarSettings
from nowcast.data.source import FrameSource
from tests.fakes.frames import FILL, NO_ECHO, OFFSET, SCALE, START, STEP, storm_codes, write_cache

ALL = slice(None)


def test_values_by_hand(tmp_path):
    codes = np.array([[[FILL, NO_ECHO, 500, 3500], [6500, 7000, 400, 2000]]], np.int16)
    cache = RadarCache(write_cache(tmp_path / "c", codes))
    expected = [[np.nan, 0, 0, 0.5], [1, 1, 0, 0.25]]  # 5 dBZ is 0, 35 dBZ a half, 65 dBZ and above 1
    np.testing.assert_allclose(cache.read(0, 1, ALL, ALL)[0, 0], expected, atol=1e-6)


def test_equals_the_one_scaling_of_the_package(tmp_path):
    codes = storm_codes()
    cache = RadarCache(write_cache(tmp_path / "c", codes), Scaling(-10.0, 50.0))
    dbz = np.select([codes == FILL, codes == NO_ECHO], [np.nan, NO_ECHO_DBZ], codes * SCALE + OFFSET)
    read = cache.read(3, 9, slice(2, 20), slice(5, 40))
    np.testing.assert_allclose(read[:, 0], Scaling(-10.0, 50.0).encode(dbz[3:12, 2:20, 5:40]), atol=1e-6)
    assert read.dtype == np.float32
    assert read.shape == (9, 1, 18, 35)
    assert np.isnan(cache.read(0, 1, ALL, ALL)[0, 0, -4:, -4:]).all()


def test_a_no_echo_code_above_the_echoes_is_dry():
    metadata = type("F", (), {"scale": 0.5, "offset": -32.0, "fill": 255, "no_echo": 250})
    decoder = Decoder.of(metadata, Scaling())
    np.testing.assert_allclose(decoder.decode(np.array([255, 250, 134], np.int16)), [np.nan, 0, 0.5], atol=1e-6)


def test_is_a_frame_source(tmp_path):
    cache = RadarCache(write_cache(tmp_path / "c", storm_codes(5), steps=[0, 1, 3, 4, 5]))
    assert isinstance(cache, FrameSource)
    assert cache.frame_shape == (1, 32, 40)
    assert cache.step == STEP
    assert cache.times[2] == START + 3 * STEP


def test_frames_taken_at_another_step_keep_their_gaps_and_their_values(tmp_path):
    folder = write_cache(tmp_path / "c", storm_codes(4), steps=[0, 1, 3, 4])
    own, taken = RadarCache(folder), RadarCache(folder, settings=RadarSettings(taken_as_minutes=5))
    minutes = (taken.times - START).astype("timedelta64[m]").astype(int)
    assert minutes.tolist() == [0, 5, 15, 20]
    assert taken.step == np.timedelta64(5, "m") != own.step
    assert taken.fingerprint != own.fingerprint
    np.testing.assert_array_equal(taken.read(0, 4, ALL, ALL), own.read(0, 4, ALL, ALL))


def test_what_a_source_does_not_tell_from_dry_is_kept_on_the_scale_of_the_frames(tmp_path):
    folder = write_cache(tmp_path / "c", storm_codes(3))
    assert RadarCache(folder).faintest == 0
    assert RadarCache(folder, settings=RadarSettings(faintest_dbz=35)).faintest == pytest.approx(0.5)
    with pytest.raises(SettingsError, match="weight=0"):
        RadarSettings(weight=0)


def test_reading_outside_is_refused(tmp_path):
    cache = RadarCache(write_cache(tmp_path / "c", storm_codes(5)))
    with pytest.raises(IndexError, match="3 to 6 of 5"):
        cache.read(3, 3, ALL, ALL)
    with pytest.raises(IndexError):
        cache.read(-1, 1, ALL, ALL)


def test_a_pickled_cache_holds_no_frames_and_reads_the_same(tmp_path):
    cache = RadarCache(write_cache(tmp_path / "c", storm_codes(50)))
    before = cache.read(0, 5, ALL, ALL)
    packed = pickle.dumps(cache)
    assert len(packed) < 8000
    np.testing.assert_array_equal(pickle.loads(packed).read(0, 5, ALL, ALL), before)


def test_no_cache_is_one_clear_line(tmp_path):
    with pytest.raises(FileError, match=r"nothing: no radar cache .*make it anew"):
        RadarCache(tmp_path / "nothing")


@pytest.mark.parametrize("damage", ["truncate", "json", "version", "fewer", "pickle"])
def test_damage_is_found_when_it_is_opened(tmp_path, damage):
    folder = write_cache(tmp_path / "c", storm_codes(5))
    if damage == "truncate":
        content = (folder / FRAMES).read_bytes()
        (folder / FRAMES).write_bytes(content[: len(content) // 2])
    elif damage == "json":
        (folder / "cache.json").write_text("{")
    elif damage == "version":
        (folder / "cache.json").write_text('{"format": 99}')
    elif damage == "fewer":
        np.save(folder / FRAMES, storm_codes(4))
    else:
        np.save(folder / FRAMES, np.array([{}], dtype=object))
    with pytest.raises(FileError, match="anew"):
        RadarCache(folder)


def test_clips_load_without_xarray_pandas_and_zarr(tmp_path):
    folder = write_cache(tmp_path / "c", storm_codes(30))
    program = f"""
import sys
for name in ("xarray", "pandas", "zarr", "dask", "netCDF4", "pyproj", "cartopy", "skimage", "PIL", "h5py"):
    sys.modules[name] = None
from nowcast.data.catalog import build_sources
from nowcast.data.training_data import training_data
from nowcast.data.windows import ClipWindow
choice = {{"kind": "radar_cache", "settings": {{"path": {str(folder)!r}}}}}
data = training_data(build_sources([choice]), ClipWindow(2, 3), crop=(16, 16),
    train=["2025-03-01T00:00/2025-03-01T02:00"], validation=["2025-03-01T03:00/2025-03-01T05:00"])
print(data.train[0].future.shape, len(data.validation), "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.strip() == "(3, 1, 16, 16) 8 False"
