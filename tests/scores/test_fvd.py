"""The Frechet distance against closed forms, and I3D against the same network built of modules."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from torch import nn

from nowcast.core.errors import FileError, MissingWeightsError, SettingsError
from nowcast.core.files import sha256
from nowcast.scores import fvd, i3d
from nowcast.scores.base import Metric, add
from nowcast.scores.frechet import frechet_distance, moments
from nowcast.scores.protocols import Backbones, build_protocols


def distance(a, b):
    return frechet_distance({**moments(a, "a"), **moments(b, "b")}, "a", "b")


def with_moments(mean, root, n=6):
    """2 n features whose mean is exactly ``mean`` and whose covariance (N - 1) is exactly root root^T."""
    d = len(mean)
    axes = np.concatenate([np.eye(d), -np.eye(d)]) * np.sqrt((2 * d - 1) / 2)
    return np.asarray(mean) + axes @ np.asarray(root, float).T


def test_one_number_each_by_hand():
    # means 0 and 4; variances (N - 1) of [-1, 1] and [1, 7] are 2 and 18
    found = distance(np.array([[-1.0], [1.0]]), np.array([[1.0], [7.0]]))
    assert found == pytest.approx([16 + 2 + 18 - 2 * 6.0])


def test_closed_form_of_gaussians_that_commute_and_of_turned_ones():
    a = with_moments([0.0, 1, 2], np.diag([1.0, 2, 3]))
    b = with_moments([1.0, 1, 0], np.diag([4.0, 2, 0]))
    assert distance(a, b) == pytest.approx([1 + 4 + (1 - 4) ** 2 + 0 + 9])
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    assert distance(a @ turn, b @ turn) == pytest.approx([23.0])
    assert distance(a, a) == pytest.approx([0.0], abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 9999), n=st.integers(2, 40))
def test_it_is_the_formula_with_a_general_matrix_root(seed, n):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(n + 8, 6)) @ rng.normal(size=(6, 6)) + 3
    b = rng.normal(size=(n, 6))  # may be fewer than its numbers
    s1, s2 = (np.cov(x, rowvar=False) for x in (a, b))
    eigenvalues = np.linalg.eigvals(s1 @ s2)
    root = np.sqrt(np.maximum(eigenvalues.real, 0)).sum()
    if n > 12:
        assert root == pytest.approx(np.trace(sqrtm(s1 @ s2)).real, rel=1e-8)
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s1) + np.trace(s2) - 2 * root
    assert distance(a, b) == pytest.approx([expected], rel=1e-6, abs=1e-6)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 9999), size=st.integers(1, 64))
def test_sums_add_up_whatever_the_batches(seed, size):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(5, 2, (64, 7)), rng.normal(4, 3, (64, 7))
    sums = {}
    for i in range(0, 64, size):
        sums = add(sums, {**moments(a[i : i + size], "a"), **moments(b[i : i + size], "b")})
    np.testing.assert_allclose(frechet_distance(sums, "a", "b"), distance(a, b), rtol=1e-9)


def test_one_video_has_no_spread():
    one = np.ones((1, 3))
    assert np.isnan(distance(one, np.ones((5, 3)))).all()


def random_state(classes=11, seed=0):
    rng = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in i3d.shapes():
        size = (classes, *shape[1:]) if name.startswith("logits") else shape
        if name.endswith("running_var"):
            state[name] = torch.rand(size, generator=rng) + 0.5
        elif len(size) == 5:
            state[name] = torch.randn(size, generator=rng) * (2 / np.prod(size[1:])) ** 0.5
        else:
            state[name] = torch.randn(size, generator=rng) * 0.1 + (1.0 if name.endswith("bn.weight") else 0.0)
    return state


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("i3d") / "i3d.pt"
    torch.save(random_state(), path)
    return path


def test_the_network_has_the_size_of_i3d():
    learned = [
        np.prod((400, *s[1:]) if n.startswith("logits") else s) for n, s in i3d.shapes() if "running" not in n
    ]
    assert sum(learned) == 12_697_264


@pytest.mark.parametrize(
    ("length", "k", "s", "front", "back"),
    [
        (224, 7, 2, 2, 3),
        (9, 7, 2, 3, 3),
        (112, 3, 2, 0, 1),
        (5, 3, 2, 1, 1),
        (8, 3, 1, 1, 1),
        (3, 2, 2, 0, 1),
        (4, 2, 2, 0, 0),
    ],
)
def test_padding_is_that_of_tensorflow(length, k, s, front, back):
    x = torch.ones(1, 1, 1, 1, length)
    found = i3d._pad(x, (1, 1, k), (1, 1, s))[0, 0, 0, 0]
    assert found.tolist() == [0.0] * front + [1.0] * length + [0.0] * back


class Unit(nn.Module):
    def __init__(self, cin, cout, k, s=1):
        super().__init__()
        self.conv3d = nn.Conv3d(cin, cout, k, s, bias=False)
        self.bn = nn.BatchNorm3d(cout, eps=1e-3)
        self.k, self.s = k, s

    def forward(self, x):
        return torch.relu(self.bn(self.conv3d(same(x, (self.k,) * 3, (self.s,) * 3))))


def same(x, k, s):
    pads = []
    for n, kk, ss in list(zip(x.shape[2:], k, s, strict=True))[::-1]:
        total = max(kk - ss, 0) if n % ss == 0 else max(kk - n % ss, 0)
        pads += [total // 2, total - total // 2]
    return nn.functional.pad(x, pads)


def pool(x, k, s):
    return nn.MaxPool3d(k, s)(same(x, k, s))


def by_modules(state, x):
    """The same network, put together anew from torch's modules."""

    def unit(name, x, s=1):
        w = state[f"{name}.conv3d.weight"]
        module = Unit(w.shape[1], w.shape[0], w.shape[2], s).eval()
        own = {k.removeprefix(f"{name}."): v for k, v in state.items() if k.startswith(f"{name}.")}
        module.load_state_dict(own, strict=False)
        return module(x)

    def mixed(name, x):
        n = f"Mixed_{name}"
        return torch.cat(
            [
                unit(f"{n}.b0", x),
                unit(f"{n}.b1b", unit(f"{n}.b1a", x)),
                unit(f"{n}.b2b", unit(f"{n}.b2a", x)),
                unit(f"{n}.b3b", pool(x, (3, 3, 3), (1, 1, 1))),
            ],
            1,
        )

    x = pool(unit("Conv3d_1a_7x7", x, 2), (1, 3, 3), (1, 2, 2))
    x = pool(unit("Conv3d_2c_3x3", unit("Conv3d_2b_1x1", x)), (1, 3, 3), (1, 2, 2))
    x = pool(mixed("3c", mixed("3b", x)), (3, 3, 3), (2, 2, 2))
    for name in ("4b", "4c", "4d", "4e", "4f"):
        x = mixed(name, x)
    x = mixed("5c", mixed("5b", pool(x, (2, 2, 2), (2, 2, 2))))
    x = nn.AvgPool3d((2, 7, 7), 1)(x)[:, :, :, 0, 0]
    scores = torch.einsum("nct,kc->nkt", x, state["logits.conv3d.weight"][:, :, 0, 0, 0])
    return (scores + state["logits.conv3d.bias"][:, None]).mean(-1)


@pytest.mark.slow
@pytest.mark.parametrize("frames", [9, 17])
def test_i3d_is_the_network_built_of_modules(frames):
    state = random_state()
    x = torch.rand(1, 3, frames, 224, 224, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        ours, theirs = i3d.logits(x, state), by_modules(state, x)
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * float(theirs.abs().max()))


@pytest.mark.slow
def test_fvd_of_videos_end_to_end(weights_file):
    rng = np.random.default_rng(0)
    observed = rng.random((3, 4, 1, 16, 16)).astype(np.float32)
    (metric,) = build_protocols(["fvd"], Backbones(fvd=weights_file, fvd_sha256=sha256(weights_file)))
    assert isinstance(metric, Metric)
    same_videos = metric.sums(observed, observed)
    parts = add(metric.sums(observed[:1], observed[:1]), metric.sums(observed[1:], observed[1:]))
    assert metric.value(same_videos) == pytest.approx([0.0], abs=1e-6)
    np.testing.assert_allclose(parts["forecast_products"], same_videos["forecast_products"], rtol=1e-5)
    other = metric.sums(observed * 0.5, observed)
    assert metric.value(other)[0] > 1e-3


def test_sums_see_each_video_once(weights_file, monkeypatch):
    monkeypatch.setattr(i3d, "logits", lambda x, _: x.mean(dim=(2, 3, 4)) + 1)
    metric = fvd.Fvd(weights_file, sha256(weights_file))
    forecast = np.broadcast_to(np.linspace(0, 1, 5)[:, None, None, None, None], (5, 2, 1, 8, 8))
    sums = metric.sums(forecast, np.zeros((5, 2, 1, 8, 8)))
    assert sums["forecast_count"].tolist() == [5]
    np.testing.assert_allclose(sums["forecast_sum"], [[5.0, 5, 5]], atol=1e-5)  # 2 x - 1 + 1
    np.testing.assert_allclose(sums["observed_products"], np.zeros((1, 3, 3)), atol=1e-6)
    halves = add(metric.sums(forecast[:2], forecast[:2]), metric.sums(forecast[2:], forecast[2:]))
    np.testing.assert_allclose(halves["forecast_products"], sums["forecast_products"], rtol=1e-6)


def test_files_that_are_not_the_named_weights_are_refused(weights_file, tmp_path):
    with pytest.raises(MissingWeightsError, match=r"fvd: no I3D weights are named"):
        build_protocols(["fvd"])
    with pytest.raises(SettingsError, match=sha256(weights_file)):
        build_protocols(["fvd"], Backbones(fvd=weights_file))
    with pytest.raises(FileError, match="correct the path"):
        build_protocols(["fvd"], Backbones(fvd=tmp_path / "absent.pt"))
    with pytest.raises(FileError, match="sha256: got"):
        i3d.read(weights_file, "0" * 64)
    bad = tmp_path / "bad.pt"
    for content, said in (
        (b"no weights", "not a plain state dictionary"),
        ({"a": torch.zeros(1)}, r"Conv3d_1a_7x7\.conv3d\.weight: got nothing"),
        ({**random_state(), "Mixed_3b.b0.bn.bias": torch.zeros(3)}, r"Mixed_3b\.b0\.bn\.bias: got \(3,\)"),
        ([1], "got nothing"),
        (nn.Conv2d(1, 1, 1), "not a plain state dictionary"),
    ):
        bad.write_bytes(content) if isinstance(content, bytes) else torch.save(content, bad)
        with pytest.raises(FileError, match=said):
            i3d.read(bad, sha256(bad))
