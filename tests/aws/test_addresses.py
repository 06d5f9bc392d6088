"""Clients are distinguished by an address that they can't choose."""

from __future__ import annotations

from typing import Any

import pytest
from tests.aws.functions.events import http

from unbraid.api.addresses import network_of
from unbraid.aws.addresses import address_of

SECRET = "s" * 43
SOURCE = "192.0.2.1"  # of the connection, in every event
VIEWER = "198.51.100.7"


def event(forwarded: str | None = None, secret: str | None = None) -> dict[str, Any]:
    headers = {"x_forwarded_for": forwarded, "x_proxy_secret": secret}
    return http("POST /upload", **{name: value for name, value in headers.items() if value is not None})


@pytest.mark.parametrize("secret", [None, "", "s", "s" * 44, "ß" * 43])
def test_without_the_secret_the_connection_counts(secret: str | None) -> None:
    for forwarded in (None, "", VIEWER, f"{VIEWER}, {SOURCE}"):
        assert address_of(event(forwarded, secret), SECRET) == SOURCE
        assert address_of(event(forwarded, secret), None) == SOURCE


@pytest.mark.parametrize("sent", ["", "203.0.113.9, ", f"{SOURCE}, ", "1, 2, , not an address, "])
def test_with_the_secret_the_address_that_cloudfront_saw_counts(sent: str) -> None:
    """Whatever the viewer sends, CloudFront appends its address, and API Gateway that of CloudFront."""
    assert address_of(event(f"{sent}{VIEWER}, {SOURCE}", SECRET), SECRET) == VIEWER
    assert address_of(event(f"{sent}{VIEWER}", SECRET), SECRET) == VIEWER


def test_with_the_secret_alone_the_connection_counts() -> None:
    for forwarded in (None, "", SOURCE):
        assert address_of(event(forwarded, SECRET), SECRET) == SOURCE


def test_network_is_an_ipv4_address_or_64_bits_of_ipv6() -> None:
    assert network_of("192.0.2.7") == network_of("::ffff:192.0.2.7") == "192.0.2.7"
    assert network_of("2001:db8:1:2:3:4:5:6") == network_of("2001:db8:1:2::9") == "2001:db8:1:2::/64"
    assert network_of("2001:db8:1:2::9") != network_of("2001:db8:1:3::9")
    assert (network_of("::1"), network_of("testclient")) == ("::1", "testclient")
