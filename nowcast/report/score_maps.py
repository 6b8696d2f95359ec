"""Scores on the map as the skill page shows them: a small picture a map, one pixel a block, and what to choose.

Pictures are bounded in all: lead times, then scores, are left out at the end of the list until they fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nowcast.report.content import CellMap
from nowcast.report.palettes import ColourScale
from nowcast.report.pictures import frame_uri
from nowcast.report.score_scales import bound_texts, scale_of
from nowcast.report.score_texts import text_of

BUDGET_BYTES = 4_000_000
"""What all maps of scores together may take."""
_FIRST_DBZ = 20.0
_BETTER = {"higher": "more is better", "lower": "less is better", "one": "1 is best"}
_Kind = tuple[str, float | None]


def maps_data(maps: Sequence[CellMap], models: Sequence[str]) -> dict[str, Any] | None:
    """Everything as plain data for the page's script; None where there are no maps.

    Args:
        maps: on one grid, with blocks of one size.
        models: in the order in which they are shown.
    """
    defined = [m for m in maps if np.isfinite(m.values).any()]
    if not defined:
        return None
    of_kind: dict[_Kind, list[CellMap]] = {}
    for one in defined:
        of_kind.setdefault((one.score, one.threshold_dbz), []).append(one)
    scales = {kind: scale_of(kind[0], [m.values for m in group]) for kind, group in of_kind.items()}
    images, shown = _within_budget(of_kind, scales)
    grid, block = defined[0].grid, defined[0].block
    rows, columns = defined[0].values.shape
    there = dict.fromkeys(m.model for m in shown)
    return {
        "images": images,
        "models": [*(m for m in models if m in there), *(m for m in there if m not in models)],
        "scores": _choices(shown, scales),
        "leads": [None, *sorted({m.lead_minutes for m in shown if m.lead_minutes is not None})],
        "width": f"{block * max(grid.cell_km):.3g} km" if block > 1 else "one cell",
        "fit": [round(100 * columns * block / grid.shape[1], 3), round(100 * rows * block / grid.shape[0], 3)],
    }


def image_key(one: CellMap) -> str:
    """What a map's picture is found by: score, threshold, lead time and model."""
    numbers = ("" if number is None else f"{number:g}" for number in (one.threshold_dbz, one.lead_minutes))
    return "|".join((one.score, *numbers, one.model))


def _within_budget(
    of_kind: Mapping[_Kind, Sequence[CellMap]], scales: Mapping[_Kind, ColourScale]
) -> tuple[dict[str, str], list[CellMap]]:
    """Pictures by key, and the maps that they are of: one score and lead time after another while they fit."""
    images: dict[str, str] = {}
    shown: list[CellMap] = []
    left = BUDGET_BYTES
    for group in _by_importance(of_kind):
        drawn = {image_key(m): frame_uri(m.values, palette=scales[m.score, m.threshold_dbz]) for m in group}
        left -= sum(map(len, drawn.values()))
        if left < 0 and shown:
            break
        images |= drawn
        shown += group
    return images, shown


def _by_importance(of_kind: Mapping[_Kind, Sequence[CellMap]]) -> Iterable[list[CellMap]]:
    """Maps of all lead times together first, then the latest lead time, the first, and those between."""
    every = [m for group in of_kind.values() for m in group]
    leads = sorted({m.lead_minutes for m in every if m.lead_minutes is not None})
    ordered = [None, *dict.fromkeys([*leads[-1:], *leads])]
    for lead in ordered:
        for score in dict.fromkeys(m.score for m in every):
            if group := [m for m in every if m.score == score and m.lead_minutes == lead]:
                yield group


def _choices(shown: Sequence[CellMap], scales: Mapping[_Kind, ColourScale]) -> list[dict[str, Any]]:
    """What can be chosen: scores, each with its thresholds and their scales."""
    found = []
    for score in dict.fromkeys(m.score for m in shown):
        text = text_of(score)
        thresholds = sorted({m.threshold_dbz for m in shown if m.score == score}, key=lambda t: t or 0.0)
        own = [scales[score, t] for t in thresholds]
        found.append(
            {
                "key": score,
                "label": text.label,
                "note": text.text,
                "better": _BETTER.get(text.better, ""),
                "unit": text.unit,
                "thresholds": thresholds,
                "first": min(thresholds, key=lambda t: abs((t or 0.0) - _FIRST_DBZ)),
                "scales": [{"colours": scale.colours, "bounds": bound_texts(scale)} for scale in own],
            }
        )
    return found
