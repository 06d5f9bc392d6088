"""One invocation, as the container's contract has it: which song, where to, and what is wanted of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from unbraid.errors import UnbraidError
from unbraid.jobs.session import Choices

MOST_BYTES = 1 << 16
"""Of a request: it names a song, and doesn't hold one."""

_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}", re.ASCII)  # part of the keys of what is written
_URI = re.compile(
    r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?", re.DOTALL
)  # S3: rules for buckets' names
_CHOICES: Mapping[str, type] = {"model": str, "stems": str, "format": str, "video": bool}


class BadRequest(UnbraidError):  # noqa: N818 - as HTTP calls it
    """The request can't be understood."""


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket and a key in it, or what keys begin with."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}".rstrip("/")


@dataclass(frozen=True, slots=True)
class Invocation:
    """What a request says."""

    session_id: str
    input: Place
    output: Place
    """Files go to its key, the session's id and their names, joined by slashes."""
    choices: Choices
    dispatch: str | None
    """ID.VERSION where our own dispatcher asks; None for anybody else."""

    @classmethod
    def parse(cls, body: bytes) -> Invocation:
        """The invocation that is described by JSON. Raises BadRequest."""
        try:
            said = json.loads(body)
        except ValueError:
            raise BadRequest("The request is not JSON.") from None
        if not isinstance(said, dict):
            raise BadRequest("The request is not a JSON object.")
        session_id = _text(said, "session_id")
        if not _ID.fullmatch(session_id):
            raise BadRequest("session_id has to be 1 to 128 letters, digits, dots, dashes and underscores.")
        song = _place(said, "input_s3_uri")
        if not song.key or song.key.endswith("/"):
            raise BadRequest("input_s3_uri names no file. It has to look like s3://bucket/folder/song.mp3.")
        given = {name: said[name] for name in _CHOICES if said.get(name) is not None}
        for name, value in given.items():
            if not isinstance(value, _CHOICES[name]):
                raise BadRequest(f"{name} has the wrong type.")
        dispatch = said.get("dispatch")
        return cls(
            session_id,
            song,
            _place(said, "output_s3_prefix"),
            Choices(**given),
            dispatch if isinstance(dispatch, str) else None,
        )

    @property
    def song_name(self) -> str:
        """What the song is called in messages."""
        return PurePosixPath(self.input.key).name

    def uri_of(self, filename: str) -> str:
        """Where a file that came of the song stands."""
        return f"{self.output.uri}/{self.session_id}/{filename}"


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    if value is None or value == "":
        raise BadRequest(f"{name} is missing.")
    if not isinstance(value, str):
        raise BadRequest(f"{name} has to be a text.")
    return value


def _place(said: Mapping[str, Any], name: str) -> Place:
    found = _URI.fullmatch(_text(said, name))
    if found is None:
        raise BadRequest(f"{name} has to look like s3://bucket/key.")
    bucket, key = found.groups()
    return Place(bucket, key or "")
