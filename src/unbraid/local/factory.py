"""The service of this machine, put together from the settings: in the server, and in each of its workers."""

from __future__ import annotations

from unbraid.errors import SettingError
from unbraid.files.oserrors import read_cause
from unbraid.jobs.ports import Notifier
from unbraid.jobs.service import Service
from unbraid.jobs.session import Session
from unbraid.local.files import FolderStore
from unbraid.local.links import Links, read_secret
from unbraid.local.mail import Mail
from unbraid.local.settings import Settings
from unbraid.local.sql import SqlStore


def open_service(settings: Settings) -> Service:
    """The service over database and folder that `settings` name, which are made. Raises SettingError, OutputError."""
    try:
        links = Links(read_secret(settings.secret))
    except OSError as error:
        reason = read_cause(error)
        raise SettingError(
            f"The folder {settings.data} can't be used: {reason}. Choose another by --data."
        ) from error
    objects = FolderStore(settings.objects, links)
    notifier: Notifier = Mail(settings) if settings.smtp_host else _Silence()
    return Service(SqlStore(settings.database), objects, _Seen(), notifier, settings.limits)


class _Seen:
    """A Dispatcher: workers look into the store themselves, four times a second."""

    def dispatch(self, session: Session) -> None:
        """Nothing to do."""


class _Silence:
    """A Notifier where no mail server is set."""

    def notify(self, session: Session) -> None:
        """Nothing to do."""
