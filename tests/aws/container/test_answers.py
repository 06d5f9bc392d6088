"""The status of an answer depends on the fault of an error, not on its message."""

from __future__ import annotations

import pytest
from tests.aws.sessions import ended_session

from unbraid.aws.container.answers import of_session
from unbraid.aws.container.requests import Invocation, S3Location
from unbraid.errors import Fault
from unbraid.jobs.session import Choices, State

INVOCATION = Invocation("id", S3Location("songs", "song.mp3"), S3Location("stems", ""), Choices(), None)


@pytest.mark.parametrize(
    ("fault", "status"),
    [(Fault.SONG, 400), (Fault.OURS, 500), (None, 500)],
    ids=["song", "ours", "record of an older version"],
)
def test_fault_of_the_session_decides_the_status(fault: Fault | None, status: int) -> None:
    session = ended_session(State.FAILED, error_message="Any message.", error_fault=fault)
    assert of_session(session, INVOCATION) == (status, {"status": "error", "error": "Any message."})
