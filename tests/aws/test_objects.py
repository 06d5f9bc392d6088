"""What S3 in particular asks of an object store; what all have in common is in `tests/contract`."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
import urllib3
from tests.simulators.relay import Answer, Call, passed_on, server
from werkzeug.http import parse_options_header

from unbraid.aws.objects import S3Store, attachment
from unbraid.errors import OutputError
from unbraid.jobs.session import new_id


@pytest.fixture
def store(bucket: str, tmp_path: Path) -> S3Store:
    return S3Store(bucket, tmp_path / "scratch")


@pytest.fixture
def song(tmp_path: Path) -> Path:
    file = tmp_path / "made-elsewhere"
    file.write_bytes(b"0123456789")
    return file


def test_a_page_sends_and_fetches_by_links_alone(store: S3Store) -> None:
    key = f"inputs/{new_id()}/song.mp3"
    url = store.upload_url(key, "audio/mpeg", 3600, 100)
    assert urllib3.request("PUT", url, body=b"ID3song", headers={"Content-Type": "audio/mpeg"}).status == 200
    got = urllib3.request("GET", store.download_url(key, 3600), headers={"Range": "bytes=3-5"})
    assert (got.status, got.data, got.headers["Content-Type"]) == (206, b"son", "audio/mpeg")


def test_a_file_of_a_type_that_no_browser_knows_is_sent_without_one(store: S3Store) -> None:
    key = f"inputs/{new_id()}/song"
    got = urllib3.request("PUT", store.upload_url(key, "", 3600, 100), body=b"something")
    assert got.status == 200
    assert store.head(key, 4) == b"some"


def test_stems_keep_their_type_and_get_a_name_to_be_saved_under(store: S3Store, song: Path) -> None:
    key = f"outputs/{new_id()}/vocals.wav"
    store.put(song, key, "audio/wav")
    got = urllib3.request("GET", store.download_url(key, 3600, "Für Elise – vocals.wav"))
    assert (got.data, got.headers["Content-Type"]) == (b"0123456789", "audio/wav")
    kind, options = parse_options_header(got.headers["Content-Disposition"])
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
def test_any_name_arrives_and_stays_in_its_header(name: str) -> None:
    header = attachment(name)
    assert header.isascii()
    assert header.isprintable()
    assert parse_options_header(header)[1]["filename"] == name


def test_an_empty_file_has_no_first_bytes(store: S3Store, song: Path) -> None:
    key = f"inputs/{new_id()}/song.mp3"
    song.write_bytes(b"")
    store.put(song, key, "audio/mpeg")
    assert (store.size(key), store.head(key, 100)) == (0, b"")


def test_the_copy_that_is_worked_on_goes_after(store: S3Store, song: Path, tmp_path: Path) -> None:
    key = f"inputs/{new_id()}/song.mp3"
    store.put(song, key, "audio/mpeg")
    with pytest.raises(ZeroDivisionError), store.local_file(key) as file:
        assert file.is_relative_to(tmp_path / "scratch")
        assert file.name == "song.mp3"
        raise ZeroDivisionError
    with pytest.raises(FileNotFoundError), store.local_file(f"inputs/{new_id()}/song.mp3"):
        pass
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_disk_that_is_full_is_told_in_a_users_words(bucket: str, song: Path, tiny_disk: Path) -> None:
    key, store = f"inputs/{new_id()}/song.mp3", S3Store(bucket, tiny_disk)
    song.write_bytes(bytes(1 << 20))
    store.put(song, key, "audio/mpeg")
    with pytest.raises(OutputError, match="no room left"), store.local_file(key):
        pass
    assert list(tiny_disk.iterdir()) == []


def test_large_files_are_never_whole_in_memory(store: S3Store, song: Path) -> None:
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


def test_only_a_sessions_own_folder_can_be_deleted(store: S3Store, song: Path) -> None:
    key = f"outputs/{new_id()}/vocals.wav"
    store.put(song, key, "audio/wav")
    for prefix in ("", "/", "outputs/", key.rpartition("/")[0], "requests/0123456789abcdef/", "outputs/../"):
        with pytest.raises(ValueError, match="not a folder"):
            store.delete(prefix)
    assert store.size(key) == 10


def test_lists_are_read_to_their_end(
    aws: str, store: S3Store, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 lists at most 1000 at once; here, 2."""
    ids = {new_id() for _ in range(3)}
    for session_id in ids:
        store.put(song, f"outputs/{session_id}/vocals.wav", "audio/wav")
    for number in range(4):
        store.put(song, f"outputs/{min(ids)}/{number}.wav", "audio/wav")

    def in_twos(call: Call) -> Answer:
        lists = call.method == "GET" and "list-type" in call.path
        return passed_on(aws, call, path=call.path + "&max-keys=2" if lists else None)

    with server(in_twos) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        store = S3Store(store.bucket)
        assert sorted(store.session_ids()) == sorted(ids)
        assert store.delete(f"outputs/{min(ids)}/") == 5
        assert set(store.session_ids()) == ids - {min(ids)}


def test_what_s3_refuses_is_told_in_a_users_words(
    store: S3Store, song: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def never(call: Call) -> Answer:
        return Answer(403, b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>", {})

    with server(never) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        denied = S3Store(store.bucket)
        with pytest.raises(OutputError) as caught:
            denied.put(song, f"outputs/{new_id()}/vocals.wav", "audio/wav")
        assert caught.value.message.startswith("The stems can't be stored.")
        assert store.bucket not in caught.value.message
        [record] = caplog.records
        assert record.getMessage() == "a file can't be put into the bucket: AccessDenied"
        assert record.exc_info is None  # which names keys of songs
        for call in (
            denied.size,
            lambda key: denied.head(key, 1),
        ):  # which is not the same as a file that isn't there
            with pytest.raises(Exception, match=r"403|AccessDenied"):
                call(f"outputs/{new_id()}/vocals.wav")


def test_a_moment_of_s3_being_busy_passes_unseen(
    aws: str, store: S3Store, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
