"""What a post-processing step is: a forecast in, a forecast out, whichever forecaster made it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import xarray as xr


@runtime_checkable
class PostProcessing(Protocol):
    """One step after a forecaster, with all its settings (a frozen dataclass).

    Never changes its input; the same input gives the same output. Nothing in it depends on which forecaster
    made the forecast, so that baselines and networks are treated alike.
    """

    @property
    def name(self) -> str:
        """As messages and forecast files call it."""
        ...

    @property
    def past(self) -> int:
        """How many observed frames up to the forecast reference time it needs; 0 when none."""
        ...

    def apply(self, forecast: xr.Dataset, observed: xr.DataArray) -> xr.Dataset:
        """Return the forecast with what this step adds or replaces.

        Args:
            forecast: what `nowcast.workflows.forecast` returns.
            observed: at least ``past`` frames without a gap (`nowcast.core.field`); the last is that of the
                forecast reference time.

        Raises:
            NowcastError: the forecast lacks what the step needs; the message says what to do.
        """
        ...
