"""Palettes: stronger is darker, neighbours stay apart for colour-blind eyes, legends tell both units."""

import json
from pathlib import Path

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000

from nowcast.core.errors import SettingsError
from nowcast.core.rain import Z_R
from nowcast.forecasters.catalog import FORECASTERS
from nowcast.models.catalog import MODELS as NETWORKS
from nowcast.report.model_colours import KNOWN, MODELS, STYLES, style_of, styles_of
from nowcast.report.palettes import PALETTES, palette_of
from tests.fakes.colour_vision import EYES, faults, seen


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("quantity", ["reflectivity", "rain_rate", "rain_sum", "probability"])
def test_stronger_is_darker_and_neighbours_stay_apart_for_all_eyes(quantity, eyes):
    assert faults(palette_of(quantity), eyes) == set()


def test_the_classic_fails_both():
    classic = palette_of(name="radar")
    for eyes in EYES:
        assert faults(classic, eyes) == {"lightness does not fall", "neighbours look alike"}


def test_the_simulation_leaves_gray_and_blinds_red_and_green():
    gray = seen([[128, 128, 128]], "normal")
    for eyes in EYES:
        assert seen([[128, 128, 128]], eyes) == pytest.approx(gray, abs=0.02)
    red_green = [[200, 90, 60], [110, 130, 40]]
    apart = {eyes: float(deltaE_ciede2000(*seen(red_green, eyes))) for eyes in EYES}
    assert apart["normal"] > 3 * apart["deuteranopia"]


def test_every_palette_has_a_colour_a_class_and_rising_bounds():
    assert {quantity for quantity, _ in PALETTES} == {"reflectivity", "rain_rate", "rain_sum", "probability"}
    for palette in PALETTES.values():
        assert len(palette.colours) == len(palette.bounds) <= 14  # two indices are taken, of four bits
        assert (np.diff(palette.bounds) > 0).all()


def test_a_bound_has_the_colour_of_its_own_class_in_float32_too():
    for palette in PALETTES.values():
        for kind in (np.float32, np.float64):
            at = np.asarray(palette.bounds, kind)
            assert palette.indices(at).tolist() == list(range(2, 2 + len(at)))
            assert palette.indices(np.nextafter(at, kind(-np.inf))).tolist() == [0, *range(2, 1 + len(at))]
        shown = palette.rgba(np.array([np.nan, 0.0, 1e3]))
        assert shown[:, 3].tolist() == [115, 0, 255]
        assert shown[2, :3].tolist() == palette.rgb()[-1].tolist()


def test_ticks_tell_both_units_by_hand():
    # Z = 200 R^1.6: 10^(20/10) = 100, (100/200)^(1/1.6) = 0.648; 40 dBZ: 50^(0.625) = 11.53
    ticks = {tick.value: tick.other for tick in palette_of().ticks()}
    assert (ticks[20.0], ticks[40.0], ticks[55.0], ticks[60.0]) == ("0.65", "12", "100", "")
    # Z = 300 R^1.4: (10000/300)^(1/1.4) = 12.24; 1 mm/h is 10 log10(300) = 24.8
    assert {t.value: t.other for t in palette_of().ticks(Z_R["wsr88d"])}[40.0] == "12"
    assert {t.text: t.other for t in palette_of("rain_rate").ticks(Z_R["wsr88d"])}["1"] == "25"
    assert [t.text for t in palette_of("probability").ticks()][:3] == ["5 %", "10 %", "20 %"]
    data = json.loads(json.dumps(palette_of("rain_rate", "radar").as_data()))
    assert (data["unit"], data["bounds"][0], data["colours"][0]) == ("mm/h", 0.1, "#04e9e7")
    assert data["ticks"][5] == {"value": 5.0, "text": "5", "other": "34"}


def test_another_palette_is_refused_in_one_line():
    with pytest.raises(SettingsError, match=r"palette: got 'jet', expected one of safe, radar"):
        palette_of(name="jet")


def test_a_forecaster_has_one_colour_whoever_stands_beside_it():
    crowd = ["runs/mine/v0/best.ckpt", "astm", "motionrnn", "persistence", "motionrnn, calibrated"]
    alone, among = styles_of(["motionrnn"]), styles_of(crowd)
    assert alone["motionrnn"] == among["motionrnn"] == KNOWN["motionrnn"]
    assert among == {name: styles_of(reversed(crowd))[name] for name in crowd}
    assert list(among) == crowd
    raw, calibrated = among["motionrnn"], among["motionrnn, calibrated"]
    assert raw % len(MODELS) == calibrated % len(MODELS)
    assert raw != calibrated
    assert style_of("runs/mine/v0/best.ckpt") == style_of("runs/mine/v0/best.ckpt")


def test_all_that_can_be_named_and_its_readings_look_different():
    names = [*FORECASTERS, "motionrnn", "lmc_memory", "astm", *NETWORKS]
    assert len(set(styles_of(names).values())) == len(set(names))
    five = styles_of([f"mine_{i}" for i in range(5)])
    assert len({style % len(MODELS) for style in five.values()}) == 5
    many = styles_of([f"model {i}" for i in range(STYLES)])
    assert len(set(many.values())) == STYLES
    assert len(styles_of([f"model {i}" for i in range(STYLES + 3)])) == STYLES + 3  # no end, alike then


def test_the_page_of_palettes_is_what_the_script_writes(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2] / "scripts")
    import write_palettes

    stored = write_palettes.PAGE.read_text(encoding="utf-8")
    assert stored == write_palettes.page(), "run: python scripts/write_palettes.py"
    assert "| 20 | 0.65 | `#4dc2fc` | `#02fd02` |" in stored
