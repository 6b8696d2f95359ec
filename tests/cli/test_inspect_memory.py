"""`nowcast inspect-memory`: numbers and pictures of a checkpoint's memory, or one line and exit code 2."""

import json

import numpy as np
import pytest
import torch

from nowcast.cli.main import main
from nowcast.core.files import sha256
from nowcast.core.scaling import Scaling
from nowcast.forecasters import registry
from nowcast.models import weights_file
from nowcast.models.catalog import build_model
from nowcast.models.checkpoint import CheckpointMeta, pack, save
from nowcast.models.choice import ModelChoice
from nowcast.models.exceedance.wrapper import ExceedanceProbabilitySettings
from nowcast.models.lagrangian.wrapper import LagrangianSettings
from tests.fakes.small_archive import write_archive

LMC = {"hidden": 8, "slot_width": 16, "slots": 5, "layers": 1, "long_length": 6}


def write_checkpoint(path, name="lmc_memory", settings=None, window=None, scaling=None):
    torch.manual_seed(0)
    settings = LMC if settings is None else settings
    meta = CheckpointMeta(
        model=name,
        settings=settings,
        channels=1,
        size=None,
        past=3,
        future=2,
        step_seconds=600.0,
        scaling=scaling,
        experiment={"data": {"window": window or {}}},
    )
    save(path, pack(build_model(name, settings).state_dict(), meta))
    return str(path)


def test_digits(tmp_path, capsys):
    checkpoint = write_checkpoint(tmp_path / "net.ckpt")
    out = tmp_path / "out"
    command = ["inspect-memory", checkpoint, "--data", "moving_digits", "--clips", "5", "--out", str(out)]
    assert main(command) == 0
    assert sorted(path.name for path in out.iterdir()) == ["memory.json", "memory.png"]
    found = json.loads((out / "memory.json").read_text())
    assert found["clips"] == 5
    assert found["places"] == 5 * 16
    assert sum(found["usage_short"]) == pytest.approx(1, abs=1e-6)
    assert found["classes"] == ["clip 0", "clip 12", "clip 25", "clip 38", "clip 51"]  # spread over 64
    assert "5 clips, 80 places" in capsys.readouterr().out


def test_radar_on_a_map_with_long_clips_around_the_short_one(tmp_path):
    archive, _ = write_archive(tmp_path, frames=9)
    window = {"before": 1, "after": 1}
    checkpoint = write_checkpoint(tmp_path / "net.ckpt", window=window, scaling=Scaling())
    out = tmp_path / "out"
    command = ["inspect-memory", checkpoint, "--data", str(archive), "--out", str(out), "--classes", "source"]
    assert main(command) == 0
    assert sorted(path.name for path in out.iterdir()) == ["memory.json", "memory.png", "memory_map.png"]
    found = json.loads((out / "memory.json").read_text())
    assert found["clips"] == 3  # nine frames, seven in a window
    assert np.array(found["maps"]).shape == (3, 1, 2)  # the middle 16 x 32 of 24 x 32
    assert found["similarity"]["other_class"] is None


def test_weights_of_the_package_address_with_short_clips_at_their_own_step(tmp_path, monkeypatch, capsys):
    archive, _ = write_archive(tmp_path, frames=12)
    settings = LMC | {"long_length": 5}
    meta = CheckpointMeta("lmc_memory", settings, 1, None, 3, 2, 1200.0, Scaling())
    path = tmp_path / "own.safetensors"
    weights_file.write(path, pack(build_model("lmc_memory", settings).forecast_only().state_dict(), meta))
    monkeypatch.setattr(registry, "folder", lambda: tmp_path)
    (tmp_path / "registry.json").write_text(json.dumps({"own": sha256(path)}))
    out = tmp_path / "out"
    assert main(["inspect-memory", "own", "--data", str(archive), "--out", str(out), "--classes", "clip"]) == 0
    assert (
        "slots in use at a place; centred similarity of short clips nan within a class"
        in capsys.readouterr().out
    )
    found = json.loads((out / "memory.json").read_text())
    assert found["clips"] == 2  # six frames in the first phase of 20 minutes, five in a window
    assert found["usage_long"] == [None] * 5
    assert sum(found["usage_short"]) == pytest.approx(1, abs=1e-6)
    assert found["similarity"]["same_clip"] is None
    assert found["similarity"]["other_class"] > 0
    assert (out / "memory_map.png").is_file()


def test_a_memory_behind_a_head_of_probabilities_and_advection(tmp_path):
    archive, _ = write_archive(tmp_path, frames=9)
    chosen = ModelChoice("lmc_memory", LMC, ExceedanceProbabilitySettings((20.0, 30.0)), LagrangianSettings())
    meta = CheckpointMeta(
        model=chosen.name,
        settings=LMC,
        channels=1,
        size=None,
        past=3,
        future=2,
        step_seconds=600.0,
        scaling=Scaling(),
        exceedance_probability=chosen.exceedance_probability,
        lagrangian=chosen.lagrangian,
    )
    save(tmp_path / "net.ckpt", pack(chosen.build(scaling=Scaling()).state_dict(), meta))
    out = tmp_path / "out"
    assert main(["inspect-memory", str(tmp_path / "net.ckpt"), "--data", str(archive), "--out", str(out)]) == 0
    found = json.loads((out / "memory.json").read_text())
    assert sum(found["usage_long"]) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "moving_digits", "--clips", "1"], "--clips: got 1"),
        (["--data", "moving_digits", "--crop", "20", "32"], "--crop: got [20, 32]"),
        (["--data", "moving_digits", "--period", "2025-01-01/2025-01-02"], "--period"),
        (["--data", "nowhere"], "nowhere"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    checkpoint = write_checkpoint(tmp_path / "net.ckpt")
    assert main(["inspect-memory", checkpoint, *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "memory").exists()


@pytest.mark.parametrize(
    ("name", "settings"), [("convlstm", {"hidden": [4]}), ("lmc_memory", {**LMC, "variant": "none"})]
)
def test_a_network_without_memory_is_refused(tmp_path, capsys, name, settings):
    checkpoint = write_checkpoint(tmp_path / "net.ckpt", name, settings)
    assert main(["inspect-memory", checkpoint, "--data", "moving_digits"]) == 2
    assert "without memory" in capsys.readouterr().err
