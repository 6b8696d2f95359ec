"""``nowcast forecast`` with a checkpoint: frames larger than trained on, blind and dry pasts, bad files."""

import os
import pickle

import numpy as np
import pytest
import torch

from nowcast.cli.main import main
from nowcast.core.files import sha256
from nowcast.core.scaling import NO_ECHO_DBZ, Scaling
from nowcast.models.catalog import build_model
from nowcast.models.checkpoint import CheckpointMeta, pack, save
from nowcast.products.cf_netcdf import read_forecast
from nowcast.products.odim_h5 import write_composite
from nowcast.workflows.ingest import ingest
from tests.fakes.fields import moving_disc, projected_grid
from tests.fakes.full_disk import files_up_to

SHAPE = (45, 61)
"""Larger than the 16 x 16 trained on, and not divisible by the patch."""
SETTINGS = {"hidden": [4, 4], "filter_size": 3, "patch": 4}


def content(**changes):
    """What the checkpoint of a tiny network holds."""
    torch.manual_seed(0)
    network = build_model("predrnn", SETTINGS)
    values = {
        "model": "predrnn",
        "settings": SETTINGS,
        "channels": 1,
        "size": (16, 16),
        "past": 3,
        "future": 2,
        "step_seconds": 600.0,
        "scaling": Scaling(5, 60),
        "grid_km": (1.0, 1.0),
    }
    return pack(network.state_dict(), CheckpointMeta(**{**values, **changes}))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "best.ckpt"
    save(path, content())
    return path


def archive_of(folder, change):
    """Five frames of a moving disc, after ``change`` of their values (T, H, W)."""
    grid = projected_grid(*SHAPE)
    storm = moving_disc(grid)
    change(storm.values)
    files = [
        write_composite(folder / f"{i}.h5", storm.values[i], storm["time"].values[i], grid) for i in range(5)
    ]
    assert not ingest(files, folder / "a.zarr", workers_count=1, progress=False).problems
    return folder / "a.zarr"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return archive_of(tmp_path_factory.mktemp("storm"), lambda values: None)


def forecast(archive, checkpoint, out, *more):
    return main(
        [
            "forecast",
            "--archive",
            str(archive),
            "--model",
            str(checkpoint),
            "--out",
            str(out),
            "--leads",
            "4",
            *more,
        ]
    )


def test_frames_larger_than_trained_on_and_leads_beyond_the_training(archive, checkpoint, tmp_path, capsys):
    assert forecast(archive, checkpoint, tmp_path / "n.nc") == 0
    found = read_forecast(tmp_path / "n.nc")
    assert found.reflectivity.shape == (4, *SHAPE)
    assert np.isfinite(found.reflectivity.values).all()
    assert found.attrs["checkpoint_sha256"] == sha256(checkpoint)
    assert '"hidden": [4, 4]' in found.attrs["settings"]
    assert "4 frames of 45 x 61 by predrnn" in capsys.readouterr().out
    assert forecast(archive, checkpoint, tmp_path / "t.nc", "--set", "tile=[32,32]", "overlap=8") == 0
    assert read_forecast(tmp_path / "t.nc").reflectivity.shape == (4, *SHAPE)


def test_what_the_past_never_saw_is_unknown_and_the_rest_is_forecast(checkpoint, tmp_path):
    def blind(values):
        values[:, :10] = np.nan
        values[-1, 20:30] = np.nan

    archive = archive_of(tmp_path, blind)
    assert forecast(archive, checkpoint, tmp_path / "n.nc") == 0
    found = read_forecast(tmp_path / "n.nc").reflectivity.values
    assert np.isnan(found[:, :10]).all()
    assert np.isfinite(found[:, 10:]).all()


def test_a_dry_past_gives_a_whole_forecast(checkpoint, tmp_path, capsys):
    def dry(values):
        values[:] = NO_ECHO_DBZ

    archive = archive_of(tmp_path, dry)
    assert forecast(archive, checkpoint, tmp_path / "n.nc") == 0
    found = read_forecast(tmp_path / "n.nc").reflectivity.values
    assert np.isfinite(found).all()
    assert found.max() <= 60
    assert "unknown 0.0%" in capsys.readouterr().out
    for name in ("persistence", "extrapolation"):
        assert forecast(archive, name, tmp_path / f"{name}.nc") == 0
        found = read_forecast(tmp_path / f"{name}.nc").reflectivity.values
        assert (found[:, 15:30, 20:40] == NO_ECHO_DBZ).all()


class Trap:
    """Leaves a trace when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def of_another_version(path, _trace):
    found = content()
    found["nowcast"].update(format_version=99, provenance={"nowcast": "7.0"})
    torch.save(found, path)


def with_an_object(path, trace):
    torch.save({**content(), "trap": Trap(trace)}, path)


def bare_pickle(path, trace):
    path.write_bytes(pickle.dumps(Trap(trace)))


def truncated(path, _trace):
    save(path, content())
    path.write_bytes(path.read_bytes()[:5000])


def of_another_step(path, _trace):
    save(path, content(step_seconds=300.0))


def of_another_network(path, _trace):
    save(path, content(model="convlstm"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (of_another_version, "format 99, expected 1"),
        (with_an_object, "nothing in it was run"),
        (bare_pickle, "expected a checkpoint of 'nowcast train'"),
        (truncated, "truncated"),
        (of_another_step, "5 minutes"),
        (of_another_network, "bad.ckpt"),
    ],
)
def test_a_bad_checkpoint_is_one_line_and_nothing_in_it_runs(archive, tmp_path, capsys, make, words):
    trace = tmp_path / "trace"
    make(tmp_path / "bad.ckpt", trace)
    assert forecast(archive, tmp_path / "bad.ckpt", tmp_path / "n.nc") == 2
    err = capsys.readouterr().err
    assert err.startswith("nowcast forecast: ")
    assert words in err
    assert err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["bad.ckpt"]


@pytest.mark.parametrize("size", [100, 8000])
def test_a_disk_that_fills_up_is_one_line_and_leaves_the_old_file(archive, tmp_path, capsys, size):
    out = tmp_path / "n.nc"
    out.write_text("of an earlier run")
    with files_up_to(size):
        assert forecast(archive, "persistence", out) == 2
    err = capsys.readouterr().err
    assert "n.nc: cannot be written" in err
    assert "free some space" in err
    assert err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["n.nc"]
    assert out.read_text() == "of an earlier run"
