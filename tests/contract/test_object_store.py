"""Contract of every ObjectStore."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
import urllib3
from tests.jobs.memory import MemoryObjects
from tests.simulators.moto_server import new_bucket

from unbraid.aws.objects import S3Store
from unbraid.jobs.ports import ObjectStore
from unbraid.jobs.session import new_id
from unbraid.local.bucket import BucketStore
from unbraid.local.files import FolderStore
from unbraid.local.links import Links

Put = Callable[..., None]


@pytest.fixture(params=["memory", "folder", "s3", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "memory":
        return MemoryObjects()
    if request.param == "s3":
        request.getfixturevalue("aws")
        return S3Store(new_bucket(), tmp_path / "scratch")
    if request.param == "bucket":
        request.getfixturevalue("aws")
        return BucketStore(f"s3://{new_bucket()}/a/prefix", Links(b"secret"), tmp_path / "scratch")
    return FolderStore(tmp_path / "objects", Links(b"secret"))


@pytest.fixture
def put(store: ObjectStore, tmp_path: Path) -> Put:
    """Return a function that stores bytes under a key."""

    def put_bytes(key: str, data: bytes = b"stem") -> None:
        file = tmp_path / "source"
        file.write_bytes(data)
        store.put(file, key, "audio/wav")

    return put_bytes


def test_stored_file_can_be_read(store: ObjectStore, put: Put) -> None:
    key = f"outputs/{new_id()}/vocals.wav"
    put(key, b"0123456789")
    assert store.size(key) == 10
    assert store.head(key, 4) == b"0123"
    assert store.head(key, 100) == b"0123456789"
    with store.local_file(key) as file:
        assert file.read_bytes() == b"0123456789"


def test_put_replaces_existing_file(store: ObjectStore, put: Put) -> None:
    key = f"outputs/{new_id()}/vocals.wav"
    put(key, b"first, and longer")
    put(key, b"second")
    assert store.head(key, 100) == b"second"


def test_copied_file_outlives_the_original(store: ObjectStore, put: Put) -> None:
    original, copy = f"inputs/{new_id()}/song.mp3", f"kept/{new_id()}/song.mp3"
    put(original, b"0123456789")
    put(copy, b"replaced")
    store.copy(original, copy)
    put(original, b"another file")
    assert store.head(copy, 100) == b"0123456789"
    store.delete(original.rpartition("/")[0] + "/")
    assert store.head(copy, 100) == b"0123456789"
    assert store.delete(copy.rpartition("/")[0] + "/") == 1


def test_missing_file_is_not_copied(store: ObjectStore) -> None:
    target = f"kept/{new_id()}/song.mp3"
    with pytest.raises(FileNotFoundError):
        store.copy(f"inputs/{new_id()}/song.mp3", target)
    assert store.size(target) is None


def test_missing_file_is_reported(store: ObjectStore) -> None:
    key = f"outputs/{new_id()}/vocals.wav"
    assert store.size(key) is None
    with pytest.raises(FileNotFoundError):
        store.head(key, 1)
    with pytest.raises(FileNotFoundError), store.local_file(key):
        pass


def test_deletes_only_the_folder_of_the_prefix(store: ObjectStore, put: Put) -> None:
    one, other = new_id(), new_id()
    for key in (f"outputs/{one}/vocals.wav", f"outputs/{one}/drums.wav", f"inputs/{one}/song.mp3"):
        put(key)
    put(f"outputs/{other}/vocals.wav")
    assert store.delete(f"outputs/{one}/") == 2
    assert store.size(f"outputs/{one}/vocals.wav") is None
    assert store.size(f"inputs/{one}/song.mp3") == store.size(f"outputs/{other}/vocals.wav") == 4
    assert store.delete(f"outputs/{one}/") == 0


def test_discards_only_the_named_files(store: ObjectStore, put: Put) -> None:
    keys = [f"outputs/{new_id()}/{name}.play" for name in ("a-0", "a-1", "b-0")]
    for key in keys:
        put(key)
    store.discard([keys[0], keys[2], keys[2].replace("b-0", "missing")])
    assert [store.size(key) for key in keys] == [None, 4, None]
    store.discard(keys[:1])
    store.discard([])


def test_lists_sessions_that_have_files(store: ObjectStore, put: Put) -> None:
    one, other = new_id(), new_id()
    assert set(store.session_ids()) == set()
    put(f"inputs/{one}/song.mp3")
    put(f"outputs/{one}/vocals.wav")
    put(f"mixes/{other}/mix.mp3")
    put(f"kept/{other}/vocals.wav")
    assert set(store.session_ids()) == {one, other}
    store.delete(f"kept/{other}/")
    store.delete(f"mixes/{other}/")
    assert set(store.session_ids()) == {one}


def test_links_do_not_need_an_existing_file(store: ObjectStore) -> None:
    key = f"inputs/{new_id()}/song.mp3"
    links = {
        store.upload_url(key, "audio/mpeg", 3600, 100),
        store.upload_url(key, "", 3600, 100),
        store.download_url(key, 3600),
        store.download_url(key, 3600, "Für Elise – „live“ & more.wav"),
    }
    assert len(links) == 4
    assert all(key in link for link in links)


def test_free_space_is_positive_or_unlimited(store: ObjectStore) -> None:
    free = store.free_bytes()
    assert free is None or free > 0


# Uploads in parts

FIRST, LAST = b"a" * (5 << 20), b"the end"
"""S3 accepts no smaller part than 5 MB, except the last."""


def send(store: ObjectStore, key: str, upload_id: str, number: int, data: bytes) -> None:
    """Send a part to its link, as a client does."""
    url = store.part_url(key, upload_id, number, len(data), 3600)
    if isinstance(store, MemoryObjects):
        store.begun[upload_id][number] = data
    elif isinstance(store, FolderStore | BucketStore):
        path, _, query = url.removeprefix("/files/").partition("?")
        grant = store.links.check("PUT", path, dict(parse_qsl(query, keep_blank_values=True)))
        assert grant.size == len(data)
        with store.write(grant.key) as part:
            part.write(data)
            part.commit()
    else:
        assert urllib3.request("PUT", url, body=data).status == 200


def ended(store: ObjectStore, key: str, upload_id: str) -> bool:
    """Whether the store has no part of the upload."""
    try:
        return not store.parts(key, upload_id)
    except FileNotFoundError:
        return True


def test_parts_become_one_file_when_they_are_joined(store: ObjectStore) -> None:
    key = f"inputs/{new_id()}/song.mp3"
    upload_id = store.begin_parts(key, "audio/mpeg")
    assert store.parts(key, upload_id) == {}
    send(store, key, upload_id, 2, LAST)
    assert store.parts(key, upload_id) == {2: len(LAST)}
    send(store, key, upload_id, 1, FIRST)
    assert store.parts(key, upload_id) == {1: len(FIRST), 2: len(LAST)}
    assert store.size(key) is None
    store.join_parts(key, upload_id, 2)
    with store.local_file(key) as file:
        assert file.read_bytes() == FIRST + LAST
    assert ended(store, key, upload_id)
    assert store.delete(key.rpartition("/")[0] + "/") == 1


def test_part_that_is_sent_again_replaces_the_first_one(store: ObjectStore) -> None:
    key = f"inputs/{new_id()}/song"
    upload_id = store.begin_parts(key, "")
    for data in (b"first, and longer", LAST):
        send(store, key, upload_id, 1, data)
    assert store.parts(key, upload_id) == {1: len(LAST)}
    store.join_parts(key, upload_id, 1)
    assert store.head(key, 100) == LAST


def test_missing_part_is_reported_and_leaves_no_file(store: ObjectStore) -> None:
    key = f"inputs/{new_id()}/song.mp3"
    upload_id = store.begin_parts(key, "audio/mpeg")
    send(store, key, upload_id, 2, LAST)
    with pytest.raises(FileNotFoundError):
        store.join_parts(key, upload_id, 2)
    assert store.size(key) is None
    assert store.parts(key, upload_id) == {2: len(LAST)}


def test_aborted_upload_leaves_nothing(store: ObjectStore) -> None:
    key = f"inputs/{new_id()}/song.mp3"
    upload_id, other = store.begin_parts(key, "audio/mpeg"), store.begin_parts(key, "audio/mpeg")
    send(store, key, upload_id, 1, LAST)
    send(store, key, other, 1, LAST)
    store.abort_parts(key, upload_id)
    store.abort_parts(key, upload_id)
    assert ended(store, key, upload_id)
    with pytest.raises(FileNotFoundError):
        store.join_parts(key, upload_id, 1)
    store.join_parts(key, other, 1)
    assert store.head(key, 100) == LAST
