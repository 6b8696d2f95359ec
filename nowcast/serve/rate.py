"""How often one address may ask: a bucket of tokens for each, which fills again steadily."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

_MOST_ADDRESSES = 10_000


class RateLimit:
    """Allows ``burst`` requests at once and ``rate`` a second in the long run, for each address.

    Why bounded: whoever sends from many addresses must not fill the memory; the addresses that asked longest
    ago are forgotten, which only ever allows more.
    """

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, float(burst), clock
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_seconds(self, address: str) -> float:
        """Take a token: 0 where there was one, else the seconds until there is one again."""
        if self._rate <= 0:
            return 0.0
        key, now = _network(address), self._clock()
        tokens, then = self._held.pop(key, (self._burst, now))
        tokens = min(self._burst, tokens + (now - then) * self._rate)
        allowed = tokens >= 1.0
        self._held[key] = (tokens - 1.0 if allowed else tokens), now
        while len(self._held) > _MOST_ADDRESSES:
            self._held.popitem(last=False)
        return 0.0 if allowed else (1.0 - tokens) / self._rate


def _network(address: str) -> str:
    """An IPv4 address, or the /64 network that one IPv6 customer has."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
