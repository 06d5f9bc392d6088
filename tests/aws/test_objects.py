"""The object store in S3: links, names, errors, pages. `tests/contract` tests what all object stores do."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
import urllib3
from tests.simulators.relay import Answer, Call, passed_on, server
from werkzeug.http import parse_options_header

from unbraid.api.attachment import attachment
from unbraid.aws.objects import S3Store
from unbraid.errors import OutputError
from unbraid.jobs.session import new_id


@pytest.fixture
def store(bucket: str, tmp_path: Path) -> S3Store:
    return S3Store(bucket, tmp_path / "scratch")


@pytest.fixture
def song(tmp_path: Path) -> Path:
    file = tmp_path / "song"
    file.write_bytes(b"0123456789")
    return file


def test_uploads_and_downloads_need_only_links(store: S3Store) -> None:
    key = f"inputs/{new_id()}/song.mp3"
    url = store.upload_url(key, "audio/mpeg", 3600, 100)
    assert urllib3.request("PUT", url, body=b"ID3song", headers={"Content-Type": "audio/mpeg"}).status == 200
    response = urllib3.request("GET", store.download_url(key, 3600), headers={"Range": "bytes=3-5"})
    assert (response.status, response.data, response.headers["Content-Type"]) == (206, b"son", "audio/mpeg")


def test_uploads_a_file_without_a_type(store: S3Store) -> None:
    key = f"inputs/{new_id()}/song"
    response = urllib3.request("PUT", store.upload_url(key, "", 3600, 100), body=b"something")
    assert response.status == 200
    assert store.head(key, 4) == b"some"


def test_stems_keep_their_type_and_download_under_a_name(store: S3Store, song: Path) -> None:
    key = f"outputs/{new_id()}/vocals.wav"
    store.put(song, key, "audio/wav")
    response = urllib3.request("GET", store.download_url(key, 3600, "Für Elise – vocals.wav"))
    assert (response.data, response.headers["Content-Type"]) == (b"0123456789", "audio/wav")
    kind, options = parse_options_header(response.headers["Content-Disposition"])
    assert (kind, options["filename"]) == ("attachment", "Für Elise – vocals.wav")


@pytest.mark.parametrize(
    "name",
    [
        "Song - vocals.wav",
        'a"b\\c.wav',
        "50%25 off.wav",
        "雲 – „Für“ 🎹; x=y.wav",
        "it's (a) 'test'.wav",
        "a\r\nX: y",
    ],
)
def test_content_disposition_holds_any_name_without_injection(name: str) -> None:
    header = attachment(name)
    assert header.isascii()
    assert header.isprintable()
    assert parse_options_header(header)[1]["filename"] == name


def test_head_of_an_empty_file_is_empty(store: S3Store, song: Path) -> None:
    key = f"inputs/{new_id()}/song.mp3"
    song.write_bytes(b"")
    store.put(song, key, "audio/mpeg")
    assert (store.size(key), store.head(key, 100)) == (0, b"")


def test_local_copy_is_removed_after_use(store: S3Store, song: Path, tmp_path: Path) -> None:
    key = f"inputs/{new_id()}/song.mp3"
    store.put(song, key, "audio/mpeg")
    with pytest.raises(ZeroDivisionError), store.local_file(key) as file:
        assert file.is_relative_to(tmp_path / "scratch")
        assert file.name == "song.mp3"
        raise ZeroDivisionError
    with pytest.raises(FileNotFoundError), store.local_file(f"inputs/{new_id()}/song.mp3"):
        pass
    assert list((tmp_path / "scratch").iterdir()) == []


def test_full_disk_is_reported_as_lack_of_space(bucket: str, song: Path, tiny_disk: Path) -> None:
    key, store = f"inputs/{new_id()}/song.mp3", S3Store(bucket, tiny_disk)
    song.write_bytes(bytes(1 << 20))
    store.put(song, key, "audio/mpeg")
    with pytest.raises(OutputError, match="no disk space left"), store.local_file(key):
        pass
    assert list(tiny_disk.iterdir()) == []


def test_streams_large_files(store: S3Store, song: Path) -> None:
    size, key = 80 << 20, f"outputs/{new_id()}/vocals.wav"
    with song.open("wb") as file:
        file.truncate(size)
    tracemalloc.start()
    try:
        store.put(song, key, "audio/wav")
        with store.local_file(key) as copy:
            assert copy.stat().st_size == size
        assert tracemalloc.get_traced_memory()[1] < size / 2
    finally:
        tracemalloc.stop()


def test_deletes_only_folders_of_sessions(store: S3Store, song: Path) -> None:
    key = f"outputs/{new_id()}/vocals.wav"
    store.put(song, key, "audio/wav")
    for prefix in ("", "/", "outputs/", key.rpartition("/")[0], "requests/0123456789abcdef/", "outputs/../"):
        with pytest.raises(ValueError, match="not a folder"):
            store.delete(prefix)
    assert store.size(key) == 10


def test_reads_all_pages_of_a_listing(
    aws: str, store: S3Store, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 lists at most 1000 keys per page; this server lists 2."""
    ids = {new_id() for _ in range(3)}
    for session_id in ids:
        store.put(song, f"outputs/{session_id}/vocals.wav", "audio/wav")
    for number in range(4):
        store.put(song, f"outputs/{min(ids)}/{number}.wav", "audio/wav")

    def two_per_page(call: Call) -> Answer:
        is_list = call.method == "GET" and "list-type" in call.path
        return passed_on(aws, call, path=call.path + "&max-keys=2" if is_list else None)

    with server(two_per_page) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        store = S3Store(store.bucket)
        assert sorted(store.session_ids()) == sorted(ids)
        assert store.delete(f"outputs/{min(ids)}/") == 5
        assert set(store.session_ids()) == ids - {min(ids)}


def test_parts_need_no_checksums(aws: str, store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """If an upload begins with a checksum algorithm, S3 refuses parts without checksums, and browsers send none."""
    key = f"inputs/{new_id()}/song.mp3"
    seen: list[Call] = []

    def recorded(call: Call) -> Answer:
        seen.append(call)
        return passed_on(aws, call)

    with server(recorded) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        store = S3Store(store.bucket)
        link = store.part_url(key, store.begin_parts(key, "audio/mpeg"), 1, 4, 3600)
    assert not [name for name in seen[0].headers if "checksum" in name]
    assert "checksum" not in link.lower()
    assert "content-length%3Bhost&" in link


def test_parts_have_the_type_of_the_song(store: S3Store) -> None:
    key = f"inputs/{new_id()}/song.mp3"
    upload_id = store.begin_parts(key, "audio/mpeg")
    assert urllib3.request("PUT", store.part_url(key, upload_id, 1, 4, 3600), body=b"song").status == 200
    store.join_parts(key, upload_id, 1)
    assert urllib3.request("GET", store.download_url(key, 3600)).headers["Content-Type"] == "audio/mpeg"


def test_lists_all_pages_of_parts(aws: str, store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 lists at most 1000 parts per page; this server lists 2."""
    key = f"inputs/{new_id()}/song.mp3"
    upload_id = store.begin_parts(key, "audio/mpeg")
    for number in range(1, 6):
        url = store.part_url(key, upload_id, number, number, 3600)
        assert urllib3.request("PUT", url, body=bytes(number)).status == 200

    def two_per_page(call: Call) -> Answer:
        is_list = call.method == "GET" and "uploadId" in call.path
        return passed_on(aws, call, path=call.path + "&max-parts=2" if is_list else None)

    with server(two_per_page) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        assert S3Store(store.bucket).parts(key, upload_id) == {number: number for number in range(1, 6)}


def test_refused_put_is_reported_without_internals_and_refused_reads_raise(
    store: S3Store, song: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def deny(call: Call) -> Answer:
        return Answer(403, b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>", {})

    with server(deny) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        denied = S3Store(store.bucket)
        with pytest.raises(OutputError) as caught:
            denied.put(song, f"outputs/{new_id()}/vocals.wav", "audio/wav")
        assert caught.value.message.startswith("The stems can't be stored.")
        assert store.bucket not in caught.value.message
        [record] = caplog.records
        assert record.getMessage() == "a file can't be put into the bucket: AccessDenied"
        assert record.exc_info is None  # a traceback would log keys of songs
        for call in (
            denied.size,
            lambda key: denied.head(key, 1),
        ):  # a refusal is not a missing file
            with pytest.raises(Exception, match=r"403|AccessDenied"):
                call(f"outputs/{new_id()}/vocals.wav")


def test_retries_a_busy_s3(aws: str, store: S3Store, song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def busy_at_first(call: Call) -> Answer:
        calls.append(call)
        if len(calls) == 1:
            return Answer(503, b"<Error><Code>SlowDown</Code><Message>no</Message></Error>", {})
        return passed_on(aws, call)

    key = f"outputs/{new_id()}/vocals.wav"
    store.put(song, key, "audio/wav")
    with server(busy_at_first) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        assert S3Store(store.bucket).head(key, 4) == b"0123"
    assert len(calls) == 2
