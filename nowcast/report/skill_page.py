"""ONE self-contained HTML page: forecasts and observations with a slider, scores, and scores on the map.

Pictures are data URIs, style and script stand in the page, and a content security policy forbids it to
fetch anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nowcast.core.rain import z_r_of_text
from nowcast.core.score_row import ScoreRow
from nowcast.report.coastlines import CREDIT
from nowcast.report.confidence import differences, skill_horizons
from nowcast.report.content import FEW_BLOCKS, Case, CellMap, Comparison, GroupRow, IntervalRow, SkillHorizon
from nowcast.report.diagram_content import Diagrams
from nowcast.report.diagrams import figure_groups
from nowcast.report.frames import frames_data, map_data
from nowcast.report.group_parts import event_table, hour_groups, region_table
from nowcast.report.palettes import DEFAULT_Z_R, SAFE, palette_of
from nowcast.report.rendering import render
from nowcast.report.score_maps import maps_data
from nowcast.report.score_tabs import ScoreTable


@dataclass(frozen=True)
class SkillPage:
    """Everything the page shows; a part that has nothing is left out."""

    title: str
    cases: Sequence[Case] = ()
    """Nowcasts for the slider, all on one grid."""
    scores: Sequence[ScoreRow] = ()
    maps: Sequence[CellMap] = ()
    """Scores of blocks of cells."""
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
    z_r: str = ""
    """The Z-R relation of the archive, as its attribute says it; legends tell mm/h by it."""


def render_skill_page(page: SkillPage) -> str:
    """The page as HTML text.

    Raises:
        PageError: cases that do not fit together.
    """
    table = ScoreTable(page.scores)
    styles, palette = table.styles, palette_of(name=page.palette)
    maps = maps_data(page.maps, table.models)
    shown = frames_data(page.cases, palette)
    z_r = z_r_of_text(page.z_r) or DEFAULT_Z_R
    return render(
        "skill.html",
        page=page,
        few_blocks=FEW_BLOCKS,
        frames={
            **shown,
            "styles": styles,
            "maps": maps,
            "map": shown["map"] or (map_data(page.maps[0].grid) if maps else None),
        },
        palette=palette.as_data(z_r),
        probability=palette_of("probability", page.palette).as_data(),
        table=table,
        styles=styles,
        groups=figure_groups(page.diagrams, page.csi, table, styles) + hour_groups(page.groups, styles),
        regions=region_table(page.groups, styles),
        events=event_table(page.groups, styles),
        differences=differences(page.comparisons, styles),
        horizons=skill_horizons(page.horizons, styles) if page.horizons else None,
        notes=[*page.notes, CREDIT],
    )
