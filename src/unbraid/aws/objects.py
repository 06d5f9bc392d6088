"""The object store in an S3 bucket. Songs and stems are streamed, never held in memory as a whole.

An upload link is signed with the Content-Type of the upload. Browsers send none for files that they don't know; then
the link accepts any. If the client announced the size, the link is also signed with the Content-Length, and S3 refuses
every other size. A link can't carry a maximum. So without an announced size, only `POST /process` refuses a song that
is too large, and the song expires.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import re
import tempfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from unbraid.aws import clients
from unbraid.errors import OutputError
from unbraid.files.oserrors import write_problem
from unbraid.jobs.disk import storage_error
from unbraid.jobs.messages import NOT_STORED
from unbraid.jobs.sessions import FOLDER, KINDS

_MISSING = ("404", "NoSuchKey", "NotFound")
_NOT_IN_QUOTES = re.compile(
    r'[^ -~]|["\\%]'
)  # % because some browsers decode it there (RFC 6266, appendix D)
MOST_KEYS = 1000  # that one call can delete
_ATTR_CHAR = "!#$&+^`|~"  # RFC 5987, in addition to the characters that `quote` keeps

log = logging.getLogger(__name__)


class S3Store:
    """An ObjectStore in `bucket`. `scratch`: folder for downloaded songs; None: the system's temporary folder."""

    def __init__(self, bucket: str, scratch: Path | None = None) -> None:
        self.bucket, self._scratch = bucket, scratch

    @cached_property
    def _s3(self) -> Any:
        return clients.client("s3")

    def upload_url(
        self, key: str, content_type: str, expires_s: int, max_bytes: int, size: int | None = None
    ) -> str:
        """A presigned URL. S3 enforces `size`, and can't enforce `max_bytes`."""
        params: dict[str, Any] = {"Bucket": self.bucket, "Key": key}
        if content_type:
            params["ContentType"] = content_type
        if size is not None:
            params["ContentLength"] = size
        return self._link("put_object", params, expires_s)

    def download_url(self, key: str, expires_s: int, filename: str | None = None) -> str:
        """A presigned URL."""
        params = {"Bucket": self.bucket, "Key": key}
        if filename is not None:
            params["ResponseContentDisposition"] = attachment(filename)
        return self._link("get_object", params, expires_s)

    def _link(self, method: str, params: dict[str, Any], expires_s: int) -> str:
        return str(self._s3.generate_presigned_url(method, Params=params, ExpiresIn=expires_s))

    def begin_parts(self, key: str, content_type: str) -> str:
        """Create a multipart upload. A rule of the bucket aborts it after a day."""
        kind = {"ContentType": content_type} if content_type else {}
        return str(self._s3.create_multipart_upload(Bucket=self.bucket, Key=key, **kind)["UploadId"])

    def part_url(self, key: str, upload_id: str, number: int, size: int, expires_s: int) -> str:
        """A presigned URL. S3 refuses a part of another size."""
        params = {**self._upload(key, upload_id), "PartNumber": number, "ContentLength": size}
        return self._link("upload_part", params, expires_s)

    def parts(self, key: str, upload_id: str) -> dict[int, int]:
        """Sizes by number. Raises FileNotFoundError."""
        return {number: int(part["Size"]) for number, part in self._parts(key, upload_id).items()}

    def join_parts(self, key: str, upload_id: str, count: int) -> None:
        """Complete the multipart upload. Raises FileNotFoundError."""
        stored = self._parts(key, upload_id)
        numbers = range(1, count + 1)
        if not stored.keys() >= set(numbers):
            raise FileNotFoundError(errno.ENOENT, "a part is missing")
        parts = [{"PartNumber": number, "ETag": stored[number]["ETag"]} for number in numbers]
        with _known_upload():
            self._s3.complete_multipart_upload(
                **self._upload(key, upload_id), MultipartUpload={"Parts": parts}
            )

    def abort_parts(self, key: str, upload_id: str) -> None:
        """Abort the multipart upload, unless it has ended."""
        with contextlib.suppress(FileNotFoundError), _known_upload():
            self._s3.abort_multipart_upload(**self._upload(key, upload_id))

    def _parts(self, key: str, upload_id: str) -> dict[int, Any]:
        pages = self._s3.get_paginator("list_parts").paginate(**self._upload(key, upload_id))
        with _known_upload():
            return {part["PartNumber"]: part for page in pages for part in page.get("Parts", [])}

    def _upload(self, key: str, upload_id: str) -> dict[str, Any]:
        return {"Bucket": self.bucket, "Key": key, "UploadId": upload_id}

    def size(self, key: str) -> int | None:
        """Size in bytes; None: the key doesn't exist."""
        try:
            return int(self._s3.head_object(Bucket=self.bucket, Key=key)["ContentLength"])
        except ClientError as error:
            if clients.code_of(error) in _MISSING:
                return None
            raise

    def head(self, key: str, count: int) -> bytes:
        """The first `count` bytes, at least one. Raises FileNotFoundError."""
        try:
            answer = self._s3.get_object(Bucket=self.bucket, Key=key, Range=f"bytes=0-{count - 1}")
            with answer["Body"] as body:
                return bytes(body.read())
        except ClientError as error:
            if clients.code_of(error) == "InvalidRange":  # the object is empty
                return b""
            if clients.code_of(error) in _MISSING:
                raise FileNotFoundError(errno.ENOENT, "not in the bucket") from error
            raise

    @contextlib.contextmanager
    def local_file(self, key: str) -> Iterator[Path]:
        """Download to a temporary folder, deleted at the end. Raises FileNotFoundError; OutputError for a full disk."""
        with contextlib.ExitStack() as stack:
            try:
                if self._scratch is not None:
                    self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
                folder = tempfile.TemporaryDirectory(
                    prefix="song-", dir=self._scratch, ignore_cleanup_errors=True
                )
                file = Path(stack.enter_context(folder), Path(key).name)
                self._s3.download_file(self.bucket, key, str(file))
            except ClientError as error:
                if clients.code_of(error) in _MISSING:
                    raise FileNotFoundError(errno.ENOENT, "not in the bucket") from error
                raise
            except OSError as error:
                raise storage_error(write_problem(error)) from error
            yield file

    def copy(self, source: str, target: str) -> None:
        """Copy within S3, in parts if the file is large. Raises FileNotFoundError, OutputError."""
        try:
            self._s3.copy({"Bucket": self.bucket, "Key": source}, self.bucket, target)
        except (Boto3Error, BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and clients.code_of(error) in _MISSING:
                raise FileNotFoundError(errno.ENOENT, "not in the bucket") from error
            log.error("a file can't be copied in the bucket: %s", clients.reason(error))
            raise OutputError(NOT_STORED) from error

    def put(self, file: Path, key: str, content_type: str) -> None:
        """Copy `file` into the bucket. Raises OutputError."""
        try:
            self._s3.upload_file(str(file), self.bucket, key, ExtraArgs={"ContentType": content_type})
        except (Boto3Error, BotoCoreError, ClientError, OSError) as error:
            log.error("a file can't be put into the bucket: %s", clients.reason(error))
            raise OutputError(NOT_STORED) from error

    def delete(self, prefix: str) -> int:
        """Delete all objects of a folder `KIND/ID/` and return their number."""
        if not FOLDER.fullmatch(prefix):
            raise ValueError("not a folder of keys")
        count = 0
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
            # A page has at most 1000 keys, and one call can delete as many.
            keys = [file["Key"] for file in page.get("Contents", [])]
            if keys:
                self._delete(keys)
            count += len(keys)
        return count

    def discard(self, keys: Sequence[str]) -> None:
        """Delete these objects. S3 takes missing ones for deleted."""
        for start in range(0, len(keys), MOST_KEYS):
            self._delete(list(keys[start : start + MOST_KEYS]))

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
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=f"{kind}/", Delimiter="/"
            )
            for page in pages:
                for folder in page.get("CommonPrefixes", []):
                    session_id = folder["Prefix"].split("/")[1]
                    if session_id not in seen:
                        seen.add(session_id)
                        yield session_id

    def free_bytes(self) -> int | None:
        """None: S3 has no limit."""
        return None


@contextlib.contextmanager
def _known_upload() -> Iterator[None]:
    """Raise FileNotFoundError if the multipart upload has ended or is unknown."""
    try:
        yield
    except ClientError as error:
        if clients.code_of(error) == "NoSuchUpload":
            raise FileNotFoundError(errno.ENOENT, "no such upload") from error
        raise


def attachment(filename: str) -> str:
    """The Content-Disposition header that makes a browser save a file as `filename` (RFC 6266).

    Old clients get an ASCII name, with _ for every other character; the rest get the name in UTF-8 (RFC 5987).
    """
    plain = _NOT_IN_QUOTES.sub("_", filename)
    header = f'attachment; filename="{plain}"'
    return header if plain == filename else f"{header}; filename*=UTF-8''{quote(filename, safe=_ATTR_CHAR)}"
