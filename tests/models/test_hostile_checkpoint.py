"""Checkpoints that were made to harm, or broke: one error of ours, soon, and no memory taken for them."""

import json
import os
import pickle
import struct
import time
import zipfile

import numpy as np
import pytest
import torch

from nowcast.core.errors import CheckpointError
from nowcast.models import weights_file
from nowcast.models.checkpoint import load_network, pack, save
from nowcast.models.published import read_weights
from tests.models.test_checkpoint import SETTINGS, a_network, meta

NAN, INF = float("nan"), float("inf")
WRONG = [
    *(("step_seconds", v) for v in (NAN, INF, 0, -1.0, 1e300, 10**30, 1e-300, "x", None, [1], True)),
    *(("past", v) for v in (-1, 0, 10**9, 10**30, 1.5, None, True)),
    *(("future", v) for v in (-5, 0, 10**9)),
    *(("channels", v) for v in (0, -1, 10**6, 10**12)),
    *(("size", v) for v in ([0, 0], [-1, 5], [10**9, 10**9], [16], "xx", [16, 16, 16])),
    *(("grid_km", v) for v in ([0.0, 0.0], [NAN, 1.0], [-1.0, 1.0], [1e300, 1e300])),
    *(
        ("scaling", {"low_dbz": low, "high_dbz": high})
        for low, high in ((NAN, 5.0), (0.0, INF), (0.0, 1e300), (0.0, 1e-300), (5.0, 5.0))
    ),
    *(
        ("settings", {**SETTINGS, **v})
        for v in (
            {"hidden": [10**6, 10**6]},
            {"hidden": [10**12] * 2},
            {"hidden": [10**30]},
            {"hidden": [4] * 100_000},
            {"filter_size": 10**5 + 1},
            {"filter_size": 10**9 + 1},
            {"patch": 10**12},
            {"hidden": []},
            {"hidden": [4, 4.5]},
            {"hidden": [8, 8]},
        )
    ),
    ("settings", []),
    ("settings", None),
    ("model", 5),
    ("model", ["x"]),
    ("model", "lmc_memory"),
    ("experiment", []),
    ("experiment", {"a": 10**400}),
    ("provenance", {"x": 1}),
    ("format_version", True),
    ("exceedance_probability", {"thresholds_dbz": [20.0] * 10**5}),
    ("lagrangian", {"fastest": NAN}),
    ("unheard_of", 1),
]


def refused(path, words=r"\.(ckpt|safetensors): "):
    began = time.perf_counter()
    with pytest.raises(CheckpointError, match=words) as caught:
        load_network(path)
    assert "\n" not in str(caught.value)
    assert time.perf_counter() - began < 5
    return str(caught.value)


def content(**changes):
    found = pack(a_network().state_dict(), meta())
    found["nowcast"].update(changes)
    return found


@pytest.mark.parametrize(("key", "value"), WRONG)
def test_descriptions_that_cannot_be_are_refused(key, value, tmp_path):
    save(tmp_path / "a.ckpt", content(**{key: value}))
    refused(tmp_path / "a.ckpt")


@pytest.mark.parametrize(("key", "value"), WRONG[:50:3])
def test_so_are_those_of_files_of_weights(key, value, tmp_path):
    weights_file.write(tmp_path / "a.safetensors", content(**{key: value}))
    refused(tmp_path / "a.safetensors")


def twice(levels=60):
    value = [1]
    for _ in range(levels):
        value = [value, value]
    return value


@pytest.mark.parametrize(
    "made",
    [
        lambda: content(experiment={"x": twice()}),
        lambda: content(experiment={"x": torch.zeros(3)}),
        lambda: {**content(), "extra": twice()},
        lambda: {"nowcast": content()["nowcast"]},
        lambda: {**content(), "state_dict": {"x": 1}},
        lambda: {**content(), "average": {"updates": 1}},
        lambda: {**content(), "average": {"weights": [1]}},
        lambda: {
            "state_dict": {k: v.new_zeros(1).expand(v.shape) for k, v in content()["state_dict"].items()},
            "nowcast": content()["nowcast"],
        },
        lambda: {**content(), "more": torch.zeros(1).expand(10**6, 10**6)},
        lambda: {**content(), "more": torch.empty(10**12, device="meta")},
        lambda: {
            **content(),
            "more": torch.sparse_coo_tensor(
                torch.tensor([[10**9]]), torch.ones(1), (10**12,), check_invariants=True
            ),
        },
        lambda: {**content(), "state_dict": {k: v.long() for k, v in content()["state_dict"].items()}},
        lambda: {**content(), "state_dict": {k: v * NAN for k, v in content()["state_dict"].items()}},
        lambda: {**content(), "state_dict": {k: v[None] for k, v in content()["state_dict"].items()}},
        lambda: [1],
        lambda: 5,
        lambda: {"nowcast": 5},
        lambda: {},
    ],
)
def test_contents_that_cannot_be_are_refused(made, tmp_path):
    torch.save(made(), tmp_path / "a.ckpt")
    refused(tmp_path / "a.ckpt")


class Runs:
    def __reduce__(self):
        return os.mkdir, ("it-ran",)


class TakesMemory:
    def __reduce__(self):
        return bytearray, (10**15,)


@pytest.mark.parametrize("value", [Runs(), TakesMemory(), np.zeros(3)])
def test_objects_are_refused_and_nothing_is_run(value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({**content(), "more": value}, tmp_path / "a.ckpt")
    refused(tmp_path / "a.ckpt")
    with pytest.raises(CheckpointError):
        read_weights(tmp_path / "a.ckpt", "state_dict")
    (tmp_path / "b.ckpt").write_bytes(pickle.dumps(value))
    refused(tmp_path / "b.ckpt")
    assert not (tmp_path / "it-ran").exists()


def test_packed_tensors_are_refused(tmp_path):
    """A zip of a few megabytes can hold gigabytes of zeros; what torch writes is never packed."""
    save(tmp_path / "a.ckpt", content())
    with (
        zipfile.ZipFile(tmp_path / "a.ckpt") as whole,
        zipfile.ZipFile(tmp_path / "b.ckpt", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for name in whole.namelist():
            bomb.writestr(name, whole.read(name))
        with bomb.open("archive/data/99", "w", force_zip64=True) as handle:
            for _ in range(64):
                handle.write(bytes(1 << 20))
    assert (tmp_path / "b.ckpt").stat().st_size < 1 << 20
    assert "its tensors are packed" in refused(tmp_path / "b.ckpt")
    with pytest.raises(CheckpointError, match="its tensors are packed"):
        read_weights(tmp_path / "b.ckpt", "state_dict")


def test_entries_that_share_their_bytes_are_refused(tmp_path):
    """The list of a zip may name one stretch of bytes a thousand times."""
    save(tmp_path / "a.ckpt", content())
    data = (tmp_path / "a.ckpt").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.ckpt", "a") as shared:
        largest = max(shared.infolist(), key=lambda entry: entry.file_size)
        shared.infolist().extend([largest] * 10_000)
        shared.writestr("x", b"x")
    assert len((tmp_path / "a.ckpt").read_bytes()) > len(data)
    assert "claims more bytes" in refused(tmp_path / "a.ckpt")


def test_a_zip_of_several_disks_is_refused(tmp_path):
    """Python's reader of zips raises for it where it was asked a question; torch's reads on."""
    save(tmp_path / "a.ckpt", content())
    data = bytearray((tmp_path / "a.ckpt").read_bytes())
    locator = data.rindex(b"PK\x06\x07")
    data[locator + 17] = 1
    (tmp_path / "a.ckpt").write_bytes(data)
    assert "multiple disks" in refused(tmp_path / "a.ckpt")


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\x01",
        struct.pack("<Q", 1 << 62) + b"{}",
        struct.pack("<Q", 1 << 33) + b"{}",
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 100_000) + b"[" * 100_000,
        b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}',
        b'{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}',
        b'{"__metadata__":{"nowcast":"' + b"[" * 100_000 + b'"}}',
        b'{"__metadata__":{"nowcast":"[1]"}}',
        b'{"__metadata__":{"nowcast":"' + b"1" * 5000 + b'"}}',
        b'{"__metadata__":{"nowcast":5}}',
        b'{"__metadata__":{"nowcast":"{}"}}',
        json.dumps({"__metadata__": {"nowcast": '{"format_version": 1}'}}).encode(),
    ],
)
def test_headers_of_files_of_weights_that_cannot_be(header, tmp_path):
    whole = header if header[:1] != b"{" else struct.pack("<Q", len(header)) + header + bytes(8)
    (tmp_path / "a.safetensors").write_bytes(whole)
    refused(tmp_path / "a.safetensors")


def test_paths_that_are_no_files(tmp_path):
    for suffix in (".ckpt", ".safetensors"):
        place = tmp_path / f"a{suffix}"
        refused(place)
        place.mkdir()
        refused(place)
        link = tmp_path / f"link{suffix}"
        link.symlink_to(link)
        refused(link)
        (tmp_path / "file").write_bytes(b"x")
        refused(tmp_path / "file" / f"a{suffix}")
        with pytest.raises(CheckpointError):
            read_weights(place, "x")
