"""pysteps' forecasters: motion the right way round, dry and unseen kept, what is missing is named."""

import sys

import numpy as np
import pytest

from nowcast.core.errors import MissingExtraError, SettingsError
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.forecasters.catalog import build_forecaster
from tests.fakes.fields import moving_disc, projected_grid

STEP = np.timedelta64(10, "m")
LEADS = np.arange(1, 4) * STEP
NAMES = ("pysteps_lk", "sprog", "steps_mean", "steps", "linda_p")
ENSEMBLES = ("steps_mean", "steps", "linda_p")


@pytest.fixture
def pysteps():
    return pytest.importorskip("pysteps", reason="the extra 'pysteps' is not installed")


@pytest.fixture(scope="module")
def storm():
    return moving_disc(projected_grid(80, 100), frames=9, velocity=(1.0, 3.0), peak_dbz=60.0)


def made(name):
    return build_forecaster(name, {"members": 3} if name in ENSEMBLES else {})


def centre(frame, threshold=30.0):
    return np.argwhere(frame >= threshold).mean(axis=0)


@pytest.mark.usefixtures("pysteps")
@pytest.mark.parametrize("name", NAMES)
def test_a_disc_goes_on_the_way_it_came(name, storm):
    found = made(name).forecast(storm[:6], LEADS).reflectivity
    for lead in range(1 if name in ENSEMBLES else 3):  # their noise leads a lone disc astray
        np.testing.assert_allclose(centre(found.values[lead]), centre(storm.values[6 + lead]), atol=1.5)


@pytest.mark.usefixtures("pysteps")
def test_lead_times_between_the_steps_lie_between(storm):
    halves = made("pysteps_lk").forecast(storm[:6], np.array([5, 10, 15], "timedelta64[m]")).reflectivity
    whole = made("pysteps_lk").forecast(storm[:6], LEADS[:1]).reflectivity
    np.testing.assert_allclose(halves.values[1], whole.values[0], atol=0.05)
    rows = [centre(frame)[1] for frame in halves.values]
    np.testing.assert_allclose(np.diff(rows), 1.5, atol=0.4)


@pytest.mark.usefixtures("pysteps")
@pytest.mark.parametrize("name", NAMES)
def test_without_rain_in_the_newest_frame_there_is_none_and_what_was_not_seen_is_unknown(name, storm):
    past = storm[:6].copy(deep=True)
    past.values[-1] = NO_ECHO_DBZ
    past.values[:, :, :20] = np.nan
    found = made(name).forecast(past, LEADS).reflectivity.values
    assert np.isnan(found[0, :, :15]).all()
    assert (found[:, 20:60, 40:60] == NO_ECHO_DBZ).all()
    assert set(np.unique(found[~np.isnan(found)])) == {NO_ECHO_DBZ}


@pytest.mark.usefixtures("pysteps")
@pytest.mark.parametrize("name", NAMES)
def test_rain_that_has_only_just_begun_is_moved(name, storm):
    past = storm[:6].copy(deep=True)
    past.values[:5] = NO_ECHO_DBZ
    found = made(name).forecast(past, LEADS).reflectivity.values
    assert (found[0] >= 30).sum() == pytest.approx((past.values[-1] >= 30).sum(), rel=0.2)


@pytest.mark.usefixtures("pysteps")
def test_the_mean_of_steps_depends_on_its_seed_alone(storm):
    first, again, other = (
        build_forecaster("steps_mean", {"members": 2, "seed": seed})
        .forecast(storm[:6], LEADS[:1])
        .reflectivity.values
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.usefixtures("pysteps")
@pytest.mark.parametrize("name", ["steps", pytest.param("linda_p", marks=pytest.mark.slow)])
def test_members_depend_on_the_seed_and_differ_from_each_other(name, storm):
    first, again, other = (
        build_forecaster(name, {"members": 3, "seed": seed}).forecast(storm[:6], LEADS[:2])
        for seed in (2, 2, 3)
    )
    assert first.identical(again)
    members = first["reflectivity_members"].values
    assert (members != other["reflectivity_members"].values).any()
    assert (members[0] != members[1]).any()
    middle = np.sort(members, axis=0)[1]
    np.testing.assert_array_equal(first.reflectivity.values, middle)
    assert f"3 members of {name} of pysteps, seed 2" in first.attrs["members"]


@pytest.mark.usefixtures("pysteps")
def test_the_median_of_an_even_number_of_members_is_the_upper_one_and_thresholds_are_a_setting(storm):
    settings = {"members": 2, "thresholds_dbz": [25.0]}
    found = build_forecaster("steps", settings).forecast(storm[:6], LEADS[:1])
    np.testing.assert_array_equal(found.reflectivity.values, found["reflectivity_members"].values.max(axis=0))
    np.testing.assert_array_equal(found["threshold"].values, [25.0])
    known = found.exceedance_probability.values[~np.isnan(found.exceedance_probability.values)]
    assert set(known) <= {0.0, 0.5, 1.0}


@pytest.mark.usefixtures("pysteps")
def test_numpys_global_random_numbers_are_left_alone(storm, capsys):
    np.random.seed(3)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    made("steps_mean").forecast(storm[:6], LEADS[:1])
    assert np.random.random() == expected  # noqa: NPY002
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", NAMES)
def test_without_the_extra_the_message_names_it(name, storm, monkeypatch):
    for module in [m for m in sys.modules if m.partition(".")[0] == "pysteps"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "pysteps", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'nowcast\[pysteps\]'"):
        made(name).forecast(storm[:6], LEADS)


@pytest.mark.usefixtures("pysteps")
def test_without_what_tracks_features_the_message_names_that(storm, monkeypatch):
    from pysteps.utils import images

    monkeypatch.setattr(images, "CV2_IMPORTED", False)
    with pytest.raises(MissingExtraError, match="opencv-python-headless"):
        made("pysteps_lk").forecast(storm[:6], LEADS)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("pysteps_lk", {"past": 1}, "at least 2 frames"),
        ("sprog", {"past": 2}, "at least 3 frames"),
        ("sprog", {"dry_dbz": 9.0}, "dry below rain"),
        ("steps_mean", {"members": 0}, "at least 1 member"),
        ("steps_mean", {"membres": 4}, "did you mean 'members'"),
        ("sprog", {"name": "x"}, "unknown setting"),
        ("steps", {"members": 10_000}, "steps: members, seed: got 10000, 0"),
        ("linda_p", {"seed": -1}, "seed of 0 or more"),
        ("steps", {"thresholds_dbz": [30.0, 20.0]}, "rising dBZ"),
    ],
)
def test_settings_that_cannot_be(name, settings, message):
    with pytest.raises(SettingsError, match=message):
        build_forecaster(name, settings)
