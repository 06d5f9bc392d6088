"""Downloads arrive whole or not at all, whatever the server and the disk do."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from random import Random

import numpy as np
import pytest
from tests.folders import all_but_locks_in
from tests.models.file_server import Fault, FileServer
from tests.models.served import BODY, HURRIED, NAME, OTHER, model_file

from unbraid.errors import ModelError
from unbraid.models.download import DownloadError, ModelFile, Patience, fetch

# Arriving


def test_a_file_arrives_with_reports_of_how_far_it_is(file: ModelFile, into: Path) -> None:
    reports: list[tuple[int, int]] = []
    path = fetch(file, into, lambda done, total: reports.append((done, total)))
    assert path == into / NAME
    assert path.read_bytes() == BODY
    assert all_but_locks_in(into) == [NAME]
    assert reports[0] == (0, len(BODY)) and reports[-1] == (len(BODY), len(BODY))
    assert reports == sorted(reports) and len(reports) > 3


def test_what_is_there_is_not_asked_for_again(file: ModelFile, into: Path, server: FileServer) -> None:
    fetch(file, into)
    assert fetch(file, into).read_bytes() == BODY
    assert len(server.requests) == 1


def test_the_total_is_the_servers_where_the_catalogue_has_none(server: FileServer, into: Path) -> None:
    server.files[NAME] = BODY
    totals = set()
    fetch(
        model_file(server.address, size=0), into, lambda done, total: totals.add(total if done else len(BODY))
    )
    assert totals == {len(BODY)}


def test_redirects_are_followed(file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults = [Fault(302, {"Location": f"{server.address}/elsewhere/{NAME}"})]
    assert fetch(file, into).read_bytes() == BODY
    assert server.requests[-1][0] == f"/elsewhere/{NAME}"


def test_redirects_in_a_circle_end(file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults, server.forever = [Fault(302, {"Location": file.url})], True
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1 leads nowhere \(too many redirects\)"):
        fetch(file, into)
    assert len(server.requests) < 10


def test_redirects_to_what_is_no_address_end(file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults = [Fault(302, {"Location": "http://[x"})]
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1 leads nowhere"):
        fetch(file, into)


@pytest.mark.parametrize("fault", [Fault(chunked=True), Fault(length=-1)], ids=["chunked", "until closed"])
def test_an_answer_needs_no_length(fault: Fault, file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults = [fault]
    assert fetch(file, into).read_bytes() == BODY


# Not trusting


def test_wrong_bytes_are_tried_anew_once(file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults = [Fault(body=OTHER)]
    assert fetch(file, into).read_bytes() == BODY
    assert server.ranges == [None, None]


def test_wrong_bytes_twice_are_an_error_and_nothing_stays(
    file: ModelFile, into: Path, server: FileServer
) -> None:
    server.files[NAME] = OTHER
    with pytest.raises(
        DownloadError, match=f"is another file .its SHA-256 is {hashlib.sha256(OTHER).hexdigest()}"
    ):
        fetch(file, into)
    assert len(server.requests) == 2
    assert all_but_locks_in(into) == []


def test_a_length_that_claims_too_much_does_no_harm(file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults = [Fault(length=len(BODY) + 5)]
    assert fetch(file, into, patience=HURRIED).read_bytes() == BODY
    assert len(server.requests) == 1


def test_a_length_that_claims_too_little_is_tried_anew(
    file: ModelFile, into: Path, server: FileServer
) -> None:
    server.faults = [Fault(length=len(BODY) - 5)]
    assert fetch(file, into, patience=HURRIED).read_bytes() == BODY


def test_a_full_disk_is_an_error_and_nothing_stays(server: FileServer, tiny_disk: Path) -> None:
    body = np.random.default_rng(3).bytes(1 << 20)
    server.files[NAME] = body
    told = f"{tiny_disk}/.* can't be written: the disk is full. Free some space, or set UNBRAID_CACHE"
    with pytest.raises(ModelError, match=told):
        fetch(model_file(server.address, body), tiny_disk)
    assert all_but_locks_in(tiny_disk) == []


# Patience


@pytest.mark.parametrize("status", [403, 404, 410, 416])
def test_what_the_server_refuses_is_not_asked_for_again(
    status: int, file: ModelFile, into: Path, server: FileServer
) -> None:
    server.faults = [Fault(status)]
    with pytest.raises(DownloadError, match=rf"127\.0\.0\.1 answers {status}"):
        fetch(file, into, patience=HURRIED)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_what_may_pass_is_tried_again(status: int, file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults = [Fault(status), Fault(status)]
    assert fetch(file, into, patience=HURRIED).read_bytes() == BODY


def test_a_server_that_asks_for_a_pause_gets_it(file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults = [Fault(503, {"Retry-After": "1"})]
    started = time.monotonic()
    assert fetch(file, into, patience=HURRIED).read_bytes() == BODY
    assert time.monotonic() - started > 1


def test_tries_end(file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults, server.forever = [Fault(500)], True
    with pytest.raises(DownloadError, match="answers 500"):
        fetch(file, into, patience=HURRIED)
    assert len(server.requests) == HURRIED.tries


def test_tries_end_where_every_answer_is_cut_at_the_same_place(
    file: ModelFile, into: Path, server: FileServer
) -> None:
    server.faults, server.forever = [Fault(cut=200_000, ignores_range=True)], True
    with pytest.raises(DownloadError, match=r"the connection to 127\.0\.0\.1 broke off"):
        fetch(file, into, patience=HURRIED)
    assert len(server.requests) == HURRIED.tries


def test_tries_that_brought_a_good_piece_are_not_counted(into: Path, server: FileServer) -> None:
    body = np.random.default_rng(2).bytes(9 << 20)
    server.files[NAME] = body
    server.faults = [Fault(cut=(3 << 20) // 2)] * 5
    assert fetch(model_file(server.address, body), into, patience=HURRIED).read_bytes() == body


def test_a_server_that_falls_silent_is_left_and_asked_for_the_rest(
    file: ModelFile, into: Path, server: FileServer
) -> None:
    server.faults = [Fault(pause_s=1.5)]
    assert fetch(file, into, patience=HURRIED).read_bytes() == BODY
    assert server.ranges[1] is not None


def any_fault(random: Random) -> Fault:
    """One of all that can go wrong, or nothing."""
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
def test_whatever_a_server_does_the_file_is_right_or_not_there(
    seed: int, file: ModelFile, into: Path, server: FileServer
) -> None:
    random = Random(seed)
    server.faults = [any_fault(random) for _ in range(30)]
    for _ in range(40):
        try:
            assert fetch(file, into, patience=Patience(tries=3, pause_s=0, read_s=1)).read_bytes() == BODY
            break
        except DownloadError:
            assert set(all_but_locks_in(into)) <= {f"{NAME}.part", f"{NAME}.part.version"}
    else:
        pytest.fail("a server that is well again is not believed")
    assert all_but_locks_in(into) == [NAME]
