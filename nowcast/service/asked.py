"""What is asked of each nowcast beside the forecast: places, areas, products, warnings; and what can be had."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nowcast.archive.reader import Archive
from nowcast.core.errors import NowcastError, SettingsError, complain
from nowcast.core.rain import Z_R, z_r, z_r_of_text
from nowcast.core.times import minutes
from nowcast.forecasters.catalog import FORECASTERS
from nowcast.postprocessing.catalog import ALL, PRODUCTS, build_products
from nowcast.postprocessing.chain import chain, check_relation
from nowcast.postprocessing.places.files import check_names, read_areas, read_places
from nowcast.postprocessing.places.locations import Location, locate
from nowcast.service.settings import ServiceSettings
from nowcast.service.warning_settings import REFLECTIVITY, WarningSettings

Note = Callable[[str], None]
RELATION = "z_r_relation"
BASELINES = ("extrapolation", "persistence")
"""What stands in for a model, in this order; they know no probabilities but those of a calibration."""


def points_of(settings: ServiceSettings) -> list[Location]:
    """Return the places of a service.

    Raises:
        FileError, SettingsError: as `nowcast.postprocessing.places.files.read_places`.
    """
    if isinstance(settings.places, Path):
        return read_places(settings.places)
    check_names([place.name for place in settings.places], "places")
    return [Location(p.name, p.lat, p.lon, p.within_km) for p in settings.places]


def areas_of(settings: ServiceSettings) -> list[Location]:
    """Return the areas of a service.

    Raises:
        FileError, SettingsError: as `nowcast.postprocessing.places.files.read_areas`.
    """
    return [] if settings.areas is None else read_areas(settings.areas)


def location_of(warning: WarningSettings, points: list[Location], areas: list[Location]) -> Location:
    """Return the place or area that a warning is for.

    Raises:
        SettingsError: there is none of that name.
    """
    kind, known = ("areas", areas) if warning.area is not None else ("places", points)
    for location in known:
        if location.name == warning.where:
            return location
    some = ", ".join(each.name for each in known[:10]) or "none"
    raise SettingsError(
        complain(
            f"warnings: {warning.name}",
            f"'{warning.where}'",
            f"one of the {kind} ({some})",
            f"name one of the {kind}",
        )
    )


def check_asked(settings: ServiceSettings) -> None:
    """Refuse what can never be had before the service starts.

    Raises:
        SettingsError, FileError: an unknown product, Z-R relation or place, or files that cannot be read.
    """
    if settings.z_r is not None:
        z_r(settings.z_r)
    chain(members=settings.members, seed=settings.seed, products=products_of(settings), z_r=settings.z_r)
    points, areas = points_of(settings), areas_of(settings)
    for warning in settings.warnings:
        location_of(warning, points, areas)


def products_of(settings: ServiceSettings) -> dict[str, Any]:
    """Return the products of the forecast file, their settings by name."""
    given = settings.products.forecast
    named: Mapping[str, Any] = given if isinstance(given, Mapping) else {name: {} for name in given}
    if ALL in named:
        return {name: named.get(name, {}) for name in PRODUCTS}
    return dict(named)


def feasible(settings: ServiceSettings, archive: Archive, note: Note) -> ServiceSettings:
    """Return the settings without what this archive and model cannot give, each noted in a line.

    Why before the model runs: its time is not spent on what cannot come, and the rest is published.
    """
    settings = _with_relation(settings, archive, note)
    if settings.members is not None and settings.model in BASELINES and settings.calibration is None:
        note(f"no members: {settings.model} knows no probabilities without a calibration")
        settings = replace(settings, members=None)
    settings = _with_products(settings, archive, note)
    return _with_places(settings, archive, note)


def _with_relation(settings: ServiceSettings, archive: Archive, note: Note) -> ServiceSettings:
    own = z_r_of_text(str(archive.attrs.get(RELATION, "")))
    if own is not None and settings.z_r is not None:
        if not z_r(settings.z_r).same(own):
            note(f"z_r {settings.z_r} is left aside: the archive is by {own}")
        return replace(settings, z_r=None)
    return settings


def _with_products(settings: ServiceSettings, archive: Archive, note: Note) -> ServiceSettings:
    relation = settings.z_r is not None or z_r_of_text(str(archive.attrs.get(RELATION, ""))) is not None
    reach = minutes(archive.step) * settings.lead_times
    kept, lost = products_of(settings), []
    for step in build_products(list(kept), kept, settings.z_r):
        try:
            check_relation([step], archive.attrs)
        except NowcastError:
            lost.append(step.name)
            del kept[step.name]
    warnings = tuple(w for w in settings.warnings if relation or w.quantity == REFLECTIVITY)
    lost += [f"warning {w.name}" for w in settings.warnings if w not in warnings]
    if lost:
        note(f"no {', '.join(lost)}: the archive names no Z-R relation; set z_r ({', '.join(Z_R)})")
    if settings.model in FORECASTERS:  # the step of a network is its own
        far = [w.name for w in warnings if w.minutes > reach]
        if far:
            note(f"no warning {', '.join(far)}: the forecast reaches {reach:g} min; set lead_times")
        warnings = tuple(w for w in warnings if w.minutes <= reach)
    return replace(settings, products=replace(settings.products, forecast=kept), warnings=warnings)


def _with_places(settings: ServiceSettings, archive: Archive, note: Note) -> ServiceSettings:
    """Leave out files of places that cannot be read, and warnings for where there is no radar."""
    points: list[Location] = []
    areas: list[Location] = []
    try:
        points = points_of(settings)
    except NowcastError as error:
        note(f"no places: {error}")
        settings = replace(settings, places=())
    try:
        areas = areas_of(settings)
    except NowcastError as error:
        note(f"no areas: {error}")
        settings = replace(settings, areas=None)
    everywhere = [*points, *areas]
    if everywhere:
        count = locate(archive.grid, everywhere).count
        outside = {id(each) for each, cells in zip(everywhere, count, strict=True) if not cells}
        if outside:
            names = [each.name for each in everywhere if id(each) in outside]
            note(f"outside the grid: {', '.join(names[:5])}{' and others' if len(names) > 5 else ''}")
    else:
        outside = set()
    warnings = []
    for warning in settings.warnings:
        try:
            if id(location_of(warning, points, areas)) not in outside:
                warnings.append(warning)
        except NowcastError as error:
            note(str(error))
    return replace(settings, warnings=tuple(warnings))
