"""Whatever place a command is given that cannot be read or written: one line, exit code 2, in less than 5 s."""

import os
import shutil
import stat

import pytest
import yaml

from nowcast.models.checkpoint import pack, save
from tests.fakes.endings import ended
from tests.fakes.full_disk import files_up_to
from tests.fakes.small_archive import write_archive
from tests.models.test_checkpoint import a_network, meta

DAY = ["--models", "persistence", "--period", "2025-03-22/2025-03-23", "--leads", "1", "--stride", "20"]
READ = {
    "info": ["info", "PLACE"],
    "forecast --archive": ["forecast", "--archive", "PLACE", "--model", "persistence", "--out", "NEW"],
    "forecast --model": ["forecast", "--archive", "ARCHIVE", "--model", "PLACE", "--out", "NEW"],
    "motion --archive": ["motion", "--archive", "PLACE", "--model", "extrapolation", "--out", "NEW"],
    "calibrate": ["calibrate", "--archive", "PLACE", *DAY, "--out", "NEW"],
    "verify": ["verify", "--archive", "PLACE", *DAY, "--out", "NEW"],
    "verify thresholds": [
        "verify",
        "--archive",
        "ARCHIVE",
        *DAY,
        "--decision-thresholds",
        "PLACE",
        "--out",
        "NEW",
    ],
    "train": ["train", "PLACE"],
    "train --resume": ["train", "EXPERIMENT", "--resume", "PLACE", "--out", "NEW"],
    "train --start-from": ["train", "EXPERIMENT", "--start-from", "PLACE", "--out", "NEW"],
    "bench": ["bench", "PLACE"],
    "models": ["models", "PLACE.yaml"],
    "models --card": ["models", "--card", "PLACE"],
    "cycle": ["cycle", "--config", "PLACE"],
    "watch": ["watch", "--config", "PLACE"],
    "watch --replay": ["watch", "--config", "SERVICE", "--replay", "PLACE", "--cycles", "1"],
    "status": ["status", "--config", "PLACE"],
    "status output": ["status", "--config", "SERVICE", "--set", "output=PLACE"],
    "import-checkpoint": ["import-checkpoint", "PLACE", "--model", "motionrnn_predrnn", "--out", "NEW"],
    "inspect-memory": ["inspect-memory", "PLACE", "--data", "ARCHIVE"],
    "inspect-memory --data": ["inspect-memory", "CHECKPOINT", "--data", "PLACE"],
    "fetch-weights": ["fetch-weights", "lpips", "--package", "PLACE", "--out", "NEW"],
    "ingest": ["ingest", "PLACE", "--archive", "NEW", "--workers", "1"],
}
WRITTEN = {
    "forecast": ["forecast", "--archive", "ARCHIVE", "--model", "persistence", "--out", "PLACE/o.nc"],
    "motion": ["motion", "--archive", "ARCHIVE", "--model", "extrapolation", "--out", "PLACE/o.png"],
    "calibrate": ["calibrate", "--archive", "ARCHIVE", *DAY, "--out", "PLACE/o.json"],
    "verify": ["verify", "--archive", "ARCHIVE", *DAY, "--out", "PLACE/o"],
    "ingest": ["ingest", "FRAME", "--archive", "PLACE/a.zarr", "--workers", "1", "--step", "10"],
    "demo": ["demo", "--files-only", "--out", "PLACE/demo"],
    "fetch-weights": ["fetch-weights", "lpips", "--package", "FRAME", "--out", "PLACE/w.npz"],
    "import-checkpoint": [
        "import-checkpoint",
        "CHECKPOINT",
        "--model",
        "motionrnn_predrnn",
        "--out",
        "PLACE/c.ckpt",
    ],
    "train": ["train", "EXPERIMENT", "--out", "PLACE/runs"],
}


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    """Everything sound that commands need beside the place in question."""
    folder = tmp_path_factory.mktemp("kit")
    archive, _ = write_archive(folder, frames=40)
    save(folder / "g.ckpt", pack(a_network().state_dict(), meta(grid_km=None)))
    (folder / "s.yaml").write_text(
        yaml.safe_dump(
            {
                "name": "a",
                "archive": str(folder / "s.zarr"),
                "output": str(folder / "out"),
                "step_minutes": 10,
                "inputs": [{"path": str(folder / "files")}],
            }
        )
    )
    (folder / "e.yaml").write_text(
        yaml.safe_dump(
            {
                "data": {
                    "sources": [{"kind": "radar_archive", "settings": {"path": str(archive)}}],
                    "window": {"past": 4, "future": 2},
                    "crop": [16, 16],
                },
                "model": {"name": "convlstm", "settings": {"hidden": [4], "filter_size": 3, "patch": 2}},
                "training": {"steps": 1, "batch": 1},
            }
        )
    )
    return {
        "ARCHIVE": archive,
        "CHECKPOINT": folder / "g.ckpt",
        "SERVICE": folder / "s.yaml",
        "EXPERIMENT": folder / "e.yaml",
        "FRAME": folder / "files" / "000.h5",
    }


@pytest.fixture
def places(tmp_path):
    """Name -> a place where nothing can be read, and below which nothing can be written."""
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "rubbish").write_bytes(b"\xff\xfe\0\x1b[31m" * 99)
    (tmp_path / "dangling").symlink_to(tmp_path / "gone" / "x")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    return {
        "a file": tmp_path / "file",
        "rubbish": tmp_path / "rubbish",
        "below a file": tmp_path / "file" / "x",
        "a link to nothing": tmp_path / "dangling",
        "a circle": tmp_path / "circle",
        "a long name": tmp_path / ("x" * 300),
    }


def filled_in(arguments, kit, place, tmp_path):
    named = {**kit, "NEW": tmp_path / "new"}
    return [str(named.get(a, a)).replace("PLACE", str(place)) for a in arguments]


@pytest.mark.parametrize("case", READ)
def test_places_that_cannot_be_read(case, kit, places, tmp_path):
    (tmp_path / "folder").mkdir()
    for name, place in {**places, "a folder": tmp_path / "folder", "nothing": tmp_path / "absent"}.items():
        code, line, _ = ended(filled_in(READ[case], kit, place, tmp_path), kind="places to read")
        assert code == 2, name
        assert line.isprintable(), name
    assert not (tmp_path / "new").exists() or not list((tmp_path / "new").glob("*"))


@pytest.mark.slow
@pytest.mark.parametrize("case", WRITTEN)
def test_places_that_cannot_be_written(case, kit, places, tmp_path):
    before = sorted(path.name for path in tmp_path.iterdir())
    for name, place in places.items():
        if name == "a link to nothing":  # a folder can be made where it leads to
            continue
        command = filled_in(WRITTEN[case], kit, place, tmp_path)
        code, line, _ = ended(command, seconds=20, kind="places to write")
        assert code == 2, name
        assert line.isprintable(), name
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize("case", ["forecast", "motion", "calibrate", "verify"])
def test_a_full_disk(case, kit, tmp_path):
    with files_up_to(100):
        code, line, _ = ended(
            filled_in(WRITTEN[case], kit, tmp_path / "here", tmp_path), seconds=20, kind="full disks"
        )
    assert code == 2
    assert "here" in line
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".csv"]


@pytest.mark.parametrize("case", ["forecast", "motion", "calibrate"])
def test_a_pipe_is_not_replaced(case, kit, tmp_path):
    os.mkfifo(tmp_path / "pipe.nc")
    arguments = [a.split("/o.")[0] for a in WRITTEN[case]]
    command = filled_in(arguments, kit, tmp_path / "pipe.nc", tmp_path)
    code, line, _ = ended(command, seconds=20, kind="places to write")
    assert code == 2
    assert "is a device, a pipe or a socket" in line
    assert stat.S_ISFIFO((tmp_path / "pipe.nc").stat().st_mode)


@pytest.mark.parametrize("case", [*READ, *(f"to {name}" for name in WRITTEN)])
def test_a_working_directory_that_is_gone(case, kit, tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    shutil.rmtree(gone)
    arguments = WRITTEN[case[3:]] if case.startswith("to ") else READ[case]
    command = [str({**kit, "NEW": "new"}.get(a, a)).replace("PLACE", "here") for a in arguments]
    code, _, _ = ended(command, seconds=20, kind="places to read")
    assert code == 2


def test_the_kit_is_sound(kit, tmp_path):
    """The commands above fail for the place alone."""
    out = tmp_path / "o.nc"
    for model in ("persistence", kit["CHECKPOINT"]):
        command = ["forecast", "--archive", kit["ARCHIVE"], "--model", model, "--out", out]
        assert ended(command, seconds=20)[0] == 0
    assert ended(["info", kit["ARCHIVE"]])[0] == 0
    assert ended(["verify", "--archive", kit["ARCHIVE"], *DAY, "--out", tmp_path / "v"], seconds=20)[0] == 0
