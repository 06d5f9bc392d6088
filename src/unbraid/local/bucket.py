"""The object store of several machines: a bucket of any S3-compatible store, with signed links to the web app.

Files pass through the server, so that the bucket needs no access from outside, no CORS rules and no public address.
boto3 finds the address, the region and the credentials itself (AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and so
on). A part of an upload is an object of its own, which disappears with the files of its session.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from unbraid.errors import SettingError
from unbraid.files.workfolder import WorkFolder, clear_abandoned
from unbraid.jobs.media import MEDIA_TYPES, OTHER
from unbraid.jobs.sessions import FOLDER
from unbraid.local.bucket_files import SpooledFile, StoredFile
from unbraid.local.files import explained
from unbraid.local.links import LinkedStore, Links, part_key
from unbraid.s3.errors import is_missing, reason
from unbraid.s3.files import S3Files
from unbraid.s3.reachable import ReachableClient

ATTEMPTS = 4  # of a call that isn't answered, with growing pauses: some seconds in all
COPIES_AT_ONCE = 8  # of parts that are joined

LOCATION = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>[A-Za-z0-9/._-]*))?")


def make_client() -> Any:
    """Return a client of boto3 that suits every S3-compatible store."""
    logging.getLogger("botocore").setLevel(logging.WARNING)  # each client logs where its settings are from
    elsewhere = any(os.environ.get(name) for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"))
    # Of the other stores, some have no names of buckets in DNS, and some don't know the newer checksums.
    compatible: dict[str, Any] = (
        {
            "s3": {"addressing_style": "path"},
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
        if elsewhere
        else {}
    )
    config = Config(
        connect_timeout=5,
        read_timeout=30,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        signature_version="s3v4",
        max_pool_connections=32,
        tcp_keepalive=True,
        **compatible,
    )
    return boto3.client("s3", config=config)


class BucketStore(LinkedStore, S3Files):
    """An ObjectStore at `location`, such as `s3://bucket/prefix`. `scratch` is a folder for temporary files.

    Raises SettingError if the location isn't one, or the bucket can't be used.
    """

    def __init__(self, location: str, links: Links, scratch: Path) -> None:
        match = LOCATION.fullmatch(location)
        if match is None:
            raise SettingError(
                "UNBRAID_STORE is not the address of a bucket. Write it like s3://bucket/prefix."
            )
        prefix = (match["prefix"] or "").strip("/")
        try:
            client = make_client()
            client.head_bucket(Bucket=match["bucket"])
        except (BotoCoreError, ClientError, ValueError) as error:
            raise SettingError(
                f"The bucket {match['bucket']} of UNBRAID_STORE can't be used: {reason(error)}."
                " See docs/scale.md for the variables of the store."
            ) from error
        super().__init__(match["bucket"], lambda: ReachableClient(client), scratch, prefix and f"{prefix}/")
        self.links = links
        self._folder = scratch

    def write(self, key: str) -> SpooledFile:
        """Start to write the file for `key`; it appears when it is committed. Raises OutputError."""
        return SpooledFile(self, key, self._spool_folder())

    def writable_bytes(self) -> int:
        """Return how many bytes of an upload fit on the disk of this server, on their way to the bucket."""
        return shutil.disk_usage(self._spool_folder()).free

    def open(self, key: str, byte_range: str | None = None) -> StoredFile:
        """Start to read a file, or one range of bytes, such as `bytes=0-99`.

        Raises FileNotFoundError; ValueError for a range that the file doesn't have.
        """
        ranges = {} if byte_range is None else {"Range": byte_range}
        try:
            answer = self._s3.get_object(**self._at(key), **ranges)
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 416:
                raise ValueError("not a range of this file") from error
            raise _missing(error) from error
        return StoredFile.of(answer)

    def describe(self, key: str) -> StoredFile:
        """Return the size and time of a file, without its content. Raises FileNotFoundError."""
        try:
            return StoredFile.of(self._s3.head_object(**self._at(key)))
        except ClientError as error:
            raise _missing(error) from error

    # Uploads in parts

    def parts(self, key: str, upload_id: str) -> dict[int, int]:
        """Return the size of each part by number."""
        start = part_key(key, upload_id, "")
        return {
            int(file["Key"].removeprefix(self.prefix + start)): int(file["Size"])
            for page in self._listed(start)
            for file in page.get("Contents", [])
        }

    def join_parts(self, key: str, upload_id: str, count: int) -> None:
        """Copy the parts into one file, within the store. Raises FileNotFoundError."""
        numbers = range(1, count + 1)
        if not self.parts(key, upload_id).keys() >= set(numbers):
            raise FileNotFoundError(errno.ENOENT, "a part is missing")
        kind = MEDIA_TYPES.get(Path(key).suffix[1:], OTHER)
        upload = self._s3.create_multipart_upload(**self._at(key), ContentType=kind)["UploadId"]
        target = {**self._at(key), "UploadId": upload}

        def copy(number: int) -> dict[str, Any]:
            source = self._at(part_key(key, upload_id, number))
            answer = self._s3.upload_part_copy(**target, PartNumber=number, CopySource=source)
            return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

        try:
            with ThreadPoolExecutor(COPIES_AT_ONCE, thread_name_prefix="parts") as pool:
                parts = list(pool.map(copy, numbers))
            self._s3.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
        except BaseException as error:
            with contextlib.suppress(Exception):  # `clear_parts` does it otherwise
                self._s3.abort_multipart_upload(**target)
            if isinstance(error, ClientError):
                raise _missing(error) from error
            raise
        self.abort_parts(key, upload_id)

    def abort_parts(self, key: str, upload_id: str) -> None:
        """Delete all parts."""
        self.discard([part_key(key, upload_id, number) for number in self.parts(key, upload_id)])

    # Upkeep

    def clear_parts(self, older_than_s: float = 3600) -> int:
        """Abort the unfinished uploads of killed processes, and return their number. Clear the temporary files too."""
        clear_abandoned(self._spool_folder())
        before, count = datetime.now(UTC) - timedelta(seconds=older_than_s), 0
        pages = self._s3.get_paginator("list_multipart_uploads")
        for page in pages.paginate(Bucket=self.bucket, Prefix=self.prefix):
            for upload in page.get("Uploads", []):
                if upload["Initiated"] < before:
                    with contextlib.suppress(ClientError):  # it has ended meanwhile
                        self._s3.abort_multipart_upload(
                            Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                        )
                        count += 1
        return count

    def scratch(self) -> WorkFolder:
        """Create a temporary folder. Those of killed processes are removed with the next one."""
        return WorkFolder(self._spool_folder())

    def keep_newest(self, prefix: str, count: int) -> None:
        """Delete all but the newest `count` files of a folder `KIND/ID/`."""
        if not FOLDER.fullmatch(prefix):
            raise ValueError("not a folder of keys")
        files = [file for page in self._listed(prefix) for file in page.get("Contents", [])]
        files.sort(key=lambda file: file["LastModified"], reverse=True)
        self.discard([file["Key"].removeprefix(self.prefix) for file in files[count:]])

    def _spool_folder(self) -> Path:
        with explained():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._folder


def _missing(error: ClientError) -> Exception:
    return FileNotFoundError(errno.ENOENT, "not in the bucket") if is_missing(error) else error
