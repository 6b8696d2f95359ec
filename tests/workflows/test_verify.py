"""Verification over a period: start times, pooling, what a forecaster may see, errors in one line."""

import numpy as np
import pytest

from nowcast.core.errors import NowcastError
from nowcast.core.field import make_field
from nowcast.core.grid import Grid
from nowcast.evaluation.windows import wettest
from nowcast.forecasters.base import Needs, label_forecast
from nowcast.forecasters.persistence import Persistence
from nowcast.scores.categorical import Contingency
from nowcast.workflows.verify import verify_period
from tests.fakes.fields import geographic_grid, moving_disc, projected_grid, times
from tests.fakes.memory_archive import MemoryArchive

DAY = np.datetime64("2025-03-22", "ns"), np.datetime64("2025-03-23", "ns")


class Spy:
    """Says what it was given, forecasts one value, and spoils its input afterwards."""

    def __init__(self, name="spy", dbz=30.0, **needs):
        self.name, self.dbz, self.needs, self.seen = name, dbz, Needs(**{"past": 2, **needs}), []

    def describe(self):
        return {}

    def forecast(self, observed, lead_times):
        self.seen.append(observed["time"].values)
        grid = Grid.of(observed)
        said = np.full((len(lead_times), *grid.shape), self.dbz, np.float32)
        start = observed["time"].values[-1]
        observed.values[:] = 99.0
        return label_forecast(said, start, lead_times, grid)


def archive(frames=20, missing=(), **kw):
    field = moving_disc(projected_grid(), frames=frames, velocity=(0.5, 1.0), **kw)
    keep = [i for i in range(frames) if i not in missing]
    return MemoryArchive(field.isel(time=keep))


def test_windows_are_built_from_times_and_never_bridge_a_gap():
    spy = Spy()
    found = verify_period(archive(missing=(9,)), [spy], *DAY, lead_times=3, least_past=2)
    clock = times(20)
    starts = [1, 2, 3, 4, 5, 11, 12, 13, 14, 15, 16]
    assert found.reference_times.tolist() == clock[starts].tolist()
    assert [s.tolist() for s in spy.seen] == [clock[i - 1 : i + 1].tolist() for i in starts]
    assert found.nowcasts == 11


def test_stride_counts_from_the_start_of_each_unbroken_run():
    found = verify_period(archive(missing=(9,)), [Spy()], *DAY, lead_times=3, least_past=2, stride=4)
    assert found.reference_times.tolist() == times(20)[[1, 5, 11, 15]].tolist()


def test_start_times_do_not_depend_on_which_small_forecaster_is_asked():
    alone = verify_period(archive(), [Persistence()], *DAY, lead_times=3)
    both = verify_period(archive(), [Persistence(), Spy(past=4)], *DAY, lead_times=3)
    np.testing.assert_array_equal(alone.reference_times, both.reference_times)
    assert alone.reference_times[0] == times(20)[4]
    long = verify_period(archive(), [Persistence(), Spy(past=8)], *DAY, lead_times=3)
    assert long.reference_times[0] == times(20)[7]


def test_every_frame_of_a_window_lies_in_the_period():
    spy = Spy()
    clock = times(20)
    found = verify_period(archive(), [spy], clock[3], clock[12], lead_times=3, least_past=2)
    assert found.reference_times.tolist() == clock[4:9].tolist()
    assert spy.seen[0][0] == clock[3]


def test_scores_are_pooled_over_nowcasts():
    source = archive()
    found = verify_period(source, [Persistence()], *DAY, lead_times=3, stride=2, thresholds=[20.0, 30.0])
    values = source.whole.values
    starts = range(4, 17, 2)
    for lead in (1, 2, 3):
        sums = Contingency(20.0).sums(
            np.stack([values[i] for i in starts])[:, None],
            np.stack([values[i + lead] for i in starts])[:, None],
        )
        hits, all_events = sums["hits"][0], sum(sums[k][0] for k in ("hits", "misses", "false_alarms"))
        assert found.value("persistence", "csi", 20.0, 10.0 * lead) == hits / all_events
    leads = [found.value("persistence", "csi", 20.0, 10.0 * lead) for lead in (1, 2, 3)]
    assert found.value("persistence", "csi", 20.0) == pytest.approx(np.mean(leads), abs=1e-15)
    assert leads == sorted(leads, reverse=True)


def test_one_forecaster_cannot_spoil_the_next_ones_input():
    alone = verify_period(archive(), [Persistence()], *DAY, lead_times=2)
    after = verify_period(archive(), {"spy": Spy(), "p": Persistence()}, *DAY, lead_times=2)
    for row, other in zip(alone.rows, [r for r in after.rows if r.model == "p"], strict=True):
        np.testing.assert_equal(tuple(row[1:]), tuple(other[1:]))


def test_cells_of_the_map_by_hand():
    dbz = np.zeros((3, 4, 4), np.float32)
    dbz[:, 0, 0] = 30.0  # stays: hit
    dbz[2, 3, 3] = 30.0  # comes: miss
    source = MemoryArchive(make_field(dbz, times(3), geographic_grid(4, 4)))
    found = verify_period(source, [Persistence()], *DAY, lead_times=1, least_past=2, thresholds=[20.0], block=2)
    np.testing.assert_array_equal(found.csi_cells["persistence", 20.0], [[1.0, np.nan], [np.nan, 0.0]])


@pytest.mark.parametrize(("height_m", "block"), [(1250.0, 4), (500.0, 5), (9000.0, 1)])
def test_blocks_of_the_map_are_about_five_kilometres_of_the_longer_side(height_m, block):
    grid = projected_grid(12, 16, height_m=height_m)
    source = MemoryArchive(make_field(np.full((3, 12, 16), 30.0, np.float32), times(3), grid))
    found = verify_period(source, [Spy()], *DAY, lead_times=1, least_past=2, thresholds=[20.0])
    assert found.block == block
    assert found.csi_cells["spy", 20.0].shape == (-(-12 // block), -(-16 // block))


def test_dry_starts_are_left_out_and_counted():
    dbz = np.zeros((8, 4, 4), np.float32)
    dbz[3, :2] = 25.0
    source = MemoryArchive(make_field(dbz, times(8), projected_grid(4, 4)))
    found = verify_period(source, [Spy()], *DAY, lead_times=1, least_past=1, min_wet_pixels=8)
    assert list(found.reference_times) == [times(8)[3]]
    assert found.wet_pixels.tolist() == [8]
    assert found.too_dry == 5
    with pytest.raises(NowcastError, match=r"none has 9 pixels >= 20 dBZ \(the wettest has 8\)"):
        verify_period(source, [Spy()], *DAY, lead_times=1, least_past=1, min_wet_pixels=9)


def test_one_window_is_in_memory_at_a_time():
    source = archive(frames=40)
    verify_period(source, [Persistence()], *DAY, lead_times=3)
    assert source.most_at_once == 3  # what was observed; a forecaster reads its past itself


def test_a_case_is_one_of_the_nowcasts_that_were_scored_and_none_is_forecast_twice():
    source, spy = archive(), Spy()
    found = verify_period(source, [Persistence(), spy], *DAY, lead_times=3, least_past=2, cases=1)
    assert len(spy.seen) == found.nowcasts
    (case,) = found.cases
    start = times(20).tolist().index(int(case.reference_time))
    assert found.wet_pixels[start - 1] == found.wet_pixels.max()
    np.testing.assert_array_equal(case.past["time"].values, times(20)[start - 1 : start + 1])
    np.testing.assert_array_equal(case.observed["time"].values, times(20)[start + 1 : start + 4])
    np.testing.assert_array_equal(case.forecasts["persistence"].values[2], source.whole.values[start])
    np.testing.assert_array_equal(case.forecasts["spy"].values, 30.0)


def test_the_wettest_lie_hours_apart():
    found = verify_period(archive(frames=110), [Spy()], *DAY, lead_times=1, least_past=1, stride=6)
    chosen = wettest(found.reference_times, found.wet_pixels, 2)
    assert chosen == sorted(chosen)
    assert chosen[1] - chosen[0] >= np.timedelta64(6, "h")
    assert found.reference_times[np.argmax(found.wet_pixels)] in chosen
    hours = np.datetime64("2025-03-22", "ns") + np.array([0, 5, 6, 11, 12]) * np.timedelta64(1, "h")
    assert wettest(hours, np.array([9, 8, 7, 6, 5]), 5) == list(hours[[0, 2, 4]])
    assert wettest(hours, np.array([1, 3, 2, 3, 9]), 2) == list(hours[[1, 4]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"thresholds": [-5.0]}, "threshold: got -5, expected dBZ"),
        ({"thresholds": [float("nan")]}, "threshold: got nan"),
        ({"thresholds": []}, "thresholds: got \\[\\]"),
        ({"wet_dbz": float("nan")}, "threshold: got nan"),
        ({"stride": 0}, "stride: got 0"),
        ({"lead_times": 0}, "lead_times: got 0"),
        ({"lead_times": 19}, "without one gap-free run of 24"),
        (
            {"start": np.datetime64("2024-01-01", "ns"), "end": np.datetime64("2024-01-02", "ns")},
            "the archive has no frames",
        ),
        ({"forecasters": []}, "models: got none"),
        ({"forecasters": [Spy(), Spy()]}, "one name twice"),
        ({"forecasters": [Spy(step=np.timedelta64(5, "m"))]}, "spy: got an archive with a step of 10 min"),
        ({"forecasters": [Spy(longest=np.timedelta64(20, "m"))], "lead_times": 3}, "expected at most 20 min"),
    ],
)
def test_mistakes_are_one_clear_line(change, message):
    asked = {"forecasters": [Spy()], "start": DAY[0], "end": DAY[1], "lead_times": 3, **change}
    with pytest.raises(NowcastError, match=message) as caught:
        verify_period(archive(), **asked)
    assert "\n" not in str(caught.value)


def test_a_model_is_asked_for_all_that_it_reaches_and_no_more():
    for longest in (20, 30):
        reaching = Spy(longest=np.timedelta64(longest, "m"))
        found = verify_period(archive(), [reaching], *DAY, lead_times=longest // 10)
        assert found.lead_minutes[-1] == longest


def test_a_forecast_of_the_wrong_shape_is_refused():
    class Short(Spy):
        def forecast(self, observed, lead_times):
            return super().forecast(observed, lead_times[:-1])

    with pytest.raises(NowcastError, match="this forecaster is at fault"):
        verify_period(archive(), [Short()], *DAY, lead_times=3)


class Oracle(Spy):
    """Says 30 dBZ everywhere, and of reaching 20 dBZ the probability .8."""

    def forecast(self, observed, lead_times):
        said = super().forecast(observed, lead_times).reflectivity
        probabilities = np.full((1, *said.shape), 0.8, np.float32)
        return label_forecast(
            said.values,
            said["forecast_reference_time"].values,
            lead_times,
            Grid.of(said),
            probabilities,
            [20.0],
        )


def test_probabilities_are_scored_where_a_forecaster_has_them_and_certainty_where_not():
    found = verify_period(
        archive(),
        [Oracle("unsure"), Spy("sure")],
        *DAY,
        lead_times=3,
        least_past=2,
        thresholds=[20.0, 35.0],
        scores=["csi", "brier", "rapsd_ratio"],
    )
    observed = archive().whole.values[2:]
    wet = np.mean([(observed[i : i + 3] >= 20).mean() for i in range(len(observed) - 2)])
    assert found.value("unsure", "brier", 20.0) == pytest.approx(wet * 0.2**2 + (1 - wet) * 0.8**2)
    assert found.value("sure", "brier", 20.0) == pytest.approx(1 - wet)
    assert found.value("unsure", "brier", 35.0) == found.value("sure", "brier", 35.0)
    assert found.value("sure", "rapsd_ratio") == pytest.approx(0.0, abs=1e-9)  # one value everywhere


def test_an_archive_of_a_shorter_step_is_thinned_for_all_models_alike():
    spy, free = Spy(step=np.timedelta64(20, "m")), Spy("free")
    found = verify_period(archive(frames=30), [spy, free], *DAY, lead_times=2, least_past=2)
    assert found.lead_minutes == (20.0, 40.0)
    gaps = {(np.diff(seen) / np.timedelta64(1, "m")).tolist()[0] for s in (spy, free) for seen in s.seen}
    assert gaps == {20.0}
    with pytest.raises(NowcastError, match="verify each step by itself"):
        verify_period(archive(), [spy, Spy("other", step=np.timedelta64(10, "m"))], *DAY)


def test_the_content_of_the_archive_is_read_once_however_many_nowcasts_there_are():
    """Its fingerprint reads the ledger of every file, which grows with the length of the archive."""
    reads = []

    class Counting(MemoryArchive):
        @property
        def fingerprint(self):
            reads.append(1)
            return "0" * 16

        @fingerprint.setter
        def fingerprint(self, _value):
            pass

    found = verify_period(Counting(archive().whole), [Persistence(), Spy()], *DAY, lead_times=3)
    assert found.nowcasts > 5
    assert len(reads) == 1
    assert found.metadata["spy"]["archive_fingerprint"] == "0" * 16
