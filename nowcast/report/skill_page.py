"""ONE self-contained HTML page: forecasts and observations with a slider, scores, and CSI on the map.

Pictures are data URIs, style and script stand in the page, and a content security policy forbids it to
fetch anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nowcast.core.score_row import ScoreRow
from nowcast.report.coastlines import CREDIT
from nowcast.report.confidence import differences, skill_horizons
from nowcast.report.content import (
    FEW_BLOCKS,
    Case,
    CellMap,
    Comparison,
    GroupRow,
    IntervalRow,
    Picture,
    SkillHorizon,
)
from nowcast.report.diagram_content import Diagrams
from nowcast.report.diagrams import figure_groups
from nowcast.report.frames import frames_data
from nowcast.report.group_parts import event_table, hour_groups, region_table
from nowcast.report.palettes import SAFE, palette_of
from nowcast.report.rendering import render
from nowcast.report.score_tabs import ScoreTable


@dataclass(frozen=True)
class SkillPage:
    """Everything the page shows; a part that has nothing is left out."""

    title: str
    cases: Sequence[Case] = ()
    """Nowcasts for the slider, all on one grid."""
    scores: Sequence[ScoreRow] = ()
    maps: Sequence[CellMap] = ()
    """CSI of blocks of cells."""
    subtitle: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What was done, with what, from which data, by which version, as name and text."""
    notes: Sequence[str] = ()
    """Attribution and licence of the data and whatever else the page must state."""
    comparisons: Sequence[Comparison] = ()
    csi: Sequence[IntervalRow] = ()
    diagrams: Diagrams = field(default_factory=Diagrams)
    groups: Sequence[GroupRow] = ()
    """Scores by hour of the day and by region."""
    horizons: Sequence[SkillHorizon] = ()
    palette: str = SAFE
    """Name of that of reflectivity."""


def render_skill_page(page: SkillPage) -> str:
    """The page as HTML text.

    Raises:
        PageError: cases that do not fit together.
    """
    table = ScoreTable(page.scores)
    styles, palette = table.styles, palette_of(name=page.palette)
    return render(
        "skill.html",
        page=page,
        few_blocks=FEW_BLOCKS,
        frames=frames_data(page.cases, palette),
        palette=palette.as_data(),
        table=table,
        styles=styles,
        groups=figure_groups(page.diagrams, page.csi, table, styles) + hour_groups(page.groups, styles),
        regions=region_table(page.groups, styles),
        events=event_table(page.groups, styles),
        differences=differences(page.comparisons, styles),
        horizons=skill_horizons(page.horizons, styles) if page.horizons else None,
        maps=_csi_maps(page.maps) if page.maps else None,
        notes=[*page.notes, CREDIT],
    )


def _csi_maps(maps: Sequence[CellMap]) -> dict[str, Any]:
    """Draw CSI on the map with cartopy: a group of pictures for each threshold, and what the colours mean."""
    from nowcast.report.maps import map_of_cells
    from nowcast.report.pictures import figure_uri

    highest = _top_of_scale(maps)
    thresholds = sorted({m.threshold_dbz for m in maps})
    block = maps[0].block
    return {
        "thresholds": thresholds,
        "chosen": min(thresholds, key=lambda threshold: abs(threshold - 20.0)),
        "groups": [
            [
                Picture(figure_uri(map_of_cells(m.grid, m.values, m.block, highest)), m.model)
                for m in maps
                if m.threshold_dbz == threshold
            ]
            for threshold in thresholds
        ],
        "width": f"{block * max(maps[0].grid.cell_km):.3g} km" if block > 1 else "one cell",
        "top": f"{highest:g} and more" if highest < 1 else "1",
    }


def _top_of_scale(maps: Sequence[CellMap]) -> float:
    """A round CSI under which 98 of 100 blocks lie, so that a few perfect ones do not dim the rest."""
    known = np.concatenate([m.values[np.isfinite(m.values)] for m in maps])
    if not len(known):
        return 1.0
    return float(min(1.0, max(0.1, math.ceil(np.quantile(known, 0.98) * 10 - 1e-9) / 10)))
