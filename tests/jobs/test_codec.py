"""Session records as plain values, including records of older versions."""

from __future__ import annotations

import json

from tests.jobs.memory import Workspace

from unbraid.errors import Fault
from unbraid.jobs.codec import from_dict, to_dict


def test_record_survives_json(workspace: Workspace) -> None:
    session_id = workspace.working()
    workspace.leases.fail(session_id, "w", "is empty.", Fault.SONG)
    for record in (workspace.record(session_id), workspace.record(workspace.completed())):
        assert from_dict(json.loads(json.dumps(to_dict(record)))) == record


def test_record_of_an_older_version_has_no_fault(workspace: Workspace) -> None:
    session_id = workspace.working()
    workspace.leases.fail(session_id, "w", "is empty.", Fault.SONG)
    old = to_dict(workspace.record(session_id))
    del old["error_fault"]
    assert from_dict(old).error_fault is None
    assert from_dict(old).error_message == "is empty."
