"""Settings of the Lucas-Kanade optical flow, apart from the code so that naming them needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from nowcast.core.errors import SettingsError, complain

MOST_ITERATIONS, WIDEST_CELLS = 100, 1000.0


@dataclass(frozen=True)
class FlowSettings:
    """One steady motion that explains every pair of past frames in the least-squares sense.

    Within a Gaussian window the motion is taken as constant (Lucas and Kanade, 1981). Three things make
    it fit for rain: all pairs of the past enter the same normal equations, so that a pair with little
    to see does no harm; a wider window and the whole frame enter with a small weight, so that dry
    and unobserved areas take over the motion around them; and a derivative counts only where both
    frames saw the pixel and all its neighbours, so that the edge of the coverage does not look like an echo
    that stands still.

    Source: Lucas and Kanade (1981), Proc. IJCAI, 674-679; Bouguet (2001) for the pyramid.
    """

    window: float = 20.0
    """Standard deviation of the window in cells."""
    blur: float = 2.0
    """Standard deviation in cells of each level by which frames are smoothed before derivatives."""
    levels: tuple[int, ...] = (16, 8, 4, 2)
    """Cells of the frame along the side of one cell of each level, coarse to fine."""
    iterations: int = 2
    wide_factor: float = 3.0
    """How much wider the second window is."""
    wide_weight: float = 0.1
    frame_weight: float = 1e-3
    """Weight of the mean over the whole frame: what holds where nothing else is near."""
    newest_weight: float = 6.0
    """Weight of the newest pair against the oldest, rising evenly between."""

    def __post_init__(self) -> None:
        falling = all(a > b for a, b in pairwise(self.levels))
        if not self.levels or not falling or self.levels[-1] < 1 or self.iterations < 1:
            raise SettingsError(
                complain(
                    "lucas_kanade: levels, iterations",
                    f"{self.levels}, {self.iterations}",
                    "falling sides of at least one cell and at least one iteration",
                    "for example (16, 8, 4, 2) and 2",
                )
            )
        if self.iterations > MOST_ITERATIONS or max(self.window * self.wide_factor, self.blur) > WIDEST_CELLS:
            raise SettingsError(
                complain(
                    "lucas_kanade: iterations, window, wide_factor, blur",
                    f"{self.iterations}, {self.window:g}, {self.wide_factor:g}, {self.blur:g}",
                    f"up to {MOST_ITERATIONS} iterations and windows of {WIDEST_CELLS:g} cells",
                    "for example 2, 20, 3 and 2",
                )
            )
        if min(self.window, self.wide_factor, self.newest_weight) <= 0 or self.blur < 0:
            raise SettingsError("lucas_kanade: window, wide_factor, newest_weight must be above zero")
