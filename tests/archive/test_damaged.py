"""A damaged archive is one line and exit code 2, whatever of its metadata or chunks is wrong."""

import errno
import json
import os
import shutil
import time
from pathlib import Path

import numcodecs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nowcast.archive.reader import Archive
from nowcast.cli.main import main
from nowcast.core.errors import ArchiveError, NowcastError
from tests.fakes.mutations import HARSH, JSON, places, put
from tests.fakes.small_archive import write_archive


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("sound"), frames=4)[0]


def _ends_well(arguments, capsys, exactly=None):
    """Run a command: in 5 s it ends with 0, or with 2 and one line."""
    began = time.perf_counter()
    code = main([str(a) for a in arguments])
    err = [line for line in capsys.readouterr().err.splitlines() if line]
    assert time.perf_counter() - began < 5
    assert code in (0, 2)
    assert code == 0 or (len(err) == 1 and err[0].startswith(f"nowcast {arguments[0]}: "))
    assert exactly is None or code == exactly
    return err


@settings(
    max_examples=30,  # tests/fuzz/test_archives.py tries many
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_change_of_the_metadata_is_harmless_or_one_line(data, sound, tmp_path, capsys):
    document = json.loads((sound / "zarr.json").read_bytes())
    place = data.draw(st.sampled_from(list(places(document))))
    changed = put(document, place, data.draw(HARSH | JSON), data.draw(st.booleans()))
    path = tmp_path / "a.zarr"
    if not path.exists():
        shutil.copytree(sound, path)
    (path / "zarr.json").write_text(json.dumps(changed))
    _ends_well(["info", path], capsys)
    _ends_well(
        ["forecast", "--archive", path, "--model", "persistence", "--leads", "2", "--out", tmp_path / "out.nc"],
        capsys,
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_change_of_the_ledger_is_harmless_or_one_line(data, sound, tmp_path, capsys):
    page = sound / "sources" / "0" / "zarr.json"
    document = json.loads(page.read_bytes())
    place = data.draw(st.sampled_from(list(places(document))))
    path = tmp_path / "a.zarr"
    if not path.exists():
        shutil.copytree(sound, path)
    changed = put(document, place, data.draw(HARSH | JSON), data.draw(st.booleans()))
    (path / "sources" / "0" / "zarr.json").write_text(json.dumps(changed))
    _ends_well(["info", path], capsys)


ARRAYS = ("consolidated_metadata", "metadata")
WKT = (*ARRAYS, "crs", "attributes", "crs_wkt")
DAMAGE = {
    "no attributes": (("attributes",), None, True),
    "step as text": (("attributes", "step_seconds"), "600", False),
    "step of nothing": (("attributes", "step_seconds"), 0, False),
    "first time in another age": (("attributes", "first_time"), 10**15, False),
    "licence as a list": (("attributes", "licence"), ["CC"], False),
    "no metadata": (("consolidated_metadata",), None, True),
    "no time": ((*ARRAYS, "time"), None, True),
    "a trillion slots": ((*ARRAYS, "reflectivity", "shape", 0), 10**12, False),
    "huge frames": ((*ARRAYS, "reflectivity", "shape", 1), 10**9, False),
    "another type": ((*ARRAYS, "reflectivity", "data_type"), "float64", False),
    "another scale": ((*ARRAYS, "reflectivity", "attributes", "scale_factor"), 0.5, False),
    "projection as a number": (WKT, 3035, False),
    "projection of nothing": (WKT, "here", False),
    "other coordinates": ((*ARRAYS, "y", "shape"), [7], False),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_named(damage, sound, tmp_path, capsys):
    place, value, remove = DAMAGE[damage]
    path = shutil.copytree(sound, tmp_path / "a.zarr")
    document = json.loads((path / "zarr.json").read_bytes())
    (path / "zarr.json").write_text(json.dumps(put(document, place, value, remove)))
    for command in (
        ["info", path],
        ["forecast", "--archive", path, "--model", "persistence", "--out", tmp_path / "o.nc"],
        ["ingest", sound.parent / "files", "--archive", path],
    ):
        assert str(path) in _ends_well(command, capsys, exactly=2)[0]


@pytest.mark.parametrize(
    "content", [b"", b"[1]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 50_000, b"1" * 9000]
)
def test_metadata_that_are_no_json_object_are_one_line(content, sound, tmp_path, capsys):
    path = shutil.copytree(sound, tmp_path / "a.zarr")
    (path / "zarr.json").write_bytes(content)
    assert "zarr.json" in _ends_well(["info", path], capsys, exactly=2)[0]


@pytest.mark.parametrize(
    "name", ["y/c.0", "x/c.0", "frame_status/c.0", "max_dbz/c.0", "source/c.0", "reflectivity/c.3.0.0"]
)
@pytest.mark.parametrize("content", [b"", b"rubbish" * 9, "bomb", "large", "folder"])
def test_chunks_that_are_none_are_one_line(name, content, sound, tmp_path, capsys):
    path = shutil.copytree(sound, tmp_path / "a.zarr")
    chunk = path / name
    chunk.unlink()
    if content == "folder":
        chunk.mkdir()
    elif content == "large":
        with chunk.open("wb") as handle:
            handle.truncate(1 << 33)
    elif content == "bomb":
        chunk.write_bytes(numcodecs.Zstd().encode(np.zeros(1 << 30, np.uint8)))
    else:
        chunk.write_bytes(content)
    command = (
        ["forecast", "--archive", path, "--model", "persistence", "--out", tmp_path / "o.nc"]
        if name.startswith("reflectivity")
        else ["info", path]
    )
    assert name.split("/")[0] in _ends_well(command, capsys, exactly=2)[0]


def test_an_archive_that_is_a_file_or_a_broken_link_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    for name in ("file", "link", "absent"):
        _ends_well(["info", tmp_path / name], capsys, exactly=2)
    assert main(["ingest", str(tmp_path / "file"), "--archive", str(tmp_path / "file")]) == 2
    assert (tmp_path / "file").read_bytes() == b"x"


@pytest.mark.slow
@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.EROFS, errno.ESTALE])
@pytest.mark.parametrize("call", ["stat", "open", "mkdir", "read_bytes"])
def test_whatever_the_system_refuses_is_one_line(call, number, sound, tmp_path, monkeypatch, capsys):
    def refused(self, *args, **settings):
        if ".zarr" in str(self):
            raise OSError(number, os.strerror(number), str(self))
        return real(self, *args, **settings)

    real = getattr(Path, call)
    monkeypatch.setattr(Path, call, refused)
    new = tmp_path / "new.zarr"
    for command in (["info", sound], ["ingest", sound.parent / "files", "--archive", new, "--step", 10]):
        assert main([*map(str, command), *(["--workers", "1"] if command[0] == "ingest" else [])]) in (0, 2)
        assert "Traceback" not in capsys.readouterr().err


def test_a_working_directory_that_is_gone_is_one_line(tmp_path, monkeypatch, capsys):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    (tmp_path / "x.h5").write_bytes(b"x")
    for command in (["info", "a.zarr"], ["ingest", tmp_path / "x.h5", "--archive", "a.zarr"]):
        assert "a.zarr" in _ends_well(command, capsys, exactly=2)[0]


def test_errors_are_of_the_one_tree(sound, tmp_path):
    path = shutil.copytree(sound, tmp_path / "a.zarr")
    (path / "y" / "c.0").unlink()
    with pytest.raises(ArchiveError, match=r"y/c\.0: cannot be read \(No such file or directory\)") as caught:
        Archive.open(path)
    assert isinstance(caught.value, NowcastError)
