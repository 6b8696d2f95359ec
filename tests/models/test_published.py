"""Published checkpoints: what shapes tell, what does not fit, what is not safe."""

import pytest
import torch

from nowcast.core.errors import CheckpointError, SettingsError
from nowcast.models import load_published
from nowcast.models.catalog import build_model
from nowcast.models.published import load_published_with_settings
from tests.fakes.published_weights import published_state


def saved(tmp_path, content):
    torch.save(content, tmp_path / "published.ckpt")
    return tmp_path / "published.ckpt"


@pytest.mark.parametrize("norm", [None, (4, 6)])
def test_layers_hidden_filter_and_layer_norm_are_read_from_the_shapes(tmp_path, norm):
    state = published_state(norm=norm)
    path = saved(tmp_path, {"net_param": {f"module.{n}": w for n, w in state.items()}})
    model, settings = load_published_with_settings(path, "motionrnn_predrnn", patch=2, size=(8, 12))
    assert settings == {
        "hidden": [8, 8, 8],
        "filter_size": 3,
        "patch": 2,
        "layer_norm": norm is not None,
        "motion": {"variant": "released", "stability": "none"},
    }
    assert not model.training
    ours = model.state_dict()
    assert len(ours) == len(state)
    assert torch.equal(ours["cells.1.motion.mix.weight"], state["motion_list.1.warp.conv.weight"])
    assert torch.equal(ours["cells.2.cell.conv_m.weight"], state["cell_list.2.conv_m.0.weight"])
    if norm:
        assert torch.equal(ours["cells.0.cell.norm_o.bias"], state["cell_list.0.conv_o.1.bias"])


def test_loaded_weights_forecast_like_the_same_network_built_here(tmp_path):
    model = load_published(
        saved(tmp_path, published_state()), "motionrnn_predrnn", channels=1, patch=2, size=(8, 12)
    )
    settings = {"hidden": [8] * 3, "filter_size": 3, "patch": 2, "motion": {"stability": "none"}}
    twin = build_model("motionrnn_predrnn", settings).eval()
    twin.load_state_dict(model.state_dict())
    past = torch.rand(2, 3, 1, 8, 12)
    assert torch.equal(model(past, 2), twin(past, 2))


def test_everything_that_does_not_fit_is_listed(tmp_path):
    state = published_state()
    del state["dec_list.0.bias"]
    state["surprise"] = torch.zeros(1)
    state["enc_list.1.bias"] = torch.zeros(5)
    with pytest.raises(CheckpointError) as error:
        load_published(saved(tmp_path, {"net_param": state}), "motionrnn_predrnn", patch=2)
    text = str(error.value)
    assert "1 tensors of another shape, 1 missing, 1 left over" in text
    for part in ("cells.1.reduce.bias: has (5,), needs (2,)", "cells.0.restore.bias: missing", "surprise: no"):
        assert part in text


def test_another_channel_count_says_what_was_found_and_needed(tmp_path):
    path = saved(tmp_path, {"net_param": published_state(channels=1)})
    with pytest.raises(CheckpointError, match=r"has \(4, 8, 1, 1\), needs \(12, 8, 1, 1\)"):
        load_published(path, "motionrnn_predrnn", channels=3, patch=2)


class Evil:
    def __reduce__(self):
        return print, ("ran",)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (Evil(), "nothing in it was run"),
        ({"net_param": {"a": "text"}}, "no named tensors"),
        ([1, 2], "no named tensors"),
        ({"net_param": {"a": torch.zeros(1)}}, "not a MotionRNN-PredRNN checkpoint"),
    ],
)
def test_what_is_no_such_checkpoint_is_refused(tmp_path, capsys, content, says):
    with pytest.raises(CheckpointError, match=says):
        load_published(saved(tmp_path, content), "motionrnn_predrnn")
    assert "ran" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x03\x04 cut"])
def test_damaged_files_are_refused_by_name(tmp_path, content):
    path = tmp_path / "bad.ckpt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"bad\.ckpt"):
        load_published(path, "motionrnn_predrnn")
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_published(tmp_path / "absent.ckpt", "motionrnn_predrnn")


def test_unknown_network_and_missing_size(tmp_path):
    with pytest.raises(CheckpointError, match="did you mean 'motionrnn_predrnn'"):
        load_published(tmp_path / "x", "motionrnn_predrn")
    path = saved(tmp_path, {"net_param": published_state(norm=(4, 6))})
    with pytest.raises(SettingsError, match="layer norm"):
        load_published(path, "motionrnn_predrnn", patch=2)
