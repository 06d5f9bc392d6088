"""Contract of every ObjectStore."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.jobs.memory import MemoryObjects
from tests.simulators.moto_server import new_bucket

from unbraid.aws.objects import S3Store
from unbraid.jobs.ports import ObjectStore
from unbraid.jobs.session import new_id
from unbraid.local.files import FolderStore
from unbraid.local.links import Links

Put = Callable[..., None]


@pytest.fixture(params=["memory", "folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "memory":
        return MemoryObjects()
    if request.param == "s3":
        request.getfixturevalue("aws")
        return S3Store(new_bucket(), tmp_path / "scratch")
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


def test_lists_sessions_that_have_files(store: ObjectStore, put: Put) -> None:
    one, other = new_id(), new_id()
    assert set(store.session_ids()) == set()
    put(f"inputs/{one}/song.mp3")
    put(f"outputs/{one}/vocals.wav")
    put(f"mixes/{other}/mix.mp3")
    assert set(store.session_ids()) == {one, other}
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
