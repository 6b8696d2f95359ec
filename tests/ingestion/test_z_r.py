"""Rain and reflectivity: one relation in one archive, by choice or by source, and what was measured is told."""

import numpy as np
import pytest

from nowcast.archive.reader import Archive
from nowcast.cli.main import main
from nowcast.core.errors import SettingsError
from nowcast.core.rain import Z_R, z_r, z_r_of_text
from nowcast.ingestion.readers.choice import ReaderChoice
from nowcast.workflows.ingest import ingest
from tests.fakes import odim

NOW = np.datetime64("2025-06-01T00:00")
RAIN = np.full((6, 8), 2.0)


def run(paths, archive, **settings):
    return ingest(
        paths,
        archive,
        **{"workers_count": 1, "progress": False, "now": NOW, "step": np.timedelta64(5, "m"), **settings},
    )


def rates(folder, *times, quantity="RATE", **changes):
    return [
        odim.write_opera(
            folder / f"{quantity}{t.replace(':', '')}.h5", RAIN, f"2025-03-01T{t}:00", quantity, **changes
        )
        for t in times
    ]


def test_the_chosen_relation_makes_the_dbz_and_stands_in_the_archive(tmp_path):
    files = rates(tmp_path, "12:00", "12:05")
    assert run(files[:1], tmp_path / "a.zarr", z_r="a=300,b=1.4").problems == ()
    # the archive's relation holds for what comes next without a word
    assert run(files[1:], tmp_path / "a.zarr").problems == ()
    archive = Archive.open(tmp_path / "a.zarr")
    for time in archive.times:
        # 10 log10(300 * 2^1.4), by hand; codes are 0.01 dB apart
        np.testing.assert_allclose(archive.dbz(time), 28.985631, atol=0.006)
    assert archive.attrs["z_r_relation"] == "a=300,b=1.4: Z = 300 R^1.4 (by choice)"
    assert archive.attrs["measured_quantity"] == "rain rate (RATE)"
    with pytest.raises(SettingsError, match=r"z_r: got 'fmi', expected the archive's own, a=300,b=1\.4"):
        run(files, tmp_path / "a.zarr", z_r="fmi")
    assert run(files, tmp_path / "a.zarr", z_r="wsr88d").frames == 0  # the same numbers under another name


def test_reflectivity_keeps_the_relation_and_its_dbz(tmp_path):
    file = rates(tmp_path, "12:00", quantity="DBZH")
    assert run(file, tmp_path / "a.zarr", z_r="radolan").problems == ()
    archive = Archive.open(tmp_path / "a.zarr")
    np.testing.assert_array_equal(archive.dbz(archive.times[0]), np.float32(2.0))
    assert archive.attrs["z_r_relation"].startswith("radolan: Z = 256 R^1.42")
    assert archive.attrs["measured_quantity"] == "reflectivity (DBZH)"


def test_a_period_is_told_apart_in_words(tmp_path):
    file = rates(tmp_path, "12:00", quantity="ACRR")
    assert run(file, tmp_path / "a.zarr").problems == ()
    archive = Archive.open(tmp_path / "a.zarr")
    assert archive.attrs["measured_quantity"] == "mean rain rate over 5 minutes (ACRR)"
    # 2 mm in five minutes are 24 mm/h: 10 log10(200 * 24^1.6)
    np.testing.assert_allclose(archive.dbz(archive.times[0]), 45.093680, atol=0.006)


def test_two_relations_never_meet_in_one_archive(tmp_path, monkeypatch):
    from nowcast.ingestion.readers import catalog
    from nowcast.ingestion.readers.odim_h5 import OdimH5

    files = rates(tmp_path, "12:00", "12:05", "12:10")
    real = OdimH5.open

    def open_as_another_source(self, path):
        return real(OdimH5("fmi") if path == files[2] else self, path)

    monkeypatch.setattr(OdimH5, "open", open_as_another_source)
    assert catalog.READERS["odim_h5"].z_r_name == "marshall_palmer"
    (problem,) = run(files, tmp_path / "a.zarr").problems
    assert "its rain becomes dBZ through fmi: Z = 223 R^1.53" in str(problem)
    assert "choose it with --z-r marshall_palmer" in str(problem)
    assert len(Archive.open(tmp_path / "a.zarr").times) == 2


@pytest.mark.parametrize(
    "wrong", ["marshall", "a=0,b=1.6", "a=200", "a=200,b=nan", "a=200,b=16", "a=1e-3e,b=2", ""]
)
def test_what_is_no_relation_is_refused_before_anything_is_made(wrong, tmp_path, capsys):
    (file,) = rates(tmp_path, "12:00")
    assert main(["ingest", str(file), "--archive", str(tmp_path / "a.zarr"), "--z-r", wrong]) == 2
    assert "z_r: got" in capsys.readouterr().err
    assert not (tmp_path / "a.zarr").exists()


def test_a_relation_is_read_back_from_its_text():
    for relation in (*Z_R.values(), z_r("a=181.5,b=1.25")):
        assert z_r_of_text(str(relation)).same(relation)
    assert z_r("a=181.5, b=1.25").to_rate(z_r("a=181.5,b=1.25").to_dbz(3.0)) == pytest.approx(3.0)
    for text in ("", "marshall_palmer", "x: Z = a R^b (y)"):
        assert z_r_of_text(text) is None
    assert ReaderChoice(z_r="fmi").relation is Z_R["fmi"]
