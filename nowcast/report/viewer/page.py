"""The page of a forecast as ONE self-contained HTML text: map, frames, style and script stand in it.

A content security policy forbids the page to fetch anything; style and script are named by their digests, so
that nothing that comes from a file could run even if it got into the page as markup.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import xarray as xr

from nowcast.core.grid import Grid
from nowcast.core.times import minutes, to_text
from nowcast.report.coastlines import CREDIT as LINES_CREDIT
from nowcast.report.gazetteer import CREDIT as PLACES_CREDIT
from nowcast.report.palettes import NAMES
from nowcast.report.rendering import render
from nowcast.report.viewer.content import BUDGET_BYTES, Moment, ShownForecast
from nowcast.report.viewer.ground import ground
from nowcast.report.viewer.layers import Layers, build_layers
from nowcast.report.viewer.scales import ASSUMED, scales

CREDIT = f"Map: Leaflet 1.9.4. {LINES_CREDIT} {PLACES_CREDIT}"
_SCRIPTS = (
    "head",
    "frames",
    "lattice",
    "colours",
    "map",
    "towns",
    "clock",
    "meteogram",
    "place",
    "link",
    "page",
)
_MOST_CELLS = 1_500_000
_MOST_THIN = 256
_SLACK_BYTES = 40_000


@dataclass(frozen=True)
class PageParts:
    """What stands around the map, as plain text, and the data of the map as JSON."""

    title: str
    model: str
    reference: str
    """ISO 8601."""
    reference_text: str
    metadata: Mapping[str, str]
    notes: Sequence[str]
    """Beside the map: what one must know of the forecast."""
    remarks: Sequence[str]
    """Folded away: what one may want to know of the page."""
    data: Mapping[str, Any]
    """What the page's script reads."""

    def as_json(self) -> str:
        """Return it as text, to be kept until a page is made of it."""
        return json.dumps(asdict(self), allow_nan=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> PageParts:
        """Read it back.

        Raises:
            ValueError, TypeError: the text is something else.
        """
        return cls(**json.loads(text))


def render_forecast_page(shown: ShownForecast) -> str:
    """Return the page of a forecast."""
    return render_parts(page_parts(shown))


def render_parts(
    parts: PageParts | None, template: str = "viewer/viewer.html", more: Sequence[str] = (), **values: Any
) -> str:
    """Fill a template that is, or extends, that of the page of a forecast.

    Args:
        parts: what stands on it; None for a page that extends it and has no forecast yet.
        template: its name below ``templates/``.
        more: names of further scripts, which follow those of the map.
        values: further values of the template.
    """
    from jinja2.utils import htmlsafe_json_dumps
    from markupsafe import Markup

    style, script = _assets((*_SCRIPTS, *more) if parts else tuple(more))
    return render(
        template,
        shown=parts,
        data=htmlsafe_json_dumps(parts.data, allow_nan=False, separators=(",", ":")) if parts else "",
        style=Markup(style),
        script=Markup(script),
        policy=f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; "
        f"script-src '{_digest(script)}'; base-uri 'none'; form-action 'none'",
        leaflet_licence=_vendored("LICENSE"),
        credit=CREDIT,
        **values,
    )


def page_parts(shown: ShownForecast, palette: str = NAMES[0]) -> PageParts:
    """Pack a forecast for its page, thinned until it fits.

    Args:
        shown: the forecast.
        palette: the colours that the page begins with, of `nowcast.report.palettes`.
    """
    style, script = _assets(_SCRIPTS)
    rows, columns = shown.frames.shape[1:]
    most = max(1, min(rows, columns, _MOST_THIN) // 4)
    thin = min(most, math.ceil(math.sqrt(rows * columns / _MOST_CELLS)))
    while True:
        seen = _thinned(shown, thin)
        moments = _moments(seen)
        lies = ground(Grid.of(seen.frames))
        taken = len(style) + len(script) + len(json.dumps(lies)) + _SLACK_BYTES
        taken += sum(len(text) for pair in shown.metadata.items() for text in pair)
        made = build_layers(seen, moments, BUDGET_BYTES - taken)
        if made.used + taken <= BUDGET_BYTES or thin >= most:
            break
        room = max(1, BUDGET_BYTES - taken)
        thin = min(most, max(thin + 1, math.ceil(thin * math.sqrt(made.used / room) * 0.9)))
    return PageParts(
        title=shown.title,
        model=shown.model,
        reference=to_text(shown.reference_time),
        reference_text=_clock(shown.reference_time),
        metadata=shown.metadata,
        notes=(*shown.notes, *_beyond(shown, moments)),
        remarks=_remarks(shown, made, thin),
        data=_data(seen, moments, lies, made) | {"palette": palette},
    )


def _data(shown: ShownForecast, moments: list[Moment], lies: dict[str, Any], made: Layers) -> dict[str, Any]:
    relation = shown.relation or ASSUMED
    newest = max((i for i, m in enumerate(moments) if m.observed), default=-1)
    return {
        "moments": [
            {"valid": to_text(m.valid), "lead": m.lead_minutes, "observed": m.observed, "beyond": m.beyond}
            for m in moments
        ],
        "start": min(newest + 1, len(moments) - 1),
        "ground": lies,
        "layers": made.layers,
        "packs": made.packs,
        "palettes": scales(relation),
        "relation": {"name": relation.name, "a": relation.a, "b": relation.b},
    }


def _moments(shown: ShownForecast) -> list[Moment]:
    """Positions of the slider: the observed frames before the forecast, then its own."""
    start = shown.reference_time
    before = [] if shown.observed is None else [t for t in shown.observed["time"].values if t <= start]
    found = [Moment(t, minutes(t - start), True, False) for t in before]
    for valid in shown.frames["valid_time"].values:
        lead = minutes(valid - start)
        found.append(
            Moment(valid, lead, False, shown.trained_minutes is not None and lead > shown.trained_minutes)
        )
    return found


def _beyond(shown: ShownForecast, moments: list[Moment]) -> tuple[str, ...]:
    longest = [m.lead_minutes for m in moments if m.beyond]
    if not longest:
        return ()
    return (
        f"Beyond +{shown.trained_minutes:g} min the model forecasts further ahead than it was trained for; "
        "expect less of those frames.",
    )


def _remarks(shown: ShownForecast, made: Layers, thin: int) -> tuple[str, ...]:
    found = []
    if shown.relation is None:
        found.append(f"The forecast names no Z-R relation; mm/h are by {ASSUMED}.")
    else:
        found.append(
            f"mm/h are by {shown.relation}; what echoes like more than 150 mm/h, which is hail, counts as 150."
        )
    if thin > 1:
        found.append(f"The map shows one in {thin} rows and columns of the file, so that the page stays small.")
    if made.left_out:
        some = "; ".join(made.left_out[:4]) + (" and so on" if len(made.left_out) > 4 else "")
        found.append(f"The file holds more than the page has room for: {some}.")
    return tuple(found)


def _thinned(shown: ShownForecast, thin: int) -> ShownForecast:
    """Every ``thin``-th row and column of everything."""
    if thin == 1:
        return shown
    part = {"y": slice(None, None, thin), "x": slice(None, None, thin)}

    def variable(name: str) -> xr.DataArray | None:
        held = shown.variable(name)
        return None if held is None else held.isel(part)

    observed = None if shown.observed is None else shown.observed.isel(part)
    return replace(shown, frames=shown.frames.isel(part), observed=observed, variable=variable)


def _clock(moment: np.datetime64) -> str:
    return to_text(moment)[:16].replace("T", " ") + " UTC"


@lru_cache(maxsize=4)
def _assets(scripts: tuple[str, ...]) -> tuple[str, str]:
    """Return the style, and the script that some of ours make, after Leaflet where they draw a map."""
    own = "\n".join(_template(f"{name}.js") for name in scripts)
    library = _vendored("leaflet.js") if "map" in scripts else ""
    script = f'{library}\n(() => {{\n"use strict";\n{own}\n}})();\n'
    return f"{_vendored('leaflet.css')}\n{_template('viewer.css')}", script


def _template(name: str) -> str:
    return (files("nowcast.report") / "templates" / "viewer" / name).read_text(encoding="utf-8")


def _vendored(name: str) -> str:
    """Return a file of Leaflet as it is, without the pointer to a map of its source, which is not here."""
    text = (files("nowcast.report.viewer") / "leaflet" / name).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n").split("//# sourceMappingURL")[0]


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
