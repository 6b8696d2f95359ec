"""The page's words about a verification: days, the summary table, what stands under a map."""

import numpy as np
import pytest

from nowcast.evaluation.period import make_case
from nowcast.evaluation.skill_report import _days, as_page_case, summary, write_skill
from nowcast.forecasters.persistence import Persistence
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
    case = make_case(source, [Persistence()], times(9)[4], steps=4, thresholds=[20.0])
    shown = as_page_case(case, 20.0)
    values = [r.value for r in case.rows if r.lead_minutes]
    assert shown.captions["persistence"] == [f"CSI {v:.2f} at 20 dBZ" for v in values]
    assert shown.reference_time == times(9)[4]


def test_the_written_table_is_that_of_the_verification(tmp_path):
    source = MemoryArchive(moving_disc(projected_grid(), frames=9))
    day = np.datetime64("2025-03-22", "ns"), np.datetime64("2025-03-23", "ns")
    skill = write_skill(
        tmp_path, source, {"p": Persistence()}, *day, stride=1, steps=2, thresholds=[20.0], cases=0,
        title="Name & title", notes=["a note"],
    )
    mean = skill.verification.value("p", "csi", 20.0)
    assert f"p,csi,20,mean,{mean:.9g}" in skill.scores.read_text().splitlines()
    text = skill.page.read_text()
    assert "<h1>Name &amp; title</h1>" in text
    assert "a note" in text
    lines = summary(skill.verification).splitlines()
    assert lines[1].split() == ["model", "CSI20", "MAE", "GDL", "SSIM"]
    assert lines[2].split()[:2] == ["p", f"{mean:.3f}"]
    assert "3 nowcasts" in lines[0]
