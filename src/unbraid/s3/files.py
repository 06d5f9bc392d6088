"""Files in an S3 bucket. Songs and stems are streamed, never held in memory as a whole."""

from __future__ import annotations

import contextlib
import errno
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from unbraid.errors import OutputError
from unbraid.files.oserrors import write_problem
from unbraid.files.workfolder import WorkFolder
from unbraid.jobs.disk import storage_error
from unbraid.jobs.messages import NOT_STORED
from unbraid.jobs.sessions import FOLDER, KINDS
from unbraid.s3.errors import code_of, is_missing, reason

MOST_KEYS = 1000  # that one call can delete

log = logging.getLogger(__name__)


class S3Files:
    """The files of an ObjectStore in `bucket`, below `prefix`, which is empty or ends in `/`.

    `make_client` returns a client of boto3; it is called before the first use. `scratch` is the folder for downloaded
    songs; None: the system's temporary folder.
    """

    def __init__(
        self, bucket: str, make_client: Callable[[], Any], scratch: Path | None = None, prefix: str = ""
    ) -> None:
        self.bucket, self.prefix = bucket, prefix
        self._make_client, self._scratch = make_client, scratch

    @cached_property
    def _s3(self) -> Any:
        return self._make_client()

    def _at(self, key: str) -> dict[str, Any]:
        """Parameters of a call about the file of a key."""
        return {"Bucket": self.bucket, "Key": self.prefix + key}

    def size(self, key: str) -> int | None:
        """Size in bytes; None: the key doesn't exist."""
        try:
            return int(self._s3.head_object(**self._at(key))["ContentLength"])
        except ClientError as error:
            if is_missing(error):
                return None
            raise

    def head(self, key: str, count: int) -> bytes:
        """The first `count` bytes, at least one. Raises FileNotFoundError."""
        try:
            answer = self._s3.get_object(**self._at(key), Range=f"bytes=0-{count - 1}")
            with answer["Body"] as body:
                return bytes(body.read())
        except ClientError as error:
            if code_of(error) == "InvalidRange":  # the object is empty
                return b""
            if is_missing(error):
                raise FileNotFoundError(errno.ENOENT, "not in the bucket") from error
            raise

    @contextlib.contextmanager
    def local_file(self, key: str) -> Iterator[Path]:
        """Download to a temporary folder, deleted at the end. Raises FileNotFoundError; OutputError for a full disk."""
        with contextlib.ExitStack() as stack:
            try:
                file = Path(stack.enter_context(self._temporary_folder()), Path(key).name)
                self._s3.download_file(self.bucket, self.prefix + key, str(file))
            except ClientError as error:
                if is_missing(error):
                    raise FileNotFoundError(errno.ENOENT, "not in the bucket") from error
                raise
            except OSError as error:
                raise storage_error(write_problem(error)) from error
            yield file

    def _temporary_folder(self) -> contextlib.AbstractContextManager[str | Path]:
        if self._scratch is None:
            return tempfile.TemporaryDirectory(prefix="song-", ignore_cleanup_errors=True)
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        return WorkFolder(self._scratch)

    def copy(self, source: str, target: str) -> None:
        """Copy within S3, in parts if the file is large. Raises FileNotFoundError, OutputError."""
        try:
            self._s3.copy(self._at(source), self.bucket, self.prefix + target)
        except (Boto3Error, BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and is_missing(error):
                raise FileNotFoundError(errno.ENOENT, "not in the bucket") from error
            log.error("a file can't be copied in the bucket: %s", reason(error))
            raise OutputError(NOT_STORED) from error

    def put(self, file: Path, key: str, content_type: str) -> None:
        """Copy `file` into the bucket. Raises OutputError."""
        try:
            self._s3.upload_file(
                str(file), self.bucket, self.prefix + key, ExtraArgs={"ContentType": content_type}
            )
        except (Boto3Error, BotoCoreError, ClientError, OSError) as error:
            log.error("a file can't be put into the bucket: %s", reason(error))
            raise OutputError(NOT_STORED) from error

    def delete(self, prefix: str) -> int:
        """Delete all objects of a folder `KIND/ID/` and return their number."""
        if not FOLDER.fullmatch(prefix):
            raise ValueError("not a folder of keys")
        count = 0
        for page in self._listed(prefix):
            # A page has at most 1000 keys, and one call can delete as many.
            keys = [file["Key"] for file in page.get("Contents", [])]
            if keys:
                self._delete(keys)
            count += len(keys)
        return count

    def discard(self, keys: Sequence[str]) -> None:
        """Delete these objects. S3 takes missing ones for deleted."""
        for start in range(0, len(keys), MOST_KEYS):
            self._delete([self.prefix + key for key in keys[start : start + MOST_KEYS]])

    def _delete(self, keys: list[str]) -> None:
        answer = self._s3.delete_objects(
            Bucket=self.bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
        )
        if refused := answer.get("Errors"):
            raise RuntimeError(
                f"S3 did not delete {len(refused)} of {len(keys)} files: {refused[0].get('Code')}"
            )

    def session_ids(self) -> Iterator[str]:
        """Ids of the sessions that have files here. Lists folders, not files."""
        seen: set[str] = set()
        for kind in KINDS:
            for page in self._listed(f"{kind}/", Delimiter="/"):
                for folder in page.get("CommonPrefixes", []):
                    session_id = folder["Prefix"].removeprefix(self.prefix).split("/")[1]
                    if session_id not in seen:
                        seen.add(session_id)
                        yield session_id

    def _listed(self, prefix: str, **parameters: str) -> Any:
        """Yield the pages of the list of the files whose keys begin with `prefix`."""
        pages = self._s3.get_paginator("list_objects_v2")
        return pages.paginate(Bucket=self.bucket, Prefix=self.prefix + prefix, **parameters)

    def free_bytes(self) -> int | None:
        """None: S3 has no limit."""
        return None
