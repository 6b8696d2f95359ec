"""Meteograms: a panel a place, whole or not at all, whatever a forecast holds and whatever it is called."""

from datetime import UTC
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from matplotlib.dates import num2date
from PIL import Image

from nowcast.core.errors import SettingsError
from nowcast.core.field import make_field
from nowcast.postprocessing.places.locations import Location
from nowcast.report import meteogram
from nowcast.report.meteogram import draw_meteogram
from nowcast.workflows.at import at_places
from tests.fakes.fields import projected_grid
from tests.fakes.place_forecast import CELL, MINUTES, START, dbz_of, middle_of, place_forecast, rates_at

GRID = projected_grid(6, 8)
LADDER = np.array([[0.0, 0.6, 0.9, 0.6, 0.2, 0.0, 0.3], [0.0, 0.2, 0.6, 0.3, 0.1, 0.0, 0.1], [0.0] * 7])
MEMBERS = [{CELL: (0, 6, 6, 0, 0, 0, 0)}, {CELL: (0, 0, 12, 6, 0, 0, 0)}, {}]
HERE = Location("here", *middle_of(GRID, *CELL))


def observed():
    times = START - np.array([20, 10, 0]) * MINUTES
    return make_field(dbz_of(rates_at(GRID.shape, {CELL: (2, 4, 8)}, leads=3)), times, GRID)


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Draw without rendering; gives the axes of each panel."""

    def draw(found, zone=None):
        kept = []

        class Kept(meteogram.Figure):
            def savefig(self, file, **options):
                file.touch()
                kept.append(self)

        monkeypatch.setattr(meteogram, "Figure", Kept)
        draw_meteogram(tmp_path / "m.png", found, ["said"] * found.sizes["place"], zone)
        return [panel.axes for panel in kept[0].subfigs]

    return draw


def test_bars_lines_and_bands_are_the_values(drawn):
    forecast = place_forecast(members=MEMBERS, probabilities={CELL: LADDER})
    found = at_places(forecast, [HERE], z_r_name="marshall_palmer", observed=observed())
    ((rain, chance),) = drawn(found, UTC)
    bars = [bar.get_height() for bar in rain.patches]
    np.testing.assert_allclose(bars, [2, 4, 8], rtol=1e-5)
    lines = {line.get_label(): line.get_ydata() for line in rain.lines}
    np.testing.assert_allclose(lines["forecast field"], [0, 6, 12, 6, 0, 0, 60], atol=1e-4)
    np.testing.assert_allclose(lines["median of members"], [0, 0, 6, 0, 0, 0, 0], atol=1e-4)
    np.testing.assert_allclose([bar.get_height() for bar in chance.patches], LADDER.ravel(), rtol=1e-5)
    assert rain.get_ylabel() == "rain\n(mm/h)"
    keys = [text.get_text() for text in chance.get_legend().get_texts()]
    assert keys[-1] == "10 dBZ (0.2 mm/h)"
    assert len({bar.get_facecolor() for bar in chance.patches}) == 3


def test_without_a_z_r_relation_reflectivity_is_drawn(drawn):
    ((rain,),) = drawn(at_places(place_forecast(), [HERE]), UTC)
    assert rain.get_ylabel() == "reflectivity\n(dBZ)"
    assert rain.get_ylim() == (0, 60)


def test_times_are_labelled_in_utc_and_local_time_at_whole_steps(drawn):
    found = at_places(place_forecast(), [HERE])
    ((rain,),) = drawn(found, ZoneInfo("Asia/Kolkata"))
    ticks = [num2date(tick) for tick in rain.xaxis.get_major_locator()()]
    assert len(ticks) > 5
    assert {tick.minute % 10 for tick in ticks} == {0}
    (above,) = rain.child_axes
    assert above.get_xlabel() == "local time (IST)"
    assert above.xaxis.get_major_formatter()(rain.xaxis.get_major_locator()()[0]) == (
        ticks[0].astimezone(ZoneInfo("Asia/Kolkata")).strftime("%H:%M")
    )
    ((rain,),) = drawn(found, UTC)
    assert rain.child_axes == []


def test_places_of_which_nothing_is_known_say_so_and_unknown_times_are_shaded(drawn):
    forecast = place_forecast(probabilities={CELL: LADDER})
    forecast.reflectivity[5:, 2, 3] = np.nan
    blind = Location("blind", *middle_of(GRID, 0, 7))
    (one,), (rain, _) = drawn(at_places(forecast, [blind, HERE]), UTC)
    assert not one.axison
    assert "said" in [text.get_text() for text in one.texts]
    assert "not known" in [text.get_text() for text in rain.texts]


def test_names_are_drawn_as_they_are_and_nothing_is_left_over(tmp_path):
    places = [
        Location(name, HERE.latitude, HERE.longitude)
        for name in ("$x_{2$ <b> 100 %", "Zürich \u6771\u4eac", "n" * 100, "4")
    ]
    found = at_places(place_forecast(attrs={"model": "$\\frac$"}), places, z_r_name="fmi")
    draw_meteogram(tmp_path / "m.png", found, ["$said"] * 4)
    with Image.open(tmp_path / "m.png") as picture:
        assert picture.width > 1.5 * picture.height
    assert [p.name for p in tmp_path.iterdir()] == ["m.png"]


def test_more_places_than_panels_are_refused(tmp_path):
    places = [Location(str(i), HERE.latitude, HERE.longitude) for i in range(13)]
    with pytest.raises(SettingsError, match="got 13 places, expected 1 to 12"):
        draw_meteogram(tmp_path / "m.png", at_places(place_forecast(), places), [""] * 13)
    assert list(tmp_path.iterdir()) == []
