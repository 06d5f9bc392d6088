"""Fixtures of the session tests."""

from __future__ import annotations

import pytest
from tests.jobs.memory import Workspace
from tests.models.conftest import cache, models, server

__all__ = ["cache", "models", "server"]


@pytest.fixture
def workspace() -> Workspace:
    return Workspace()
