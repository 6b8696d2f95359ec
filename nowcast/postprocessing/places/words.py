"""What a forecast says of one place, in a forecaster's words."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from nowcast.core.errors import printable
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.core.text_table import text_table
from nowcast.core.times import minutes, to_text
from nowcast.postprocessing.places.labels import BY_FIELD, BY_MEMBERS, FROM_CELL, OUTSIDE, PARTLY
from nowcast.postprocessing.places.locations import POINT
from nowcast.postprocessing.places.rows import PlaceRow
from nowcast.postprocessing.places.sums import SUM_PERIOD

OUTSIDE_WORDS = "outside the grid of the forecast"
_WORTH_TELLING = 0.005
"""Probabilities below this are told as 0 %."""
UNKNOWN_WORDS = "nothing is known here: nothing was observed where its weather comes from"


def block(place: PlaceRow) -> str:
    """Return all there is to say of a place, in a few lines under its name."""
    lines = [title(place), f"  {rain_sentence(place)}", f"  {_strongest(place)}"]
    lines += [f"  {line}" for line in (*_sums(place), *_remarks(place))]
    return "\n".join(lines + _probabilities(place) + [f"  {line}" for line in verified(place)])


def title(place: PlaceRow) -> str:
    """The name of a place, with the distance around it that is meant."""
    around = f", all within {place['within_km']:g} km" if place["within_km"] else ""
    return f"{printable(place['place'])}{around}"


def rain_sentence(place: PlaceRow) -> str:
    """Say when it rains at a place."""
    if not place.answered:
        return OUTSIDE_WORDS if place["status"] == OUTSIDE else UNKNOWN_WORDS
    until = f"until {clock(place['known_until'], place)} UTC"
    begins, ends = place["rain_begins"], place["rain_ends"]
    where = "" if place["kind"] == POINT else " somewhere in it"
    if np.isnat(begins):
        return _unlikely(place, until, where)
    if begins == place["forecast_reference_time"]:
        text = f"it rains now{where}"
    elif begins == place["valid_time"][0]:
        text = f"rain by {clock(begins, place)} UTC{where}{spread(place, 'rain_begins_quantile')}"
    else:
        text = f"rain begins{where} at {clock(begins, place)} UTC{spread(place, 'rain_begins_quantile')}"
    if np.isnat(ends):
        return f"{text}, and goes on beyond {clock(place['known_until'], place)} UTC"
    return f"{text}, ends at {clock(ends, place)} UTC{spread(place, 'rain_ends_quantile')}"


def _unlikely(place: PlaceRow, until: str, where: str) -> str:
    probability = float(place["rain_probability"])
    if place.by == BY_FIELD or probability == 0.0:
        return f"no rain {until}" if not where else f"no rain anywhere in it {until}"
    text = f"rain{where} is unlikely {until}"
    if place.by == BY_MEMBERS:
        return f"{text}: {percent(probability)} of the members have some{spread(place, 'rain_begins_quantile')}"
    return f"{text}: {percent(probability)} at most at any lead time"


def clock(time: np.datetime64, place: PlaceRow) -> str:
    """A time of day; with its date where that is not the day of the forecast reference time."""
    if np.isnat(time):
        return "later"
    day, hour = to_text(time)[:10], to_text(time)[11:16]
    return hour if day == to_text(place["forecast_reference_time"])[:10] else f"{hour} on {day}"


def spread(place: PlaceRow, name: str) -> str:
    """The 10 to 90 % range of a time in brackets; empty where there is none."""
    low, _, high = place[name]
    return "" if np.isnat(low) or low == high else f" ({clock(low, place)} to {clock(high, place)})"


def _strongest(place: PlaceRow) -> str:
    dbz, rate, mean = float(place["peak_reflectivity"]), float(place["peak_rain_rate"]), place["rain_rate"]
    if dbz <= NO_ECHO_DBZ:
        return "no echo"
    text = f"strongest {dbz:.1f} dBZ"
    text += "" if np.isnan(rate) else f" = {rate:.1f} mm/h"
    text += f" at {clock(place['peak_time'], place)} UTC"
    if place["kind"] == POINT:
        return text
    text += f" in its strongest cell; rain on at most {percent(np.nanmax(place['wet_share']))} of it"
    return text if np.isnan(mean).all() else f"{text}, its mean at most {np.nanmax(mean):.1f} mm/h"


def _sums(place: PlaceRow) -> Iterable[str]:
    if "rain_sum" not in place:
        return
    text = f"rain of the next {minutes(SUM_PERIOD):g} min: {_millimetres(place['rain_sum'])}"
    if "rain_sum_quantile" in place and np.isfinite(place["rain_sum_quantile"]).all():
        low, middle, high = place["rain_sum_quantile"]
        chances = list(zip(place["rain_sum_exceedance_probability"], place["rain_sum_threshold"], strict=True))
        some = [chance for chance in chances if chance[0] > 0] or chances[:1]
        text += f"; {middle:.1f} mm ({low:.1f} to {high:.1f}) by the members, "
        text += ", ".join(f"{percent(p)} for {mm:g} mm or more" for p, mm in some)
    yield text


def _remarks(place: PlaceRow) -> Iterable[str]:
    if place["smaller_than_cell"]:
        yield "no cell centre lies in it: told is the cell that holds its middle"
    if place["status"] == PARTLY:
        first, last = place["known_share"][[0, -1]]
        yield f"known of it: {percent(first)} at first, {percent(last)} at the last lead time"
    if 0 < place["share_inside"] < 1:
        yield f"{percent(place['share_inside'])} of it lies on the grid"
    if place["note"]:
        yield printable(place["note"])


def _probabilities(place: PlaceRow) -> list[str]:
    """The table of probabilities over lead time."""
    if "exceedance_probability" not in place:
        return []
    leads = [f"+{minutes(lead):g}" for lead in place["lead_time"]]
    at_least = "at least, " if place["probability_source"] == FROM_CELL else ""
    kind = "" if place["kind"] == POINT else f" ({at_least}somewhere in it)"
    lines = [
        [f"    {threshold:g} dBZ", *("-" if np.isnan(p) else f"{100 * p:.0f}" for p in values)]
        for threshold, values in zip(place["threshold"], place["exceedance_probability"], strict=True)
    ]
    return [f"  probability in %{kind}", text_table([["    min", *leads], *lines])]


def verified(place: PlaceRow) -> Iterable[str]:
    """How often it came when such a probability was given, each threshold where its probability is highest."""
    if "verified_frequency" not in place:
        return
    for k, threshold in enumerate(place["threshold"]):
        said, cases = place["exceedance_probability"][k], place["verified_cases"][k]
        if np.isnan(said).all():
            continue
        best = int(np.nanargmax(said))
        if cases[best] > 0 and said[best] >= _WORTH_TELLING:
            came = percent(place["verified_frequency"][k, best])
            many = f"{_thousands(cases[best])} {'case' if cases[best] == 1 else 'cases'}"
            yield (
                f"{threshold:g} dBZ, +{minutes(place['lead_time'][best]):g} min: when we say "
                f"{percent(said[best])}, it comes in {came} of cases ({many})"
            )


def percent(share: float) -> str:
    """A share as whole percent."""
    return "unknown" if np.isnan(share) else f"{100 * float(share):.0f} %"


def _millimetres(total: float) -> str:
    return "unknown" if np.isnan(total) else f"{total:.1f} mm"


def _thousands(count: float) -> str:
    return f"{int(count):,}".replace(",", " ")
