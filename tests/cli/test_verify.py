"""``nowcast verify`` from files to scores.csv and the page, and each mistake as one line and exit code 2."""

import csv
import re

import pytest

from nowcast.cli.main import main
from nowcast.cli.verify import parse_models, parse_thresholds
from nowcast.core.errors import NowcastError
from nowcast.core.times import to_text
from nowcast.products.odim_h5 import write_composite
from tests.fakes.fields import moving_disc, projected_grid
from tests.fakes.full_disk import files_up_to

PERIOD = "2025-03-22T10:00/2025-03-22T13:00"


@pytest.fixture(scope="module")
def storms(tmp_path_factory):
    from nowcast.workflows.ingest import ingest

    folder = tmp_path_factory.mktemp("storms")
    field = moving_disc(projected_grid(), frames=14, velocity=(0.5, 2.0))
    files = [
        write_composite(
            folder / f"{to_text(frame['time'].values).replace(':', '')}.h5",
            frame.values,
            frame["time"].values,
            projected_grid(),
        )
        for frame in field
    ]
    ingest(files, folder / "storms.zarr", 1, progress=False)
    return folder / "storms.zarr"


def verify(archive, out, *extra, models="persistence,extrapolation", period=PERIOD):
    return main(
        ["verify", "--archive", str(archive), "--models", models, "--period", period, "--out", str(out), *extra]
    )


def test_files_become_scores_and_a_page(storms, tmp_path, capsys):
    out = tmp_path / "skill"
    assert verify(storms, out, "--leads", "3", "--stride", "2", "--thresholds", "20", "30") == 0
    assert sorted(p.name for p in out.iterdir()) == ["confidence.csv", "index.html", "scores.csv"]
    with (out / "scores.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == ["model", "score", "threshold_dbz", "lead_minutes", "value"]
    assert {r["model"] for r in rows} == {"persistence", "extrapolation"}
    assert {r["lead_minutes"] for r in rows} == {"10", "20", "30", "mean"}
    assert {r["threshold_dbz"] for r in rows} == {"20", "30", ""}
    csi = {
        r["model"]: float(r["value"])
        for r in rows
        if (r["score"], r["threshold_dbz"], r["lead_minutes"]) == ("csi", "20", "mean")
    }
    assert 0 < csi["persistence"] < csi["extrapolation"] <= 1
    printed = capsys.readouterr().out
    table = [line for line in printed.splitlines() if line.startswith("persistence")]
    assert f"{csi['persistence']:.3f}" in table[0]
    assert "10 to 30 minutes, 4 nowcasts" in printed
    page = (out / "index.html").read_text()
    assert f"{csi['extrapolation']:.3f}" in page
    assert "storms.zarr" in page


def test_what_else_is_in_the_folder_stays(storms, tmp_path):
    kept = tmp_path / "notes.txt"
    kept.write_text("mine")
    assert verify(storms, tmp_path, "--leads", "2", "--cases", "0", models="persistence") == 0
    assert kept.read_text() == "mine"


@pytest.mark.parametrize(
    ("extra", "changed", "message"),
    [
        (["--thresholds", "-5"], {}, "threshold: got -5"),
        (["--thresholds", "20", "nan"], {}, "threshold: got nan"),
        (["--thresholds", "heavy"], {}, "threshold: got 'heavy'"),
        (["--thresholds", "20", "20"], {}, "each once"),
        (["--stride", "0"], {}, "stride: got 0"),
        (["--leads", "0"], {}, "lead_times: got 0"),
        (["--leads", "50"], {}, "without one gap-free run"),
        (["--leads", "3", "--min-wet-pixels", "99999"], {}, "none has 99999 pixels"),
        ([], {"period": "2020-01-01/2020-01-02"}, "the archive has no frames"),
        ([], {"period": "yesterday"}, "expected START/END"),
        ([], {"models": "persistance"}, "persistance"),
        ([], {"models": "absent.ckpt"}, "absent.ckpt"),
        ([], {"models": " , "}, "models: got ' , '"),
        ([], {"models": "persistence,persistence"}, "each once"),
        (["--reference", "zebra"], {}, "--reference: got 'zebra'"),
        (["--horizon", "35", "0.2"], {}, "--horizon: got 35 dBZ"),
        (["--horizon", "30", "0"], {}, "CSI of the skill horizon: got 0"),
        (["--decision-thresholds", "absent.json"], {}, "absent.json: got no readable file"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(storms, tmp_path, capsys, extra, changed, message):
    out = tmp_path / "skill"
    assert verify(storms, out, *extra, **changed) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("nowcast verify:")]
    assert len(said) == 1
    assert message in said[0]
    assert not out.exists()


def test_an_archive_that_does_not_exist(tmp_path, capsys):
    assert verify(tmp_path / "absent.zarr", tmp_path / "skill") == 2
    assert "absent.zarr" in capsys.readouterr().err
    assert not (tmp_path / "skill").exists()


def test_a_calibrated_model_gets_a_second_row_and_a_paired_interval(storms, tmp_path, capsys):
    chosen, out = tmp_path / "chosen.json", tmp_path / "skill"
    common = [
        "--archive",
        str(storms),
        "--models",
        "persistence,extrapolation",
        "--period",
        PERIOD,
        "--leads",
        "2",
        "--stride",
        "2",
        "--thresholds",
        "20",
        "30",
    ]
    assert main(["calibrate", *common, "--out", str(chosen)]) == 0
    assert "extrapolation" in capsys.readouterr().out
    more = ["--decision-thresholds", str(chosen), "--cases", "0", "--out", str(out)]
    assert main(["verify", *common, *more]) == 0
    printed = capsys.readouterr().out
    assert "extrapolation, calibrated" in printed
    assert "1 block of 6 h" in printed
    with (out / "confidence.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    pairs = {(r["model"], r["reference"]) for r in rows if r["measure"] == "csi_difference"}
    assert pairs == {
        ("persistence", "extrapolation"),
        ("extrapolation, calibrated", "extrapolation"),
        ("persistence, calibrated", "extrapolation, calibrated"),
    }
    page = (out / "index.html").read_text()
    assert "How sure the differences are" in page
    assert "by each of persistence, extrapolation, raw and calibrated, scored" in page


def test_neither_file_appears_when_one_cannot(storms, tmp_path, monkeypatch):
    from nowcast.evaluation import skill_report as skill

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(skill, "scores_csv", full)
    out = tmp_path / "skill"
    assert verify(storms, out, "--leads", "2", "--cases", "0", models="persistence") == 2
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("size", [500, 20_000])
def test_a_disk_that_fills_up_is_one_line_and_leaves_neither_file(storms, tmp_path, capsys, size):
    out = tmp_path / "skill"
    out.mkdir()
    (out / "scores.csv").write_text("of an earlier run")
    with files_up_to(size):
        assert verify(storms, out, "--leads", "2", "--cases", "1", models="persistence") == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("nowcast verify:")]
    assert len(said) == 1
    assert "cannot be written (File too large)" in said[0]
    assert [p.name for p in out.iterdir()] == ["scores.csv"]
    assert (out / "scores.csv").read_text() == "of an earlier run"


def test_without_thresholds_the_events_are_10_to_50_dbz(storms, tmp_path):
    out = tmp_path / "skill"
    assert verify(storms, out, "--leads", "2", "--cases", "0", models="persistence") == 0
    with (out / "scores.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    by_threshold = {r["score"] for r in rows if r["threshold_dbz"]}
    assert by_threshold == {"csi", "pod", "far", "bias"}
    for score in by_threshold:
        assert {r["threshold_dbz"] for r in rows if r["score"] == score} == {"10", "20", "30", "40", "50"}
    plain = {r["score"] for r in rows if not r["threshold_dbz"]}
    assert {"mae", "mse", "gdl", "ssim"} <= plain
    for score in plain | by_threshold:
        assert {r["lead_minutes"] for r in rows if r["score"] == score} == {"10", "20", "mean"}
    gdl = [float(r["value"]) for r in rows if r["score"] == "gdl"]
    assert gdl[2] == pytest.approx((gdl[0] + gdl[1]) / 2)


def test_thresholds_apart_or_with_commas():
    assert parse_thresholds(["10,20", "35.5"]) == [10.0, 20.0, 35.5]


def test_forecasters_of_one_name_are_told_apart(monkeypatch):
    from nowcast.forecasters.persistence import Persistence
    from nowcast.workflows import initialisation

    monkeypatch.setattr(initialisation, "build_forecaster", lambda name, **_: Persistence(name.split("/")[0]))
    names = list(initialisation.named(parse_models("m/1/best.ckpt, m/2/best.ckpt,p")))
    assert names == ["m (m/1/best.ckpt)", "m (m/2/best.ckpt)", "p"]
    with pytest.raises(NowcastError, match="each once"):
        parse_models("p,p")


def test_scores_are_chosen_by_name(storms, tmp_path, capsys):
    out = tmp_path / "skill"
    chosen = "csi,rapsd_ratio,brier,reliability,fss_17"
    extra = ("--leads", "2", "--stride", "4", "--thresholds", "20", "--cases", "0", "--scores", chosen)
    assert verify(storms, out, *extra, models="persistence") == 0
    with (out / "scores.csv").open(newline="") as handle:
        rows = {(r["score"], r["threshold_dbz"], r["lead_minutes"]): r["value"] for r in csv.DictReader(handle)}
    assert {score for score, _, _ in rows} == set(chosen.split(","))
    # persistence is certain, and the whole of its error is that what it says does not come as it says
    assert 0 < float(rows["reliability", "20", "mean"]) < float(rows["brier", "20", "mean"]) < 1
    assert float(rows["rapsd_ratio", "", "10"]) == pytest.approx(1.0, abs=0.2)  # it moves, it does not blur
    page = (out / "index.html").read_text()
    assert "RAPSD 8 to 16 km" in page
    mean, last = (float(rows["rapsd_ratio", "", lead]) for lead in ("mean", "20"))
    table = page[page.index("Fine structure that is left") :].split("</table>")[0]
    assert ">single field, +20 min</th>" in table
    assert table.index(f">{mean:.2f}</td>") < table.rindex(f">{last:.2f}</td>")
    capsys.readouterr()
    for wrong in ("csi,csi", ",", "cis"):
        assert verify(storms, tmp_path / "none", "--scores", wrong, models="persistence") == 2
        assert "score" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_probabilities_members_and_groups_from_the_command_line(storms, tmp_path, capsys):
    out = tmp_path / "skill"
    extra = (
        "--leads",
        "2",
        "--stride",
        "3",
        "--thresholds",
        "20",
        "30",
        "--cases",
        "0",
        "--region-km",
        "24",
        "--scores",
        "probabilistic,crps,csi",
        "--by",
        "hour,region,event",
        "--storms",
    )
    assert verify(storms, out, *extra) == 0
    printed = capsys.readouterr().out
    page = (out / "index.html").read_text()
    events = page[page.index('<h3 id="events">By event</h3>') :].split("</table>")[0]
    assert events.count("<tr>") == 2  # the head, and the one event, by when it begins
    assert re.search(r'<th scope="row">2\d{3}-\d\d-\d\dT1[01]:\d\dZ</th>', events)
    assert "bootstrap over 1 storm of initialisation times" in page
    assert "brier_skill less that of the reference" in printed
    assert "crps less that of the reference" in printed
    assert "warning: intervals come from 1 block" in printed
    assert f"groups: {out / 'groups.csv'}" in printed
    with (out / "scores.csv").open(newline="") as handle:
        rows = {
            (r["model"], r["score"], r["threshold_dbz"], r["lead_minutes"]): r["value"]
            for r in csv.DictReader(handle)
        }
    assert {key[1] for key in rows} == {
        "brier",
        "brier_skill",
        "reliability",
        "resolution",
        "uncertainty",
        "roc_area",
        "economic_value",
        "fss_17_probability",
        "crps_ladder",
        "crps",
        "csi",
    }
    for lead in ("10", "20"):
        parts = [
            float(rows["extrapolation", part, "20", lead])
            for part in ("brier", "reliability", "resolution", "uncertainty", "brier_skill")
        ]
        assert parts[0] == pytest.approx(parts[1] - parts[2] + parts[3], abs=1e-7)
        assert parts[4] == pytest.approx(1 - parts[0] / parts[3], abs=1e-7)
    with (out / "confidence.csv").open(newline="") as handle:
        measures = [r["measure"] for r in csv.DictReader(handle)]
    assert {"csi_difference", "brier_skill_difference", "crps_difference", "csi_at_10_min"} <= set(measures)
    with (out / "groups.csv").open(newline="") as handle:
        groups = list(csv.DictReader(handle))
    assert {(r["by"], r["group"]) for r in groups if r["by"] != "event"} == {("hour", "10"), ("hour", "11")} | {
        ("region", f"r{i}c{j}") for i in (1, 2) for j in (1, 2, 3)
    }
    for wrong in (["--by", "minute"], ["--region-km", "-1", "--by", "region"]):
        assert verify(storms, tmp_path / "none", *wrong) == 2
        assert f"{wrong[0]}: got" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
