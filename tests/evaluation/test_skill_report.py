"""The page's words about a verification: days, the summary table, what stands under a map."""

import numpy as np
import pytest

from nowcast.evaluation.skill_report import _days, as_page_case
from nowcast.evaluation.skill_text import WIDTH, summary
from nowcast.forecasters.persistence import Persistence
from nowcast.workflows.verify import verify, verify_period
from tests.fakes.fields import moving_disc, projected_grid, times
from tests.fakes.memory_archive import MemoryArchive


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        ("2025-03-21T18:00", "2025-03-22T22:00", "21 to 22 March 2025"),
        ("2025-03-22T18:00", "2025-03-22T22:00", "22 March 2025"),
        ("2025-02-28", "2025-03-01", "28 February to 1 March 2025"),
        ("2024-12-31", "2025-01-01", "31 December 2024 to 1 January 2025"),
    ],
)
def test_days(first, last, text):
    assert _days(np.datetime64(first, "ns"), np.datetime64(last, "ns")) == text


def test_what_stands_under_each_map_is_the_csi_of_this_nowcast():
    source = MemoryArchive(moving_disc(projected_grid(), frames=9, velocity=(1.0, 3.0)))
    day = times(9)[0], times(9)[-1] + np.timedelta64(1, "m")
    found = verify_period(source, [Persistence()], *day, lead_times=4, thresholds=[20.0], cases=1)
    assert found.nowcasts == 1
    shown = as_page_case(found.cases[0], found, 20.0)
    values = [r.value for r in found.rows if r.score == "csi" and r.lead_minutes]
    assert shown.captions["persistence"] == [f"CSI {v:.2f} at 20 dBZ" for v in values]
    assert shown.reference_time == times(9)[4]


def test_the_written_table_is_that_of_the_verification(tmp_path):
    source = MemoryArchive(moving_disc(projected_grid(), frames=9))
    skill = verify(
        source,
        {"p": Persistence()},
        "2025-03-22/2025-03-22",
        tmp_path,
        stride=1,
        lead_times=2,
        thresholds=[20.0],
        cases=0,
        title="Name & title",
        notes=["a note"],
    )
    mean = skill.verification.value("p", "csi", 20.0)
    assert f"p,csi,20,mean,{mean:.9g}" in skill.scores.read_text().splitlines()
    text = skill.page.read_text()
    assert "<h1>Name &amp; title</h1>" in text
    assert "a note" in text
    lines = summary(skill.verification).splitlines()
    columns = ["CSI20", "POD20", "FAR20", "BIAS20", "MAE", "MSE", "RMSE", "mean_error", "GDL", "SSIM"]
    assert lines[1].split() == ["model", *columns]
    assert lines[2].split()[:2] == ["p", f"{mean:.3f}"]
    assert "3 nowcasts" in lines[0]


def test_every_score_that_was_asked_for_is_told_and_wide_tables_are_parted():
    source = MemoryArchive(moving_disc(projected_grid(), frames=9))
    day = times(9)[0], times(9)[-1] + np.timedelta64(1, "m")
    asked = ["csi", "fss_17", "brier", "mae"]
    found = verify_period(
        source, {"p": Persistence(), "a longer name": Persistence()}, *day, lead_times=2, scores=asked, stride=9
    )
    lines = summary(found).splitlines()
    heads = [line.split()[1:] for line in lines if line.startswith("model")]
    assert heads == [
        [f"CSI{t}" for t in (10, 20, 30, 40, 50)],
        [f"fss_17@{t}" for t in (10, 20, 30, 40, 50)],
        [*(f"brier@{t}" for t in (10, 20, 30, 40, 50)), "MAE"],
    ]
    assert max(map(len, lines)) <= WIDTH
    assert "1 nowcast" in lines[0]
    told = dict(zip(heads[2], lines[-1].split()[-6:], strict=True))
    assert told["brier@20"] == f"{found.value('a longer name', 'brier', 20.0):.4f}"
    assert told["MAE"] == f"{found.value('a longer name', 'mae'):.3f}"
