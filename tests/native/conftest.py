"""Networks for the tests of the native library."""

from __future__ import annotations

import pytest
from tests.native.networks import audible_network

from unbraid.networks.htdemucs import HTDemucs


@pytest.fixture(scope="module")
def four() -> HTDemucs:
    """The network of htdemucs and htdemucs_ft."""
    return audible_network(4, 512)


@pytest.fixture(scope="module")
def six() -> HTDemucs:
    """The network of htdemucs_6s."""
    return audible_network(6, 0)
