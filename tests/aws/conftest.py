"""What tests of the application in AWS share."""

from __future__ import annotations

import pytest
from tests.simulators.moto_server import new_bucket, new_table


@pytest.fixture
def bucket(aws: str) -> str:
    """A bucket of the test's own."""
    return new_bucket()


@pytest.fixture
def table(aws: str) -> str:
    """A table of sessions of the test's own."""
    return new_table()
