"""Fixtures of the session tests."""

from __future__ import annotations

import pytest
from tests.jobs.memory import Workspace


@pytest.fixture
def workspace() -> Workspace:
    return Workspace()
