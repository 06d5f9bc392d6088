"""Parse the body of an invocation, as the container's contract defines it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from unbraid.audio.times import seconds_of
from unbraid.errors import UnbraidError
from unbraid.jobs.session import Choices

MAX_BYTES = 1 << 16
"""Size limit of a request: it holds the address of a song, not the song."""

_ID = re.compile(
    r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}", re.ASCII
)  # it becomes part of the keys of output files
_URI = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?", re.DOTALL)  # S3: bucket naming rules
_CHOICES: Mapping[str, type | tuple[type, ...]] = {
    "model": str,
    "stems": str,
    "format": str,
    "video": bool,
    "quality": str,
    "start": (int, float, str),
    "end": (int, float, str),
}


class BadRequest(UnbraidError):  # noqa: N818 - as HTTP calls it
    """The request is malformed."""


@dataclass(frozen=True, slots=True)
class S3Location:
    """A bucket, and a key or a prefix of keys in it."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}".rstrip("/")


@dataclass(frozen=True, slots=True)
class Invocation:
    """A parsed request."""

    session_id: str
    input: S3Location
    output: S3Location
    """Prefix of the output files: their keys are `PREFIX/session_id/filename`."""
    choices: Choices
    dispatch: str | None
    """`ID.VERSION` from this application's dispatcher; None from other clients."""

    @classmethod
    def parse(cls, body: bytes) -> Invocation:
        """Parse the JSON body. Raises BadRequest, and SettingError for times."""
        try:
            fields = json.loads(body)
        except ValueError:
            raise BadRequest("The request is not JSON.") from None
        if not isinstance(fields, dict):
            raise BadRequest("The request is not a JSON object.")
        session_id = _text(fields, "session_id")
        if not _ID.fullmatch(session_id):
            raise BadRequest("session_id must be 1 to 128 letters, digits, dots, dashes and underscores.")
        song = _location(fields, "input_s3_uri")
        if not song.key or song.key.endswith("/"):
            raise BadRequest("input_s3_uri names no file. It must look like s3://bucket/folder/song.mp3.")
        choices = {name: fields[name] for name in _CHOICES if fields.get(name) is not None}
        for name, value in choices.items():
            if not isinstance(value, _CHOICES[name]):
                raise BadRequest(f"{name} has the wrong type.")
        for name in choices.keys() & {"start", "end"}:
            choices[name] = seconds_of(choices[name], f"The {name}")
        dispatch = fields.get("dispatch")
        return cls(
            session_id,
            song,
            _location(fields, "output_s3_prefix"),
            Choices(**choices),
            dispatch if isinstance(dispatch, str) else None,
        )

    @property
    def song_name(self) -> str:
        """Name of the song in messages."""
        return PurePosixPath(self.input.key).name

    def uri_of(self, filename: str) -> str:
        """Return the address of an output file."""
        return f"{self.output.uri}/{self.session_id}/{filename}"


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is None or value == "":
        raise BadRequest(f"{name} is missing.")
    if not isinstance(value, str):
        raise BadRequest(f"{name} must be a string.")
    return value


def _location(fields: Mapping[str, Any], name: str) -> S3Location:
    match = _URI.fullmatch(_text(fields, name))
    if match is None:
        raise BadRequest(f"{name} must look like s3://bucket/key.")
    bucket, key = match.groups()
    return S3Location(bucket, key or "")
