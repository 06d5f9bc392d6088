"""What the errors of boto3 mean."""

from __future__ import annotations

from boto3.exceptions import Boto3Error
from botocore.exceptions import (
    ClientError,
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
)

MISSING = ("404", "NoSuchKey", "NotFound")
_BUSY = ("SlowDown", "RequestTimeout", "Throttling", "ThrottlingException", "429")
_BROKEN = (ConnectionError, HTTPClientError, IncompleteReadError, ResponseStreamingError)


def code_of(error: ClientError) -> str:
    """Return the error code of a service, such as `NoSuchKey`, or `404` if the answer had no body."""
    return str(error.response.get("Error", {}).get("Code", ""))


def reason(error: BaseException) -> str:
    """Return the error code or type without the message, which may contain e-mail addresses and keys of songs."""
    if isinstance(error, Boto3Error) and error.__context__ is not None:  # s3transfer wraps the cause
        return reason(error.__context__)
    return code_of(error) if isinstance(error, ClientError) else type(error).__name__


def is_missing(error: ClientError) -> bool:
    """Whether the key doesn't exist."""
    return code_of(error) in MISSING


def is_away(error: BaseException) -> bool:
    """Whether the store didn't answer, or asks to come back later: the same call may succeed soon."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or code_of(error) in _BUSY
    if isinstance(error, Boto3Error):
        causes = (getattr(error, "last_exception", None), error.__cause__, error.__context__)
        return any(cause is not None and is_away(cause) for cause in causes)
    return isinstance(error, _BROKEN)
