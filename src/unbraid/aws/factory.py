"""The service in one's own AWS account, put together from the settings: in each function, and in the container."""

from __future__ import annotations

from pathlib import Path

from unbraid.aws.email import Letters
from unbraid.aws.endpoint import Endpoint, Nobody
from unbraid.aws.jobs import DynamoStore
from unbraid.aws.objects import S3Store
from unbraid.aws.queue import Queue
from unbraid.aws.settings import Settings
from unbraid.environment import PREFIX
from unbraid.errors import SettingError
from unbraid.jobs.ports import Dispatcher
from unbraid.jobs.service import Service


def open_service(settings: Settings, scratch: Path | None = None) -> Service:
    """The service over what `settings` name. Nothing is asked of AWS before it is needed.

    `scratch`: folder for songs that are worked on; None: the system's. Raises SettingError.
    """
    if settings.bucket is None or settings.table is None:
        raise SettingError(f"The service needs both {PREFIX}BUCKET and {PREFIX}TABLE.")
    letters = Letters(settings.topic, settings.sender, settings.site)
    return Service(
        DynamoStore(settings.table),
        S3Store(settings.bucket, scratch),
        _dispatcher(settings, settings.bucket),
        letters,
        settings.limits,
    )


def _dispatcher(settings: Settings, bucket: str) -> Dispatcher:
    if settings.endpoint is not None:
        return Endpoint(settings.endpoint, bucket)
    return Nobody() if settings.queue_url is None else Queue(settings.queue_url, bucket)
