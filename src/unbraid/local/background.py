"""Notify users in a thread, so that a slow receiver doesn't keep a worker from the next song."""

from __future__ import annotations

import threading

from unbraid.jobs.ports import Notifier
from unbraid.jobs.session import Session


class Background:
    """A Notifier that returns at once. Notifications that aren't sent when the process ends are lost."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    def notify(self, session: Session) -> None:
        """Notify in a thread of its own, which doesn't keep the process from ending."""
        threading.Thread(target=self._notifier.notify, args=(session,), name="notify", daemon=True).start()
