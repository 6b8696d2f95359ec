"""``nowcast calibrate``: a file of decision thresholds, and each mistake as one line and exit code 2."""

import pytest

from nowcast.cli.main import main
from nowcast.core.errors import FileError
from nowcast.forecasters.calibration_file import read_calibration
from tests.fakes.small_archive import write_archive

PERIOD = "2025-03-22/2025-03-22"


@pytest.fixture(scope="module")
def disc(tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("disc"))[0]


def calibrate(archive, out, *extra, models="persistence,extrapolation", period=PERIOD):
    return main(
        [
            "calibrate",
            "--archive",
            str(archive),
            "--models",
            models,
            "--period",
            period,
            "--out",
            str(out),
            "--leads",
            "2",
            "--stride",
            "2",
            "--thresholds",
            "20,30",
            *extra,
        ]
    )


def test_decision_thresholds_are_written_and_told(disc, tmp_path, capsys):
    out = tmp_path / "chosen.json"
    assert calibrate(disc, out, "--mask", "speckle") == 0
    found = read_calibration(out)
    assert found.made["archives"][0]["content"].endswith("/without speckle")
    assert [m.model for m in found.models] == ["persistence", "extrapolation"]
    assert [m.decision.thresholds_dbz for m in found.models] == [(20.0, 30.0)] * 2
    assert found.made["archives"][0]["name"] == "disc.zarr"
    printed = capsys.readouterr().out
    assert str(out) in printed
    assert printed.splitlines()[1].split()[:4] == ["model", "dBZ", "CSI", "calibrated"]


def test_a_place_that_cannot_be_written_is_told_before_the_forecasts(disc, tmp_path, capsys, monkeypatch):
    def never(*_args, **_kwargs):
        raise AssertionError("forecasts were made")

    monkeypatch.setattr("nowcast.workflows.calibrate.calibrate", never)
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file" / "chosen.json", tmp_path):
        assert calibrate(disc, out) == 2
        (said,) = capsys.readouterr().err.splitlines()
        assert said.startswith(f"nowcast calibrate: {out}: cannot be written (")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_the_summary_is_told_even_if_they_cannot_be_written(disc, tmp_path, capsys, monkeypatch):
    def full(path, *_):
        raise FileError(f"{path}: cannot be written")

    monkeypatch.setattr("nowcast.forecasters.calibration_file.write_calibration", full)
    assert calibrate(disc, tmp_path / "chosen.json", models="persistence") == 2
    said = capsys.readouterr()
    assert "persistence" in said.out
    assert "chosen.json: cannot be written" in said.err


@pytest.mark.parametrize(
    ("extra", "changed", "message"),
    [
        (["--thresholds", "heavy"], {}, "threshold: got 'heavy'"),
        (["--stride", "0"], {}, "stride: got 0"),
        (["--min-wet-pixels", "99999"], {}, "none has 99999 pixels"),
        ([], {"period": "2020-01-01/2020-01-02"}, "the archive has no frames"),
        ([], {"period": "yesterday"}, "expected START/END"),
        ([], {"models": "persistance"}, "persistance"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(disc, tmp_path, capsys, extra, changed, message):
    out = tmp_path / "chosen.json"
    assert calibrate(disc, out, *extra, **changed) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("nowcast calibrate:")]
    assert len(said) == 1
    assert message in said[0]
    assert list(tmp_path.iterdir()) == []
