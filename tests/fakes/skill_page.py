"""A skill page that has every part, with names that try to become markup."""

import numpy as np
import xarray as xr

from nowcast.core.score_row import ScoreRow
from nowcast.core.times import as_step
from nowcast.forecasters.base import label_forecast
from nowcast.report.content import Case, CellMap, GroupRow, IntervalRow
from nowcast.report.diagram_content import DiagramCurve, Diagrams, RankShares, ReliabilityCurve
from nowcast.report.skill_page import SkillPage
from tests.fakes.fields import geographic_grid, moving_disc

EVIL = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"


def full_skill_page():
    """The page; all of it is small."""
    grid = geographic_grid(24, 30)
    cases = []
    for start in ("first", "second"):
        field = moving_disc(grid, frames=6)
        issued = field["time"].values[2]
        leads = as_step(np.timedelta64(10, "m")) * np.arange(1, 4)
        said = label_forecast(np.repeat(field.values[2][None], 3, 0), issued, leads, grid)["reflectivity"]
        likely = xr.concat([0 * said + p for p in (0.7, 0.2)], xr.Variable("threshold", [20.0, 30.0]))
        forecasts = {"persistence": said, EVIL: said}
        cases.append(
            Case(
                issued,
                field[:3],
                forecasts,
                field[3:5],
                {"persistence": ["CSI 0.70", "CSI 0.60", "CSI 0.50"], EVIL: [EVIL] * 3},
                start,
                {"persistence": likely},
            )
        )
    scores = [
        ScoreRow(model, score, threshold, lead, value + (0 if lead is None else lead / 1000))
        for model, base in (("persistence", 0.25), (EVIL, 0.375))
        for score, threshold, value in (
            ("csi", 20.0, base),
            ("csi", 30.0, 0.5 - base),
            ("mae", None, 10 * base),
        )
        for lead in (None, 10.0, 20.0, 30.0)
    ]
    maps = [
        CellMap(model, threshold, grid, np.full((3, 3), 0.5), 10)
        for model, threshold in (("persistence", 20.0), (EVIL, 20.0), ("persistence", 30.0))
    ]
    maps += [
        CellMap(model, None, grid, np.full((3, 3), 0.5 + (lead or 0)), 10, "gdl", lead)
        for model in ("persistence", EVIL)
        for lead in (None, 20.0)
    ]
    names, unit = ("persistence", EVIL), [0.0, 0.5, 1.0]
    diagrams = Diagrams(
        [ReliabilityCurve(m, 20.0, unit, unit, [9, 3, 1], unit, unit, 0.1) for m in names],
        [DiagramCurve(m, 20.0, unit, [0.0, 0.8, 1.0], [EVIL] * 3) for m in names],
        performance=[DiagramCurve(m, 20.0, unit, unit) for m in names],
        ranks=[RankShares(m, 20.0, [1.5, 0.5]) for m in names],
    )
    csi = [IntervalRow(m, 20.0, lead, 0.5, 0.4, 0.6, 4) for m in names for lead in (10.0, 20.0, 30.0)]
    groups = [
        GroupRow(by, f"r{i}c{i}" if by == "region" else "12", ScoreRow(m, "csi", 20.0, None, 0.5))
        for m in names
        for by in ("hour", "region")
        for i in range(12)
    ]
    return SkillPage(
        f"Skill {EVIL}",
        cases,
        scores,
        maps,
        EVIL,
        {EVIL: EVIL},
        [EVIL],
        csi=csi,
        diagrams=diagrams,
        groups=groups,
    )
