"""Network addresses, which distinguish clients without sign-in."""

from __future__ import annotations

import ipaddress


def network_of(address: str) -> str:
    """Return an IPv4 address, or the /64 network of an IPv6 address, all of which one client owns.

    Anything else is returned unchanged.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 6 and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)  # ::ffff:192.0.2.7, as sockets for both versions show IPv4 addresses
    if parsed.version == 4 or parsed.is_loopback:
        return str(parsed)
    return str(ipaddress.ip_network((int(parsed), 64), strict=False))
