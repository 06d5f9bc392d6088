"""The object store in an S3 bucket, with presigned links, so that files don't pass through the functions.

An upload link is signed with the Content-Type of the upload. Browsers send none for files that they don't know; then
the link accepts any. If the client announced the size, the link is also signed with the Content-Length, and S3 refuses
every other size. A link can't carry a maximum. So without an announced size, only `POST /process` refuses a song that
is too large, and the song expires.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from unbraid.api.attachment import attachment
from unbraid.aws import clients
from unbraid.s3.errors import code_of
from unbraid.s3.files import S3Files


class S3Store(S3Files):
    """An ObjectStore in `bucket`. `scratch`: folder for downloaded songs; None: the system's temporary folder."""

    def __init__(self, bucket: str, scratch: Path | None = None) -> None:
        super().__init__(bucket, lambda: clients.client("s3"), scratch)

    def upload_url(
        self, key: str, content_type: str, expires_s: int, max_bytes: int, size: int | None = None
    ) -> str:
        """A presigned URL. S3 enforces `size`, and can't enforce `max_bytes`."""
        params = self._at(key)
        if content_type:
            params["ContentType"] = content_type
        if size is not None:
            params["ContentLength"] = size
        return self._link("put_object", params, expires_s)

    def download_url(self, key: str, expires_s: int, filename: str | None = None) -> str:
        """A presigned URL."""
        params = self._at(key)
        if filename is not None:
            params["ResponseContentDisposition"] = attachment(filename)
        return self._link("get_object", params, expires_s)

    def _link(self, method: str, params: dict[str, Any], expires_s: int) -> str:
        return str(self._s3.generate_presigned_url(method, Params=params, ExpiresIn=expires_s))

    def begin_parts(self, key: str, content_type: str) -> str:
        """Create a multipart upload. A rule of the bucket aborts it after a day."""
        kind = {"ContentType": content_type} if content_type else {}
        return str(self._s3.create_multipart_upload(**self._at(key), **kind)["UploadId"])

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
        return {**self._at(key), "UploadId": upload_id}


@contextlib.contextmanager
def _known_upload() -> Iterator[None]:
    """Raise FileNotFoundError if the multipart upload has ended or is unknown."""
    try:
        yield
    except ClientError as error:
        if code_of(error) == "NoSuchUpload":
            raise FileNotFoundError(errno.ENOENT, "no such upload") from error
        raise
