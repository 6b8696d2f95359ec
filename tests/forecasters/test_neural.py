import json

import numpy as np
import pytest
import torch
import xarray as xr

from nowcast.core.errors import CheckpointError, GridError, TimeError
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.forecasters.catalog import build_forecaster
from nowcast.forecasters.neural import Neural, NeuralSettings
from nowcast.models.catalog import build_model
from nowcast.models.cpu import capability
from tests.fakes.fields import geographic_grid, moving_disc, projected_grid
from tests.fakes.networks import SHA, Repeat, loaded

STEP = np.timedelta64(10, "m")
LEADS = np.arange(1, 4) * STEP


def test_scaling_goes_both_ways():
    """5 to 65 dBZ are 0 to 1, so a growth of 0.1 a step is 6 dBZ a step, cut at 65."""
    observed = moving_disc(projected_grid(), peak_dbz=60.0)
    found = Neural(loaded(Repeat(growth=0.1))).forecast(observed, LEADS).reflectivity.values
    last = observed.values[-1]
    wet = last > 20
    np.testing.assert_allclose(found[0][wet], np.minimum(last[wet] + 6, 65), atol=1e-4)
    np.testing.assert_allclose(found[2][wet], np.minimum(last[wet] + 18, 65), atol=1e-4)
    np.testing.assert_allclose(found[0][~wet & (last == NO_ECHO_DBZ)], 11.0, atol=1e-4)


def test_any_frame_size_and_free_running_beyond_the_training():
    observed = moving_disc(projected_grid(45, 61))
    model = Repeat()
    forecast = Neural(loaded(model)).forecast(observed, np.arange(1, 9) * STEP).reflectivity
    assert forecast.shape == (8, 45, 61)
    assert model.shapes[-1] == (1, 3, 1, 48, 64)
    np.testing.assert_allclose(forecast.values[7], observed.values[-1], atol=1e-4)


def test_only_the_asked_lead_times_come_out():
    observed = moving_disc(projected_grid())
    leads = np.array([20, 40], "timedelta64[m]")
    forecast = Neural(loaded(Repeat(growth=0.05))).forecast(observed, leads).reflectivity
    i, j = np.unravel_index(observed.values[-1].argmax(), observed.shape[1:])
    top = observed.values[-1, i, j]
    np.testing.assert_allclose(forecast.values[:, i, j], [top + 6, top + 12], atol=1e-3)


def test_what_the_past_never_saw_is_unknown_and_enters_as_dry():
    observed = moving_disc(projected_grid())
    observed.values[:, :, :5] = np.nan
    observed.values[-1, 30:] = np.nan
    found = Neural(loaded(Repeat())).forecast(observed, LEADS).reflectivity.values
    assert np.isnan(found[:, :, :5]).all()
    assert np.isfinite(found[:, :, 5:]).all()
    assert (found[:, 30:, 5:] == NO_ECHO_DBZ).all()


def test_frames_that_are_too_large_are_cut_into_tiles_and_agree_with_the_whole():
    observed = moving_disc(projected_grid(70, 90))
    whole = Neural(loaded(Repeat())).forecast(observed, LEADS).reflectivity
    model = Repeat()
    tiled = Neural(loaded(model), settings=NeuralSettings(tile=(32, 40), overlap=8))
    np.testing.assert_allclose(tiled.forecast(observed, LEADS).reflectivity.values, whole.values, atol=1e-4)
    assert {shape[-2:] for shape in model.shapes} == {(32, 40)}


def test_the_memory_decides_when_tiles_are_needed():
    observed = moving_disc(projected_grid(70, 90))
    small, large = Repeat(), Repeat()
    found = [
        Neural(loaded(model), settings=NeuralSettings(memory_gb=gigabytes))
        .forecast(observed, LEADS)
        .reflectivity.values
        for model, gigabytes in ((small, 1e-5), (large, 4.0))
    ]
    assert large.shapes[-1][-2:] == (72, 96)
    assert all(shape[-2] * shape[-1] < 70 * 90 for shape in small.shapes)
    np.testing.assert_allclose(*found, atol=1e-4)


@pytest.mark.parametrize("shape", [(70, 90), (20, 90), (20, 20)])
def test_a_network_tied_to_one_size_gets_only_that(shape):
    observed = moving_disc(projected_grid(*shape))
    model = Repeat(size=(32, 32))
    found = Neural(loaded(model)).forecast(observed, LEADS).reflectivity.values
    np.testing.assert_allclose(found[0], observed.values[-1], atol=1e-4)
    assert {s[-2:] for s in model.shapes} == {(32, 32)}


def test_another_step_names_both():
    with pytest.raises(TimeError, match="got 10 minutes, expected 5 minutes"):
        Neural(loaded(Repeat(), step_seconds=300.0)).forecast(moving_disc(projected_grid()), LEADS)


def test_lead_times_between_the_steps_are_refused():
    with pytest.raises(TimeError, match="multiples of the network's step of 10 minutes"):
        Neural(loaded(Repeat())).forecast(moving_disc(projected_grid()), np.array([5, 10], "timedelta64[m]"))


def test_cells_of_another_size_name_both():
    observed = moving_disc(projected_grid(cell_m=2000.0))
    with pytest.raises(GridError, match=r"height of a grid cell: got 2 km, expected 1 km"):
        Neural(loaded(Repeat())).forecast(observed, LEADS)
    assert Neural(loaded(Repeat(), grid_km=None)).forecast(observed, LEADS).reflectivity.shape[0] == 3


def test_the_sides_of_a_cell_are_told_apart():
    observed = moving_disc(projected_grid(height_m=2000.0))
    assert Neural(loaded(Repeat(), grid_km=(2.0, 1.0))).forecast(observed, LEADS).sizes["lead_time"] == 3
    with pytest.raises(GridError, match="height of a grid cell: got 2 km, expected 1 km"):
        Neural(loaded(Repeat(), grid_km=(1.0, 2.0))).forecast(observed, LEADS)
    with pytest.raises(GridError, match="width of a grid cell: got 1 km, expected 2 km"):
        Neural(loaded(Repeat(), grid_km=(2.0, 2.0))).forecast(observed, LEADS)


def test_noise_around_dry_ends_where_the_setting_says():
    """The scale begins at 5 dBZ: an echo of 9 is at least 4 dB above it, one of 8.99 is not."""
    observed = moving_disc(projected_grid())
    observed.values[-1, 0, :3] = 9.0, 8.99, 9.01
    found = Neural(loaded(Repeat()), settings=NeuralSettings(least_echo_db=4.0)).forecast(observed, LEADS)
    first = found.reflectivity.values[0, 0, :3]
    assert first == pytest.approx([9.0, NO_ECHO_DBZ, 9.01], abs=1e-4)


def test_what_some_past_frame_saw_is_known():
    observed = moving_disc(projected_grid(), frames=3)
    observed.values[1:, :, :5] = np.nan  # seen in the oldest frame alone
    observed.values[:2, :, 8:9] = np.nan  # in the newest alone
    observed.values[:, :, 20] = np.nan
    found = Neural(loaded(Repeat())).forecast(observed, LEADS).reflectivity.values
    assert np.isnan(found).any(axis=(0, 1)).nonzero()[0].tolist() == [20]


def test_a_geographic_grid_of_about_the_same_cells_will_do():
    observed = moving_disc(geographic_grid())
    assert Neural(loaded(Repeat())).forecast(observed, LEADS).reflectivity.shape == (3, 48, 64)


@pytest.mark.parametrize("change", [{"channels": 3}, {"scaling": None}])
def test_networks_of_videos_are_refused(change):
    with pytest.raises(CheckpointError, match="radar"):
        Neural(loaded(Repeat(), **change))


def test_what_is_recorded():
    found = Neural(loaded(Repeat())).describe()
    assert found["checkpoint_sha256"] == SHA
    assert found["trained_on"] == "f00d"
    assert json.loads(found["experiment"]) == {"name": "test"}
    assert json.loads(found["settings"])["forecast"]["memory_gb"] == 4.0


def test_a_checkpoint_from_disk_computes_what_its_network_does(tmp_path):
    from nowcast.core.scaling import Scaling
    from nowcast.models.catalog import build_model
    from nowcast.models.checkpoint import CheckpointMeta, pack, save

    settings = {"hidden": [4, 4], "filter_size": 3, "patch": 2}
    torch.manual_seed(0)
    network = build_model("predrnn", settings).eval()
    meta = CheckpointMeta("predrnn", settings, 1, None, 3, 2, 600.0, Scaling(), (1.0, 1.0))
    save(tmp_path / "a.ckpt", pack(network.state_dict(), meta))
    observed = moving_disc(projected_grid(16, 24), peak_dbz=60.0, centre=(8, 8))
    forecaster = build_forecaster(tmp_path / "a.ckpt", {"least_echo_db": 0.0})
    forecast = forecaster.forecast(observed, LEADS).reflectivity
    past = torch.from_numpy(Scaling().encode(observed.values[-3:]))[None, :, None]
    with torch.no_grad():
        expected = Scaling().decode(network(past, 3)[0, :, 0].numpy())
    close = np.isclose(forecast.values, expected, atol=2e-3)
    assert close.mean() > 0.999  # values within rounding of 0 may come out as no echo in one and not the other
    assert forecaster.name == "predrnn"


@pytest.mark.parametrize(("above_db", "said"), [(2.9, -32.0), (3.1, 8.1)])
def test_noise_around_dry_is_no_echo(above_db, said):
    """The network adds to a dry past; what stays within 3 dB of the lowest value is not rain."""
    observed = moving_disc(projected_grid(16, 16), peak_dbz=40.0, centre=(8, 8))
    dry = observed.copy(data=np.full_like(observed.values, -32.0))
    neural = Neural(loaded(Repeat(growth=above_db / 60.0), past=3))
    forecast = neural.forecast(dry, LEADS[:1]).reflectivity
    assert forecast.values == pytest.approx(said, abs=1e-3)


@pytest.mark.parametrize("native", [True, False])
def test_bfloat16_is_used_where_the_cpu_has_it_and_else_one_line_says_so(monkeypatch, caplog, native):
    monkeypatch.setattr(capability, "native_bfloat16", lambda device: native)
    field = moving_disc(projected_grid(16, 24), frames=3)
    leads = np.array([10, 20], "timedelta64[m]")

    def forecast(precision):
        torch.manual_seed(1)
        network = build_model("convlstm", {"hidden": [4], "filter_size": 3, "patch": 2})
        neural = Neural(loaded(network), "tiny", NeuralSettings(precision=precision, least_echo_db=0.0))
        recorded = json.loads(neural.describe()["settings"])["forecast"]["precision"]
        return neural.forecast(field, leads), recorded

    exact, recorded = forecast("float32")
    assert recorded == "float32"
    assert forecast("auto")[1] == "float32"
    xr.testing.assert_identical(forecast("auto")[0], exact)
    assert caplog.messages == []
    asked, recorded = forecast("bfloat16")
    if native:
        assert recorded == "bfloat16"
        echo = (asked > NO_ECHO_DBZ) & (exact > NO_ECHO_DBZ)
        assert 0 < abs(asked - exact).where(echo).max() < 1.0
        assert caplog.messages == []
    else:
        assert recorded == "float32"
        xr.testing.assert_identical(asked, exact)
        assert caplog.messages == [
            "tiny: precision=bfloat16: this CPU has no native bfloat16, computing in float32"
        ]
