"""HTTPS connections to public addresses only.

A server that sends requests to addresses of strangers can be made to reach its own network (server-side request
forgery, CWE-918). So the name is resolved once, every address of it must be public, and the connection goes to the
address that was checked: a name that resolves differently a moment later changes nothing.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from contextlib import suppress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Prefix of IPv6 addresses that a translator (NAT64, RFC 6052) turns into the IPv4 address in their last 32 bits.
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class PrivateAddressError(OSError):
    """The name leads to an address that isn't public."""


def is_public(address: Address) -> bool:
    """Whether an address is on the public Internet, also if it is written as or translated to another one."""
    if isinstance(address, ipaddress.IPv6Address):
        embedded = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in NAT64:
            embedded.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if not all(is_public(one) for one in embedded if one is not None):
            return False
        if address.ipv4_mapped is not None or address in NAT64:
            return True  # and the address in it is public
    return address.is_global and not address.is_multicast


def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Return the addresses of `host`. Raises PrivateAddressError if one of them isn't public, and OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
    for address in addresses:
        if not allow_private and not is_public(ipaddress.ip_address(address.partition("%")[0])):
            raise PrivateAddressError("the address isn't public")
    return addresses


class PinnedConnection(http.client.HTTPSConnection):
    """An HTTPS connection to an address that has been checked. Certificate and Host are those of the name."""

    def __init__(self, host: str, port: int, *, timeout_s: float, allow_private: bool) -> None:
        context = ssl.create_default_context()
        super().__init__(host, port, timeout=timeout_s, context=context)
        self._tls, self._allow_private = context, allow_private

    def connect(self) -> None:
        """Resolve the name, check its addresses, and connect to the first that answers. Raises OSError."""
        error = OSError("the name has no address")
        for address in resolve(self.host, self.port, allow_private=self._allow_private):
            try:
                plain = socket.create_connection((address, self.port), self.timeout)
            except OSError as refused:
                error = refused
                continue
            try:
                self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
            except BaseException:
                plain.close()
                raise
            return
        raise error

    def abort(self) -> None:
        """End the connection from another thread. A call that waits for it fails."""
        with suppress(OSError, AttributeError):  # not connected yet, or already closed
            self.sock.shutdown(socket.SHUT_RDWR)
