"""Send e-mail through any mail server (SMTP, RFC 5321) when a user's song is done."""

from __future__ import annotations

import logging
import smtplib
import ssl
from email.message import EmailMessage

from unbraid.jobs.email import compose
from unbraid.jobs.notify import email_address
from unbraid.jobs.session import Session
from unbraid.local.settings import Settings

TIMEOUT_S = 10.0

log = logging.getLogger(__name__)


class Mail:
    """A Notifier. `settings` must name a server and a sender."""

    def __init__(self, settings: Settings) -> None:
        if settings.smtp_host is None or settings.mail_from is None:
            raise ValueError("no mail server, or no sender")
        self._host, self._sender = settings.smtp_host, settings.mail_from
        self._settings = settings

    def notify(self, session: Session) -> None:
        """Send an e-mail to `session.choices.notify`. Failures are logged, without the address."""
        if email_address(session.choices) is None:
            return
        try:
            self._send(compose(session, self._sender, self._settings.public_url))
        except (OSError, smtplib.SMTPException, ValueError) as error:
            reason = f" {error.smtp_code}" if isinstance(error, smtplib.SMTPResponseException) else ""
            log.warning("an e-mail can't be sent: %s%s", type(error).__name__, reason)

    def _send(self, message: EmailMessage) -> None:
        settings = self._settings
        if settings.smtp_security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, settings.smtp_port, timeout=TIMEOUT_S, context=ssl.create_default_context()
            )
        else:
            server = smtplib.SMTP(self._host, settings.smtp_port, timeout=TIMEOUT_S)
        with server:
            if settings.smtp_security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if settings.smtp_user is not None and settings.smtp_password is not None:
                server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
            server.send_message(message)
