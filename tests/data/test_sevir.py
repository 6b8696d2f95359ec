"""SEVIR: events by date, what was not observed, and catalogs that say something else than the files."""

import h5py
import numpy as np
import pytest

from nowcast.core.errors import FileError, SettingsError
from nowcast.data.sevir import SevirSettings, open_sevir
from tests.fakes.data_sets import SEVIR_EVENTS, sevir_frames, write_sevir

ALL = slice(None)


def events(path, **settings):
    return open_sevir(SevirSettings(path, **{"processes": 1, **settings}), progress=False)


def names(found):
    return [source.name.rsplit("/", 1)[1] for source in found]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write_sevir(tmp_path_factory.mktemp("sevir") / "sevir", frames=12)


def test_parts_are_dates_and_times_are_those_of_the_catalog(whole):
    assert names(events(whole)) == ["00000_S100001", "00001_R18070112005500"]
    assert names(events(whole, part="validation")) == ["00000_S200001"]
    assert names(events(whole, part="test")) == ["00001_S300001"]
    assert names(events(whole, events="storms")) == ["00000_S100001"]
    assert names(events(whole, part="test", test_from="2019-01-01")) == ["00000_S200001", "00001_S300001"]
    [first, _] = events(whole)
    assert first.times[0] == np.datetime64("2018-06-01T10:00", "ns")
    assert first.step == np.timedelta64(5, "m")
    np.testing.assert_array_equal(np.rint(first.read(3, 1, slice(4, 5), ALL)[0, 0, 0, 1:] * 255), [9.0] * 31)


def test_what_was_not_observed_stays_so_when_it_is_resized(whole):
    [event] = events(whole, part="validation", size=(16, 16))
    frame = event.read(0, 1, ALL, ALL)[0, 0]
    assert np.isnan(frame[-1, -1])
    assert np.isnan(frame).sum() < 10
    assert np.nanmax(frame) <= 32 / 255


def test_the_cache_alone_is_enough(whole, tmp_path):
    root = write_sevir(tmp_path / "s", SEVIR_EVENTS[2:], frames=6)
    before = [source.read(0, 6, ALL, ALL) for source in events(root, part="test")]
    events(root, part="validation")
    root.rename(tmp_path / "aside")
    after = events(root, part="test")
    assert names(after) == ["00001_S300001"]
    np.testing.assert_array_equal(after[0].read(0, 6, ALL, ALL), before[0])


def test_a_catalog_is_compared_with_the_files_and_never_followed(tmp_path):
    outside = write_sevir(tmp_path / "outside", SEVIR_EVENTS[:1], frames=6)
    secret = next(outside.rglob("*.h5"))
    root = tmp_path / "sevir"
    rows = [["S9", str(secret), 0, "vil", "2018-01-01 00:00:00"]]
    rows += [["S8", f"../outside/vil/2018/{secret.name}", 0, "vil", "2018-01-01 00:00:00"]]
    write_sevir(root, SEVIR_EVENTS[2:], frames=6, catalogued=rows)
    with pytest.raises(FileError, match="got no events of the part 'train'"):
        events(root)


@pytest.mark.parametrize("name", ["../../x", "S1/../../x", "", "S\n1"])
def test_a_name_that_is_none_is_refused(tmp_path, name):
    rows = [[name, "SEVIR_VIL_STORMEVENTS_2018_0101_1231.h5", 0, "vil", "2018-01-01 00:00:00"]]
    root = write_sevir(tmp_path / "sevir", SEVIR_EVENTS[:1], frames=6, catalogued=rows)
    with pytest.raises(FileError, match="a name of letters and digits"):
        events(root)


def test_files_that_say_something_else_are_named_and_skipped(tmp_path, caplog):
    rows = [
        ["S7", "SEVIR_VIL_STORMEVENTS_2018_0101_1231.h5", 99, "vil", "2018-01-01 00:00:00"],
        ["S6", "SEVIR_VIL_STORMEVENTS_2018_0101_1231.h5", 1, "vil", "2018-01-01 00:00:00"],
    ]
    root = write_sevir(tmp_path / "sevir", SEVIR_EVENTS[:2], frames=6, catalogued=rows)
    assert len(events(root)) == 2
    assert "expected bytes of more than 99 events" in caplog.text
    assert "got event R18070112005500 at 1, expected S6" in caplog.text
    path = next(root.rglob("*.h5"))
    with h5py.File(path, "a") as file:
        del file["vil"]
        file["vil"] = h5py.ExternalLink("other.h5", "/vil")
    with pytest.raises(FileError, match="expected an array 'vil' of 4 axes"):
        events(root)


def test_bad_input_says_what_to_get(tmp_path):
    (tmp_path / "sevir").mkdir()
    with pytest.raises(FileError, match=r"CATALOG\.csv: cannot be read .*s3://sevir"):
        events(tmp_path / "sevir")
    (tmp_path / "sevir" / "CATALOG.csv").write_text("a,b\n1,2\n")
    with pytest.raises(FileError, match="got no column id, file_name"):
        events(tmp_path / "sevir")
    with pytest.raises(FileError, match="got no events"):
        events(tmp_path / "nowhere")
    with pytest.raises(SettingsError, match=r"sevir\.validation_from"):
        SevirSettings(tmp_path, test_from="2018-01-01")
    with pytest.raises(SettingsError, match=r"sevir\.validation_from, test_from"):
        SevirSettings(tmp_path, test_from="some day")


def test_the_fake_holds_what_sevir_holds():
    assert sevir_frames(0).shape == (49, 32, 32)
