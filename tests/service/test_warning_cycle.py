"""Cycles that publish places, areas and warnings, tell of them, and go on after a crash; bad settings."""

import csv
import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from nowcast.core.errors import FileError, NowcastError, SettingsError
from nowcast.core.files import sha256
from nowcast.core.settings import build, plain
from nowcast.demo.storm import storm_grid
from nowcast.forecasters.calibration_file import ModelCalibration, write_calibration
from nowcast.forecasters.catalog import build_forecaster
from nowcast.forecasters.decision_thresholds import identity_of
from nowcast.postprocessing.dressing import SHARES, DressingTable
from nowcast.postprocessing.reliability import BINS, ReliabilityTable
from nowcast.products.cf_netcdf import read_forecast
from nowcast.service.asked import check_asked
from nowcast.service.clock import ManualClock
from nowcast.service.cycle import PUBLISHED
from nowcast.service.ledger import Ledger
from nowcast.service.ledger_schema import PublishedNowcast
from nowcast.service.publish import folder_of
from nowcast.service.running_reliability import running_drift
from nowcast.service.settings import ProductSettings, ServiceSettings
from nowcast.service.status import as_json, as_prometheus, as_text, read_status
from nowcast.service.warning_ledger import WarningLedger
from nowcast.service.warning_settings import HookSettings, PlaceSettings, WarningSettings
from tests.fakes.storm_service import FRAMES, STORMS, StormService, time_of

GRID = storm_grid(STORMS)
LIKELY = 0.75


def place_of(row, column):
    lon, lat = GRID.lonlat(GRID.y[[row]], GRID.x[[column]])
    return float(lat[0]), float(lon[0])


def square(name, rows, columns):
    """A GeoJSON polygon round some cells."""
    corners = [(rows[0], columns[0]), (rows[0], columns[1]), (rows[1], columns[1]), (rows[1], columns[0])]
    ring = [list(place_of(*corner)[::-1]) for corner in [*corners, corners[0]]]
    shape = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "properties": {"name": name}, "geometry": shape}


def asked(folder, **changes):
    """A service that is asked about a wet place, one outside, an area, and three warnings."""
    wet = np.unravel_index(int(np.nanargmax(FRAMES[2])), FRAMES[2].shape)
    (folder / "areas.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": [square("valley", (5, 35), (5, 35))]})
    )
    lat, lon = place_of(*map(int, wet))
    return StormService(
        folder,
        **{
            "z_r": "marshall_palmer",
            "areas": folder / "areas.geojson",
            "places": (PlaceSettings("=wet", lat, lon), PlaceSettings("far away", -45.0, 10.0)),
            "warnings": (
                WarningSettings("storm", "reflectivity", 20.0, 0.5, 30.0, area="valley"),
                WarningSettings("flood", "rain_sum", 500.0, 0.4, 30.0, area="valley"),
                WarningSettings("nowhere", "reflectivity", 20.0, 0.5, 30.0, place="far away"),
            ),
            **changes,
        },
    )


def calibration(folder, gap=0.0):
    """Extrapolation dressed with one probability of 20 dBZ everywhere, and its reliability."""
    model = build_forecaster("extrapolation")
    leads = (10.0, 20.0, 30.0)
    rows = ((LIKELY,) * SHARES,) * SHARES
    shape = (1, len(leads), BINS)
    cases, forecast, events = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    at = 9  # the bin of 0.7 to 0.8
    cases[..., at], forecast[..., at], events[..., at] = 9000, 9000 * LIKELY, 9000 * (LIKELY + gap)
    found = ModelCalibration(
        "extrapolation",
        identity_of(model),
        dressing=DressingTable((20.0,), leads, ((10.0,) * 3,), ((rows,) * 3,)),
        reliability=ReliabilityTable.of((20.0,), leads, cases, forecast, events),
    )
    write_calibration(folder / "c.json", [found], {})
    return folder / "c.json"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A service after a first cycle, with a hook that nobody answers at."""
    service = asked(
        tmp_path_factory.mktemp("asked"),
        products=ProductSettings(maps=False, meteograms=True, forecast=("rain_sum",)),
        hooks=(HookSettings("gone", command=("/no/such/program",), tries=1),),
    )
    service.deliver(0, 1, 2)
    return service, service.cycle(2)


def test_places_areas_and_warnings_are_published_as_files(published):
    service, cycle = published
    assert cycle.exit_code == PUBLISHED, cycle.message
    assert "outside the grid: far away" in cycle.message
    assert "rain_sum: periods_minutes: got 60 min" in cycle.message
    folder = service.output / "latest"
    manifest = json.loads((folder / "manifest.json").read_text())
    names = {
        "places.json",
        "places.csv",
        "areas.json",
        "areas.csv",
        "warnings.json",
        "nowcast.nc",
        "map.json",
        "meteograms/places_01.png",
        "meteograms/areas_01.png",
    }
    assert set(manifest["files"]) == names
    assert all(sha256(folder / name) == digest for name, digest in manifest["files"].items())
    places = json.loads((folder / "places.json").read_text())["places"]
    assert [(p["name"], p["status"]) for p in places] == [("=wet", "known"), ("far away", "outside")]
    rows = list(csv.DictReader((folder / "places.csv").read_text().splitlines()))
    assert rows[0]["name"] == "'=wet"
    assert float(rows[0]["peak_dbz"]) >= 20
    assert json.loads((folder / "areas.json").read_text())["places"][0]["name"] == "valley"
    page = (service.output / "index.html").read_text()
    assert "far away" in page
    assert "places.csv" in page


def test_a_warning_says_what_where_until_when_and_how_it_is_known(published):
    service, _ = published
    document = json.loads((service.output / "latest" / "warnings.json").read_text())
    assert [(w["name"], w["raised"]) for w in document["judged"]] == [("storm", True), ("flood", False)]
    (warning,) = document["warnings"]
    assert warning["id"].startswith("storms.20250601T122000Z.")
    assert (warning["msg_type"], warning["status"]) == ("Alert", "Actual")
    assert warning["area"] == "valley"
    assert (warning["onset"], warning["expires"]) == ("2025-06-01T12:30:00Z", "2025-06-01T12:50:00Z")
    assert warning["probability"] is None
    assert warning["by"] == "one field without probabilities"
    assert "no such warning has been verified yet" in warning["reliability"]
    status = json.loads((service.output / "status.json").read_text())
    assert [w["raised"] for w in status["warnings"]] == [True, False, False]
    assert status["messages_waiting"] == 1
    assert any("wait for hook gone" in c for c in status["complaints"])


def test_a_crash_before_the_hook_loses_nothing_and_the_next_cycle_verifies(published, tmp_path):
    """The ledger gone after publishing: the message comes again, once, under the id it had."""
    service, _ = published
    first = json.loads((service.output / "latest" / "warnings.json").read_text())["warnings"][0]["id"]
    (service.output / "ledger.sqlite").unlink()
    got = tmp_path / "got"
    hook = HookSettings("gone", command=("/bin/sh", "-c", f"cat >> '{got}'; echo >> '{got}'"))
    service.deliver(3, 4, 5)
    cycle = service.cycle(5, hooks=(hook,))
    assert cycle.exit_code == PUBLISHED, cycle.message
    told = [json.loads(line) for line in got.read_text().splitlines()]
    assert [t["msg_type"] for t in sorted(told, key=lambda t: t["id"])] == ["Alert", "Update"]
    assert sorted(t["id"] for t in told)[0] == first
    with closing(Ledger(service.output / "ledger.sqlite")) as ledger:
        done = "SELECT name, outcome, lead_minutes FROM judged WHERE outcome != ''"
        rows = {row[0]: row[1:] for row in ledger.rows(done)}
        assert rows["flood"][0] == "correct no"
        word, lead = rows["storm"]
        came = [i for i in (3, 4, 5) if np.nanmax(FRAMES[i][6:34, 6:34]) >= 20]
        assert (word, lead) == ("hit", 10.0 * (came[0] - 2) - 2.0)
        assert ledger.rows("SELECT COUNT(*) FROM messages WHERE outcome = 'delivered'") == [(2,)]
        status = read_status(service.settings, ledger, ManualClock(time_of(5)))
    assert (status.warnings[0].hits, status.warnings[0].pod, status.warnings[0].far) == (1, 1.0, 0.0)
    assert "1 hits, 0 false alarms, 0 misses" in as_text(status)
    metric = 'nowcast_warnings_verified{service="storms",warning="storm",outcome="hits"} 1'
    assert f"{metric}\n" in as_prometheus(status)


def test_probabilities_of_a_calibration_are_published_counted_and_held_against_it(tmp_path):
    town = WarningSettings("town", "reflectivity", 20.0, 0.5, 30.0, place="=wet")
    service = asked(tmp_path, calibration=calibration(tmp_path))
    service.settings = replace(service.settings, warnings=(service.settings.warnings[0], town))
    service.deliver(0, 1, 2)
    assert service.cycle(2).exit_code == PUBLISHED
    document = json.loads((service.output / "latest" / "warnings.json").read_text())
    storm, town = document["warnings"]
    assert (round(storm["probability"], 2), storm["lower_bound"]) == (LIKELY, True)
    assert storm["reliability"] == "no such warning has been verified yet"
    assert town["reliability"].endswith("such a probability of a cell came true in 75% of 9000 cases")
    service.deliver(3, 4, 5)
    service.cycle(5)
    said = read_forecast(service.output / folder_of(time_of(2)) / "nowcast.nc")
    both = np.isfinite(FRAMES[3:6]) & np.isfinite(said.exceedance_probability.values[0])
    with closing(Ledger(service.output / "ledger.sqlite")) as ledger:
        found = running_drift(ledger, 14.0, time_of(5))
        status = read_status(service.settings, ledger, ManualClock(time_of(5)))
    assert found.cases == both.sum()
    frequency = (FRAMES[3:6][both] >= 20).mean()
    assert found.gap == pytest.approx(frequency - LIKELY, abs=2e-3)
    assert found.drifted
    assert found.sentence in status.complaints
    assert not json.loads(as_json(status))["healthy"]
    assert "calibration has drifted; 20 dBZ, forecasts of 70% to 80%" in as_text(status)
    assert 'nowcast_calibration_drifted{service="storms"} 1\n' in as_prometheus(status)


@pytest.mark.slow
def test_members_are_drawn_in_the_process_of_the_model_and_stay_there(tmp_path):
    service = asked(
        tmp_path,
        calibration=calibration(tmp_path),
        members=6,
        seed=3,
        lead_times=3,
        products=ProductSettings(
            maps=False, forecast={"rain_sum": {"periods_minutes": [15, 30]}, "rain_onset": {}}
        ),
    )
    service.deliver(0, 1, 2)
    cycle = service.cycle(2)
    assert cycle.exit_code == PUBLISHED, cycle.message
    path = service.output / "latest" / "nowcast.nc"
    forecast = read_forecast(path)
    assert forecast.sizes["member"] == 6
    assert {"rain_sum_exceedance_probability", "rain_onset_quantile"} <= set(forecast)
    warnings = json.loads((service.output / "latest" / "warnings.json").read_text())
    storm = warnings["judged"][0]
    inside = np.nanmax(forecast["reflectivity_members"].values[:, :, 5:36, 5:36], axis=(1, 2, 3))
    assert storm["by"] == "members"
    assert storm["probability"] == pytest.approx((inside >= 20).mean(), abs=1e-3)
    assert not (service.output / ".made").exists()
    places = json.loads((service.output / "latest" / "places.json").read_text())["places"]
    assert places[0]["rain"]["by"] == "members"


def test_missing_past_is_interpolated_and_said(tmp_path):
    service = StormService(tmp_path, model_settings={"past": 4})
    service.deliver(0, 1, 3)
    assert service.cycle(3, lead_times=2).exit_code in (0, 4)
    manifest = json.loads((service.output / "latest" / "manifest.json").read_text())
    assert manifest["interpolated_frames"] == "2025-06-01T12:20:00Z"
    assert "interpolated along the motion: 2025-06-01T12:20:00Z" in (service.output / "index.html").read_text()


def test_what_cannot_be_had_is_left_out_each_in_one_line_before_the_model_runs(tmp_path):
    """No Z-R relation, no probabilities for members, and a CSV file that was taken away."""
    service = asked(tmp_path, z_r=None, members=4, places=tmp_path / "gone.csv")
    service.deliver(0, 1, 2)
    cycle = service.cycle(2)
    assert cycle.exit_code == PUBLISHED, cycle.message
    assert "no warning flood: the archive names no Z-R relation; set z_r" in cycle.message
    assert "no members: extrapolation knows no probabilities without a calibration" in cycle.message
    assert "no places: " in cycle.message
    assert "warnings: nowhere: got 'far away', expected one of the places (none)" in cycle.message
    document = json.loads((service.output / "latest" / "warnings.json").read_text())
    assert [w["name"] for w in document["judged"]] == ["storm"]
    assert (service.output / "latest" / "areas.json").is_file()
    assert not (service.output / "latest" / "places.json").exists()


def test_a_fault_nobody_thought_of_costs_places_and_warnings_alone(tmp_path, monkeypatch):
    def surprise(*_):
        raise KeyError("unheard of")

    monkeypatch.setattr("nowcast.service.cycle.feasible", surprise)
    service = asked(tmp_path)
    service.deliver(0, 1)
    cycle = service.cycle(1)
    assert cycle.exit_code == PUBLISHED
    assert "nothing is said of places and warnings: 'unheard of'" in cycle.message
    assert not (service.output / "latest" / "warnings.json").exists()


def test_a_ledger_of_an_earlier_version_opens(tmp_path):
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        ledger.note_nowcast(PublishedNowcast(time_of(2), "m", "", "f"), time_of(2), {})
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as db:
        for table in ("judged", "messages", "reliability"):
            db.execute(f"DROP TABLE {table}")
        db.commit()
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        known = WarningLedger(ledger)
        assert (known.pending(), known.counts(time_of(0)), known.messages()) == ([], {}, {})
        assert running_drift(ledger, 14.0, time_of(2)) is None
        assert ledger.has_nowcast(time_of(2))


WARNING = {"name": "w", "quantity": "rain_sum", "at_least": 10, "probability": 0.4, "minutes": 60, "area": "X"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"members": 0}, "members: got 0, expected a number from 1 to 1000"),
        ({"most_missing": -1}, "most_missing: got -1"),
        ({"observed_share": 0}, "observed_share: got 0"),
        ({"warnings": [WARNING, WARNING]}, "warnings: got 2 of 1 names"),
        (
            {"warnings": [{**WARNING, "probability": 40}]},
            "probability: got 40, expected a number from 0.001 to 1",
        ),
        ({"warnings": [{**WARNING, "place": "Y"}]}, "got both an area and a place, expected one of them"),
        ({"warnings": [{**WARNING, "area": None}]}, "got neither area nor place"),
        ({"warnings": [{**WARNING, "quantity": "hail"}]}, "quantity: got 'hail', expected one of rain_sum"),
        ({"warnings": [{**WARNING, "quantity": "reflectivity", "of": "mean"}]}, "mean of reflectivity"),
        ({"warnings": [{**WARNING, "name": "a\nb"}]}, "expected 1 to 100 characters in one line"),
        ({"warnings": [WARNING]}, "warnings: w: got 'X', expected one of the areas"),
        ({"hooks": [{"name": "h"}]}, "got neither url nor command"),
        ({"hooks": [{"name": "h", "url": "ftp://x/"}]}, "url: got no web address"),
        ({"hooks": [{"name": "h", "url": "https://me:secret@x/"}]}, "one with a user name"),
        ({"hooks": [{"name": "h", "command": []}]}, "command: got none"),
        ({"hooks": [{"name": "h", "url": "http://x/", "header": "A"}]}, "header: got one of header"),
        ({"hooks": [{"name": "h", "url": "http://x/", "tries": 0}]}, "tries: got 0"),
        ({"products": {"forecast": ["rain"]}}, "products: got 'rain'"),
        ({"z_r": "none"}, "z_r: got 'none'"),
        ({"places": [{"name": "p", "lat": 95, "lon": 1}]}, "places"),
        ({"places": "no.csv"}, "no.csv"),
        ({"areas": "no.geojson"}, "no.geojson"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(tmp_path, changes, said):
    given = plain(StormService(tmp_path).settings)
    with pytest.raises((SettingsError, FileError)) as refused:
        check_asked(build(ServiceSettings, {**given, **changes}))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)
    assert isinstance(refused.value, NowcastError)
