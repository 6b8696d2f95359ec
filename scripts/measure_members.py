"""Whether members look like radar and mean what they say: spectrum, wet area, rank histogram, shares, spread.

    python scripts/measure_members.py ARCHIVE --period 2025-03-21/2025-03-22 [--model motionrnn]
    python scripts/measure_members.py --tail ARCHIVE --period 2025-02-11/2025-02-11

The first form forecasts from wet times of a period (`--every` minutes apart or more, `--wet` pixels of 20 dBZ
or more, the past and the future without a gap), draws members and prints, by lead time, over all starts:

* power of members over that observed in bands of wavelengths (dBZ, no echo as 5 dBZ);
* area of members over that observed at 10 to 40 dBZ, and both as growth since the first lead time;
* the rank of the observed value among the members in ten classes, as multiples of a tenth, over pixels where
  it or any member reaches 20 dBZ (which prefers none of them); ties are broken at random;
* the share of members over the probability, of all pixels together, and how far the two lie apart in the root
  mean square, over what chance alone would leave; and
* spread over error of the mean rain of the first hour in squares of 20 km with 0.05 mm/h or more, by
  Marshall-Palmer.

A model with members of its own (`steps`, `linda_p`) is measured as it is. The second form prints the mean
excess in dB over thresholds, of all pixels of a period that reach them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr
from tqdm import tqdm

from nowcast.archive.reader import Archive
from nowcast.archive.thinned import RadarFrames, thinned
from nowcast.core.field import MEMBERS, PROBABILITY
from nowcast.core.rain import z_r
from nowcast.core.times import minutes, parse_period, to_text
from nowcast.forecasters.catalog import build_forecaster
from nowcast.postprocessing.members import Members
from nowcast.scores.continuous import FLOOR_DBZ
from nowcast.scores.spectral import radial_spectrum, ring_wavelengths
from nowcast.workflows.forecast import forecast

Array = npt.NDArray[np.floating]
BANDS_KM = ((4.0, 8.0), (8.0, 16.0), (16.0, 32.0), (32.0, 64.0), (64.0, 128.0))
AREAS_DBZ = (10.0, 20.0, 30.0, 40.0)
TAIL_DBZ = (10.0, 20.0, 30.0, 35.0, 40.0, 45.0, 50.0)
RANK_DBZ, CLASSES = 20.0, 10
SQUARE_KM, LEAST_MM_H, HOUR = 20.0, 0.05, 60.0
_SPECTRA = 8
"""Members of a forecast that the spectrum is taken of."""


def main() -> None:
    """Measure members, or the tail."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("--period", required=True, help="START/END")
    parser.add_argument("--model", default="motionrnn")
    parser.add_argument("--members", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--leads", type=int, default=10)
    parser.add_argument("--every", type=float, default=120.0, metavar="MINUTES")
    parser.add_argument("--wet", type=int, default=1000, metavar="PIXELS")
    parser.add_argument("--most", type=int, metavar="N", help="no more than N starts")
    parser.add_argument("--raw", action="store_true", help="without the calibration that a network brings")
    parser.add_argument("--tail", action="store_true", help="print the mean excess over thresholds alone")
    args = parser.parse_args()
    archive = Archive.open(args.archive)
    if args.tail:
        print_tail(archive, args.period)
        return
    own = args.model in ("steps", "linda_p")
    settings = {"members": args.members, "seed": args.seed} if own else {"raw": True} if args.raw else {}
    model = build_forecaster(args.model, settings)
    frames = archive if model.needs.step is None else thinned(archive, model.needs.step)
    starts = list(wet_starts(frames, args.period, args.every, args.wet, args.leads))[: args.most]
    found = Found(args.leads, archive.grid.cell_km, minutes(frames.step), np.random.default_rng(args.seed))
    for start in tqdm(starts, desc="members", unit="forecast"):
        post = [] if own else [Members(args.members, args.seed)]
        coming = forecast(archive, model, start, args.leads, post=post)
        observed = frames.frames(coming["valid_time"].values)
        found.add(coming, observed.compute(scheduler="synchronous").values)
    kind = f"{args.model}, raw" if args.raw else args.model
    times = ", ".join(to_text(start)[:16] for start in starts)
    print(f"{args.members} members of {kind}, {args.archive.name}, {len(starts)} starts: {times}")
    found.print()


def wet_starts(
    archive: RadarFrames, period: str, every: float, wet: int, leads: int
) -> Iterator[np.datetime64]:
    """Times with five frames before and all of the future, wet enough and far enough apart."""
    start, end = parse_period(period)
    window = archive.step * np.arange(-4, leads + 1)
    last: np.datetime64 | None = None
    for time in archive.times[(archive.times >= start) & (archive.times < end)]:
        early = last is not None and minutes(time - last) < every
        if early or not np.isin(time + window, archive.times).all():
            continue
        newest = archive.frames(np.array([time])).compute(scheduler="synchronous").values
        if (np.nan_to_num(newest, nan=-99.0) >= RANK_DBZ).sum() >= wet:
            last = time
            yield time


@dataclass
class Found:
    """Sums over all starts."""

    leads: int
    cell_km: tuple[float, float]
    step_minutes: float
    draw: np.random.Generator
    power: Array = field(init=False)
    area: Array = field(init=False)
    ranks: Array = field(init=False)
    shares: dict[float, Array] = field(default_factory=dict)
    hours: Array = field(default_factory=lambda: np.zeros(2))

    def __post_init__(self) -> None:
        self.power = np.zeros((len(BANDS_KM), self.leads, 2))
        self.area = np.zeros((len(AREAS_DBZ), self.leads, 2))
        self.ranks = np.zeros((self.leads, CLASSES))

    def add(self, coming: xr.Dataset, observed: Array) -> None:
        """Add one forecast and what came of it (S, H, W)."""
        members = coming[MEMBERS].values
        for lead in range(self.leads):
            drawn, true = members[:, lead], observed[lead]
            self.power[:, lead] += self._power(drawn[:_SPECTRA], true)
            known = ~np.isnan(true) & ~np.isnan(drawn[0])
            for i, threshold in enumerate(AREAS_DBZ):
                both = drawn[:, known], true[known]
                self.area[i, lead] += [(values >= threshold).mean() for values in both]
            self.ranks[lead] += self._ranks(drawn[:, known], true[known])
        for threshold in coming["threshold"].values:
            probability = coming[PROBABILITY].sel(threshold=threshold).values
            known = ~np.isnan(probability)
            p, share = probability[known], (members >= threshold).mean(axis=0)[known]
            chance = (p * (1 - p)).sum() / len(members)
            sums = np.array([p.sum(), share.sum(), ((share - p) ** 2).sum(), chance])
            self.shares[float(threshold)] = self.shares.get(float(threshold), np.zeros(4)) + sums
        first = round(HOUR / self.step_minutes)
        if first <= self.leads:
            self.hours += self._hour(members[:, :first], observed[:first])

    def _power(self, members: Array, observed: Array) -> Array:
        """Power in each band of the mean member and of the observed, as `RapsdRatio` has it: (bands, 2)."""
        seen = ~np.isnan(observed)
        spectra = [
            radial_spectrum(np.where(seen, np.fmax(frame, FLOOR_DBZ) - FLOOR_DBZ, 0.0), self.cell_km)
            for frame in (observed, *members)
        ]
        wavelengths = ring_wavelengths(observed.shape, self.cell_km)
        bands = [(wavelengths >= short) & (wavelengths <= long) for short, long in BANDS_KM]
        return np.array([(np.mean(spectra[1:], axis=0)[band].sum(), spectra[0][band].sum()) for band in bands])

    def _ranks(self, members: Array, observed: Array) -> Array:
        wet = np.maximum(members.max(axis=0), observed) >= RANK_DBZ
        members, observed = members[:, wet], observed[wet]
        below, equal = (members < observed).sum(axis=0), (members == observed).sum(axis=0)
        rank = below + self.draw.random(len(observed)) * (equal + 1)
        place = (rank / (len(members) + 1) * CLASSES).astype(int)
        return np.bincount(np.minimum(place, CLASSES - 1), minlength=CLASSES).astype(np.float64)

    def _hour(self, members: Array, observed: Array) -> Array:
        rain = z_r("marshall_palmer")
        sides = tuple(max(1, round(SQUARE_KM / km)) for km in self.cell_km)
        true = squares(rain.to_rate(observed).mean(axis=0), sides)
        drawn = np.stack([squares(rain.to_rate(member).mean(axis=0), sides) for member in members])
        mean, count = drawn.mean(axis=0), len(members)
        use = ~np.isnan(true) & ~np.isnan(mean) & (np.nan_to_num(mean + true) >= 2 * LEAST_MM_H)
        spread = drawn.var(axis=0, ddof=1)[use].sum() * (count + 1) / count
        return np.array([spread, ((mean - true)[use] ** 2).sum()])

    def print(self) -> None:
        """Print all tables."""
        lead_minutes = [f"{self.step_minutes * (s + 1):g}" for s in range(self.leads)]
        header = "".join(f"{m:>7}" for m in lead_minutes)
        print(f"\n{'lead time, min':28}{header}")
        for band, row in zip(BANDS_KM, self.power, strict=True):
            print_row(f"power {band[0]:g}-{band[1]:g} km", row[:, 0] / row[:, 1])
        for threshold, row in zip(AREAS_DBZ, self.area, strict=True):
            with np.errstate(divide="ignore", invalid="ignore"):
                print_row(f"area {threshold:g} dBZ", row[:, 0] / row[:, 1])
                print_row("  growth, members", row[:, 0] / row[0, 0])
                print_row("  growth, observed", row[:, 1] / row[0, 1])
        print("\nrank of the observed among members, ten classes, 1 is its share")
        print_row("all lead times", self.ranks.sum(axis=0) / self.ranks.sum() * CLASSES)
        for name, row in zip(lead_minutes, self.ranks, strict=True):
            print_row(f"{name} min", row / row.sum() * CLASSES)
        print(f"\n{'shares of members':28}{'share/p':>9}{'rms/chance':>12}")
        for threshold, (p, share, squared, chance) in self.shares.items():
            print(f"{f'{threshold:g} dBZ':28}{share / p:9.3f}{np.sqrt(squared / max(chance, 1e-12)):12.3f}")
        if self.hours.any():
            print(
                f"\nspread over error, {SQUARE_KM:g} km squares, rain of an hour: "
                f"{np.sqrt(self.hours[0] / self.hours[1]):.2f}"
            )


def print_row(name: str, values: Array) -> None:
    """Print one row of numbers."""
    print(f"{name:28}" + "".join(f"{v:7.2f}" for v in values))


def squares(rain: Array, sides: tuple[int, ...]) -> Array:
    """Means (h, w) of whole squares of a field (H, W)."""
    rows, columns = (n // side for n, side in zip(rain.shape, sides, strict=True))
    whole = rain[: rows * sides[0], : columns * sides[1]]
    return np.asarray(whole.reshape(rows, sides[0], columns, sides[1]).mean(axis=(1, 3)))


def print_tail(archive: Archive, period: str) -> None:
    """Print the mean excess over each threshold, from every third frame of a period."""
    start, end = parse_period(period)
    times = archive.times[(archive.times >= start) & (archive.times < end)][::3]
    sums = np.zeros((len(TAIL_DBZ), 2))
    for time in times:
        dbz = archive.dbz(time)
        for i, threshold in enumerate(TAIL_DBZ):
            over = dbz[np.nan_to_num(dbz, nan=-99.0) >= threshold] - threshold
            sums[i] += over.sum(), len(over)
    print(f"mean excess, {archive.path.name}, {period}, {len(times)} frames")
    for threshold, (total, count) in zip(TAIL_DBZ, sums, strict=True):
        print(f"{threshold:g} dBZ: {total / max(count, 1):.1f} dB of {count:.0f} pixels")


if __name__ == "__main__":
    main()
