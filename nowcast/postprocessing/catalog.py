"""The products of a forecast that can be named: one line each. They come last, after members are drawn."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from nowcast.core.errors import SettingsError, complain
from nowcast.core.settings import build
from nowcast.postprocessing.base import PostProcessing
from nowcast.postprocessing.ensemble_statistics import EnsembleStatistics
from nowcast.postprocessing.neighbourhood_probability import NeighbourhoodProbability
from nowcast.postprocessing.rain_onset import RainOnset
from nowcast.postprocessing.rain_probability import RainProbability
from nowcast.postprocessing.rain_sums import RainSum

PRODUCTS: Mapping[str, type] = {
    step.name: step
    for step in (RainProbability, RainSum, NeighbourhoodProbability, RainOnset, EnsembleStatistics)
}
"""Name -> the step with its settings."""
ALL = "all"


def build_products(
    names: Sequence[str], settings: Mapping[str, Any] | None = None, z_r: str | None = None
) -> list[PostProcessing]:
    """Build products by their names, each once, in the order of the catalog.

    Args:
        names: keys of `PRODUCTS`; ``all`` stands for all of them.
        settings: name -> plain settings of that product; what is left out keeps its default.
        z_r: the Z-R relation of those that need one, for an archive that names none.

    Raises:
        SettingsError: an unknown name, settings of a product that is not named, or settings that do not fit.
    """
    given = dict(settings or {})
    chosen = [name for name in PRODUCTS if name in names or ALL in names]
    for what, some in (("products", names), ("settings of products", given)):
        for name in some:
            if name != ALL and (name not in PRODUCTS or name not in chosen):
                known = chosen if some is given else (*PRODUCTS, ALL)
                expected = f"one of {', '.join(known) or 'none'}"
                raise SettingsError(complain(what, f"'{name}'", expected, "choose of these"))
    steps: list[PostProcessing] = []
    for name in chosen:
        step: Any = build(PRODUCTS[name], given.get(name) or {}, name)
        needs_relation = "z_r" in {field.name for field in dataclasses.fields(step)}
        steps.append(dataclasses.replace(step, z_r=z_r) if z_r and needs_relation and not step.z_r else step)
    return steps
