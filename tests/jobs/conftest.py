"""What tests of the rules share."""

from __future__ import annotations

import pytest
from tests.jobs.memory import Workspace


@pytest.fixture
def workspace() -> Workspace:
    return Workspace()
