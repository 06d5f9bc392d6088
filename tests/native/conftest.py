"""NetworkCache that tests of the native library share."""

from __future__ import annotations

import pytest
from tests.native.heard import heard

from unbraid.networks.htdemucs import HTDemucs


@pytest.fixture(scope="module")
def four() -> HTDemucs:
    """The network of htdemucs and htdemucs_ft."""
    return heard(4, 512)


@pytest.fixture(scope="module")
def six() -> HTDemucs:
    """The network of htdemucs_6s."""
    return heard(6, 0)
