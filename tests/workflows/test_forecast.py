"""The one way from an archive to a forecast; its 4th of 12 frames (10:30) is missing."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from nowcast.archive.reader import Archive
from nowcast.core.errors import NowcastError, SettingsError, TimeError
from nowcast.core.times import DAY
from nowcast.forecasters.base import Needs
from nowcast.forecasters.extrapolation import Extrapolation
from nowcast.forecasters.persistence import Persistence
from nowcast.postprocessing.base import PostProcessing
from nowcast.workflows.forecast import forecast, forecast_with_past
from nowcast.workflows.past import find_reference_time, observed_past, past_times
from tests.fakes.forecasters import Probable, Weak
from tests.fakes.small_archive import write_archive


def at(text):
    return np.datetime64(f"2025-03-22T{text}", "ns")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path, _ = write_archive(tmp_path_factory.mktemp("issue"), missing=(3,))
    return Archive.open(path)


def test_the_newest_frame_or_the_one_asked_for(archive):
    assert find_reference_time(archive) == at("11:50")
    assert find_reference_time(archive, "2025-03-22T10:20") == at("10:20")
    with pytest.raises(TimeError, match=r"got 2025-03-22T10:31:00Z.*the nearest is 2025-03-22T10:40:00Z"):
        find_reference_time(archive, "2025-03-22T10:31")


def test_the_past_ends_with_the_find_reference_time(archive):
    np.testing.assert_array_equal(past_times(archive, at("11:00"), 3), [at("10:40"), at("10:50"), at("11:00")])


def test_a_gap_is_named_with_the_newest_moment_before_it_that_would_do(archive):
    with pytest.raises(TimeError, match=r"no frame at 2025-03-22T10:30:00Z, .*--at 2025-03-22T10:20:00Z would"):
        past_times(archive, at("10:50"), 3)
    with pytest.raises(TimeError, match=r"--at 2025-03-22T11:10:00Z would do"):
        past_times(archive, at("10:50"), 4)
    with pytest.raises(TimeError, match="ingest the missing files"):
        past_times(archive, at("11:50"), 9)


def test_as_much_past_as_there_is(archive):
    def past(text, most, fewest=1):
        class Any(Weak):
            pass

        model = Any()
        model.needs = Needs(past=most, fewest=fewest)
        return observed_past(archive, model, at(text), short_past=True)[1]

    np.testing.assert_array_equal(past("11:50", 2), [at("11:40"), at("11:50")])
    np.testing.assert_array_equal(past("10:50", 5), [at("10:40"), at("10:50")])
    np.testing.assert_array_equal(past("10:40", 5), [at("10:40")])
    with pytest.raises(TimeError, match="got 2025-03-22T10:30:00Z"):
        past("10:30", 5)
    with pytest.raises(TimeError, match="got 1 frame without a gap, expected at least 2"):
        past("10:40", 3, fewest=2)


def test_a_short_past_is_made_do_with_only_where_that_is_allowed(archive):
    coming = forecast(archive, Extrapolation(), at("10:50"), 2, short_past=True)
    assert coming.sizes["lead_time"] == 2
    with pytest.raises(TimeError, match="no frame at 2025-03-22T10:30:00Z"):
        forecast(archive, Extrapolation(), at("10:50"), 2, most_missing=0)


def test_a_past_with_a_gap_is_interpolated_and_says_so(archive):
    strict = forecast(archive, Extrapolation(past=3), at("11:00"), 2)
    assert "interpolated_frames" not in strict.attrs
    coming = forecast(archive, Extrapolation(past=3), at("10:50"), 2)
    assert coming.attrs["interpolated_frames"] == "2025-03-22T10:30:00Z"
    made = forecast_with_past(archive, Extrapolation(past=3), at("10:50"), 2)
    np.testing.assert_array_equal(made.observed["time"].values, [at("10:30"), at("10:40"), at("10:50")])
    with pytest.raises(TimeError, match="no frame at 2025-03-22T10:30:00Z"):
        forecast(archive, Extrapolation(past=3), at("10:50"), 2, most_missing=0)


def test_more_missing_frames_than_may_be_or_but_one_that_is_there_are_refused(archive):
    with pytest.raises(TimeError, match="expected 3 frames without a gap"):
        forecast(archive, Extrapolation(past=3), at("10:00"), 2)
    with pytest.raises(TimeError, match="expected 9 frames without a gap"):
        forecast(archive, Extrapolation(past=9), at("10:50"), 2, most_missing=3)
    nine = forecast(archive, Extrapolation(past=9), at("10:50"), 2, most_missing=4)
    assert nine.attrs["interpolated_frames"].count("Z") == 4
    assert np.isfinite(nine.reflectivity.values).any()


def test_what_made_a_forecast_and_on_what_terms_comes_with_it(archive):
    coming = forecast(archive, Probable(), "2025-03-22T11:00", 3)
    assert coming["forecast_reference_time"].values == at("11:00")
    np.testing.assert_array_equal(coming["valid_time"].values, [at("11:10"), at("11:20"), at("11:30")])
    assert coming.attrs["archive"] == archive.path.name
    assert coming.attrs["archive_fingerprint"] == archive.fingerprint
    assert coming.attrs["checkpoint_sha256"] == "f" * 64
    assert coming.attrs["licence"] == archive.attrs.get("licence", "unknown")
    assert set(coming.data_vars) == {"reflectivity", "exceedance_probability"}
    assert coming.exceedance_probability.dims == ("threshold", "lead_time", "y", "x")


def test_a_model_of_a_longer_step_reads_every_nth_frame_up_to_the_reference_time(archive):
    model = Weak()
    model.needs = Needs(past=2, step=np.timedelta64(20, "m"))
    coming = forecast(archive, model, at("11:30"), 2)
    np.testing.assert_array_equal(coming["valid_time"].values, [at("11:50"), at("12:10")])
    frames, times = observed_past(archive, model, at("11:30"))
    assert frames.step == np.timedelta64(20, "m")
    np.testing.assert_array_equal(times, [at("11:10"), at("11:30")])
    model.needs = Needs(past=2, step=np.timedelta64(15, "m"))
    with pytest.raises(TimeError, match=r"multiple of the 10 minutes"):
        forecast(archive, model, at("11:30"), 2)


def test_a_path_and_a_name_do_as_well(archive):
    named = forecast(archive.path, "persistence", lead_times=1)
    opened = forecast(archive, Persistence(), "latest", np.array([10], "timedelta64[m]"))
    assert named.equals(opened)
    assert named.attrs == opened.attrs


def test_lead_times_are_a_number_or_times_and_nothing_else(archive):
    for two in (2, np.int64(2), [np.timedelta64(10, "m"), np.timedelta64(20, "m")]):
        coming = forecast(archive, Persistence(), "latest", two)
        np.testing.assert_array_equal(coming["valid_time"].values, [at("12:00"), at("12:10")])
    coming = forecast(archive, Persistence(), "latest", np.timedelta64(15, "m"))
    np.testing.assert_array_equal(coming["valid_time"].values, [at("12:05")])
    for wrong in (2.5, [1, 2], "10", True):
        with pytest.raises(SettingsError, match=r"expected how many, or times as timedelta64"):
            forecast(archive, Persistence(), "latest", wrong)


def test_absurd_numbers_are_refused_before_anything_is_computed(archive):
    with pytest.raises(SettingsError, match=r"got 1000000, expected 1 to 1000 frames"):
        forecast(archive, Persistence(), lead_times=1_000_000)
    with pytest.raises(TimeError, match=r"got an archive of 11 frames, expected 500 frames without a gap"):
        past_times(archive, at("11:00"), 500)


def test_of_many_missing_frames_some_are_named_and_the_others_counted():
    times = np.datetime64("2025-03-22T10:00", "ns") + np.arange(25) * np.timedelta64(10, "m")
    hole = np.arange(25)[[0, 24]]
    sparse = SimpleNamespace(
        path="a.zarr", step=np.timedelta64(10, "m"), times=np.sort(np.concatenate([times[hole], times - DAY]))
    )
    with pytest.raises(TimeError, match=r"no frame at 2025-03-22T10:10:00Z, .*T13:20:00Z and 3 more, expected"):
        past_times(sparse, times[-1], 25)


def test_an_ensemble_has_its_members_beside_its_one_field(archive):
    class Ensemble(Weak):
        whole = True

        def forecast(self, observed, lead_times):
            found = super().forecast(observed, lead_times)
            members = xr.concat([found.reflectivity + 0.5 * m for m in range(3)], "member")
            return found.assign(reflectivity_members=members if self.whole else members.isel(lead_time=0))

    coming = forecast(archive, Ensemble(), at("11:00"), 2)
    assert coming.reflectivity.dims == ("lead_time", "y", "x")
    assert coming.reflectivity_members.dims == ("member", "lead_time", "y", "x")
    Ensemble.whole = False
    with pytest.raises(NowcastError, match="this forecaster is at fault"):
        forecast(archive, Ensemble(), at("11:00"), 2)


@dataclass(frozen=True)
class Newest:
    """A step that needs more past than persistence has: it forecasts a frame of before."""

    back: int = 3
    name: str = "newest"

    @property
    def past(self):
        return self.back

    def apply(self, forecast, observed):
        assert len(observed) >= self.back
        earlier = observed.isel(time=-self.back, drop=True)
        return forecast.assign(reflectivity=forecast.reflectivity * 0 + earlier)


def test_post_processing_gets_the_past_it_needs_and_the_forecaster_no_more_than_its_own(archive):
    handed = []

    class Persistent(Persistence):
        def forecast(self, observed, lead_times):
            handed.append(len(observed))
            return super().forecast(observed, lead_times)

    plain = forecast(archive, Persistent(), at("11:00"), 2)
    stepped = forecast(archive, Persistent(), at("11:00"), 2, post=[Newest()])
    assert handed == [1, 1]
    earlier = archive.frames(archive.times[archive.times == at("10:40")]).values[0]
    np.testing.assert_array_equal(stepped.reflectivity.values[1], earlier)
    assert not np.array_equal(plain.reflectivity.values[1], earlier)
    assert isinstance(Newest(), PostProcessing)


def test_a_forecast_of_another_grid_is_refused(archive):
    class Cut(Weak):
        def forecast(self, observed, lead_times):
            return super().forecast(observed, lead_times).isel(x=slice(1, None))

    with pytest.raises(NowcastError, match="this forecaster is at fault"):
        forecast(archive, Cut(), at("11:00"), 2)


def test_a_chosen_relation_is_named_and_products_without_one_cost_no_forecast(archive):
    class Never(Weak):
        def forecast(self, observed, lead_times):
            raise AssertionError

    assert "z_r_relation" not in archive.attrs
    for products in (["rain_sum"], ["all"], {"rain_onset": {"threshold_mm_h": 0.5}}):
        with pytest.raises(SettingsError, match="without a Z-R relation, expected one, as it is in mm"):
            forecast(archive, Never(), members=2, products=products)
    coming = forecast(archive, Weak(), lead_times=2, z_r="marshall_palmer")
    assert coming.attrs["z_r_relation"].startswith("marshall_palmer: Z = 200 R^1.6")
    with pytest.raises(SettingsError, match="expected one of marshall_palmer"):
        forecast(archive, Never(), z_r="palmer")


def test_a_forecast_that_takes_a_while_says_what_it_is_at(archive, monkeypatch):
    import nowcast.workflows.forecast as workflow
    from nowcast.core.stages import Stages

    told = []

    class Told(Stages):
        def __call__(self, name, left=None):
            super().__call__(name, left)
            told.append((self._begun, self._count, name))

    monkeypatch.setattr(workflow, "Stages", Told)
    forecast(archive, Probable(), lead_times=2, members=2, products=["ensemble_statistics"], progress=True)
    name = Probable().name
    assert told == [
        (1, 2, "archive is opened"),
        (2, 4, f"{name} forecasts"),
        (3, 4, "members"),
        (4, 4, "ensemble_statistics"),
    ]
