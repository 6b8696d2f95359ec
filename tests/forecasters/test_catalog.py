import pytest

from nowcast.core.errors import CheckpointError, SettingsError
from nowcast.forecasters.catalog import FORECASTERS, build_forecaster
from nowcast.forecasters.peer_flows import TotalVariation


@pytest.mark.parametrize("name", FORECASTERS)
def test_each_name_builds_what_carries_it(name):
    assert build_forecaster(name).name == name


def test_settings_reach_the_forecaster_and_its_motion():
    values = {"past": 3, "method": "tvl1", "motion": {"attachment": 9}}
    made = build_forecaster("extrapolation", values)
    assert (made.past, made.motion) == (3, TotalVariation(attachment=9.0))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"method": "tvl2"}, "one of lucas_kanade, ilk, tvl1, pysteps"),
        ({"pasts": 3}, r"extrapolation\.pasts: unknown"),
        ({"name": "x"}, r"extrapolation\.name: unknown"),
        ({"motion": {"windw": 3}}, r"extrapolation\.motion\.windw.*did you mean 'window'"),
        ({"past": "five"}, r"extrapolation\.past: got 'five', expected int"),
    ],
)
def test_settings_that_are_unknown_or_wrong(values, message):
    with pytest.raises(SettingsError, match=message):
        build_forecaster("extrapolation", values)


def test_persistence_takes_no_settings():
    with pytest.raises(SettingsError, match="past"):
        build_forecaster("persistence", {"past": 2})


def test_unknown_names_say_what_is_near_and_what_there_is():
    with pytest.raises(SettingsError, match=r"persistence, extrapolation.*did you mean 'extrapolation'"):
        build_forecaster("extrapolaton")
    with pytest.raises(SettingsError, match=r"persistence, extrapolation.*\.ckpt"):
        build_forecaster("zebra")


def test_a_checkpoint_that_is_absent_or_none(tmp_path):
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        build_forecaster(tmp_path / "best.ckpt")
    (tmp_path / "page.ckpt").write_text("<html>")
    with pytest.raises(CheckpointError, match="expected a checkpoint"):
        build_forecaster(str(tmp_path / "page.ckpt"))
