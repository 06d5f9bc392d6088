"""Send webhooks when songs end, with retries."""

from __future__ import annotations

import http.client
import logging
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from unbraid.jobs.notify import webhook_url
from unbraid.jobs.ports import Notifier
from unbraid.jobs.session import Session
from unbraid.webhooks.connect import PinnedConnection, PrivateAddressError
from unbraid.webhooks.message import DELIVERY, SIGNATURE, body_of, delivery_of, signature

TIMEOUT_S = 5.0  # three attempts and their waits take 20 s, less than a Lambda function may take
DEADLINE_S = 2 * TIMEOUT_S  # for a whole request
WAITS_S = (1.0, 4.0)  # between attempts where the caller waits; three attempts
LONG_WAITS_S = (1.0, 5.0, 20.0, 60.0)  # in a thread of its own; five attempts
HTTPS_PORT = 443

# Answers after which another attempt may succeed: too slow, too early, too often, and faults of the server.
RETRIED = {408, 425, 429}

log = logging.getLogger(__name__)


class Webhooks:
    """A Notifier that sends webhooks, and leaves e-mail to `others`.

    `waits_s`: pauses between attempts. `allow_private`: also send to addresses that aren't public, for tests and local
    networks.
    """

    def __init__(
        self,
        secret: str,
        others: Notifier,
        *,
        allow_private: bool = False,
        waits_s: tuple[float, ...] = WAITS_S,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._secret, self._others, self._allow_private = secret, others, allow_private
        self._waits_s, self._sleep = waits_s, sleep

    def notify(self, session: Session) -> None:
        """Send the webhook, or let `others` notify. Failures are logged, without the URL."""
        self._others.notify(session)
        if (url := webhook_url(session.choices)) is not None:
            self._deliver(url, session)

    def _deliver(self, url: str, session: Session) -> None:
        body, delivery = body_of(session), delivery_of(session)
        for wait_s in (*self._waits_s, None):
            try:
                status = self._post(url, body, delivery)
            except PrivateAddressError as error:
                log.warning("a webhook isn't sent: %s", error)
                return
            except (OSError, ValueError, http.client.HTTPException) as error:
                reason = type(error).__name__
            else:
                if 200 <= status < 300:
                    return
                reason = f"the server answered {status}"
                if status < 500 and status not in RETRIED:
                    break
            if wait_s is not None:
                self._sleep(wait_s)
        log.warning("a webhook can't be sent: %s", reason)

    def _post(self, url: str, body: bytes, delivery: str) -> int:
        """Send one request and return the status. Redirects aren't followed: they could lead anywhere."""
        parts = urlsplit(url)
        connection = PinnedConnection(
            parts.hostname or "",
            parts.port or HTTPS_PORT,
            timeout_s=TIMEOUT_S,
            allow_private=self._allow_private,
        )
        # A server that sends one byte every few seconds would never time out.
        deadline = threading.Timer(DEADLINE_S, connection.abort)
        deadline.daemon = True
        deadline.start()
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            headers = {
                "Content-Type": "application/json",
                "User-Agent": "unbraid",
                DELIVERY: delivery,
                SIGNATURE: signature(self._secret, body, int(time.time())),
            }
            connection.request("POST", target, body, headers)
            return connection.getresponse().status
        finally:
            deadline.cancel()
            connection.close()
