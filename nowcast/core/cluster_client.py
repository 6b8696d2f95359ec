"""A client of a dask scheduler that is not confused by what others are told while it registers.

Why: a scheduler greets a new client, and tells all clients of each task that is cancelled. Where both fall into
the same two milliseconds they come as one message, and dask's client asserts that the greeting comes alone.
"""

from __future__ import annotations

import contextlib

from distributed import Client

_TRIES = 5


class GreetingLostError(OSError):
    """A client's greeting did not come alone; it is closed, and another one may be luckier."""


class GreetedClient(Client):  # type: ignore[misc]  # read without types
    """Tells a lost greeting as a lost connection: dask then closes the client, or lets it connect again."""

    async def _ensure_connected(self, timeout: float | None = None) -> None:
        try:
            await super()._ensure_connected(timeout)
        except AssertionError as error:
            raise GreetingLostError("the scheduler spoke of others first") from error


def connected(address: str, timeout: float) -> GreetedClient:
    """Connect to a scheduler.

    Args:
        address: of it.
        timeout: seconds that it has to answer, each of a few tries whose greeting is lost.

    Raises:
        OSError, ValueError, TypeError, ImportError, RuntimeError, AttributeError: as dask.
    """
    for _ in range(_TRIES - 1):
        with contextlib.suppress(GreetingLostError):
            return GreetedClient(address, set_as_default=False, timeout=timeout)
    return GreetedClient(address, set_as_default=False, timeout=timeout)
