"""ONE self-contained HTML page: forecasts against what came with a slider, scores, and CSI on the map.

Pictures are data URIs, style and script stand in the page, and a content security policy forbids it to
fetch anything. Every name and note is escaped: nothing that a file says becomes markup.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

import numpy as np

from nowcast.core.files import whole_file
from nowcast.core.score_row import ScoreRow
from nowcast.report.colours import (
    LEVELS_DBZ,
    NOT_OBSERVED,
    NOT_OBSERVED_ALPHA,
    REFLECTIVITY,
    model_style,
    rgb,
)
from nowcast.report.content import Case, CellMap, Comparison, SkillHorizon
from nowcast.report.page_confidence import confidence_section
from nowcast.report.page_frames import frames_data
from nowcast.report.page_scores import headline, scores_section

__all__ = ["Case", "CellMap", "Comparison", "SkillHorizon", "render_page", "write_page"]


def write_page(
    path: Path,
    title: str,
    cases: Sequence[Case] = (),
    scores: Sequence[ScoreRow] = (),
    maps: Sequence[CellMap] = (),
    subtitle: str = "",
    metadata: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    comparisons: Sequence[Comparison] = (),
    horizons: Sequence[SkillHorizon] = (),
) -> None:
    """Write the page, whole or not at all.

    Args:
        path: the HTML file.
        title: heading and name of the page.
        cases: nowcasts for the slider, all on one grid; none leaves that part out.
        scores: the long table; none leaves that part out.
        maps: CSI of blocks of cells; none leaves that part out.
        subtitle: one sentence under the title.
        metadata: what was done, with what, from which data, by which version, as name and text.
        notes: attribution and licence of the data and whatever else must be said.
        comparisons: how sure differences between models are; none leaves that part out.
        horizons: up to which lead time the CSI of each model holds; none leaves that part out.

    Raises:
        PageError: cases that do not fit together.
        FileError: the file cannot be written.
    """
    text = render_page(
        title, cases, scores, maps, subtitle, metadata, notes, comparisons, horizons
    )
    with whole_file(Path(path)) as temporary:
        temporary.write_text(text, encoding="utf-8")


def render_page(
    title: str,
    cases: Sequence[Case] = (),
    scores: Sequence[ScoreRow] = (),
    maps: Sequence[CellMap] = (),
    subtitle: str = "",
    metadata: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    comparisons: Sequence[Comparison] = (),
    horizons: Sequence[SkillHorizon] = (),
) -> str:
    """Give the page of `write_page` as text."""
    part = files("nowcast.report")
    template = Template((part / "page.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=_safe(title),
        subtitle=f'<p class="subtitle">{_safe(subtitle)}</p>' if subtitle else "",
        tiles=headline(scores),
        style=(part / "page.css").read_text(encoding="utf-8") + model_style(),
        script=(part / "page.js").read_text(encoding="utf-8"),
        data=_json(frames_data(cases)),
        no_cases="" if cases else " hidden", no_scores="" if scores else " hidden",
        no_maps="" if maps else " hidden",
        legend=_reflectivity_legend(),
        scores=scores_section(scores), confidence=confidence_section(comparisons, horizons),
        maps=_maps_section(maps) if maps else "",
        facts="".join(f"<dt>{_safe(k)}</dt><dd>{_safe(v)}</dd>" for k, v in (metadata or {}).items()),
        notes="".join(f"<li>{_safe(note)}</li>" for note in notes),
    )


def _maps_section(maps: Sequence[CellMap]) -> str:
    """Draw CSI on the map with cartopy, a group for each threshold."""
    from nowcast.report.maps import map_of_cells
    from nowcast.report.pictures import figure_uri

    highest = _top_of_scale(maps)
    thresholds = sorted({m.threshold_dbz for m in maps})
    groups = []
    for i, threshold in enumerate(thresholds):
        pictures = "".join(
            f'<figure><figcaption>{_safe(m.model)}</figcaption><img '
            f'src="{figure_uri(map_of_cells(m.grid, m.values, m.block, highest))}" '
            f'alt="Map of the CSI of {_safe(m.model)} at {threshold:g} dBZ"></figure>'
            for m in maps if m.threshold_dbz == threshold
        )
        groups.append(f'<div class="maps" data-group="{i}">{pictures}</div>')
    chosen = min(range(len(thresholds)), key=lambda i: abs(thresholds[i] - 20.0))
    options = "".join(
        f'<option value="{i}"{" selected" if i == chosen else ""}>≥ {t:g} dBZ</option>'
        for i, t in enumerate(thresholds)
    )
    block = maps[0].block
    wide = f"{block * max(maps[0].grid.cell_km):.3g} km" if block > 1 else "one cell"
    top = f"{highest:g} and more" if highest < 1 else "1"
    return (
        '<div class="bar"><label class="pick">Event <select id="map-threshold">'
        f"{options}</select></label>"
        f'<div class="ramp"><span>CSI 0</span><i class="viridis"></i><span>{top}</span></div></div>'
        f"{''.join(groups)}"
        f'<p class="note">Hits, misses and false alarms of all nowcasts and lead times, added up over blocks '
        f"of {wide}; clear where the event was neither forecast nor observed.</p>"
    )


def _top_of_scale(maps: Sequence[CellMap]) -> float:
    """Give a round CSI under which 98 of 100 blocks lie, so that a few perfect ones do not dim the rest."""
    known = np.concatenate([m.values[np.isfinite(m.values)] for m in maps])
    if not len(known):
        return 1.0
    return float(min(1.0, max(0.1, math.ceil(np.quantile(known, 0.98) * 10 - 1e-9) / 10)))


def _reflectivity_legend() -> str:
    """Give the colour bar: one box for each 5 dBZ, a number at every second, and gray."""
    boxes = "".join(
        f'<li style="--c:{colour}"><i></i><span>{f"{level:g}" if i % 2 == 1 else ""}</span></li>'
        for i, (colour, level) in enumerate(zip(REFLECTIVITY, LEVELS_DBZ, strict=True))
    )
    red, green, blue = rgb(NOT_OBSERVED)
    gray = f"rgba({red},{green},{blue},{NOT_OBSERVED_ALPHA})"
    return (
        f'<div class="legend" aria-label="Colours of reflectivity from 5 to 70 dBZ in steps of 5">'
        f'<ol>{boxes}</ol><span>dBZ</span><span class="gray"><i style="background:{gray}"></i>not observed'
        "</span></div>"
    )


def _json(data: object) -> str:
    """Write data so that nothing in it can end the script element it stands in."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _safe(text: str) -> str:
    return html.escape(str(text), quote=True)
