"""A download that was cut goes on where it can, and begins again where it has to."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.folders import all_but_locks_in
from tests.models.file_server import Fault, FileServer
from tests.models.served import BODY, HURRIED, NAME, OTHER

from unbraid.models.download import DownloadError, ModelFile, Patience, fetch


@pytest.mark.parametrize(
    "fault",
    [Fault(cut=200_000), Fault(cut=200_000, chunked=True), Fault(cut=200_000, length=-1)],
    ids=["with length", "chunked", "until closed"],
)
def test_after_a_cut_only_the_rest_is_asked_for(
    fault: Fault, file: ModelFile, into: Path, server: FileServer
) -> None:
    server.faults = [fault]
    assert fetch(file, into, patience=HURRIED).read_bytes() == BODY
    first, rest = server.ranges
    assert first is None
    assert rest is not None and int(rest.removeprefix("bytes=").removesuffix("-")) > 100_000
    assert server.requests[1][1]["If-Range"] == '"one"'


def test_the_next_call_goes_on_where_one_was_stopped(file: ModelFile, into: Path, server: FileServer) -> None:
    def stop(done: int, _total: int) -> None:
        if done > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(file, into, stop)
    reports: list[int] = []
    assert fetch(file, into, lambda done, _: reports.append(done)).read_bytes() == BODY
    assert server.ranges == [None, f"bytes={reports[0]}-"]
    assert reports[0] > 100_000


def test_a_weak_etag_vouches_for_no_bytes(file: ModelFile, into: Path, server: FileServer) -> None:
    server.etag = 'W/"one"'
    server.faults = [Fault(cut=200_000, headers={"Last-Modified": "Wed, 16 Nov 2022 10:00:00 GMT"})]
    fetch(file, into, patience=HURRIED)
    assert server.requests[1][1]["If-Range"] == "Wed, 16 Nov 2022 10:00:00 GMT"


@pytest.mark.parametrize(
    "second", [Fault(ignores_range=True), Fault()], ids=["no ranges", "another version since"]
)
def test_where_the_rest_cannot_be_had_it_starts_again(
    second: Fault, file: ModelFile, into: Path, server: FileServer
) -> None:
    server.faults = [Fault(cut=200_000, body=OTHER), second]
    server.etag = '"old"'
    with pytest.raises(DownloadError):
        fetch(file, into, patience=Patience(tries=1))
    server.etag = '"new"'
    assert fetch(file, into, patience=HURRIED).read_bytes() == BODY
    assert len(server.requests) == 2


def test_a_rest_of_another_version_is_not_joined(file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults = [Fault(cut=200_000, body=OTHER), Fault(ignores_version=True)]
    server.etag = '"old"'
    with pytest.raises(DownloadError):
        fetch(file, into, patience=Patience(tries=1))
    server.etag = '"new"'
    assert fetch(file, into, patience=HURRIED).read_bytes() == BODY
    assert server.ranges[2] is None


def test_a_server_without_versions_is_caught_by_the_checksum(
    file: ModelFile, into: Path, server: FileServer
) -> None:
    server.etag = None
    server.faults = [Fault(cut=200_000, body=OTHER)]
    assert fetch(file, into, patience=HURRIED).read_bytes() == BODY
    assert len(server.requests) == 3


@pytest.mark.parametrize("left", [BODY + b"more", OTHER + b"more"])
def test_a_part_that_is_longer_than_the_file_goes(
    left: bytes, file: ModelFile, into: Path, server: FileServer
) -> None:
    into.mkdir(parents=True)
    (into / f"{NAME}.part").write_bytes(left)
    assert fetch(file, into).read_bytes() == BODY
    assert server.ranges == [f"bytes={len(left)}-", None]
    assert all_but_locks_in(into) == [NAME]


def test_a_part_whose_version_was_lost_is_gone_on_with(
    file: ModelFile, into: Path, server: FileServer
) -> None:
    into.mkdir(parents=True)
    (into / f"{NAME}.part").write_bytes(BODY[:1000])
    (into / f"{NAME}.part.version").write_bytes(b"\xff\0\r\n")
    assert fetch(file, into).read_bytes() == BODY
    assert server.ranges == ["bytes=1000-"]


def test_a_part_that_is_complete_needs_no_network(file: ModelFile, into: Path, server: FileServer) -> None:
    into.mkdir(parents=True)
    (into / f"{NAME}.part").write_bytes(BODY)
    assert fetch(file, into).read_bytes() == BODY
    assert server.requests == []
