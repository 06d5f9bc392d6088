"""A file with several sources: a failed one is passed over, and a wrong file is never accepted."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.folders import all_but_locks_in
from tests.models.file_server import Fault, FileServer, serving
from tests.models.served_file import BODY, NAME, OTHER, SHORT_PATIENCE, model_file

from unbraid.errors import ModelError
from unbraid.models.download import ONE_QUICK_TRY
from unbraid.models.published import ModelFile
from unbraid.models.sources import SHORTEST_TRY_S, DownloadError, fetch

OTHER_NAME = "0a1b2c3d.safetensors"
QUICK = replace(ONE_QUICK_TRY, connect_s=0.5, read_s=0.3, silence_s=0.5)


@pytest.fixture
def second() -> Iterator[FileServer]:
    """The server of the second source, which has another file with the same weights."""
    with serving() as server:
        server.files[OTHER_NAME] = OTHER
        yield server


@pytest.fixture
def published(file: ModelFile, second: FileServer) -> ModelFile:
    """A file on the first server, and another one on the second."""
    checksum = hashlib.sha256(OTHER).hexdigest()
    return replace(file, instead=(ModelFile(f"{second.address}/hub/{OTHER_NAME}", checksum, len(OTHER)),))


@pytest.fixture
def silent_address() -> Iterator[str]:
    """The address of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def refused_address() -> str:
    """Return the address of a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def test_second_source_is_not_requested_if_the_first_works(
    published: ModelFile, into: Path, second: FileServer
) -> None:
    assert fetch(published, into) == into / NAME
    assert second.requests == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault(404),
        Fault(503),
        Fault(body=b"a page that asks for a password"),
        Fault(cut=1000),
        Fault(pause_s=1),
    ],
    ids=["missing", "busy", "wrong file", "half a file", "slow"],
)
def test_failed_source_is_passed_over(
    fault: Fault, published: ModelFile, into: Path, server: FileServer, second: FileServer
) -> None:
    server.faults, server.forever = [fault], True
    path = fetch(published, into, patience=QUICK)
    assert path == into / OTHER_NAME
    assert path.read_bytes() == OTHER
    assert len(second.requests) == 1


def test_refused_connection_is_passed_over(published: ModelFile, into: Path) -> None:
    refused = replace(published, url=f"{refused_address()}/{NAME}")
    assert fetch(refused, into, patience=QUICK) == into / OTHER_NAME


def test_unknown_host_is_passed_over(published: ModelFile, into: Path) -> None:
    unknown = replace(published, url=f"http://host.invalid/{NAME}")
    assert fetch(unknown, into, patience=QUICK) == into / OTHER_NAME


def test_silent_source_is_passed_over(published: ModelFile, into: Path, silent_address: str) -> None:
    silent = replace(published, url=f"{silent_address}/{NAME}")
    assert fetch(silent, into, patience=QUICK) == into / OTHER_NAME


def test_slow_source_is_given_up_in_a_quick_try_only(file: ModelFile, into: Path, server: FileServer) -> None:
    server.faults = [Fault(pause_s=0.1, pieces=20)]
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1 sends only \d+ kB/s"):
        fetch(file, into, patience=replace(ONE_QUICK_TRY, read_s=0.3, slowest=10_000_000))
    server.faults = [Fault(pause_s=0.01, pieces=20)]
    assert fetch(file, into, patience=SHORT_PATIENCE).read_bytes() == BODY


def test_wrong_files_everywhere_are_an_error(
    published: ModelFile, into: Path, server: FileServer, second: FileServer
) -> None:
    server.files[NAME] = second.files[OTHER_NAME] = b"wrong"
    with pytest.raises(DownloadError) as caught:
        fetch(published, into, patience=QUICK)
    assert caught.value.cause.count("is a different file") == 2
    assert all_but_locks_in(into) == []


def test_error_has_the_causes_and_the_addresses_of_all_sources(
    published: ModelFile, into: Path, server: FileServer, second: FileServer
) -> None:
    server.faults, server.forever = [Fault(403)], True
    second.faults, second.forever = [Fault(410)], True
    with pytest.raises(DownloadError) as caught:
        fetch(published, into, patience=QUICK)
    assert caught.value.cause == "127.0.0.1 answers 403 (Forbidden); 127.0.0.1 answers 410 (Gone)"
    for one in published.all:
        assert f"{one.url} (SHA-256 {one.sha256})" in caught.value.message


def test_second_source_resumes(published: ModelFile, into: Path, second: FileServer) -> None:
    missing = replace(published, url=f"{refused_address()}/{NAME}")
    second.faults = [Fault(cut=100_000), Fault()]
    assert fetch(missing, into, patience=SHORT_PATIENCE).read_bytes() == OTHER
    assert second.ranges == [None, "bytes=100000-"]


def test_existing_file_of_the_second_source_is_used(
    published: ModelFile, into: Path, server: FileServer
) -> None:
    into.mkdir(parents=True)
    (into / OTHER_NAME).write_bytes(OTHER)
    assert fetch(published, into) == into / OTHER_NAME
    assert server.requests == []


def test_mirror_may_have_the_file_of_any_source(
    published: ModelFile, into: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as mirror:
        mirror.files[OTHER_NAME] = OTHER
        monkeypatch.setenv("UNBRAID_MODEL_MIRROR", f"{mirror.address}/weights")
        assert fetch(published, into) == into / OTHER_NAME
        assert [path for path, _ in mirror.requests] == [f"/weights/{NAME}", f"/weights/{OTHER_NAME}"]
    assert server.requests == []


def test_published_source_follows_a_mirror_without_the_file(
    published: ModelFile, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as mirror:
        monkeypatch.setenv("UNBRAID_MODEL_MIRROR", mirror.address)
        assert fetch(published, into) == into / NAME


def test_read_only_folder_is_an_error_without_a_request(
    published: ModelFile, tmp_path: Path, server: FileServer
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelError, match="Set UNBRAID_CACHE"):
        fetch(published, tmp_path / "file" / "downloads")
    assert server.requests == []


def test_full_disk_is_not_blamed_on_the_sources(
    server: FileServer, second: FileServer, tiny_disk: Path
) -> None:
    body = bytes(range(256)) * 4096
    server.files[NAME] = body
    large = replace(
        model_file(server.address, body), instead=(ModelFile(f"{second.address}/{OTHER_NAME}", "0" * 64),)
    )
    with pytest.raises(ModelError, match="the disk is full"):
        fetch(large, tiny_disk)
    assert second.requests == []


def test_silent_sources_share_one_time_limit(
    file: ModelFile, into: Path, silent_address: str, second: FileServer
) -> None:
    # The first source uses up the time, the second has the shortest time, and the third none.
    silent = replace(
        file,
        url=f"{silent_address}/{NAME}",
        instead=(
            ModelFile(f"{silent_address}/second.th", "0" * 64),
            ModelFile(f"{second.address}/{OTHER_NAME}", hashlib.sha256(OTHER).hexdigest()),
        ),
    )
    with pytest.raises(DownloadError, match="sent nothing for"):
        fetch(silent, into, patience=replace(QUICK, read_s=5, silence_s=0.3))
    assert second.requests == []


def test_two_models_without_an_answer_take_ten_seconds_at_most() -> None:
    # `auto` tries htdemucs and spleeter. Only a second source may have SHORTEST_TRY_S after the time is used up.
    assert 2 * (ONE_QUICK_TRY.silence_s + SHORTEST_TRY_S) <= 10
