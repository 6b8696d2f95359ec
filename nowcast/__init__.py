"""Weather nowcasting around radar sequences: archive, networks, forecasts, scores and maps.

The workflows of the command line as functions; each is imported when it is first used:

    import nowcast

    nowcast.ingest(["radar/"], "italy.zarr")
    archive = nowcast.open_archive("italy.zarr")
    coming = nowcast.forecast(archive, nowcast.load_model("motionrnn"))
    milan = nowcast.at(coming, 45.46, 9.19)
    skill = nowcast.verify(archive, ["extrapolation", "motionrnn"], "2025-03-21/2025-03-22", stride=6)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nowcast.core.version import __version__

if TYPE_CHECKING:
    from nowcast.core.engine import open_engine
    from nowcast.workflows.at import at
    from nowcast.workflows.forecast import forecast
    from nowcast.workflows.hindcast import hindcast
    from nowcast.workflows.ingest import ingest
    from nowcast.workflows.load_model import load_model
    from nowcast.workflows.open_archive import open_archive
    from nowcast.workflows.show import show
    from nowcast.workflows.verify import verify

__all__ = [
    "__version__",
    "at",
    "forecast",
    "hindcast",
    "ingest",
    "load_model",
    "open_archive",
    "open_engine",
    "show",
    "verify",
]
_ELSEWHERE = {"open_engine": "core.engine"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'nowcast' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"nowcast.{_ELSEWHERE.get(name, f'workflows.{name}')}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
