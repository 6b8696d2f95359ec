"""The meteogram: rain and its probabilities over the coming hour or two, one panel a place.

A panel shows above the rain rate (dBZ where no Z-R relation is known): observed, the one forecast field, median
and 10 to 90 % of the members; below the probability of each threshold as bars one within the other.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, PercentFormatter

from nowcast.core.errors import SettingsError, complain, printable
from nowcast.core.files import whole_file
from nowcast.core.times import to_text

MOST_PANELS = 12
_DPI = 110
_LONGEST_TITLE = 64
_OBSERVED, _FIELD, _MEMBERS, _UNKNOWN = "#5a6472", "#111111", "#0b6bcb", "#d9dce1"
_LADDER = ("#d6e6f4", "#9dc6e0", "#5ba3cf", "#2878b8", "#0d4f94", "#f0a202", "#d1480f", "#8a1c1c")
"""Light to dark, blue to orange: told apart by lightness alone, too."""
_LEAST_RATE = 2.0
_MINUTES = 1440.0
_TICK_STEPS = (5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 360.0, 1440.0)
_DBZ_RANGE = (0.0, 60.0)


def draw_meteogram(path: Path, found: xr.Dataset, sentences: Sequence[str], zone: tzinfo | None = None) -> Path:
    """Draw a panel for each place into one PNG, whole or not at all.

    Args:
        path: the file.
        found: what `nowcast.workflows.at.at_places` returns, for 12 places at most.
        sentences: what is said of each place, as its panel's second line.
        zone: of the local times above the panels; by default that of this machine. None are shown where
            they are UTC.

    Raises:
        SettingsError: more places than panels fit.
    """
    count = found.sizes["place"]
    if not 1 <= count <= MOST_PANELS:
        raise SettingsError(
            complain("meteogram", f"{count} places", f"1 to {MOST_PANELS}", "ask for fewer, or leave out --out")
        )
    across = 1 if count <= 3 else 2
    down = -(-count // across)
    figure = Figure(figsize=(8.6 * across, 0.9 + 4.1 * down), layout="constrained")
    figure.suptitle(_heading(found), fontsize=10, parse_math=False)
    panels = np.atleast_1d(figure.subfigures(down, across, squeeze=False).ravel())
    start = _reference_time(found)
    zone = zone or datetime.fromisoformat(to_text(start)).astimezone().tzinfo
    for i, (panel, sentence) in enumerate(zip(panels, sentences, strict=False)):
        _draw(panel, found.isel(place=i), sentence, zone)
    with warnings.catch_warnings(), whole_file(path) as part:
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a name in letters the font lacks
        figure.savefig(part, format="png", dpi=_DPI)
    return Path(path)


def _heading(found: xr.Dataset) -> str:
    relation = printable(found.attrs.get("z_r_relation", "")).partition(" (")[0]
    model = printable(found.attrs.get("model", "unknown model"))[:_LONGEST_TITLE]
    start = to_text(_reference_time(found))[:16].replace("T", " ")
    source = printable(found.attrs.get("observed_from", ""))[:_LONGEST_TITLE]
    return (
        f"{model}, forecast reference time {start} UTC{f', from radar of {source}' if source else ''}\n"
        f"{relation or 'no Z-R relation: reflectivity only'}"
    )


def _draw(panel: Any, place: xr.Dataset, sentence: str, zone: tzinfo | None) -> None:
    """One place: its rain above, its probabilities below, time across."""
    name = printable(place["place"].values)
    within = float(place["within_km"].values)
    name += f", within {within:g} km" if within else ""
    title = name if len(name) <= _LONGEST_TITLE else f"{name[:_LONGEST_TITLE]}..."
    known = bool((place["known_share"].values > 0).any())
    ladder = known and "exceedance_probability" in place
    axes = panel.subplots(
        2 if ladder else 1,
        1,
        sharex=True,
        squeeze=False,
        gridspec_kw={"height_ratios": [1.25, 1] if ladder else [1]},
    )[:, 0]
    axes[0].set_title(f"{title}\n", loc="left", fontsize=11, fontweight="bold", parse_math=False)
    axes[0].annotate(
        sentence,
        (0, 1),
        (0, 30),
        "axes fraction",
        "offset points",
        fontsize=9,
        parse_math=False,
        annotation_clip=False,
    )
    if not known:
        axes[0].set_axis_off()
        return
    _draw_rain(axes[0], place)
    if ladder:
        _draw_probabilities(axes[1], place)
    _label_time(axes, place, zone)


def _draw_rain(axes: Axes, place: xr.Dataset) -> None:
    """Rain rate, or reflectivity where no Z-R relation is known, before and after the reference time."""
    rate = bool(np.isfinite(place["rain_rate"].values).any())
    kind, unit = ("rain_rate", "mm/h") if rate else ("reflectivity", "dBZ")
    valid, values = _days(place["valid_time"].values), place[kind].values
    tops = [values]
    if rate and "rain_rate_quantile" in place:
        low, middle, high = place["rain_rate_quantile"].values
        axes.fill_between(valid, low, high, color=_MEMBERS, alpha=0.25, lw=0, label="10 to 90 % of members")
        axes.plot(valid, middle, color=_MEMBERS, lw=2, label="median of members")
        tops.append(high)
    axes.plot(valid, values, color=_FIELD, lw=1.4, ls="--", marker="o", ms=3.5, label="forecast field")
    if "observed_reflectivity" in place:
        seen = place[f"observed_{kind}"].values
        times = _days(place["time"].values)
        axes.bar(
            times, np.maximum(seen, 0.0), width=0.75 * _step(valid, place), color=_OBSERVED, label="observed"
        )
        tops.append(seen)
    top = np.nanmax(np.concatenate([np.ravel(each) for each in tops]))
    axes.set_ylim(*(0.0, max(_LEAST_RATE, 1.12 * top)) if rate else _DBZ_RANGE)
    area = "" if str(place["kind"].values) == "point" else "area mean, " if rate else "strongest cell, "
    axes.set_ylabel(f"{'rain' if rate else 'reflectivity'}\n({area}{unit})", fontsize=9)
    _shade_unknown(axes, valid, np.isnan(values), place)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False)


def _draw_probabilities(axes: Axes, place: xr.Dataset) -> None:
    """The probabilities of rising thresholds as bars, each within that of the threshold below."""
    valid = _days(place["valid_time"].values)
    step = _step(valid, place)
    chances = place["exceedance_probability"].values
    colours = _ladder_colours(len(chances))
    for values, colour in zip(chances, colours, strict=True):
        axes.bar(valid, np.nan_to_num(values), width=0.8 * step, color=colour, edgecolor="white", lw=0.4)
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylabel("probability of\nreaching", fontsize=9)
    _shade_unknown(axes, valid, np.isnan(chances[0]), place)
    keys = [Patch(color=c, label=_level(place, k)) for k, c in enumerate(colours)]
    if str(place["probability_source"].values) == "highest cell":
        keys.append(Patch(color="none", label="(at least)"))
    axes.legend(handles=keys[::-1], loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False)


def _level(place: xr.Dataset, k: int) -> str:
    """A threshold in dBZ, and in mm/h where a Z-R relation is known."""
    rate = float(place["threshold_rain_rate"].values[k])
    text = f"{float(place['threshold'].values[k]):g} dBZ"
    return text if np.isnan(rate) else f"{text} ({rate:.1f} mm/h)"


def _ladder_colours(count: int) -> list[str]:
    """As many colours of the ladder, from its light end to its dark one."""
    places = np.linspace(0, len(_LADDER) - 1, count).round().astype(int) if count > 1 else [3]
    return [_LADDER[place] for place in places]


def _shade_unknown(
    axes: Axes, valid: npt.NDArray[np.floating], unknown: npt.NDArray[np.bool_], place: xr.Dataset
) -> None:
    half = _step(valid, place) / 2
    for time in valid[unknown]:
        axes.axvspan(time - half, time + half, color=_UNKNOWN, lw=0)
    if unknown.any():
        axes.annotate(
            "not known",
            (valid[unknown][0] - half, 0.9),
            xycoords=("data", "axes fraction"),
            fontsize=8,
            color=_OBSERVED,
        )


def _step(valid: npt.NDArray[np.floating], place: xr.Dataset) -> float:
    """Days between lead times; that of the first where there is only one."""
    start = float(_days(place["forecast_reference_time"].values))
    return float(np.diff([start, *valid]).min())


def _reference_time(held: xr.Dataset) -> np.datetime64:
    start: np.datetime64 = held["valid_time"].values[0] - held["lead_time"].values[0]
    return start


def _days(times: Any) -> Any:
    """Times as matplotlib counts them."""
    return date2num(times)  # type: ignore[no-untyped-call]


def _clock(zone: tzinfo | None) -> DateFormatter:
    return DateFormatter("%H:%M", tz=zone)  # type: ignore[no-untyped-call]


def _ticks(axes: Axes) -> list[float]:
    """Whole steps of the clock, at most nine of them in view."""
    first, last = (limit * _MINUTES for limit in axes.get_xlim())
    step = next((step for step in _TICK_STEPS if (last - first) / step <= 9), _TICK_STEPS[-1])
    return [tick / _MINUTES for tick in np.arange(np.ceil(first / step) * step, last + 1e-6, step)]


def _label_time(axes: npt.NDArray[Any], place: xr.Dataset, zone: tzinfo | None) -> None:
    """UTC below; local time above, where it differs; a line at the forecast reference time."""
    start = _reference_time(place)
    ticks = FixedLocator(_ticks(axes[0]))
    for each in axes:
        each.axvline(_days(start), color=_FIELD, lw=1)
        each.grid(axis="y", color="#e4e7eb", lw=0.6)
        each.set_axisbelow(True)
        each.spines[["right"]].set_visible(False)
        each.xaxis.set_major_locator(ticks)
        each.xaxis.set_major_formatter(_clock(UTC))
        each.tick_params(labelsize=8)
    axes[-1].set_xlabel(f"UTC, {to_text(start)[:10]}; the line is the forecast reference time", fontsize=8)
    moment = datetime.fromisoformat(to_text(start)).astimezone(zone)
    if not moment.utcoffset():
        return
    above = axes[0].secondary_xaxis("top")
    above.xaxis.set_major_locator(ticks)
    above.xaxis.set_major_formatter(_clock(zone))
    above.tick_params(labelsize=8, colors=_OBSERVED)
    above.set_xlabel(f"local time ({moment.tzname()})", fontsize=8, color=_OBSERVED, loc="right")
