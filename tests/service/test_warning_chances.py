"""How likely the event of a warning is, counted by hand on forecasts of a few cells."""

import numpy as np
import pytest

from nowcast.core.errors import NowcastError
from nowcast.core.field import MEMBERS, PROBABILITY
from nowcast.core.rain import z_r
from nowcast.service.chance import Chances
from nowcast.service.warning_settings import WarningSettings
from tests.fakes.ensembles import constant, ensemble, observed

RELATION = z_r("marshall_palmer")
ALL = np.arange(6)


def warning(**changes):
    return WarningSettings(
        **{
            "name": "w",
            "quantity": "reflectivity",
            "at_least": 40.0,
            "probability": 0.5,
            "minutes": 30.0,
            "area": "a",
            **changes,
        }
    )


def chances(dbz, **parts):
    """Of members (M, S, 2, 3)."""
    made = ensemble(np.asarray(dbz, np.float32), **parts)
    return Chances(made, observed(made.reflectivity.values[0]), RELATION)


def test_members_that_reach_it_anywhere_up_to_then_are_counted():
    dbz = np.full((4, 3, 2, 3), 10.0)
    dbz[0, 0, 1, 2] = 45.0  # the first lead time alone
    dbz[1, 2, 0, 0] = 40.0
    dbz[2, 1, 1, 1] = 39.9
    found = chances(dbz).of(warning(), ALL)
    assert (found.probability, found.raised, found.onset_minutes, found.by) == (0.5, True, 30.0, "members")
    assert chances(dbz).of(warning(minutes=20.0), ALL)[:2] == (0.25, False)
    assert chances(dbz).of(warning(), np.array([5]))[:2] == (0.25, False)
    assert chances(dbz).of(warning(), ALL).of_lead_minutes is None  # of three lead times together
    assert chances(dbz).of(warning(minutes=10.0), ALL).of_lead_minutes == 10.0
    early = chances(dbz).of(warning(probability=0.2), ALL)
    assert (early.raised, early.onset_minutes) == (True, 10.0)


def test_rain_sums_of_members_and_their_mean_over_the_area():
    """6 mm/h for an hour on half of the cells: 6 mm somewhere, 3 mm on the mean."""
    wet = float(RELATION.to_dbz(6.0))
    dbz = constant([wet, wet, -32.0, -32.0], 6, (2, 3))
    dbz[:2, :, 1] = -32.0
    made = ensemble(dbz)
    asked = Chances(made, observed(dbz[0, 0]), RELATION)
    of = {"quantity": "rain_sum", "minutes": 60.0}
    assert asked.of(warning(at_least=5.9, **of), ALL)[:2] == (0.5, True)
    assert asked.of(warning(at_least=6.1, **of), ALL)[:2] == (0.0, False)
    assert asked.of(warning(at_least=2.9, of="mean", **of), ALL).probability == 0.5
    assert asked.of(warning(at_least=3.1, of="mean", **of), ALL).probability == 0.0
    rate = warning(quantity="rain_rate", at_least=2.9, of="mean", minutes=60.0)
    assert asked.of(rate, ALL)[:2] == (0.5, True)


def test_probabilities_without_members_bound_it_from_below():
    p = np.zeros((2, 3, 2, 3), np.float32)
    p[0] = 0.8
    p[1, 1, 0, 1] = 0.6
    made = ensemble(constant([30.0], 3, (2, 3)), thresholds=(30.0, 40.0), probabilities=p).drop_vars(MEMBERS)
    asked = Chances(made, observed(made.reflectivity.values[0]), RELATION)
    found = asked.of(warning(), ALL)
    assert (round(found.probability, 6), found.raised, found.onset_minutes) == (0.6, True, 20.0)
    assert (found.by, found.exact, found.of_lead_minutes) == ("probabilities", False, 20.0)
    assert asked.of(warning(), np.array([0]))[:2] == (0.0, False)
    assert asked.of(warning(minutes=10.0, at_least=30.0), np.array([0])).exact
    between = asked.of(warning(at_least=35.0), ALL).probability
    assert 0.6 < between < 0.8
    rate = float(RELATION.to_rate(40.0))
    of_rate = asked.of(warning(quantity="rain_rate", at_least=rate), ALL)
    assert of_rate.probability == pytest.approx(0.6, abs=1e-3)
    sums = asked.of(warning(quantity="rain_sum", at_least=0.5), ALL)
    assert (sums.probability, sums.by) == (None, "reflectivity")


def test_one_field_says_yes_or_no_without_a_probability():
    made = ensemble(constant([40.0], 3, (2, 3))).drop_vars(MEMBERS)
    assert PROBABILITY not in made
    asked = Chances(made, observed(made.reflectivity.values[0]), RELATION)
    assert asked.of(warning(), ALL)[:3] == (None, True, 10.0)
    assert asked.of(warning(at_least=40.1), ALL)[:2] == (None, False)


def test_nothing_known_raises_nothing():
    found = chances(np.full((4, 3, 2, 3), np.nan)).of(warning(), ALL)
    assert np.isnan(found.probability)
    assert not found.raised


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"minutes": 45.0}, "the 30 min that the forecast reaches"),
        ({"minutes": 5.0}, "at least the first lead time"),
        ({"quantity": "rain_rate", "of": "mean"}, "no Z-R relation"),
    ],
)
def test_what_cannot_be_told_is_refused(changes, said):
    made = ensemble(constant([40.0, 40.0], 3, (2, 3)), relation="")
    with pytest.raises(NowcastError, match=said):
        Chances(made, observed(made.reflectivity.values[0]), None).of(warning(**changes), ALL)
