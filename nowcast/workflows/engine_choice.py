"""Where a workflow forecasts when nobody says: over all cores, or in this process where a GPU does the work.

Why: every process would hold networks and their recordings in the memory of the one GPU.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

from nowcast.core.engine import Engine, open_engine
from nowcast.forecasters.average import Average
from nowcast.forecasters.base import Forecaster
from nowcast.forecasters.neural import Neural


def engine_for(
    forecasters: Iterable[Forecaster], engine: Engine | None = None
) -> AbstractContextManager[Engine]:
    """The engine given, which stays open; else one for the length of a block.

    Args:
        forecasters: as they were built, so that it does not matter who asked for their device, or how.
        engine: of `nowcast.open_engine`; None spreads long work, unless one of them forecasts on a GPU.
    """
    if engine is not None:
        return nullcontext(engine)
    return open_engine(1 if any(on_gpu(one) for one in forecasters) else None)


def on_gpu(forecaster: Forecaster) -> bool:
    """Whether it is a network on a GPU, or a mean with one."""
    if isinstance(forecaster, Average):
        return any(on_gpu(part.forecaster) for part in forecaster.parts)
    return isinstance(forecaster, Neural) and forecaster.settings.device == "cuda"
