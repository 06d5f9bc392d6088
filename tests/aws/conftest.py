"""Fixtures for tests of the AWS application."""

from __future__ import annotations

import pytest
from tests.simulators.moto_server import new_bucket, new_table


@pytest.fixture
def bucket(aws: str) -> str:
    """Name of a new bucket."""
    return new_bucket()


@pytest.fixture
def table(aws: str) -> str:
    """Name of a new table of sessions."""
    return new_table()
