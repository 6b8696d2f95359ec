"""Small files of weights."""

import json

import pytest
import torch
from safetensors.torch import save_file

from nowcast.core.errors import CheckpointError
from nowcast.core.scaling import Scaling
from nowcast.models import weights_file
from nowcast.models.catalog import build_model
from nowcast.models.checkpoint import CheckpointMeta, load_network, pack
from nowcast.models.choice import ModelChoice
from nowcast.models.exceedance.wrapper import ExceedanceProbabilitySettings
from nowcast.models.lagrangian.wrapper import LagrangianSettings

SETTINGS = {"hidden": [8, 8], "filter_size": 3, "patch": 2}


def described(**more):
    return CheckpointMeta("convlstm", SETTINGS, 1, (16, 16), 3, 2, 600.0, Scaling(), **more)


def test_a_network_comes_back_to_half_precision(tmp_path):
    torch.manual_seed(1)
    network = build_model("convlstm", SETTINGS)
    weights_file.write(tmp_path / "a.safetensors", pack(network.state_dict(), described()))
    found = load_network(tmp_path / "a.safetensors")
    assert found.meta.model == "convlstm"
    for name, value in network.state_dict().items():
        assert torch.equal(found.model.state_dict()[name], value.half().float())
    past = torch.rand(1, 3, 1, 16, 16)
    with torch.no_grad():
        assert (found.model(past, 2) - network.eval()(past, 2)).abs().max() < 2e-3
    size = (tmp_path / "a.safetensors").stat().st_size
    assert size < 2.2 * sum(v.numel() for v in network.state_dict().values()) + 4000


def test_wrappers_come_back_too(tmp_path):
    events = ExceedanceProbabilitySettings((20.0, 30.0))
    chosen = ModelChoice("convlstm", SETTINGS, events, LagrangianSettings(fastest=9.0))
    network = chosen.build(1, None, Scaling())
    meta = described(exceedance_probability=events, lagrangian=chosen.lagrangian)
    weights_file.write(tmp_path / "a.safetensors", pack(network.state_dict(), meta))
    found = load_network(tmp_path / "a.safetensors").model
    past = torch.rand(1, 3, 1, 16, 16)
    with torch.no_grad():
        assert found(past, 2).shape == (1, 2, 2, 16, 16)
        assert (found(past, 2) - network.eval()(past, 2)).abs().max() < 2e-3


@pytest.mark.parametrize("cut", [0, 7, 60, -20])
def test_a_damaged_file_is_refused(tmp_path, cut):
    whole = tmp_path / "whole.safetensors"
    weights_file.write(whole, pack(build_model("convlstm", SETTINGS).state_dict(), described()))
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(whole.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match=r"broken\.safetensors"):
        load_network(broken)


def test_what_others_wrote_or_is_not_there_is_refused(tmp_path):
    save_file({"a": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="another program"):
        load_network(tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="no such file"):
        load_network(tmp_path / "none.safetensors")
    save_file({"a": torch.zeros(3)}, tmp_path / "list.safetensors", {"nowcast": "[]"})
    with pytest.raises(CheckpointError, match="another program"):
        load_network(tmp_path / "list.safetensors")
    old = {"nowcast": json.dumps({"format_version": 0})}
    save_file({"a": torch.zeros(3)}, tmp_path / "old.safetensors", old)
    with pytest.raises(CheckpointError, match="format 0"):
        load_network(tmp_path / "old.safetensors")


def test_weights_too_large_for_half_precision_are_not_written(tmp_path):
    weights = {"a": torch.tensor([1e6])}
    with pytest.raises(CheckpointError, match="float16"):
        weights_file.write(tmp_path / "a.safetensors", {"state_dict": weights, "nowcast": {}})
    assert list(tmp_path.iterdir()) == []
