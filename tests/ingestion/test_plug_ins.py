"""Readers of other distributions: found, listed and used; a broken one is one line and costs nothing else."""

import json
import sys

import numpy as np
import pytest

from nowcast.archive.reader import Archive
from nowcast.cli.main import main
from nowcast.core.errors import FileError, SettingsError
from nowcast.ingestion.readers.base import FormatDescription
from nowcast.ingestion.readers.catalog import READERS, find_reader, reader_named

MODULE = '''
from dataclasses import dataclass
import dask.array as da
import numpy as np
import pyproj
from nowcast.core.field import make_field
from nowcast.core.grid import Grid
from nowcast.core.rain import z_r

@dataclass(frozen=True)
class Letters:
    """Reads letters: each is a frame.

    And more."""

    z_r_name: str = "fmi"
    name: str = "letters"

    def sniff(self, path):
        return path.read_bytes().startswith(b"LETTERS")

    def open(self, path):
        wkt = pyproj.CRS.from_epsg(32632).to_wkt()
        grid = Grid(wkt, 5e6 - 1e3 * np.arange(4.0), 5e5 + 1e3 * np.arange(5.0))
        relation = z_r(self.z_r_name)
        frames = da.from_array(relation.to_dbz(np.full((2, 4, 5), 3.0)), chunks=(1, 4, 5))
        times = np.array(["2025-03-01T12:00", "2025-03-01T12:10"], "datetime64[ns]")
        return make_field(frames, times, grid, {"source": "nobody", "quantity": "letters",
                                                "z_r_relation": str(relation)})

class Raises(Letters):
    def sniff(self, path):
        raise OSError("no")

raising = Raises(name="raising")
number = 5
def failing():
    raise RuntimeError("a\\nfault")
'''
POINTS = """[nowcast.readers]
letters = letters_reader:Letters
raising = letters_reader:raising
absent = letters_reader_that_is_not_there:X
failing = letters_reader:failing
number = letters_reader:number
other_name = letters_reader:Letters
odim_h5 = letters_reader:Odim
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A distribution with good and bad readers, as pip would leave it."""
    place = tmp_path / "site"
    info = place / "letters-1.2.dist-info"
    info.mkdir(parents=True)
    (place / "letters_reader.py").write_text(MODULE + "Odim = Letters(name='odim_h5')\n", encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: letters\nVersion: 1.2\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(POINTS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(place))
    yield place
    sys.modules.pop("letters_reader", None)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.letters"
    path.write_bytes(b"LETTERS")
    return path


def test_its_reader_is_found_by_content_and_by_name(installed, file):
    assert find_reader(file).name == "letters"
    assert reader_named("letters").z_r_name == "fmi"
    assert find_reader(file, "letters").open(file).shape == (2, 4, 5)


def test_its_files_go_into_an_archive_with_the_chosen_relation(installed, file, tmp_path):
    assert (
        main(
            ["ingest", str(file), "--archive", str(tmp_path / "a.zarr"), "--z-r", "a=100,b=2", "--workers", "1"]
        )
        == 0
    )
    archive = Archive.open(tmp_path / "a.zarr")
    np.testing.assert_allclose(archive.dbz(archive.times[1]), 10 * np.log10(900), atol=0.006)
    assert archive.sources[0].reader == "letters"


def test_formats_lists_every_reader_and_those_that_cannot_be_used(installed, capsys):
    assert main(["formats", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [row["reader"] for row in said["readers"]] == [*READERS, "letters", "raising"]
    assert said["readers"][-2] == {
        "reader": "letters",
        "files": "Reads letters: each is a frame.",
        "quantities": "not described",
        "library": "none needed; from letters 1.2",
    }
    faults = {one["reader"]: one["fault"] for one in said["broken"]}
    assert faults["absent"].startswith("cannot be loaded (ModuleNotFoundError: No module named")
    assert faults["failing"] == "cannot be loaded (RuntimeError: a fault)"
    assert faults["number"].startswith("cannot be loaded (TypeError")
    assert faults["other_name"].startswith("calls itself 'letters', expected the name of its entry point")
    assert faults["odim_h5"] == "has the name of another reader, expected a new one"
    assert main(["formats"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in READERS)
    assert "not used: 'failing' of letters 1.2 cannot be loaded (RuntimeError: a fault)" in text


def test_a_broken_one_is_named_where_no_reader_was_found(installed, tmp_path):
    (tmp_path / "x").write_bytes(b"nothing known")
    with pytest.raises(FileError, match=r"asked: odim_h5, .*, letters, raising; not asked: .*'failing' of"):
        find_reader(tmp_path / "x")
    with pytest.raises(SettingsError, match=r"got 'odim', expected one of odim_h5, .*letters"):
        reader_named("odim")


def test_without_plug_ins_there_are_only_the_readers_of_the_package(capsys):
    assert main(["formats"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1 : 1 + len(READERS)]] == list(READERS)


def test_polar_volumes_and_mapped_files_are_listed_with_what_reads_them(capsys, monkeypatch):
    import importlib.metadata as metadata

    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: real("absent-" + name if name == "xradar" else name))
    assert main(["formats", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    polar = {row["files"]: row["library"] for row in said["polar"]}
    missing = "xradar missing: pip install 'nowcast[polar]'"
    assert polar == {
        "ODIM_H5 PVOL": "none needed",
        "ODIM_H5 SCAN": "none needed",
        "CfRadial": "none needed",
        "NEXRAD level 2": missing,
        "IRIS RAW": missing,
        "Rainbow": missing,
    }
    assert [row["files"].split()[0] for row in said["mapped"]] == ["netCDF-3,", "GeoTIFF", "PNG,", "stacks"]
    assert main(["formats"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("--polar METHOD") for line in lines) == len(polar)
    assert sum(line.startswith("--mapping FILE.yaml") for line in lines) == len(said["mapped"])


def test_a_missing_library_is_named_with_what_installs_it(capsys, monkeypatch):
    import importlib.metadata as metadata

    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: real("absent-" + name if name == "eccodes" else name))
    assert main(["formats"]) == 0
    assert "eccodes missing: pip install 'nowcast[grib]'" in capsys.readouterr().out


def test_every_reader_of_the_package_is_described():
    for name, reader in READERS.items():
        assert isinstance(reader.description, FormatDescription), name
        assert reader.description.files
        assert bool(reader.description.library) == bool(reader.description.extra)
