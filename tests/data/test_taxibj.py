"""TaxiBJ: clips and counts, parts, gaps, and values that the scaling does not know."""

import h5py
import numpy as np
import pytest

from nowcast.core.errors import FileError, SettingsError
from nowcast.data.clips import VideoDataset
from nowcast.data.taxibj import TaxiBjSettings, open_taxibj
from nowcast.data.windows import ClipWindow
from tests.fakes.data_sets import taxi_counts, write_taxi_clips, write_taxi_counts

ALL = slice(None)


def taxis(path, **settings):
    return open_taxibj(TaxiBjSettings(path, **{"processes": 1, **settings}), progress=False)


def test_clips_are_the_published_ones_and_validation_shares_no_frame_with_training(tmp_path):
    root = write_taxi_clips(tmp_path / "taxi", train=30, test=3)
    window = ClipWindow(4, 4)
    parts = {part: taxis(root, part=part) for part in ("train", "validation", "test")}
    clips = {part: VideoDataset(found, window, train=False) for part, found in parts.items()}
    assert {part: len(data) for part, data in clips.items()} == {
        "train": 30 - 3 - 8,
        "validation": 3,
        "test": 3,
    }
    np.testing.assert_allclose(clips["test"][2].past[1, :, 5, 5], (1 + 0.03) / 2, atol=1e-6)
    np.testing.assert_allclose(clips["validation"][0].past[0, 0, 5, 5], (1 + 0.27) / 2, atol=1e-6)
    assert parts["train"][0].place != parts["validation"][0].place


def test_counts_have_real_times_and_a_slot_that_is_missing_is_a_gap(tmp_path):
    root = write_taxi_counts(tmp_path / "taxi", days=5, skipped=(7,))
    days = {"test_days": 1, "validation_days": 1}
    [train], [validation], [test] = (taxis(root, part=part, **days) for part in ("train", "validation", "test"))
    assert [len(source.times) for source in (train, validation, test)] == [3 * 48 - 1, 48, 48]
    assert train.times[0] == np.datetime64("2016-04-01", "ns")
    assert test.times[0] == np.datetime64("2016-04-05", "ns")
    assert train.times[7] == np.datetime64("2016-04-01T04:00", "ns")
    np.testing.assert_allclose(test.read(0, 48, ALL, ALL) * 1292, taxi_counts(5 * 48)[-48:], rtol=1e-5)
    assert len(VideoDataset([train], ClipWindow(4, 4), train=False)) == 136 - 7
    with pytest.raises(FileError, match="expected more than 28 \\+ 28 days"):
        taxis(root)


def test_values_beyond_the_scaling_are_refused_not_cut(tmp_path):
    root = write_taxi_counts(tmp_path / "taxi", days=3)
    with pytest.raises(FileError, match="expected 0 to 100; set 'highest'"):
        taxis(root, highest=100.0)
    clips = write_taxi_clips(tmp_path / "clips")
    arrays = dict(np.load(clips / "dataset.npz"))
    np.savez(clips / "dataset.npz", **{name: array * 20 for name, array in arrays.items()})
    with pytest.raises(FileError, match="expected -1 to 1"):
        taxis(clips)


def test_pickles_are_never_loaded(tmp_path):
    root = write_taxi_clips(tmp_path / "taxi")
    arrays = dict(np.load(root / "dataset.npz"))
    arrays["X_train"] = np.array([{"an": "object"}] * 12, object)
    np.savez(root / "dataset.npz", **arrays)
    with pytest.raises(FileError, match="'X_train' holds objects"):
        taxis(root)


def test_bad_input_is_one_line(tmp_path):
    (tmp_path / "taxi").mkdir()
    with pytest.raises(FileError, match="got no TaxiBJ; get BJ13"):
        taxis(tmp_path / "taxi")
    (tmp_path / "taxi" / "dataset.npz").write_bytes(b"no zip")
    with pytest.raises(FileError, match=r"dataset\.npz: cannot be read as \.npz"):
        taxis(tmp_path / "taxi")
    root = write_taxi_counts(tmp_path / "counts", days=3)
    [path] = root.glob("*.h5")
    with h5py.File(path, "a") as file:
        del file["date"]
        file["date"] = [b"2016040149"] * 144
    with pytest.raises(FileError, match="expected them rising, 1 to 48"):
        taxis(root)
    for wrong in ({"highest": 0.0}, {"test_days": 0}, {"validation_share": 1.0}):
        with pytest.raises(SettingsError, match=r"taxibj\."):
            TaxiBjSettings(root, **wrong)
