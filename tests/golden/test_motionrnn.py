"""MotionRNN on PredRNN against the numbers of the published code."""

from pathlib import Path

import numpy as np
import pytest
import torch

from nowcast.models import load_published
from nowcast.models.cells.base import Relay
from nowcast.models.patches import to_patches
from tests.fakes.published_weights import made_weights
from tests.shared_data import golden


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory):
    stored = np.load(golden("motionrnn_predrnn.npz"))
    path = tmp_path_factory.mktemp("published") / "model.ckpt"
    torch.save({"net_param": made_weights(str(stored["state"]))}, path)
    return stored, path


def rollout(stored, path: Path, dtype: torch.dtype):
    model = load_published(path, "motionrnn_predrnn", channels=1, patch=4, size=(64, 64)).to(dtype)
    frames = torch.from_numpy(stored["input"]).permute(0, 1, 4, 2, 3).to(dtype)
    return model, frames, model.rollout(frames[:, :5], 5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_outputs_equal_the_published_ones(case, dtype, tolerance):
    stored, path = case
    with torch.no_grad():
        _, _, out = rollout(stored, path, dtype)
    patches = to_patches(out, 4).movedim(2, -1).numpy()
    assert patches.shape == stored["output_patches_f64"].shape
    assert np.abs(patches - stored["output_patches_f64"]).max() <= tolerance


@pytest.mark.parametrize("when", ["t0", "t8"])
def test_values_inside_the_first_cell_equal_the_published_ones(case, when):
    stored, path = case
    cell = load_published(path, "motionrnn_predrnn").cells[0]
    x, h, c, m, highway = (torch.from_numpy(stored[f"mid/{when}/cell_list.0/in{n}"]) for n in range(5))
    state = cell.initial_state(x)
    state = state._replace(cell=state.cell._replace(hidden=h, cell=c))
    with torch.no_grad():
        out = cell(x, state, Relay(memory=m, highway=highway))
    ours = (out.relay.highway, out.state.cell.cell, out.relay.memory, out.relay.highway)
    for n, value in enumerate(ours):
        assert np.abs(value.numpy() - stored[f"mid/{when}/cell_list.0/out{n}"]).max() <= 1e-5


@pytest.mark.parametrize("loss", ["mse", "l1l2"])
def test_gradient_norms_equal_the_published_ones(case, loss):
    stored, path = case
    model, frames, out = rollout(stored, path, torch.float64)
    error = out - frames[:, 1:]
    value = error.square().mean()
    assert value.item() == pytest.approx(float(stored["loss_mse_f64"]), rel=1e-9)
    if loss == "l1l2":
        value = value + error.abs().mean()
    value.backward()
    from nowcast.models.published import PUBLISHED

    ours = dict(model.named_parameters())
    stem = f"grad_{loss}/"
    names = [n for n in stored.files if n.startswith(stem)]
    assert len(names) == len(ours)
    for name in names:
        published = name.removeprefix(stem).removesuffix("_f64")
        norm = ours[PUBLISHED["motionrnn_predrnn"].rename(published)].grad.norm().item()
        assert norm == pytest.approx(float(stored[name]), rel=1e-4), published
