"""A download is complete or absent, whatever the server and the disk do."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from random import Random

import numpy as np
import pytest
from tests.folders import all_but_locks_in
from tests.models.file_server import Fault, FileServer
from tests.models.served_file import BODY, NAME, OTHER, SHORT_PATIENCE, model_file

from unbraid.errors import ModelError
from unbraid.models.download import Patience
from unbraid.models.published import ModelFile
from unbraid.models.sources import DownloadError, fetch

# Success


def test_downloads_a_file_and_reports_progress(file: ModelFile, into: Path) -> None:
    reports: list[tuple[int, int]] = []
    path = fetch(file, into, lambda done, total: reports.append((done, total)))
    assert path == into / NAME
    assert path.read_bytes() == BODY
    assert all_but_locks_in(into) == [NAME]
    assert reports[0] == (0, len(BODY)) and reports[-1] == (len(BODY), len(BODY))
    assert reports == sorted(reports) and len(reports) > 3


def test_existing_file_is_not_requested_again(file: ModelFile, into: Path, server: FileServer) -> None:
    fetch(file, into)
    assert fetch(file, into).read_bytes() == BODY
    assert len(server.requests) == 1


def test_server_gives_the_total_if_the_catalogue_has_none(server: FileServer, into: Path) -> None:
    server.files[NAME] = BODY
    totals = set()
    fetch(
        model_file(server.address, size=0), into, lambda done, total: totals.add(total if done else len(BODY))
    )
    assert totals == {len(BODY)}


def test_follows_redirects(file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults = [Fault(302, {"Location": f"{server.address}/elsewhere/{NAME}"})]
    assert fetch(file, into).read_bytes() == BODY
    assert server.requests[-1][0] == f"/elsewhere/{NAME}"


def test_stops_at_circular_redirects(file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults, server.forever = [Fault(302, {"Location": file.url})], True
    with pytest.raises(
        DownloadError,
        match=r"127\.0\.0\.1 redirects too often or to an invalid address \(too many redirects\)",
    ):
        fetch(file, into)
    assert len(server.requests) < 10


def test_stops_at_invalid_redirect(file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults = [Fault(302, {"Location": "http://[x"})]
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1 redirects .*to an invalid address"):
        fetch(file, into)


@pytest.mark.parametrize("fault", [Fault(chunked=True), Fault(length=-1)], ids=["chunked", "until closed"])
def test_accepts_an_answer_without_a_length(
    fault: Fault, file: ModelFile, into: Path, server: FileServer
) -> None:
    server.faults = [fault]
    assert fetch(file, into).read_bytes() == BODY


# Wrong content


def test_wrong_bytes_are_retried_once(file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults = [Fault(body=OTHER)]
    assert fetch(file, into).read_bytes() == BODY
    assert server.ranges == [None, None]


def test_wrong_bytes_twice_are_an_error_and_leave_no_file(
    file: ModelFile, into: Path, server: FileServer
) -> None:
    server.files[NAME] = OTHER
    with pytest.raises(
        DownloadError, match=f"is a different file .its SHA-256 is {hashlib.sha256(OTHER).hexdigest()}"
    ):
        fetch(file, into)
    assert len(server.requests) == 2
    assert all_but_locks_in(into) == []


def test_accepts_a_complete_file_with_too_large_a_length(
    file: ModelFile, into: Path, server: FileServer
) -> None:
    server.faults = [Fault(length=len(BODY) + 5)]
    assert fetch(file, into, patience=SHORT_PATIENCE).read_bytes() == BODY
    assert len(server.requests) == 1


def test_too_small_a_length_is_retried(file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults = [Fault(length=len(BODY) - 5)]
    assert fetch(file, into, patience=SHORT_PATIENCE).read_bytes() == BODY


def test_full_disk_is_an_error_and_leaves_no_file(server: FileServer, tiny_disk: Path) -> None:
    body = np.random.default_rng(3).bytes(1 << 20)
    server.files[NAME] = body
    message = f"{tiny_disk}/.* can't be written: the disk is full. Free some space, or set UNBRAID_CACHE"
    with pytest.raises(ModelError, match=message):
        fetch(model_file(server.address, body), tiny_disk)
    assert all_but_locks_in(tiny_disk) == []


# Retries


@pytest.mark.parametrize("status", [403, 404, 410, 416])
def test_permanent_status_is_not_retried(
    status: int, file: ModelFile, into: Path, server: FileServer
) -> None:
    server.faults = [Fault(status)]
    with pytest.raises(DownloadError, match=rf"127\.0\.0\.1 answers {status}"):
        fetch(file, into, patience=SHORT_PATIENCE)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_temporary_status_is_retried(status: int, file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults = [Fault(status), Fault(status)]
    assert fetch(file, into, patience=SHORT_PATIENCE).read_bytes() == BODY


def test_retry_after_is_honoured(file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults = [Fault(503, {"Retry-After": "1"})]
    started = time.monotonic()
    assert fetch(file, into, patience=SHORT_PATIENCE).read_bytes() == BODY
    assert time.monotonic() - started > 1


def test_retries_end(file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults, server.forever = [Fault(500)], True
    with pytest.raises(DownloadError, match="answers 500"):
        fetch(file, into, patience=SHORT_PATIENCE)
    assert len(server.requests) == SHORT_PATIENCE.tries


def test_retries_end_if_every_answer_is_cut_at_the_same_place(
    file: ModelFile, into: Path, server: FileServer
) -> None:
    server.faults, server.forever = [Fault(cut=200_000, ignores_range=True)], True
    with pytest.raises(DownloadError, match=r"the connection to 127\.0\.0\.1 was interrupted"):
        fetch(file, into, patience=SHORT_PATIENCE)
    assert len(server.requests) == SHORT_PATIENCE.tries


def test_tries_with_progress_are_not_counted(into: Path, server: FileServer) -> None:
    body = np.random.default_rng(2).bytes(9 << 20)
    server.files[NAME] = body
    server.faults = [Fault(cut=(3 << 20) // 2)] * 5
    assert fetch(model_file(server.address, body), into, patience=SHORT_PATIENCE).read_bytes() == body


def test_silent_server_is_asked_for_the_rest(file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults = [Fault(pause_s=1.5)]
    assert fetch(file, into, patience=SHORT_PATIENCE).read_bytes() == BODY
    assert server.ranges[1] is not None


def random_fault(random: Random) -> Fault:
    """Return a fault, or a correct answer."""
    return Fault(
        status=random.choice([0] * 8 + [404, 416, 500, 503]),
        cut=random.choice([None, None, 0, 1, 150_000, 299_999]),
        body=random.choice([None, None, None, OTHER, BODY[:-1], BODY + b"more", b""]),
        length=random.choice([None, None, None, -1, 0, 299_990, 300_010]),
        chunked=random.random() < 0.2,
        ignores_range=random.random() < 0.2,
        ignores_version=random.random() < 0.2,
        headers=random.choice(
            [{}, {}, {"ETag": '"two"'}, {"Content-Range": "bytes 5-9/10"}, {"Content-Encoding": "gzip"}]
        ),
    )


@pytest.mark.parametrize("seed", range(25))
def test_file_is_right_or_absent_whatever_the_server_does(
    seed: int, file: ModelFile, into: Path, server: FileServer
) -> None:
    random = Random(seed)
    server.faults = [random_fault(random) for _ in range(30)]
    for _ in range(40):
        try:
            assert fetch(file, into, patience=Patience(tries=3, pause_s=0, read_s=1)).read_bytes() == BODY
            break
        except DownloadError:
            assert set(all_but_locks_in(into)) <= {f"{NAME}.part", f"{NAME}.part.version"}
    else:
        pytest.fail("a server without faults is rejected")
    assert all_but_locks_in(into) == [NAME]
