"""Build the `Sessions` of an AWS account from the settings, for each function and for the container."""

from __future__ import annotations

from pathlib import Path

from unbraid.aws.email import Emails
from unbraid.aws.endpoint import Endpoint, NoEndpoint
from unbraid.aws.jobs import DynamoStore
from unbraid.aws.objects import S3Store
from unbraid.aws.queue import Queue
from unbraid.aws.settings import Settings
from unbraid.environment import PREFIX
from unbraid.errors import SettingError
from unbraid.jobs.available import AvailableModels
from unbraid.jobs.ports import Dispatcher, Notifier
from unbraid.jobs.sessions import Sessions
from unbraid.models.catalog import catalog
from unbraid.webhooks.notifier import Webhooks


def open_sessions(settings: Settings, scratch: Path | None = None) -> Sessions:
    """Build the sessions over the table and bucket of `settings`. No call to AWS is made before the first use.

    `scratch` is the folder for downloaded songs; None: the system's temporary folder. Raises SettingError.
    """
    if settings.bucket is None or settings.table is None:
        raise SettingError(f"Sessions need both {PREFIX}BUCKET and {PREFIX}TABLE.")
    return Sessions(
        DynamoStore(settings.table),
        S3Store(settings.bucket, scratch),
        _dispatcher(settings, settings.bucket),
        _notifier(settings),
        settings.limits,
        available=AvailableModels(settings.models or catalog()),
    )


def _notifier(settings: Settings) -> Notifier:
    emails = Emails(settings.topic, settings.sender, settings.site)
    if settings.webhook_secret is None:
        return emails
    secret = settings.webhook_secret.get_secret_value()
    return Webhooks(secret, emails, allow_private=settings.webhook_private)


def _dispatcher(settings: Settings, bucket: str) -> Dispatcher:
    if settings.endpoint is not None:
        return Endpoint(settings.endpoint, bucket)
    return NoEndpoint() if settings.queue_url is None else Queue(settings.queue_url, bucket)
