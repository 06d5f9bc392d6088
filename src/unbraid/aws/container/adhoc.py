"""Songs without a session in the table: the invocation itself has the addresses of the song and its stems.

This process remembers their results, so that two invocations with one session_id do the work once.
"""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from unbraid.aws.container import answers
from unbraid.aws.container.answers import Answer
from unbraid.aws.container.requests import Invocation
from unbraid.errors import InputError, OutputError
from unbraid.jobs.media import MEDIA_TYPES
from unbraid.jobs.messages import NOT_STORED, Failure
from unbraid.jobs.session import Choices, Output, Playable
from unbraid.s3.errors import code_of

REMEMBERED = 1000  # remembered results; the oldest are forgotten first

log = logging.getLogger(__name__)


@dataclass
class AdhocJob:
    """One invocation as the Job that `run_job` separates. No other worker can take it, so its lease never expires."""

    s3: Any
    invocation: Invocation
    choices: Choices
    """Options of the invocation, validated."""
    max_song_s: float
    answer: Answer | None = None
    """The result; None: not finished."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while the song is separated."""
    parts_of: str | None = None
    lease_s: float = float("inf")
    previews: bool = False
    _stored: list[str] = field(default_factory=list)

    @property
    def song_name(self) -> str:
        return self.invocation.song_name

    @contextmanager
    def song(self) -> Iterator[Path]:
        """Download the song. Raises InputError if it is missing or not readable for this container."""
        source = self.invocation.input
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, f"song{PurePosixPath(source.key).suffix}")
            try:
                self.s3.download_file(source.bucket, source.key, str(file))
            except ClientError as error:
                code = code_of(error)
                if not code.startswith(("4", "NoSuch", "AccessDenied")):
                    raise
                raise InputError(
                    f"can't be downloaded ({code}): it doesn't exist, or this container's role may not read it.",
                    subject=self.song_name,
                ) from error
            yield file

    def put(self, file: Path) -> str:
        """Upload a stem. Raises OutputError."""
        key = self._key(file.name)
        options = {"ContentType": MEDIA_TYPES[file.suffix[1:]]}
        try:
            self.s3.upload_file(str(file), self.invocation.output.bucket, key, ExtraArgs=options)
        except (Boto3Error, BotoCoreError, ClientError) as error:
            log.exception("a stem can't be uploaded")
            raise OutputError(NOT_STORED) from error
        self._stored.append(key)
        return key

    def set_playable(self, playable: Playable) -> bool:
        return True  # it has no previews, so nothing is played

    def discard(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.s3.delete_object(Bucket=self.invocation.output.bucket, Key=key)
            self._stored.remove(key)

    def delete_outputs(self) -> None:
        """Delete the files that this process stored. Other files there belong to the caller."""
        while self._stored:
            self.s3.delete_object(Bucket=self.invocation.output.bucket, Key=self._stored[-1])
            self._stored.pop()

    def delete_abandoned_outputs(self) -> bool:
        self.delete_outputs()
        return True

    def renew_lease(self, progress: float | None, stage: str | None, duration_s: float | None) -> bool:
        return True

    def complete(
        self,
        outputs: Sequence[Output],
        duration_s: float,
        model_used: str,
        warnings: Sequence[str],
        bpm: float | None = None,
        musical_key: str | None = None,
    ) -> bool:
        self.answer = answers.success(self.invocation, outputs)
        return True

    def fail(self, failure: Failure) -> bool:
        self.answer = answers.failed(failure)
        return True

    def release(self) -> bool:
        return True

    def is_same(self, invocation: Invocation, choices: Choices) -> bool:
        """Return whether another invocation asks for the same song with the same options."""
        return (self.invocation.input.uri, self.choices) == (invocation.input.uri, choices)

    def _key(self, filename: str) -> str:
        return self.invocation.uri_of(filename).split("/", 3)[3]


class AdhocJobs:
    """The ad-hoc jobs of this process, by session_id."""

    def __init__(self) -> None:
        self._jobs: dict[str, AdhocJob] = {}
        self._lock = threading.Lock()

    def get_or_add(self, job: AdhocJob) -> AdhocJob:
        """Return the job with that session_id, or `job` if there is none. Unfinished jobs are never forgotten."""
        with self._lock:
            known = self._jobs.setdefault(job.invocation.session_id, job)
            finished = [key for key, one in self._jobs.items() if one.answer is not None]
            for key in finished[: max(0, len(self._jobs) - REMEMBERED)]:
                del self._jobs[key]
            return known
