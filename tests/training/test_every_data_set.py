"""`nowcast train` and `nowcast bench` run on every data set as researchers have it."""

import pytest
import yaml

from nowcast.cli.main import main
from tests.fakes.data_sets import parted

FORMS = {"kitti_stacks": "kitti", "taxibj_counts": "taxibj"}
TINY = {"name": "convlstm", "settings": {"hidden": [2], "filter_size": 3, "patch": 4}}
PERIODS = {
    "train": ["2015-01-01T00:00/2015-01-01T20:00"],
    "validation": ["2016-01-01T00:00/2016-01-01T10:00"],
    "test": ["2016-01-01T18:00/2016-01-02T06:00"],
}


def data_of(kind, root):
    """The data of an experiment, and the sources to test on (none where periods part them)."""
    name, settings = FORMS.get(kind, kind), parted(kind, root)
    data = {"window": {"past": 2, "future": 2}, "scaling": None, "flips_and_rotations": False}
    if kind == "weather_bench":
        return {**data, "sources": [{"kind": name, "settings": settings}], **PERIODS}, []
    train, validation, test = (
        [{"kind": name, "settings": {**settings, "part": part}}] for part in ("train", "validation", "test")
    )
    return {**data, "sources": train, "validation_sources": validation}, test


TRAINING = {"steps": 1, "batch": 2, "validate_every": 1, "accelerator": "cpu"}


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", ["kitti", "taxibj", "sevir", "weather_bench", "video_files"])
def test_trains(kind, place, capsys):
    data, _ = data_of(kind, place / "set")
    config = {"model": TINY, "data": data, "training": TRAINING}
    (place / "tiny.yaml").write_text(yaml.safe_dump(config))
    assert main(["train", "tiny.yaml"]) == 0, capsys.readouterr().err
    assert (place / "runs/tiny/v0/best.ckpt").is_file()


def bench(kind, place):
    data, test = data_of(kind, place / "set")
    config = {
        "title": kind,
        "data": data,
        "training": {**TRAINING, "loss": "mse"},
        "seeds": [0],
        "scores": ["mse_sum"],
        "rows": [{"name": "copy last", "forecaster": "copy_last"}, {"name": "ConvLSTM", "model": TINY}],
    }
    if test:
        config["test_sources"] = test
    (place / "table.yaml").write_text(yaml.safe_dump(config))
    return main(["bench", "table.yaml", "--out", "table"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sevir"])
def test_fills_a_table(kind, place, capsys):
    assert bench(kind, place) == 0, capsys.readouterr().err
    rows = (place / "table/results.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["copy last", "ConvLSTM"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["kitti", "kitti_stacks", "caltech", "taxibj", "taxibj_counts", "weather_bench", "video_files"]
)
def test_fills_a_table_of_each_other_data_set(kind, place, capsys):
    test_fills_a_table(kind, place, capsys)
