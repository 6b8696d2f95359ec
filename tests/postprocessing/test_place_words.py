"""What is said of places: sentences, table and JSON, held against forecasts known by hand."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from nowcast.core.errors import SettingsError
from nowcast.core.field import make_field
from nowcast.postprocessing.places.document import to_document, to_json
from nowcast.postprocessing.places.files import read_areas
from nowcast.postprocessing.places.locations import Location
from nowcast.postprocessing.places.rows import rows
from nowcast.postprocessing.places.table import in_words
from nowcast.postprocessing.places.words import block, rain_sentence
from nowcast.postprocessing.reliability import BINS, Attested, ReliabilityTable, reliability_of
from nowcast.workflows.at import at_places
from tests.fakes.fields import projected_grid
from tests.fakes.place_forecast import (
    CELL,
    MINUTES,
    RELATION,
    START,
    box,
    dbz_of,
    feature,
    middle_of,
    place_forecast,
    rates_at,
)

GRID = projected_grid(6, 8)
HERE = Location("here", *middle_of(GRID, *CELL))
LAT, LON = middle_of(GRID, *CELL)
SCHEMA = json.loads(
    (Path(__file__).resolve().parents[2] / "docs/reference/places.schema.json").read_text(encoding="utf-8")
)
BASIN = feature("basin", box(LON - 0.02, LAT - 0.015, LON + 0.02, LAT + 0.015))
MEMBERS = [
    {CELL: (0, 6, 6, 0, 0, 0, 0)},
    {CELL: (0, 0, 6, 6, 0, 0, 0), (3, 3): [12] * 7},
    {CELL: (0, 0, 0, 0, 12, 12, 12)},
    {},
]
LADDER = np.array([[0.0, 0.6, 0.9, 0.6, 0.2, 0.0, 0.3], [0.0, 0.2, 0.6, 0.3, 0.1, 0.0, 0.1], [0.0] * 7])


def found(forecast, *places, **settings):
    return at_places(forecast, places or [HERE], z_r_name=RELATION, **settings)


def sentence(forecast, *places, **settings):
    return rain_sentence(rows(found(forecast, *places, **settings))[0])


def observed():
    times = START - np.array([10, 0]) * MINUTES
    return make_field(dbz_of(rates_at(GRID.shape, {CELL: (0, 6)}, leads=2)), times, GRID)


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        ((0, 6, 6, 0, 0, 0, 0), "rain begins at 23:50 UTC, ends at 00:10 on 2025-03-23 UTC"),
        ((6, 6, 0, 0, 0, 0, 0), "rain by 23:40 UTC, ends at 00:00 on 2025-03-23 UTC"),
        ((0, 6, 0, 0, 0, 0, 6), "rain begins at 23:50 UTC, and goes on beyond 00:40 on 2025-03-23 UTC"),
        ((0,) * 7, "no rain until 00:40 on 2025-03-23 UTC"),
    ],
)
def test_the_one_field(rates, said):
    assert sentence(place_forecast({CELL: rates})) == said


def test_rain_that_falls_already():
    forecast = place_forecast({CELL: (6, 0, 0, 0, 0, 0, 0)})
    assert sentence(forecast, observed=observed()) == "it rains now, ends at 23:50 UTC"


def test_probabilities():
    assert sentence(place_forecast(probabilities={CELL: LADDER})) == (
        "rain begins at 23:50 UTC, ends at 00:20 on 2025-03-23 UTC"
    )
    assert sentence(place_forecast(probabilities={CELL: LADDER / 3})) == (
        "rain is unlikely until 00:40 on 2025-03-23 UTC: 30 % at most at any lead time"
    )


def test_members():
    assert sentence(place_forecast(members=MEMBERS)) == (
        "rain begins at 00:00 on 2025-03-23 UTC (23:50 to 00:20 on 2025-03-23), "
        "ends at 00:20 on 2025-03-23 UTC (00:10 on 2025-03-23 to later)"
    )
    assert sentence(place_forecast(members=[MEMBERS[0], {}, {}, {}])) == (
        "rain is unlikely until 00:40 on 2025-03-23 UTC: 25 % of the members have some"
    )
    assert sentence(place_forecast(members=[{}, {}])) == "no rain until 00:40 on 2025-03-23 UTC"


def attested(forecast):
    """Of 20 dBZ and 30 min ahead: 1240 cases of 0.6 to 0.7, 682 of which came; else one case that did not."""
    cases = np.ones((3, 2, BINS))
    came = np.zeros((3, 2, BINS))
    cases[1, 1, 8], came[1, 1, 8] = 1240, 682
    cases[2] = 0
    table = ReliabilityTable.of((10.0, 20.0, 30.0), (10.0, 30.0), cases, cases * 0.5, came)
    return Attested(table).apply(forecast, None)


def test_what_such_probabilities_have_been_worth_is_said():
    made = found(attested(place_forecast(probabilities={CELL: LADDER})), HERE, *read_areas(BASIN))
    here, basin = rows(made)
    text = block(here)
    assert "20 dBZ, +30 min: when we say 60 %, it comes in 55 % of cases (1 240 cases)" in text
    assert "10 dBZ, +30 min: when we say 90 %, it comes in 0 % of cases (1 case)" in text
    assert "30 dBZ, +" not in text
    assert "when we say" not in block(basin)
    table = reliability_of(made.attrs)
    for k, s in np.ndindex(3, 7):
        there = made.isel(threshold=k, lead_time=s, place=0)
        wanted = table.at(float(there.threshold), 10.0 * (s + 1), float(there.exceedance_probability))
        np.testing.assert_equal([float(there.verified_frequency), int(there.verified_cases)], list(wanted))
    document = json.loads(to_json(made))
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert document["places"][0]["verified"]["cases"][1][2] == 1240
    assert "verified_frequency" not in found(place_forecast(probabilities={CELL: LADDER}))


def test_a_table_of_reliability_that_is_damaged_is_refused():
    with pytest.raises(SettingsError, match="reliability"):
        found(place_forecast(probabilities={CELL: LADDER}, attrs={"reliability": "{"}))


def test_areas():
    basin = read_areas(BASIN)[0]
    assert sentence(place_forecast(), basin).startswith("rain begins somewhere in it at 23:50 UTC")
    assert sentence(place_forecast({}), basin).startswith("no rain anywhere in it until")
    text = block(rows(found(place_forecast(members=MEMBERS), basin))[0])
    assert "in its strongest cell; rain on at most 11 % of it, its mean at most 6.7 mm/h" in text
    assert "0.4 mm; 0.3 mm (0.1 to 1.2) by the members, 25 % for 1 mm or more" in text
    assert "probability in % (somewhere in it)" in text


def test_what_is_not_known_is_said():
    blind, far = Location("blind", *middle_of(GRID, 0, 7)), Location("far", 10, 20)
    said = [rain_sentence(row) for row in rows(found(place_forecast(), blind, far))]
    assert said[0].startswith("nothing is known here")
    assert said[1] == "outside the grid of the forecast"
    half = read_areas(feature("half", box(LON - 0.02, LAT - 0.015, LON + 0.2, LAT + 0.015)))[0]
    text = block(rows(found(place_forecast(), half))[0])
    assert "known of it: 29 % at first, 29 % at the last lead time" in text
    assert "35 % of it lies on the grid" in text
    bow = [[LON + 1e-4 * i, LAT + 1e-4 * j] for i, j in ((-1, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))]
    small = read_areas(feature("bow", bow))[0]
    text = block(rows(found(place_forecast(), small))[0])
    assert "its outline crossed itself and was repaired" in text


def test_many_places_are_one_table():
    places = [Location(str(i), *middle_of(GRID, *CELL)) for i in range(13)]
    parts = in_words(found(place_forecast(), *places)).split("\n\n")
    assert len(parts) == 2
    assert len(parts[1].splitlines()) == 14


@pytest.mark.parametrize(
    "forecast",
    [
        place_forecast(),
        place_forecast(probabilities={CELL: LADDER}),
        place_forecast(members=MEMBERS),
        place_forecast(members=MEMBERS, probabilities={CELL: LADDER}, step_minutes=5),
    ],
    ids=["field", "probabilities", "members", "half an hour"],
)
@pytest.mark.parametrize("relation", [RELATION, None])
def test_the_document_keeps_its_schema(forecast, relation):
    places = [
        HERE,
        Location("blind", *middle_of(GRID, 0, 7)),
        Location("far", 10, 20, within_km=5),
        *read_areas(BASIN),
    ]
    made = at_places(forecast, places, z_r_name=relation, observed=observed())
    document = json.loads(to_json(made))
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    known = set(SCHEMA["properties"]), set(SCHEMA["$defs"]["place"]["properties"])
    assert set(document) == known[0]
    assert all(set(place) <= known[1] for place in document["places"])
    assert [place["status"] for place in document["places"]] == ["known", "unknown", "outside", "known"]
    assert set(document["places"][0]["series"]) == set(
        SCHEMA["$defs"]["place"]["properties"]["series"]["properties"]
    )


def test_the_values_of_the_document():
    document = to_document(found(place_forecast(members=MEMBERS)))
    (place,) = document["places"]
    assert document["forecast_reference_time"] == "2025-03-22T23:30:00Z"
    assert document["lead_minutes"] == [10, 20, 30, 40, 50, 60, 70]
    assert place["rain"] == {
        "by": "members",
        "probability": 0.75,
        "begins": "2025-03-23T00:00:00Z",
        "ends": "2025-03-23T00:20:00Z",
        "begins_quantiles": {
            "0.1": "2025-03-22T23:50:00Z",
            "0.5": "2025-03-23T00:00:00Z",
            "0.9": "2025-03-23T00:20:00Z",
        },
        "ends_quantiles": {"0.1": "2025-03-23T00:10:00Z", "0.5": "2025-03-23T00:20:00Z", "0.9": None},
    }
    assert place["rain_sum"]["exceedance_probability"] == {"1": 0.75, "5": 0, "10": 0, "20": 0}
    assert place["rain_sum"]["mm"] == 4.0
    assert place["exceedance_probability"][0] == [0, 0.25, 0.5, 0.25, 0.25, 0.25, 0.25]
    assert place["series"]["reflectivity_dbz"][0] == -32


def test_a_schema_that_is_broken_would_be_noticed():
    document = to_document(found(place_forecast()))
    document["places"][0]["status"] = "dry"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(document)
