"""``nowcast info``: what it says is what was put in."""

import json

import numpy as np
import pytest

from nowcast.cli.main import main
from nowcast.workflows.ingest import ingest
from tests.fakes import cf


@pytest.fixture
def archive(tmp_path):
    raw = np.zeros((4, 6, 8), np.uint8)
    raw[:, 0] = 255
    raw[1, 1, :4] = 60  # 30 dBZ in 4 of 40 observed cells of one of 4 frames
    times = cf.times("2025-03-01", 10)[[0, 1, 5, 6]]
    path = cf.write_italian(tmp_path / "d.nc", raw, times)
    ingest([path], tmp_path / "a.zarr", workers_count=1, progress=False, licence="CC BY-SA 4.0")
    return tmp_path / "a.zarr"


def test_json_holds_every_fact(archive, capsys):
    assert main(["info", str(archive), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["columns"], found["geographic"]) == (6, 8, True)
    assert (found["frames"], found["step_minutes"], found["missing_frames"]) == (4, 10.0, 3)
    assert (found["first"], found["last"]) == ("2025-03-01T00:00:00Z", "2025-03-01T01:00:00Z")
    assert found["gaps"] == [
        {"after": "2025-03-01T00:10:00Z", "before": "2025-03-01T00:50:00Z", "missing_frames": 3}
    ]
    assert (found["runs"], found["longest_run"], found["gaps_not_listed"]) == (2, 2, 0)
    assert found["observed_share"] == pytest.approx(5 / 6, abs=1e-5)
    assert found["wet_share_of_observed"] == pytest.approx(4 / 40 / 4, abs=1e-5)
    assert found["max_dbz"] == 30.0
    assert found["cell_km"] == pytest.approx([1.0149, 1.0095], abs=0.002)
    assert (found["licence"], found["source"]) == ("CC BY-SA 4.0", "Dipartimento (test)")
    assert (found["files"], found["readers"]) == (1, ["cf_netcdf"])


def test_text_says_the_same(archive, capsys):
    assert main(["info", str(archive)]) == 0
    text = capsys.readouterr().out
    for words in (
        "6 x 8 cells of 1.01",
        "4 every 10 minutes",
        "83.33% of all cells",
        "30.0 dBZ",
        "km, latitude and longitude, a = 6378137 m",
        "gap       after 2025-03-01T00:10:00Z until 2025-03-01T00:50:00Z: 3 missing",
        "CC BY-SA 4.0",
    ):
        assert words in text


def test_of_many_gaps_the_longest_are_listed_in_order(tmp_path, capsys):
    slots = np.r_[0:60:2, 70, 71, 75]  # 29 gaps of one frame, one of 11, one of 3
    path = cf.write_italian(tmp_path / "d.nc", cf.frames(len(slots)), cf.times("2025-03-01", 80)[slots])
    ingest([path], tmp_path / "a.zarr", workers_count=1, progress=False, step=np.timedelta64(10, "m"))
    assert main(["info", str(tmp_path / "a.zarr")]) == 0
    gaps = [line for line in capsys.readouterr().out.splitlines() if line.startswith("gap")]
    assert len(gaps) == 20
    assert [line.split(": ")[1] for line in gaps[-2:]] == ["11 missing", "3 missing"]
    assert gaps == sorted(gaps)


def test_an_absent_archive_is_one_line(tmp_path, capsys):
    assert main(["info", str(tmp_path / "no.zarr")]) == 2
    err = capsys.readouterr().err
    assert "no.zarr: got no archive, expected a folder made by 'nowcast ingest" in err
    assert err.count("\n") == 1
