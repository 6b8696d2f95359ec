"""The order of post-processing: what corrects a forecast, then its members, then products made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nowcast.postprocessing.base import PostProcessing
from nowcast.postprocessing.catalog import build_products
from nowcast.postprocessing.rain_onset import RainOnset
from nowcast.postprocessing.rain_probability import RainProbability
from nowcast.postprocessing.rain_rate import relation_for
from nowcast.postprocessing.rain_sums import RainSum

Products = Sequence[str] | Mapping[str, Mapping[str, Any]]
"""Names of `nowcast.postprocessing.catalog.PRODUCTS`, or their settings by name."""


def check_relation(steps: Sequence[PostProcessing], attrs: Mapping[Any, Any]) -> None:
    """Refuse products in mm without a Z-R relation, before any time goes into a forecast.

    Args:
        steps: of a chain.
        attrs: of the archive.

    Raises:
        SettingsError: as `nowcast.postprocessing.rain_rate.relation_for`.
    """
    for step in steps:
        if isinstance(step, (RainProbability, RainSum)) or (
            isinstance(step, RainOnset) and step.threshold_mm_h is not None
        ):
            relation_for(attrs, step.z_r, f"product {step.name}")


def chain(
    post: Sequence[PostProcessing] = (),
    *,
    members: int | None = None,
    seed: int = 0,
    products: Products = (),
    z_r: str | None = None,
) -> list[PostProcessing]:
    """Put steps in order.

    Args:
        post: steps that come first: dressing, decision thresholds, recalibration.
        members: how many to draw from the probabilities; None draws none.
        seed: of the members.
        products: names, or settings by name; ``all`` stands for all.
        z_r: name of the Z-R relation of products in mm, for an archive that names none.

    Raises:
        SettingsError: an unknown product, or settings that do not fit.
    """
    drawn: list[PostProcessing] = []
    if members is not None:
        from nowcast.postprocessing.members import Members

        drawn.append(Members(members, seed))
    settings = products if isinstance(products, Mapping) else {}
    return [*post, *drawn, *build_products(list(products), settings, z_r)]
