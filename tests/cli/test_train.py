"""`nowcast train`: from a configuration to a checkpoint, or one line and exit code 2."""

import re

import pytest
import yaml

from nowcast.cli.main import main
from nowcast.models.checkpoint import load_network
from tests.fakes.frames import storm_codes, write_cache
from tests.fakes.full_disk import files_up_to

TINY = {
    "model": {"name": "convlstm", "settings": {"hidden": [4], "filter_size": 3, "patch": 2}},
    "data": {
        "sources": [{"kind": "radar_cache", "settings": {"path": "storms.cache"}}],
        "window": {"past": 2, "future": 2},
        "crop": [16, 16],
        "train": ["2025-03-01T00:00/2025-03-01T03:00"],
        "validation": ["2025-03-01T04:00/2025-03-01T06:00"],
        "minimum_sampling_weight": 0.1,
    },
    "training": {"steps": 2, "batch": 2, "loss": "weighted_l1_l2", "accelerator": "cpu"},
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_cache(tmp_path / "storms.cache", storm_codes(36))
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    return tmp_path


def test_train_says_where_the_best_is_and_resumes(place, capsys):
    assert main(["train", "tiny.yaml", "--set", "training.steps=1", "--out", "here"]) == 0
    said, shown = capsys.readouterr()
    bars = [line for line in shown.split("\r") if line.startswith(("training:", "validating:"))]
    last = r"training: 100%.*<00:00, 1 at .*, training loss [\d.]+, validation [\d.]+, best loss [\d.]+ at 1"
    assert re.match(last, bars[-1])
    assert any(line.startswith("validating:") for line in bars)
    assert said.splitlines()[0] == "best on validation: here/tiny/v0/best.ckpt"
    meta = load_network(place / "here/tiny/v0/best.ckpt").meta
    assert (meta.past, meta.future, meta.step_seconds, meta.grid_km) == (2, 2, 600.0, (1.0, 1.0))
    assert main(["train", "tiny.yaml", "--resume", "here/tiny/v0/last.ckpt"]) == 0
    lines = (place / "here/tiny/v0/metrics.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "1", "2"]


def test_train_starts_from_an_earlier_checkpoint(place, capsys):
    assert main(["train", "tiny.yaml", "--set", "training.steps=1"]) == 0
    start = "runs/tiny/v0/best.ckpt"
    again = ["train", "tiny.yaml", "--start-from", start, "--set", "training.steps=1", "data.missing=1"]
    assert main(again) == 0
    assert "runs/tiny/v1/best.ckpt" in capsys.readouterr().out
    assert load_network(place / "runs/tiny/v1/best.ckpt").meta.experiment["training"]["start_from"] == start


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.yaml"], "none.yaml: no such configuration"),
        (["tiny.yaml", "--set", "training.step=1"], "training.step: unknown setting; did you mean 'steps'?"),
        (["tiny.yaml", "--set", "model.name=convlstn"], "did you mean 'convlstm'?"),
        (["tiny.yaml", "--set", "data.sources.0.kind=grib"], "data.sources[0]"),
        (["tiny.yaml", "--set", "data.sources.0.settings.path=no.cache"], "no.cache: no radar cache"),
        (["tiny.yaml", "--set", "data.validation=[]"], "data.validation: got none"),
        (["tiny.yaml", "--set", "data.validation=[2025-03-01T02:00/2025-03-01T04:00]"], "train and validation"),
        (["tiny.yaml", "--start-from", "none.ckpt"], "none.ckpt: no such checkpoint"),
        (["tiny.yaml", "--start-from", "motionrnn"], "with model motionrnn_predrnn, expected convlstm"),
        (["tiny.yaml", "--set", "data.missing=2"], "data.missing: got 2, expected 0 to 1"),
        (["tiny.yaml", "--resume", "tiny.yaml"], "tiny.yaml: got a file that starts with"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(place, capsys, arguments, words):
    assert main(["train", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.strip().splitlines()) == 1
    assert not (place / "runs").exists()


def test_a_disk_that_fills_up_is_one_line_and_leaves_no_half_checkpoint(place, capsys):
    with files_up_to(8192):
        assert main(["train", "tiny.yaml"]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("nowcast train:")]
    assert len(said) == 1
    assert "best.ckpt: cannot be written" in said[0]
    assert "free some space" in said[0]
    left = {p.name for p in (place / "runs/tiny/v0").iterdir()}
    assert left == {"settings.yaml", "train.log", "metrics.csv"}
