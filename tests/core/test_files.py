"""Files appear whole or not at all."""

import errno
import hashlib
import os
import stat

import pytest

from nowcast.core.errors import FileError
from nowcast.core.files import check_place, provenance, read_at_most, sha256, whole_file, whole_folder


def test_a_file_appears_when_the_block_ends_well(tmp_path):
    target = tmp_path / "new" / "a.txt"
    with whole_file(target) as temporary:
        temporary.write_text("all")
        assert not target.exists()
    assert target.read_text() == "all"
    assert [p.name for p in target.parent.iterdir()] == ["a.txt"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), whole_file(target) as temporary:
        _ = temporary.write_text("half") / 0
    assert target.read_text() == "old"
    with pytest.raises(FileError, match=r"a\.txt: cannot be written \(No space"), whole_file(target):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_is_replaced_in_one_step_or_kept(tmp_path):
    target = tmp_path / "d"
    for content in ("one", "two"):
        with whole_folder(target) as temporary:
            (temporary / content).write_text(content)
        assert [p.name for p in target.iterdir()] == [content]
    with pytest.raises(ZeroDivisionError), whole_folder(target) as temporary:
        _ = (temporary / "three").write_text("half") / 0
    assert [p.name for p in target.iterdir()] == ["two"]
    assert [p.name for p in tmp_path.iterdir()] == ["d"]


def test_a_place_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot make this folder"), whole_file(tmp_path / "file" / "x"):
        pass


def test_digest_and_provenance(tmp_path):
    data = bytes(range(256)) * 9000
    (tmp_path / "b").write_bytes(data)
    assert sha256(tmp_path / "b") == hashlib.sha256(data).hexdigest()
    assert {"nowcast", "commit", "python", "numpy"} <= set(provenance())


def test_pipes_and_devices_are_never_replaced(tmp_path):
    """A rename onto ``/dev/null`` as root takes it from every program of the machine; a pipe stands for it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for place in (
        lambda: whole_file(pipe).__enter__(),
        lambda: whole_folder(pipe).__enter__(),
        lambda: check_place(pipe),
    ):
        with pytest.raises(FileError, match=r"pipe: is a device, a pipe or a socket"):
            place()
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert [p.name for p in tmp_path.iterdir()] == ["pipe"]


def test_reading_ends_at_the_bound(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 10)
    assert read_at_most(tmp_path / "a", 10) == b"x" * 10
    with pytest.raises(OSError, match="larger than 9 bytes") as caught:
        read_at_most(tmp_path / "a", 9)
    assert caught.value.errno == errno.EFBIG
    with pytest.raises(OSError, match="larger than 1000 bytes"):
        read_at_most("/dev/zero", 1000)
