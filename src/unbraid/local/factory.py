"""Build the `Sessions` of this machine from the settings, for the server and for each worker."""

from __future__ import annotations

from unbraid.errors import SettingError
from unbraid.files.oserrors import read_cause
from unbraid.jobs.ports import Notifier
from unbraid.jobs.session import Session
from unbraid.jobs.sessions import Sessions
from unbraid.local.background import Background
from unbraid.local.file_store import FileStore
from unbraid.local.files import FolderStore
from unbraid.local.links import Links, read_secret
from unbraid.local.mail import Mail
from unbraid.local.postgres_queue import QueueNotifier
from unbraid.local.settings import SCRATCH, Settings
from unbraid.local.sql import SqlStore
from unbraid.webhooks.notifier import LONG_WAITS_S, Webhooks


def open_sessions(settings: Settings) -> Sessions:
    """Open the database and the files of `settings`; create what is missing. Raises SettingError, OutputError."""
    objects, store = _open_files(settings), SqlStore(settings.database)
    dispatcher = QueueNotifier(store.engine) if store.has_notifications else _NoDispatcher()
    return Sessions(store, objects, dispatcher, _notifier(settings), settings.limits)


def read_server_secret(settings: Settings) -> bytes:
    """Return the secret that signs links and cookies: of the settings, or of the data folder. Raises SettingError."""
    if settings.link_secret is not None:
        return settings.link_secret.get_secret_value().encode()
    try:
        return read_secret(settings.secret)
    except OSError as error:
        reason = read_cause(error)
        raise SettingError(
            f"The folder {settings.data} can't be used: {reason}. Choose another by --data."
        ) from error


def _open_files(settings: Settings) -> FileStore:
    links = Links(read_server_secret(settings))
    if settings.store is None:
        return FolderStore(settings.objects, links)
    try:
        from unbraid.local.bucket import BucketStore
    except ModuleNotFoundError as error:
        raise SettingError("UNBRAID_STORE needs one more package: pip install 'unbraid[s3]'") from error
    return BucketStore(settings.store, links, settings.data / SCRATCH)


def _notifier(settings: Settings) -> Notifier:
    mail: Notifier = Mail(settings) if settings.smtp_host else _NoNotifier()
    if settings.webhook_secret is None:
        return mail
    secret = settings.webhook_secret.get_secret_value()
    return Background(Webhooks(secret, mail, allow_private=settings.webhook_private, waits_s=LONG_WAITS_S))


class _NoDispatcher:
    """A Dispatcher that does nothing, for SQLite: workers poll the store, four times a second."""

    def dispatch(self, session: Session) -> None:
        """Do nothing."""


class _NoNotifier:
    """A Notifier that does nothing, for settings without a mail server."""

    def notify(self, session: Session) -> None:
        """Do nothing."""
