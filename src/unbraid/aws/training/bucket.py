"""The objects of a training in the deployment's bucket."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from unbraid.aws.training.deployment import Deployment
from unbraid.aws.training.material import File
from unbraid.files.workfolder import WorkFolder

MATERIAL, CHECKPOINTS, RESULTS = "material/", "checkpoints/", "results/"
"""Folders of a training."""
REQUEST = "request.json"
AT_ONCE = 1000  # objects that a call of S3 deletes


class Folder:
    """The folder `prefix` of the bucket."""

    def __init__(self, deployment: Deployment, prefix: str) -> None:
        self._files = deployment.client("s3")
        self._bucket, self._prefix = deployment.bucket, prefix

    def url(self, name: str) -> str:
        """Return the address of a folder or an object in it, for AWS's services."""
        return f"s3://{self._bucket}/{self._prefix}{name}"

    def upload(
        self,
        files: Sequence[File],
        request: Mapping[str, Any],
        place: Path,
        done: Callable[[int, int], object],
    ) -> None:
        """Upload the files that are missing, and the request. `done` receives the bytes so far, and of all files.

        `place`: folder for one encoded stem at a time.
        """
        there = set(self._keys())
        total, so_far = sum(file.size for file in files), 0
        for file in files:
            key = f"{self._prefix}{MATERIAL}{file.key}"
            if key not in there:
                with WorkFolder(place) as folder:
                    self._files.upload_file(str(file.encoded(folder)), self._bucket, key)
            so_far += file.size
            done(so_far, total)
        body = json.dumps(request).encode()
        self._files.put_object(Bucket=self._bucket, Key=f"{self._prefix}{MATERIAL}{REQUEST}", Body=body)

    def download(self, name: str, target: Path) -> None:
        """Download an object."""
        self._files.download_file(self._bucket, self._prefix + name, str(target))

    def delete(self) -> int:
        """Delete all objects, and return their number."""
        keys = self._keys()
        for start in range(0, len(keys), AT_ONCE):
            some = [{"Key": key} for key in keys[start : start + AT_ONCE]]
            self._files.delete_objects(Bucket=self._bucket, Delete={"Objects": some, "Quiet": True})
        return len(keys)

    def _keys(self) -> list[str]:
        pages = self._files.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix
        )
        return [each["Key"] for page in pages for each in page.get("Contents", [])]
