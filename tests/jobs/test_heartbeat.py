"""The heartbeat notices when the work has to stop, even if the session store doesn't answer."""

from __future__ import annotations

import threading
import time
from typing import Any, cast

import pytest

from unbraid.errors import Cancelled
from unbraid.jobs.heartbeat import Heartbeat
from unbraid.jobs.ports import Lease


class CutOffLease:
    """A lease in a store that is cut off: calls block until the test ends."""

    lease_s = 0.2

    def __init__(self) -> None:
        self.connected = threading.Event()

    def renew_lease(self, *_: Any) -> bool:
        self.connected.wait()
        return True


def test_work_stops_after_the_lease_while_a_renewal_is_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unbraid.jobs.heartbeat.GRACE_S", 0.1)
    lease = CutOffLease()
    heartbeat = Heartbeat(cast(Lease, lease), threading.Event())
    try:
        with heartbeat:
            until = time.monotonic() + 30
            while not heartbeat.is_set() and time.monotonic() < until:
                time.sleep(0.01)
            with pytest.raises(Cancelled):
                heartbeat.report(0.5, "separating")
            lease.connected.set()
    finally:
        lease.connected.set()


def test_work_goes_on_while_a_renewal_is_only_late() -> None:
    lease = CutOffLease()
    with Heartbeat(cast(Lease, lease), threading.Event()) as heartbeat:
        try:
            time.sleep(3 * lease.lease_s)
            heartbeat.report(0.5, "separating")
        finally:
            lease.connected.set()
