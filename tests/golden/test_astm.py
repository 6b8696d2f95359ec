"""ASTM against numbers of the published model, with a true history and as released."""

import numpy as np
import pytest
import torch

from nowcast.models import load_published
from nowcast.models.cells.base import Relay
from nowcast.models.patches import to_patches
from nowcast.models.published import rename_astm as our_name
from tests.fakes.published_weights import made_weights
from tests.shared_data import golden


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    weights = made_weights(str(np.load(golden("astm_equation7.npz"))["state"]))
    path = tmp_path_factory.mktemp("published") / "astm.ckpt"
    torch.save({"net_param": weights}, path)
    return path


def load(checkpoint, history, dtype):
    net = load_published(checkpoint, "astm", channels=1, patch=4, size=(64, 64), history=history)
    numbers = np.load(golden(f"astm_{history}.npz"))
    return net.to(dtype), torch.from_numpy(numbers["input"]).permute(0, 1, 4, 2, 3).to(dtype), numbers


@pytest.mark.parametrize("grad", [False, True], ids=["forecast", "training"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-10)])
@pytest.mark.parametrize("history", ["equation7", "released"])
def test_outputs_equal_the_published_model(checkpoint, history, dtype, tolerance, grad):
    net, frames, numbers = load(checkpoint, history, dtype)
    with torch.set_grad_enabled(grad):
        found = to_patches(net.rollout(frames[:, :5], 5), 4).detach().numpy()
    assert np.abs(found - numbers["output_patches_f64"]).max() < tolerance


@pytest.mark.parametrize("history", ["equation7", "released"])
def test_gradients_of_every_parameter_equal_the_published_model(checkpoint, history):
    net, frames, numbers = load(checkpoint, history, torch.float64)
    loss = (net.rollout(frames[:, :5], 5) - frames[:, 1:]).square().mean()
    assert loss.item() == pytest.approx(float(numbers["loss_mse_f64"]), rel=1e-12)
    loss.backward()
    norms = {name: p.grad.norm().item() for name, p in net.named_parameters()}
    published = [n for n in numbers.files if n.startswith("grad/")]
    expected = {our_name(n[5:-4]): float(numbers[n]) for n in published}
    assert norms == pytest.approx(expected, rel=1e-10)


def test_one_cell_equals_the_published_cell_at_its_last_step(checkpoint):
    net, _, numbers = load(checkpoint, "equation7", torch.float32)
    mid = {n[13:]: torch.from_numpy(numbers[n]) for n in numbers.files if n.startswith("mid/t8/cell0/")}
    cell = net.cells[0]
    with torch.no_grad():
        state = cell.initial_state(mid["in_x"])
        state = state._replace(hidden=mid["in_h"], history=mid["in_c_att"].unbind(1))
        output = cell(mid["in_x"], state, Relay(memory=mid["in_m"]))
    torch.testing.assert_close(output.hidden, mid["out_h"], atol=1e-5, rtol=0)
    torch.testing.assert_close(output.gate, mid["gate_O"], atol=1e-5, rtol=0)
    torch.testing.assert_close(output.relay.memory, mid["out_m"], atol=1e-5, rtol=0)
    torch.testing.assert_close(output.state.history[-1], mid["out_c"], atol=1e-5, rtol=0)
    assert len(output.state.history) == 5
