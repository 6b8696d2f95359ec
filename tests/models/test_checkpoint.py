"""Checkpoints: read back what was written, run nothing, and say what is wrong with a bad one."""

import os
import pickle
import subprocess
import sys

import pytest
import torch

from nowcast.core.errors import CheckpointError, FileError
from nowcast.core.scaling import Scaling
from nowcast.core.settings import plain
from nowcast.models import checkpoint
from nowcast.models.catalog import build_model
from nowcast.models.checkpoint import CheckpointMeta, load_network, pack, read, save
from nowcast.models.choice import ModelChoice
from nowcast.models.exceedance.cascade import CascadeSettings
from nowcast.models.exceedance.unet import ContextUNetSettings
from nowcast.models.exceedance.wrapper import ExceedanceProbabilitySettings
from nowcast.models.lagrangian.wrapper import LagrangianSettings

SETTINGS = {"hidden": [4, 4], "filter_size": 3, "patch": 2}


def a_network(seed=0):
    torch.manual_seed(seed)
    return build_model("convlstm", SETTINGS)


def meta(**changes):
    values = {
        "model": "convlstm",
        "settings": SETTINGS,
        "channels": 1,
        "size": (16, 16),
        "past": 4,
        "future": 6,
        "step_seconds": 600.0,
        "scaling": Scaling(5, 60),
        "grid_km": (1.0, 1.1),
        "data_fingerprint": "abc",
        "experiment": {"training": {"steps": 3}},
    }
    return CheckpointMeta(**{**values, **changes})


def write(path, network=None, content=None, **changes):
    save(path, {**pack((network or a_network()).state_dict(), meta(**changes)), **(content or {})})
    return path


def rewritten(path, change):
    """The same checkpoint with a change to its dict."""
    content = read(path)
    change(content)
    torch.save(content, path)
    return path


def test_what_is_saved_comes_back(tmp_path):
    network = a_network().eval()
    path = write(tmp_path / "best.ckpt", network)
    loaded = load_network(path, channels=1)
    past = torch.rand(1, 4, 1, 16, 16)
    with torch.no_grad():
        assert torch.equal(loaded.model(past, 3), network(past, 3))
    assert not loaded.model.training
    assert loaded.meta == meta()
    assert loaded.sha256 == checkpoint.sha256(path)
    assert len(loaded.sha256) == 64


def test_the_average_serves_where_one_is_kept(tmp_path):
    other = a_network(seed=1)
    content = {"average": {"updates": 3, "weights": other.state_dict()}}
    loaded = load_network(write(tmp_path / "last.ckpt", content=content))
    assert all(torch.equal(v, other.state_dict()[k]) for k, v in loaded.model.state_dict().items())


def test_a_checkpoint_with_the_names_of_before_comes_back(tmp_path):
    """Names of settings, of the network and of tensors, those of a kept average included."""
    cascade = CascadeSettings((1.0, 4.0), 3, 8, ContextUNetSettings((4, 6), 2, 3))
    events = ExceedanceProbabilitySettings((20.0, 30.0), cascade=cascade)
    torch.manual_seed(0)
    network = ModelChoice("lagrangian_persistence", {}, events, LagrangianSettings(fastest=9.0)).build(
        1, None, Scaling(5, 60)
    )
    shaken = {k: v + 0.1 * torch.randn_like(v) for k, v in network.state_dict().items()}
    described = meta(
        model="lagrangian_persistence",
        settings={},
        exceedance_probability=events,
        lagrangian=LagrangianSettings(fastest=9.0),
    )

    def former(name):
        name = name.replace("context_unet.head", "surroundings.say").replace("context_unet", "surroundings")
        return name.replace("pixel_layers", "together")

    content = pack(network.state_dict(), described)
    old = {former(k): v for k, v in content["state_dict"].items()}
    assert set(old) != set(content["state_dict"])
    facts = {**plain(described, first_names=True), "model": "steady"}
    assert facts["exceedance"]["cascade"]["surroundings"]["widths"] == [4, 6]
    assert facts["exceedance"]["cascade"]["leads"] == 3
    average = {"updates": 3, "weights": {former(k): v for k, v in shaken.items()}}
    save(tmp_path / "old.ckpt", {"state_dict": old, "nowcast": facts, "average": average})
    loaded = load_network(tmp_path / "old.ckpt")
    assert (loaded.meta.exceedance_probability, loaded.meta.lagrangian) == (events, described.lagrangian)
    assert all(torch.equal(v, shaken[k]) for k, v in loaded.model.state_dict().items())


def test_only_plain_values_are_written(tmp_path):
    """The path the other way round: an unpickler that knows tensors only reads it."""
    found = torch.load(write(tmp_path / "a.ckpt"), weights_only=True)
    assert found["nowcast"]["scaling"] == {"low_dbz": 5, "high_dbz": 60}
    assert found["nowcast"]["size"] == [16, 16]


class Trap:
    """Leaves a trace when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("where", ["extra", "nowcast", "state_dict"])
def test_objects_in_a_checkpoint_are_refused_and_not_run(tmp_path, where):
    trace = tmp_path / "trace"
    path = tmp_path / "evil.ckpt"
    content = pack(a_network().state_dict(), meta())
    (content if where == "extra" else content[where])["trap"] = Trap(trace)
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"evil\.ckpt.*refused.*nothing in it was run"):
        load_network(path)
    assert not trace.exists()
    torch.load(path, weights_only=False)  # the trap does work
    assert trace.exists()


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_bare_pickle_is_not_even_looked_into(tmp_path, protocol):
    trace = tmp_path / "trace"
    path = tmp_path / "bare.ckpt"
    path.write_bytes(pickle.dumps({"trap": Trap(trace)}, protocol=protocol))
    with pytest.raises(CheckpointError, match="expected a checkpoint of 'nowcast train'"):
        load_network(path)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html>", "starts with b'<!DO'"),
        (b"\x89HDF\r\n", "expected a checkpoint"),
    ],
)
def test_files_that_are_no_checkpoint(tmp_path, content, words):
    path = tmp_path / "a.ckpt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=words):
        load_network(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_truncated_one(tmp_path, share):
    path = write(tmp_path / "a.ckpt")
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(CheckpointError, match="truncated"):
        load_network(path)


def test_a_zip_file_and_a_flipped_byte(tmp_path):
    import zipfile

    path = tmp_path / "a.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.txt", "hello")
    with pytest.raises(CheckpointError, match="damaged checkpoint"):
        load_network(path)


def test_one_that_is_not_there(tmp_path):
    with pytest.raises(CheckpointError, match=r"none\.ckpt: no such checkpoint"):
        load_network(tmp_path / "none.ckpt")
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_network(tmp_path)


def test_another_programs_checkpoint(tmp_path):
    path = tmp_path / "a.ckpt"
    torch.save({"net_param": a_network().state_dict()}, path)
    with pytest.raises(CheckpointError, match=r"another program.*load_published"):
        load_network(path)
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match="another program"):
        load_network(path)


def test_another_version(tmp_path):
    path = write(tmp_path / "a.ckpt")
    rewritten(path, lambda c: c["nowcast"].update(format_version=99, provenance={"nowcast": "7.0"}))
    with pytest.raises(CheckpointError, match=r"format 99, expected 1.*nowcast 7\.0"):
        load_network(path)
    path = write(tmp_path / "b.ckpt")
    rewritten(path, lambda c: c["nowcast"].update(colour="red"))
    with pytest.raises(CheckpointError, match=r"colour: unknown setting"):
        load_network(path)
    path = write(tmp_path / "c.ckpt", settings={**SETTINGS, "filters": 3})
    with pytest.raises(CheckpointError, match="cannot be built here"):
        load_network(path)
    path = write(tmp_path / "d.ckpt", model="wavenet")
    with pytest.raises(CheckpointError, match="wavenet"):
        load_network(path)


def test_weights_that_do_not_fit(tmp_path):
    path = write(tmp_path / "a.ckpt", channels=3)
    with pytest.raises(CheckpointError, match=r"shape .* expected .* channels or settings"):
        load_network(path)
    first = next(iter(a_network().state_dict()))
    path = rewritten(write(tmp_path / "b.ckpt"), lambda c: c["state_dict"].pop(f"network.{first}"))
    with pytest.raises(CheckpointError, match=f"'{first}' .missing"):
        load_network(path)
    path = rewritten(
        write(tmp_path / "c.ckpt"), lambda c: c["state_dict"].update({"network.z": torch.zeros(1)})
    )
    with pytest.raises(CheckpointError, match=r"'z' .unknown"):
        load_network(path)
    path = rewritten(write(tmp_path / "d.ckpt"), lambda c: c.pop("state_dict"))
    with pytest.raises(CheckpointError, match="no 'state_dict'"):
        load_network(path)


def test_weights_that_are_not_finite(tmp_path):
    network = a_network()
    with torch.no_grad():
        next(network.parameters()).view(-1)[0] = float("nan")
    with pytest.raises(CheckpointError, match="not finite"):
        load_network(write(tmp_path / "a.ckpt", network))


def test_frames_of_other_channels(tmp_path):
    with pytest.raises(CheckpointError, match="frames of 3 channels, expected 1"):
        load_network(write(tmp_path / "a.ckpt"), channels=3)


def test_a_disk_that_fills_up_leaves_the_old_one(tmp_path, monkeypatch):
    path = write(tmp_path / "a.ckpt")
    before = path.read_bytes()

    def full(content, where):
        where.write_bytes(b"half")
        raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")

    monkeypatch.setattr(checkpoint.torch, "save", full)
    with pytest.raises(FileError, match=r"a\.ckpt: cannot be written"):
        write(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.ckpt"]


def test_reading_a_checkpoint_loads_no_lightning(tmp_path):
    write(tmp_path / "a.ckpt")
    code = (
        "import sys; from nowcast.models.checkpoint import load_network; load_network(sys.argv[1]);"
        "assert not {'pytorch_lightning', 'xarray'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.ckpt")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
