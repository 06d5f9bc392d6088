"""An interrupted download resumes if possible, and otherwise starts again."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.folders import all_but_locks_in
from tests.models.file_server import Fault, FileServer
from tests.models.served_file import BODY, NAME, OTHER, SHORT_PATIENCE

from unbraid.models.download import Patience
from unbraid.models.published import ModelFile
from unbraid.models.sources import DownloadError, fetch


@pytest.mark.parametrize(
    "fault",
    [Fault(cut=200_000), Fault(cut=200_000, chunked=True), Fault(cut=200_000, length=-1)],
    ids=["with length", "chunked", "until closed"],
)
def test_requests_only_the_rest_after_a_cut(
    fault: Fault, file: ModelFile, into: Path, server: FileServer
) -> None:
    server.faults = [fault]
    assert fetch(file, into, patience=SHORT_PATIENCE).read_bytes() == BODY
    first, rest = server.ranges
    assert first is None
    assert rest is not None and int(rest.removeprefix("bytes=").removesuffix("-")) > 100_000
    assert server.requests[1][1]["If-Range"] == '"one"'


def test_next_call_resumes_a_stopped_download(file: ModelFile, into: Path, server: FileServer) -> None:
    def stop(done: int, _total: int) -> None:
        if done > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(file, into, stop)
    reports: list[int] = []
    assert fetch(file, into, lambda done, _: reports.append(done)).read_bytes() == BODY
    assert server.ranges == [None, f"bytes={reports[0]}-"]
    assert reports[0] > 100_000


def test_weak_etag_is_not_used(file: ModelFile, into: Path, server: FileServer) -> None:
    server.etag = 'W/"one"'
    server.faults = [Fault(cut=200_000, headers={"Last-Modified": "Wed, 16 Nov 2022 10:00:00 GMT"})]
    fetch(file, into, patience=SHORT_PATIENCE)
    assert server.requests[1][1]["If-Range"] == "Wed, 16 Nov 2022 10:00:00 GMT"


@pytest.mark.parametrize("second", [Fault(ignores_range=True), Fault()], ids=["no ranges", "new version"])
def test_starts_again_if_the_rest_is_unavailable(
    second: Fault, file: ModelFile, into: Path, server: FileServer
) -> None:
    server.faults = [Fault(cut=200_000, body=OTHER), second]
    server.etag = '"old"'
    with pytest.raises(DownloadError):
        fetch(file, into, patience=Patience(tries=1))
    server.etag = '"new"'
    assert fetch(file, into, patience=SHORT_PATIENCE).read_bytes() == BODY
    assert len(server.requests) == 2


def test_rest_of_another_version_is_not_joined(file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults = [Fault(cut=200_000, body=OTHER), Fault(ignores_version=True)]
    server.etag = '"old"'
    with pytest.raises(DownloadError):
        fetch(file, into, patience=Patience(tries=1))
    server.etag = '"new"'
    assert fetch(file, into, patience=SHORT_PATIENCE).read_bytes() == BODY
    assert server.ranges[2] is None


def test_checksum_detects_a_new_version_without_etag(file: ModelFile, into: Path, server: FileServer) -> None:
    server.etag = None
    server.faults = [Fault(cut=200_000, body=OTHER)]
    assert fetch(file, into, patience=SHORT_PATIENCE).read_bytes() == BODY
    assert len(server.requests) == 3


@pytest.mark.parametrize("part", [BODY + b"more", OTHER + b"more"])
def test_part_longer_than_the_file_is_removed(
    part: bytes, file: ModelFile, into: Path, server: FileServer
) -> None:
    into.mkdir(parents=True)
    (into / f"{NAME}.part").write_bytes(part)
    assert fetch(file, into).read_bytes() == BODY
    assert server.ranges == [f"bytes={len(part)}-", None]
    assert all_but_locks_in(into) == [NAME]


def test_part_with_a_damaged_version_is_resumed(file: ModelFile, into: Path, server: FileServer) -> None:
    into.mkdir(parents=True)
    (into / f"{NAME}.part").write_bytes(BODY[:1000])
    (into / f"{NAME}.part.version").write_bytes(b"\xff\0\r\n")
    assert fetch(file, into).read_bytes() == BODY
    assert server.ranges == ["bytes=1000-"]


def test_complete_part_needs_no_network(file: ModelFile, into: Path, server: FileServer) -> None:
    into.mkdir(parents=True)
    (into / f"{NAME}.part").write_bytes(BODY)
    assert fetch(file, into).read_bytes() == BODY
    assert server.requests == []
