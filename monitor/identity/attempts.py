"""How often somebody may try: by the address that they try from, and by the account that they try to enter.

Every attempt counts, right or wrong, and before anything is looked up: many at one time gain nothing, and a name that
nobody has is refused as one that somebody has. What is counted is kept under a digest of the address or the name.
"""

import hashlib
from datetime import datetime
from ipaddress import IPv6Address, ip_address, ip_network

from monitor.errors import RateLimited
from monitor.http.limits import RateGate
from monitor.live import Live

BY_ADDRESS = "100/15 minutes"
BY_ACCOUNT = "10/15 minutes"
_PREFIX = "ratelimit:sign-in"


class Attempts:
    """Counts those who try to sign in, or ask for a mail that lets them."""

    def __init__(self, live: Live) -> None:
        self._by_address = RateGate(BY_ADDRESS, live, prefix=_PREFIX)
        self._by_account = RateGate(BY_ACCOUNT, live, prefix=_PREFIX)

    async def enter(self, address: str | None, account: str | None, *, what: str, now: datetime) -> None:
        """Count one attempt at `what`. Raises RateLimited where there were too many."""
        try:
            await self._by_address.enter(_digest(what, "address", _network(address)), now=now)
            if account is not None:
                await self._by_account.enter(_digest(what, "account", account.strip().lower()), now=now)
        except RateLimited as fault:
            raise RateLimited("too many attempts: wait a while", retry_after=fault.retry_after) from None


def _network(address: str | None) -> str:
    """What one subscriber has: an address, or of IPv6 the network of 64 bits that is in front of it."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return address or ""
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or ip_network((found, 64), strict=False))
    return str(found)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:32]
