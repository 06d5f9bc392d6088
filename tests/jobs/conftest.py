"""What tests of the rules share."""

from __future__ import annotations

import pytest
from tests.jobs.memory import Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()
