"""What a GRIB2 message holds: which parameters are reflectivity or rain, and their codes for what is absent.

Source: NOAA NSSL, MRMS GRIB2 parameter table (discipline 209, centre 161); WMO Manual on Codes, code table 4.2.
"""

from __future__ import annotations

from dataclasses import dataclass

NSSL, MRMS = 161, 209
_METEOROLOGY = 0


@dataclass(frozen=True)
class Grib2Product:
    """One parameter: its name, by what its values become mm/h (0: they are dBZ), and its codes.

    ``hours`` is the period of a sum; ``absent`` and ``dry`` are values that stand for not observed and no echo.
    """

    name: str
    factor: float = 0.0
    hours: float = 0.0
    absent: tuple[float, ...] = ()
    dry: tuple[float, ...] = ()


def _mrms() -> dict[tuple[int, int], Grib2Product]:
    found = {(6, 1): Grib2Product("PrecipRate", 1.0, absent=(-1.0, -3.0))}
    periods = (1.0, 3.0, 6.0, 12.0, 24.0)
    for first, name, end in (
        (2, "RadarOnly_QPE", ""),
        (9, "GaugeCorr_QPE", ""),
        (30, "MultiSensor_QPE", "_Pass1"),
        (37, "MultiSensor_QPE", "_Pass2"),
    ):
        for number, hours in enumerate(periods, first):
            found[6, number] = Grib2Product(f"{name}_{hours:02g}H{end}", 1.0 / hours, hours, (-1.0, -3.0))
    found[6, 45] = Grib2Product("RadarOnly_QPE_15M", 4.0, 0.25, (-1.0, -3.0))
    for place, name in {
        (8, 8): "SeamlessHSR",
        (9, 0): "MergedReflectivityQC",
        (9, 1): "CONUSPlusMergedReflectivityQC",
        (10, 0): "MergedReflectivityQCComposite",
        (10, 2): "LowLevelCompositeReflectivity",
        (10, 4): "LayerCompositeReflectivity_Low",
        (10, 5): "LayerCompositeReflectivity_High",
        (10, 6): "LayerCompositeReflectivity_Super",
        (10, 9): "LayerCompositeReflectivity_ANC",
        (11, 0): "MergedBaseReflectivityQC",
        (11, 1): "MergedReflectivityComposite",
        (11, 2): "MergedReflectivityQComposite",
        (11, 3): "MergedBaseReflectivity",
    }.items():
        found[place] = Grib2Product(name, absent=(-999.0,), dry=(-99.0,))
    return found


_PRODUCTS = {
    **{(MRMS, *place): product for place, product in _mrms().items()},
    (_METEOROLOGY, 15, 1): Grib2Product("base_reflectivity"),
    (_METEOROLOGY, 16, 4): Grib2Product("reflectivity"),
    (_METEOROLOGY, 16, 5): Grib2Product("composite_reflectivity"),
    (_METEOROLOGY, 1, 7): Grib2Product("precipitation_rate", 3600.0),
    (_METEOROLOGY, 1, 52): Grib2Product("total_precipitation_rate", 3600.0),
    (_METEOROLOGY, 1, 65): Grib2Product("rain_precipitation_rate", 3600.0),
}
"""Discipline, category and number of a parameter -> what it is. The WMO's own have a bitmap for absence."""


def product_of(centre: int, discipline: int, category: int, number: int) -> Grib2Product | None:
    """Return what a parameter is, None where it is neither reflectivity nor rain that is known."""
    if discipline == MRMS and centre != NSSL:
        return None
    return _PRODUCTS.get((discipline, category, number))


def known_products() -> str:
    """Return the names of what can be read, in words."""
    return (
        "reflectivity or rain: PrecipRate, QPE and reflectivity composites of MRMS, rates and reflectivity "
        "of the WMO"
    )
