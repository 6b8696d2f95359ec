"""LPIPS against an independent composition of the same layers, in each of its three forms."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torchmetrics.functional.image import lpips as theirs

from nowcast.core.errors import FileError, NowcastError
from nowcast.scores.base import add
from nowcast.scores.lpips import Lpips
from nowcast.scores.lpips_weights import default_file, digest, read
from nowcast.scores.protocols import Backbones, build_protocols
from tests.fakes.lpips_files import random_arrays


@pytest.fixture(scope="module")
def arrays():
    return random_arrays()


@pytest.fixture(scope="module")
def weights(arrays, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "random.npz"
    np.savez(path, **arrays)
    return {"weights": path, "sha256": digest(arrays)}


def clips(seed, shape=(3, 2, 3, 40, 47)):
    rng = np.random.default_rng(seed)
    observed = rng.random(shape).astype(np.float32)
    return (observed + rng.normal(0, 0.2, shape)).clip(0, 1).astype(np.float32), observed


def value(metric, forecast, observed):
    return np.asarray(metric.value(metric.sums(forecast, observed)))


def their_network(arrays, monkeypatch, spatial):
    """The torchmetrics composition, with our arrays in the backbone it would take from torchvision."""

    def backbone(*_):
        shapes = [
            (3, 64, 11, 4, 2),
            (64, 192, 5, 1, 2),
            (192, 384, 3, 1, 1),
            (384, 256, 3, 1, 1),
            (256, 256, 3, 1, 1),
        ]
        convs = [nn.Conv2d(a, b, k, s, p) for a, b, k, s, p in shapes]
        for i, conv in enumerate(convs):
            conv.weight.data = torch.from_numpy(arrays[f"conv.{i}.weight"])
            conv.bias.data = torch.from_numpy(arrays[f"conv.{i}.bias"])
        pool = nn.MaxPool2d(3, 2)
        first = [convs[0], nn.ReLU(), pool, convs[1], nn.ReLU(), pool]
        return nn.Sequential(*first, *(m for c in convs[2:] for m in (c, nn.ReLU())))

    monkeypatch.setattr(theirs, "_get_tv_model_features", backbone)
    network = theirs._LPIPS(pretrained=False, net="alex", spatial=spatial)
    for i in range(5):
        layer = getattr(network, f"lin{i}").model[-1]
        layer.weight.data = torch.from_numpy(arrays[f"linear.{i}"]).reshape(layer.weight.shape)
    return network.eval()


@pytest.mark.parametrize("spatial", [False, True])
@pytest.mark.parametrize("span", ["signed", "unit"])
def test_it_is_that_of_torchmetrics(arrays, weights, monkeypatch, span, spatial):
    forecast, observed = clips(0)
    network = their_network(arrays, monkeypatch, spatial)
    expected = []
    for pair in zip(forecast.reshape(-1, 3, 40, 47), observed.reshape(-1, 3, 40, 47), strict=True):
        with torch.no_grad():
            found = network(*(torch.from_numpy(a)[None] for a in pair), normalize=span == "signed")
        expected.append(float(found.mean()))
    ours = value(Lpips(**weights, span=span, spatial=spatial), forecast, observed)
    np.testing.assert_allclose(ours, np.reshape(expected, (3, 2)).mean(axis=0), atol=1e-6)
    assert (ours > 0.01).all()


def test_gray_is_repeated(weights):
    forecast, observed = clips(1, (1, 2, 1, 32, 32))
    gray = value(Lpips(**weights), forecast, observed)
    rgb = value(Lpips(**weights), *(np.repeat(a, 3, axis=2) for a in (forecast, observed)))
    np.testing.assert_allclose(gray, rgb, atol=1e-7)


def test_the_batch_size_changes_nothing(weights):
    forecast, observed = clips(2, (12, 1, 1, 32, 33))
    metric = Lpips(**weights)
    whole = value(metric, forecast, observed)
    for size in (1, 5):
        sums = {}
        for i in range(0, 12, size):
            sums = add(sums, metric.sums(forecast[i : i + size], observed[i : i + size]))
        np.testing.assert_allclose(metric.value(sums), whole, atol=1e-6)


def test_the_same_frames_are_at_no_distance_and_worse_ones_farther(weights):
    _, observed = clips(3, (1, 1, 3, 32, 32))
    noise = np.random.default_rng(0).normal(0, 1, observed.shape).astype(np.float32)
    metric = Lpips(**weights)
    none, near, far = (value(metric, (observed + s * noise).clip(0, 1), observed)[0] for s in (0.0, 0.05, 0.5))
    assert none == 0.0 < near < far


def test_tensors_and_small_frames(weights):
    forecast, observed = clips(4, (1, 2, 1, 31, 31))
    metric = Lpips(**weights)
    tensors = value(metric, *(torch.from_numpy(a) for a in (forecast, observed)))
    np.testing.assert_array_equal(tensors, value(metric, forecast, observed))
    assert np.isfinite(tensors).all()
    assert np.isnan(value(metric, forecast[..., :30], observed[..., :30])).all()


def test_nothing_switched_on_around_it_moves_the_number(weights):
    forecast, observed = clips(6, (2, 1, 3, 32, 32))
    metric = Lpips(**weights)
    alone = value(metric, forecast, observed)
    with torch.autocast("cpu", torch.bfloat16):
        np.testing.assert_array_equal(value(metric, forecast, observed), alone)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
def test_an_accelerator_gives_the_same_number(weights):
    forecast, observed = clips(6, (2, 2, 3, 64, 64))
    metric = Lpips(**weights)
    there = value(metric, *(torch.from_numpy(a).cuda() for a in (forecast, observed)))
    np.testing.assert_allclose(there, value(metric, forecast, observed), atol=1e-6)


def test_what_cannot_be_scored_is_refused(weights):
    forecast, observed = clips(5, (1, 1, 2, 32, 32))
    with pytest.raises(NowcastError, match="2 channels, expected 1"):
        Lpips(**weights).sums(forecast, observed)
    with pytest.raises(NowcastError, match="expected 'signed' or 'unit'"):
        Lpips(**weights, span="both")
    with pytest.raises(FileError, match="sha256 of its arrays: got"):
        Lpips(weights["weights"]).sums(*clips(5, (1, 1, 1, 32, 32)))


def test_names_and_identity(weights):
    path = Backbones(lpips=weights["weights"])
    made = build_protocols(["lpips", "lpips_unit", "lpips_spatial"], path)
    assert [m.name for m in made] == ["lpips", "lpips_unit", "lpips_spatial"]
    assert made == build_protocols(["lpips", "lpips_unit", "lpips_spatial"], path)
    assert len(set(made)) == 3


def test_the_published_weights_have_the_linear_layers_that_torchmetrics_carries():
    if not default_file().is_file():
        pytest.skip("the published weights are not here: nowcast fetch-weights lpips")
    ours = read(default_file())
    published = torch.load(
        Path(theirs.__file__).parent / "lpips_models/alex.pth", weights_only=True, map_location="cpu"
    )
    for i in range(5):
        np.testing.assert_array_equal(ours[f"linear.{i}"], published[f"lin{i}.model.1.weight"].numpy().ravel())
    ramp = np.linspace(0, 1, 64, dtype=np.float32)
    observed = np.broadcast_to(ramp[:, None] * ramp, (1, 1, 1, 64, 64))
    (metric,) = build_protocols(["lpips"])
    found = value(metric, np.roll(observed, 8, axis=-1), observed)[0]
    assert 0.05 < found < 0.7
